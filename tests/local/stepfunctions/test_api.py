"""The Step Functions API: codes, messages, pages, idempotency."""

from __future__ import annotations

import json
from typing import Any

import pytest
from states_stage import ROLE, Execution, Stage, distributed, until

from fanfold.local.protocol import ServiceError

PASS = {"Type": "Pass", "End": True}
WAIT = {"Type": "Wait", "Seconds": 60, "End": True}
DEFINITION = '{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'
CREATED = {"name": "a", "definition": DEFINITION, "roleArn": ROLE}
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:machine-1"


def code(stage: Stage, operation: str, **request: Any) -> tuple[str, str]:
    """Return the code and message of the error an operation answers with."""
    with pytest.raises(ServiceError) as caught:
        stage.service.handle(operation, request)
    return caught.value.code, caught.value.message


def test_start_is_idempotent_while_it_runs(stage: Stage) -> None:
    """Same name and input give the same execution; another input is a conflict."""
    arn = stage.create({"StartAt": "W", "States": {"W": WAIT}})
    request = {"stateMachineArn": arn, "name": "one", "input": "{}"}
    first = stage.service.handle("StartExecution", request)

    assert stage.service.handle("StartExecution", request) == first
    assert code(stage, "StartExecution", **{**request, "input": "[]"}) == (
        "ExecutionAlreadyExists",
        f"Execution Already Exists: '{first['executionArn']}'",
    )


@pytest.mark.parametrize(
    ("operation", "request_", "expected"),
    [
        ("DescribeStateMachine", {"stateMachineArn": "x"}, "InvalidArn"),
        ("DescribeStateMachine", {"stateMachineArn": f"{MACHINE}-none"}, "StateMachineDoesNotExist"),
        ("DescribeStateMachine", {}, "ValidationException"),
        ("StartExecution", {"stateMachineArn": MACHINE, "input": "{"}, "InvalidExecutionInput"),
        ("StartExecution", {"stateMachineArn": MACHINE, "input": '{"a": NaN}'}, "InvalidExecutionInput"),
        ("StartExecution", {"stateMachineArn": MACHINE, "input": "[" * 100_000}, "InvalidExecutionInput"),
        ("StartExecution", {"stateMachineArn": MACHINE, "name": "a b"}, "InvalidName"),
        ("StartExecution", {"stateMachineArn": MACHINE.replace("stateMachine", "execution")}, "InvalidArn"),
        ("CreateStateMachine", {"name": "a/b", "definition": "{}", "roleArn": ROLE}, "InvalidName"),
        ("CreateStateMachine", {"name": "a", "definition": "{}", "roleArn": ROLE}, "InvalidDefinition"),
        (
            "CreateStateMachine",
            {"name": "a", "definition": "{}", "roleArn": ROLE, "type": "EXPRESS"},
            "StateMachineTypeNotSupported",
        ),
        ("CreateStateMachine", {"name": 1, "definition": "{}", "roleArn": ROLE}, "ValidationException"),
        ("UpdateStateMachine", {"stateMachineArn": MACHINE}, "MissingRequiredParameter"),
        ("ListExecutions", {"stateMachineArn": MACHINE, "nextToken": "?"}, "InvalidToken"),
        ("ListExecutions", {}, "ValidationException"),
        ("DescribeMapRun", {"mapRunArn": f"{MACHINE.replace('stateMachine', 'mapRun')}/L:x"}, "ResourceNotFound"),
        (
            "RedriveExecution",
            {"executionArn": f"{MACHINE.replace('stateMachine', 'execution')}/L:x"},
            "ValidationException",
        ),
        ("RedriveExecution", {"executionArn": f"{MACHINE.replace('stateMachine', 'express')}/L:x:y"}, "InvalidArn"),
        ("GetExecutionHistory", {"executionArn": f"{MACHINE.replace('stateMachine', 'express')}/L:x:y"}, "InvalidArn"),
        ("Fly", {}, "UnknownOperationException"),
        ("CreateStateMachine", {"name": "a", "definition": DEFINITION, "roleArn": "role"}, "InvalidArn"),
        ("CreateStateMachine", {**CREATED, "loggingConfiguration": {"level": "ALL"}}, "InvalidLoggingConfiguration"),
        ("CreateStateMachine", {**CREATED, "loggingConfiguration": {"level": "LOUD"}}, "ValidationException"),
        ("CreateStateMachine", {**CREATED, "tags": [1]}, "ValidationException"),
        ("CreateStateMachine", {**CREATED, "versionDescription": "first"}, "ValidationException"),
        ("UpdateStateMachine", {"stateMachineArn": MACHINE, "definition": None}, "MissingRequiredParameter"),
        ("UpdateStateMachine", {"stateMachineArn": MACHINE, "roleArn": "role"}, "InvalidArn"),
        ("StartExecution", {"stateMachineArn": f"{MACHINE}/Items"}, "ValidationException"),
        ("StartExecution", {"stateMachineArn": MACHINE, "input": "\ud800" * 90_000}, "ValidationException"),
        ("ListExecutions", {"stateMachineArn": MACHINE, "redriveFilter": "REDRIVEN"}, "ValidationException"),
        ("ListExecutions", {"stateMachineArn": MACHINE, "statusFilter": "PENDING_REDRIVE"}, "ValidationException"),
        ("ListTagsForResource", {"resourceArn": f"{MACHINE}-none"}, "ResourceNotFound"),
    ],
)
def test_error_codes(stage: Stage, operation: str, request_: dict[str, Any], expected: str) -> None:
    """Every refusal has AWS's code."""
    stage.create({"StartAt": "P", "States": {"P": PASS}}, "machine-1")

    assert code(stage, operation, **request_)[0] == expected


def test_validation_messages_have_the_shape_of_aws(stage: Stage) -> None:
    """The message counts the faults and names value, member and constraint."""
    assert code(stage, "ListExecutions", statusFilter="done", maxResults=2_000) == (
        "ValidationException",
        "2 validation errors detected: "
        "Value 'done' at 'statusFilter' failed to satisfy constraint: Member must satisfy enum value set: "
        "[RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED, PENDING_REDRIVE]; "
        "Value '2000' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000",
    )


def test_invalid_definition_names_the_path(stage: Stage) -> None:
    """InvalidDefinition lists code, message and place."""
    text = json.dumps({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}})

    assert code(stage, "CreateStateMachine", name="a", definition=text, roleArn=ROLE) == (
        "InvalidDefinition",
        "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next'",
    )


def test_history_in_pages_backwards_and_without_data(stage: Stage) -> None:
    """maxResults, nextToken, reverseOrder and includeExecutionData do what they say."""
    execution = stage.run({"P": PASS}, {"a": 1})

    first = execution.ask("GetExecutionHistory", maxResults=3, reverseOrder=True)
    rest = execution.ask("GetExecutionHistory", maxResults=3, reverseOrder=True, nextToken=first["nextToken"])

    assert [event["id"] for event in [*first["events"], *rest["events"]]] == [4, 3, 2, 1]
    assert "nextToken" not in rest
    bare = execution.ask("GetExecutionHistory", includeExecutionData=False)["events"]
    assert bare[1]["stateEnteredEventDetails"] == {"name": "P"}


def test_children_in_pages(stage: Stage) -> None:
    """Children of a map run are listed newest first, running ones among them, page by page."""
    execution = stage.run({"All": distributed(PASS, "EXPRESS", Items="{% [1..7] %}")})
    arn = execution.map_run["mapRunArn"]

    listed: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = stage.service.handle("ListExecutions", {"mapRunArn": arn, "maxResults": 3, **token})
        listed += [child["name"] for child in page["executions"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}

    assert listed == [child["name"] for child in reversed(execution.children)]
    assert len(set(listed)) == 7


def test_an_express_child_is_described_but_has_no_history(stage: Stage) -> None:
    """DescribeExecution takes the ARN of an EXPRESS child."""
    execution = stage.run({"All": distributed(PASS, "EXPRESS", Items=["x"])})
    arn = execution.children[0]["executionArn"]

    described = stage.service.handle("DescribeExecution", {"executionArn": arn})

    assert (described["input"], described["output"], described["status"]) == ('"x"', '"x"', "SUCCEEDED")


def test_tags(stage: Stage) -> None:
    """Tags are kept with the machine."""
    arn = stage.create({"StartAt": "P", "States": {"P": PASS}})

    stage.service.handle("TagResource", {"resourceArn": arn, "tags": [{"key": "a", "value": "1"}, {"key": "b"}]})
    stage.service.handle("UntagResource", {"resourceArn": arn, "tagKeys": ["b"]})

    assert stage.service.handle("ListTagsForResource", {"resourceArn": arn}) == {"tags": [{"key": "a", "value": "1"}]}


def test_executions_keep_the_definition_they_started_with(stage: Stage) -> None:
    """An update is for later executions; a deleted machine is gone."""
    execution = stage.start({"W": WAIT})
    machine = execution.described["stateMachineArn"]
    before = execution.ask("DescribeStateMachineForExecution")["definition"]

    stage.service.handle("UpdateStateMachine", {"stateMachineArn": machine, "roleArn": f"{ROLE}2"})
    stage.service.handle("DeleteStateMachine", {"stateMachineArn": machine})

    assert execution.ask("DescribeStateMachineForExecution")["definition"] == before
    assert stage.service.handle("ListStateMachines", {})["stateMachines"] == []


def test_close_ends_what_waits(stage: Stage) -> None:
    """Closing the service ends threads that sleep in a Wait."""
    execution: Execution = stage.start({"All": distributed(WAIT, "EXPRESS", Items=[1])})
    until(lambda: execution.map_run["itemCounts"]["running"])

    stage.service.close()

    until(lambda: execution.map_run["status"] != "RUNNING")


def test_update_of_a_finished_run_is_refused(stage: Stage) -> None:
    """Limits of a run that is over cannot change."""
    execution = stage.run({"All": distributed(PASS, Items=[1])})

    error = code(stage, "UpdateMapRun", mapRunArn=execution.map_run["mapRunArn"], maxConcurrency=1)

    assert error[0] == "ValidationException"


def test_creating_again_overlooks_role_and_tags(stage: Stage) -> None:
    """A second creation is the first when definition, logging and tracing are the same."""
    first = stage.service.handle("CreateStateMachine", CREATED)
    other = {**CREATED, "roleArn": f"{ROLE}2", "tags": [{"key": "a", "value": "1"}]}

    assert stage.service.handle("CreateStateMachine", other) == first
    assert (
        stage.service.handle("DescribeStateMachine", {"stateMachineArn": first["stateMachineArn"]})["roleArn"] == ROLE
    )
    traced = {**CREATED, "tracingConfiguration": {"enabled": True}}
    assert code(stage, "CreateStateMachine", **traced)[0] == "StateMachineAlreadyExists"


def test_a_redrive_asked_for_again_is_the_same_redrive(stage: Stage) -> None:
    """The token of an earlier redrive gets its date, whatever became of the execution since."""
    execution = stage.run({"F": {"Type": "Fail"}})
    first = execution.ask("RedriveExecution", clientToken="a")
    execution.wait()
    execution.ask("RedriveExecution", clientToken="b")
    execution.wait()

    assert execution.ask("RedriveExecution", clientToken="a") == first
    assert (execution.status, execution.described["redriveCount"]) == ("FAILED", 2)
    assert execution.events == [
        "ExecutionStarted",
        "FailStateEntered",
        "ExecutionFailed",
        *(["ExecutionRedriven", "ExecutionFailed"] * 2),
    ]


def test_a_redriven_execution_is_listed_first(stage: Stage) -> None:
    """Executions are listed by when they last began or ended."""
    arn = stage.create({"StartAt": "F", "States": {"F": {"Type": "Fail"}}})
    started = []
    for name in ("one", "two"):
        request = {"stateMachineArn": arn, "name": name}
        started.append(Execution(stage, stage.service.handle("StartExecution", request)["executionArn"]).wait())
    started[0].ask("RedriveExecution")
    started[0].wait()

    listed = stage.service.handle("ListExecutions", {"stateMachineArn": arn})["executions"]

    assert [each["name"] for each in listed] == ["one", "two"]


def test_the_oldest_executions_are_forgotten_with_their_children(stage: Stage) -> None:
    """Memory stays bounded: of more than a thousand executions the oldest that are over go."""
    running = stage.start({"W": WAIT})
    mapped = stage.run({"All": distributed(PASS, Items=[1])})
    arn, child = mapped.map_run["mapRunArn"], mapped.children[0]["executionArn"]
    machine = stage.create({"StartAt": "P", "States": {"P": PASS}})

    for _ in range(1_000):
        stage.service.handle("StartExecution", {"stateMachineArn": machine})

    assert running.status == "RUNNING"
    assert code(stage, "DescribeExecution", executionArn=mapped.arn)[0] == "ExecutionDoesNotExist"
    assert code(stage, "DescribeExecution", executionArn=child)[0] == "ExecutionDoesNotExist"
    assert code(stage, "DescribeMapRun", mapRunArn=arn)[0] == "ResourceNotFound"
