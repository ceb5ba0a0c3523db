"""Definitions that are refused, and where they are wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from states_stage import distributed, reading, task, writing

from fanfold.local.stepfunctions.definition import validate_definition

PASS: dict[str, Any] = {"Type": "Pass", "End": True}


def faults(state: Any, **machine: Any) -> list[tuple[str, str]]:
    """Return code and place of each fault of a machine with one state, Main."""
    definition = {"QueryLanguage": "JSONata", "StartAt": "Main", "States": {"Main": state}, **machine}
    return [(each.code, each.location) for each in validate_definition(json.dumps(definition))]


SCHEMA = "SCHEMA_VALIDATION_FAILED"
MAIN = "/States/Main"


@pytest.mark.parametrize(
    "state",
    [
        PASS,
        {"Type": "Succeed"},
        {"Type": "Fail"},
        task("f", TimeoutSeconds="{% 5 %}"),
        distributed(PASS, Items=[1], ItemBatcher={"MaxItemsPerBatch": "{% 2 %}"}, ResultWriter=writing()),
        distributed(PASS, ItemReader=reading("listObjectsV2", {}), ToleratedFailurePercentage=0.5),
        {"Type": "Pass", "Assign": {"a_1": "{% $states.context.Execution.Id %}"}, "End": True},
        {**task("f"), "Resource": "arn:aws:states:::aws-sdk:sfn:startExecution"},
    ],
)
def test_accepted(state: Any) -> None:
    """What AWS accepts is accepted."""
    assert faults(state) == []


@pytest.mark.parametrize(
    ("state", "code", "place"),
    [
        ({"Type": "Jump"}, SCHEMA, f"{MAIN}/Type"),
        ({"End": True}, SCHEMA, f"{MAIN}/Type"),
        (3, SCHEMA, MAIN),
        ({"Type": "Pass"}, SCHEMA, MAIN),
        ({**PASS, "Next": "Main"}, SCHEMA, MAIN),
        ({"Type": "Pass", "Next": "None"}, "MISSING_TRANSITION_TARGET", f"{MAIN}/Next"),
        ({**PASS, "ResultPath": "$.x"}, SCHEMA, f"{MAIN}/ResultPath"),
        ({**PASS, "InputPath": "$"}, SCHEMA, f"{MAIN}/InputPath"),
        ({**PASS, "Parameters": {}}, SCHEMA, f"{MAIN}/Parameters"),
        ({**PASS, "Colour": 1}, SCHEMA, f"{MAIN}/Colour"),
        ({**PASS, "Output": {"a": ["{% 1 + %}"]}}, SCHEMA, f"{MAIN}/Output/a[0]"),
        ({**PASS, "Output": "{% 1"}, SCHEMA, f"{MAIN}/Output"),
        ({**PASS, "Output": "{% $states.inputs %}"}, SCHEMA, f"{MAIN}/Output"),
        ({**PASS, "Output": "{% $states.result %}"}, SCHEMA, f"{MAIN}/Output"),
        (task("f", Output="{% $states.errorOutput %}"), SCHEMA, f"{MAIN}/Output"),
        ({**PASS, "Assign": {"states": 1}}, SCHEMA, f"{MAIN}/Assign"),
        ({**PASS, "Assign": {"a-b": 1}}, SCHEMA, f"{MAIN}/Assign"),
        (task("f", "{% $states.result %}"), SCHEMA, f"{MAIN}/Arguments/Payload"),
        ({**task("f"), "Resource": "arn:aws:states:::lambda:send"}, SCHEMA, f"{MAIN}/Resource"),
        ({**task("f"), "Resource": "arn:aws:states:::aws-sdk:s3:eatObject"}, SCHEMA, f"{MAIN}/Resource"),
        ({**task("f"), "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken"}, SCHEMA, f"{MAIN}/Resource"),
        (task("f", Retry=[{"MaxAttempts": 1}]), SCHEMA, f"{MAIN}/Retry[0]"),
        (task("f", Retry=[{"ErrorEquals": ["States.ALL", "A"]}]), SCHEMA, f"{MAIN}/Retry[0]/ErrorEquals"),
        (task("f", Catch=[{"ErrorEquals": ["A"], "Next": "B"}]), "MISSING_TRANSITION_TARGET", f"{MAIN}/Catch[0]/Next"),
        ({"Type": "Wait", "End": True}, SCHEMA, MAIN),
        ({"Type": "Wait", "Seconds": -1, "End": True}, SCHEMA, f"{MAIN}/Seconds"),
        ({"Type": "Choice", "Choices": []}, SCHEMA, f"{MAIN}/Choices"),
        ({"Type": "Choice", "Choices": [{"Next": "Main"}]}, SCHEMA, f"{MAIN}/Choices[0]"),
        (distributed(PASS, Label="L" * 41), SCHEMA, f"{MAIN}/Label"),
        (distributed(PASS, Label="a:b"), SCHEMA, f"{MAIN}/Label"),
        (distributed(PASS, ToleratedFailurePercentage=101), SCHEMA, f"{MAIN}/ToleratedFailurePercentage"),
        (distributed(PASS, ItemBatcher={}), SCHEMA, f"{MAIN}/ItemBatcher"),
        (distributed(PASS, ItemBatcher={"MaxItemsPerBatch": 0}), SCHEMA, f"{MAIN}/ItemBatcher/MaxItemsPerBatch"),
        (
            distributed(PASS, ResultWriter=writing(Transformation="FLAT")),
            SCHEMA,
            f"{MAIN}/ResultWriter/WriterConfig/Transformation",
        ),
        (distributed(PASS, ItemReader={"Resource": "arn:aws:states:::s3:getObject"}), SCHEMA, f"{MAIN}/ItemReader"),
        (
            distributed(PASS, ItemReader=reading("putObject", {}, InputType="CSV")),
            SCHEMA,
            f"{MAIN}/ItemReader/Resource",
        ),
        (
            distributed(PASS, ItemReader=reading("getObject", {}, InputType="CSV")),
            SCHEMA,
            f"{MAIN}/ItemReader/ReaderConfig",
        ),
        (
            distributed(distributed(PASS, state="Leaf", Label="Inner"), "EXPRESS"),
            SCHEMA,
            f"{MAIN}/ItemProcessor",
        ),
        (distributed(PASS, state="Main"), "DUPLICATE_STATE_NAME", f"{MAIN}/ItemProcessor/States/Main"),
        ({"Type": "Parallel", "End": True, "Branches": [{"States": {}}]}, SCHEMA, f"{MAIN}/Branches[0]"),
        (
            {"Type": "Parallel", "End": True, "Branches": [{"StartAt": "A", "States": {"A": {"Type": "Pass"}}}]},
            SCHEMA,
            f"{MAIN}/Branches[0]/States/A",
        ),
    ],
)
def test_refused(state: Any, code: str, place: str) -> None:
    """Each fault is found once, with its code and its place."""
    assert faults(state) == [(code, place)]


def test_jsonpath_machines_are_told_what_runs_here() -> None:
    """A JSONPath machine is refused as a whole, in one sentence."""
    for machine in ({}, {"QueryLanguage": "JSONPath"}):
        found = validate_definition(json.dumps({"StartAt": "A", "States": {"A": PASS}, **machine}))

        assert [each.location for each in found] == ["/QueryLanguage"]
        assert found[0].message.startswith("JSONata is what this endpoint runs")


def test_jsonata_may_be_said_state_by_state() -> None:
    """A machine whose every state says JSONata is a JSONata machine."""
    assert (
        validate_definition(json.dumps({"StartAt": "A", "States": {"A": {**PASS, "QueryLanguage": "JSONata"}}})) == []
    )


def test_faults_of_the_machine_itself() -> None:
    """Top-level fields are checked too."""
    assert faults(PASS, TimeoutSeconds=0) == [(SCHEMA, "/TimeoutSeconds")]
    assert faults(PASS, StartAt="None") == [("MISSING_TRANSITION_TARGET", "/StartAt")]
    assert [each.code for each in validate_definition("no")] == ["INVALID_JSON_DESCRIPTION"]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "{% 1 %}", "{% (", "Main", "arn:aws:states:::x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from([task("f"), distributed(PASS, Items=[1]), {"Type": "Parallel", "Branches": []}]), st.data())
def test_junk_is_a_fault_and_never_a_crash(state: dict[str, Any], data: st.DataObject) -> None:
    """Whatever stands in a field, validation answers."""
    fields = ["Retry", "Catch", "Next", "Output", "Assign", "ItemProcessor", "ItemReader", "ItemBatcher", "Branches"]
    field = data.draw(st.sampled_from([*fields, "ResultWriter", "Arguments", "Resource", "Type", "Label"]))

    validate_definition(
        json.dumps(
            {"QueryLanguage": "JSONata", "StartAt": "Main", "States": {"Main": {**state, field: data.draw(JUNK)}}}
        )
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" ", (SCHEMA, "Definition must be a valid JSON object", "")),
        ("[]", (SCHEMA, "Definition must be a valid JSON object", "")),
        ("{}", (SCHEMA, "These fields are required: [States, StartAt]", "/")),
        ("[" * 100_000, ("INVALID_JSON_DESCRIPTION", "The definition is nested too deeply", "")),
        ("no", ("INVALID_JSON_DESCRIPTION", "Expecting value", '[Source: (String)"no"; line: 1, column: 1]')),
    ],
)
def test_what_is_no_definition_at_all(text: str, expected: tuple[str, str, str]) -> None:
    """The code, message and place are those of AWS, but for the words about JSON."""
    assert [(each.code, each.message, each.location) for each in validate_definition(text)] == [expected]


@pytest.mark.parametrize(
    ("state", "place"),
    [
        ({"Type": "Wait", "Timestamp": "2026-03-14 01:59:00Z", "End": True}, "/Timestamp"),
        ({"Type": "Wait", "Timestamp": "2026-03-14T01:59:00", "End": True}, "/Timestamp"),
        ({"Type": "Wait", "Timestamp": "2026-03-14T25:59:00Z", "End": True}, "/Timestamp"),
        ({"Type": "Map", "Items": 5, "ItemProcessor": {"StartAt": "P", "States": {"P": PASS}}, "End": True}, "/Items"),
        ({**task("f"), "Arguments": {"Payload": 1}}, "/Arguments"),
        (task("f", HeartbeatSeconds=5, TimeoutSeconds=5), "/HeartbeatSeconds"),
        (task("f", HeartbeatSeconds="{% 1 + %}"), "/HeartbeatSeconds"),
        (task("f", Retry=[{"ErrorEquals": [1]}]), "/Retry[0]/ErrorEquals"),
        ({**PASS, "QueryLanguage": "JSONPath"}, ""),
    ],
)
def test_faults_of_one_field(state: dict[str, Any], place: str) -> None:
    """The place of the fault is the field."""
    assert faults(state) == [(SCHEMA, f"{MAIN}{place}")]
