"""The shipped workflows obey the rules, and each rule notices when one is broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.workflows.breaking import drop, put, swap
from tests.workflows.machine import repeated_keys
from tests.workflows.rules import RULES, findings, substitutions

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / "workflows").glob("*.asl.json"))


def definition(path):
    return json.loads(path.read_text())


def given(path):
    """What the template fills into a workflow."""
    resources = yaml_parse((ROOT / "template.yaml").read_text())["Resources"].values()
    machines = [each["Properties"] for each in resources if each["Type"] == "AWS::Serverless::StateMachine"]
    return {each["DefinitionUri"]: set(each["DefinitionSubstitutions"]) for each in machines}[f"workflows/{path.name}"]


PROCESS = definition(ROOT / "workflows/process.asl.json")
GIVEN = given(ROOT / "workflows/process.asl.json")
MAPS = ("Process prefix", "Process CSV manifest", "Process JSONL manifest")
PREFIX, CSV, JSONL = (f"States/{name}" for name in MAPS)
IN_CSV = f"{CSV}/ItemProcessor/States"
RETRY = "States/Prepare/Retry/0"

BROKEN = [
    # names and ways
    (swap('"Done"', '"Batch done (Csv)"'), ["Batch done (Csv): 2 states have this name"]),
    (swap('"Done"', f'"{"n" * 81}"'), [f"{'n' * 81}: the name is longer than 80 characters"]),
    (put("States/Verdict/Default", "Fail"), [
        "Verdict: Default names no state: Fail",
        "Failed: no way leads here",
    ]),
    (put("States/Prepare/Catch/0/Next", "Invalid"), ["Prepare: Catch/0/Next names no state: Invalid"]),
    (put("States/Verdict/Choices/0/Next", "Failed"), ["Done: no way leads here"]),
    (put("StartAt", "Prepared"), [
        "StartAt names no state: Prepared",
        *[f"{name}: no way leads here" for name in PROCESS["States"]],
    ]),
    (drop("States/Verdict/Default"), [
        "Verdict: no Default: what fits no choice would end the run",
        "Failed: no way leads here",
    ]),
    (put("States/Summarize/End", True), ["Summarize: exactly one of Next and End must be there"]),
    # fields
    (drop("QueryLanguage"), ["the machine's QueryLanguage is not JSONata"]),
    (put("States/Check/QueryLanguage", "JSONPath"), ["Check: QueryLanguage is not JSONata"]),
    (put("States/Check/OutputPath", "$.Payload"), ["Check: OutputPath belongs to JSONPath"]),
    (put("States/Check/Arguments/Payload/job.$", "$"), ["Check: Arguments/Payload/job.$ belongs to JSONPath"]),
    (put("States/Done/Next", "Failed"), ["Done: a Succeed has no field Next"]),
    (put("States/Check/TimeoutSecond", 5), ["Check: a Task has no field TimeoutSecond"]),
    # retries
    (put(f"{RETRY}/JitterStrategy", "NONE"), ["Prepare: Retry/0: JitterStrategy is not FULL"]),
    (drop(f"{RETRY}/MaxDelaySeconds"), ["Prepare: Retry/0: no MaxDelaySeconds"]),
    (put(f"{RETRY}/ErrorEquals/4", "States.ALL"), [
        "Prepare: Retry/0: States.ALL is not to be retried",
        "Prepare: TransientError is not retried",
    ]),
    (put("States/Announce/Retry/0/ErrorEquals/2", "States.ALL"), [
        "Announce: Retry/0: States.ALL is not to be retried",
        "Announce: EventBridge.SdkClientException is not retried",
    ]),
    (swap('"Comment": "Every object below a prefix."',
          f'"Retry": [{json.dumps(PROCESS["States"]["Check"]["Retry"][0])}]'), [
        "Process prefix: a Map is not retried: all of its items would run again",
        "Process CSV manifest: differs from Process prefix at Retry",
        "Process JSONL manifest: differs from Process prefix at Retry",
    ]),
    # expressions
    (put("States/Check/Arguments/FunctionName", "{% $plan.function %} "), [
        "Check: Arguments/FunctionName: an expression starts with {% and ends with %}: {% $plan.function %} ",
    ]),
    (put("States/Check/Next", "{% $plan.next %}"), [
        "Check: Next names no state: {% $plan.next %}",
        *[f"{name}: no way leads here" for name in list(PROCESS["States"])[2:-2]],
        "Unknown source: no way leads here",
        "Check: Next: only a literal can stand here: {% $plan.next %}",
    ]),
    (put(f"{CSV}/ItemReader/ReaderConfig/CSVHeaderLocation", "{% $plan.header %}"), [
        "Process CSV manifest: ItemReader/ReaderConfig/CSVHeaderLocation: only a literal can stand here: "
        "{% $plan.header %}",
        "Process CSV manifest: ItemReader: CSVHeaderLocation cannot be {% $plan.header %}",
    ]),
    (put("States/Verdict/Choices/0/Condition", "{% $states.input.state = %}"), [
        "Verdict: Choices/0/Condition: Unexpected end of expression: {% $states.input.state = %}",
    ]),
    (put("States/Check/Arguments/FunctionName", "{% $states.result %}"), [
        "Check: Arguments/FunctionName: no $states.result here",
    ]),
    (put("States/Prepare/Output", "{% $states.errorOutput.Cause %}"), ["Prepare: Output: no $states.errorOutput here"]),
    (put("States/Prepare/Catch/0/Output", "{% $states.result %}"), ["Prepare: Catch/0/Output: no $states.result here"]),
    (put("States/Prepare/Output", "{% $states.inputs %}"), ["Prepare: Output: no $states.inputs here"]),
    (put("States/Done/Output", "{% $states.result %}"), ["Done: Output: no $states.result here"]),
    (put("States/Done/Output", "{% plan.run %}"), ["Done: Output: 'plan' is a field of nothing"]),
    (put("States/Done/Output", "{% $plan.runs[$ != ''] ~> $map(function($v) { $.run }) %}"), [
        "Done: Output: '$' is a field of nothing",
    ]),
    # variables
    (put("States/Done/Output", "{% $plam.run %}"), ["Done: Output: $plam is not assigned on every way here"]),
    (put("States/Done/Output", "{% $eval('1') %}"), ["Done: Output: $eval is not assigned on every way here"]),
    (put("States/Prepare/Arguments/Payload/old", "{% $plan %}"), [
        "Prepare: Arguments/Payload/old: $plan is not assigned on every way here",
    ]),
    (put("States/Invalid job/Cause", "{% $options.width %}"), [
        "Invalid job: Cause: $options is not assigned on every way here",
    ]),
    (swap("{% $states.input.BatchInput.function %}", "{% $plan.function %}"), [
        f"Process batch ({label}): Arguments/FunctionName: $plan is not assigned on every way here"
        for label in ("Prefix", "Csv", "Jsonl")
    ]),
    # labels
    (drop(f"{JSONL}/Label"), ["Process JSONL manifest: no Label"]),
    (swap("Jsonl", "j" * 41), [f"Process JSONL manifest: Label is longer than 40 characters: {'j' * 41}"]),
    (swap("Jsonl", "Json lines"), [
        "Process JSONL manifest: Label has a character that ARNs do not take: Json lines",
    ]),
    (swap("Jsonl", "Csv"), [
        *[f"{name} (Csv): 2 states have this name"
          for name in ("Process batch", "All items failed?", "All items failed", "Batch done")],
        "Process JSONL manifest: Label is another map's: Csv",
    ]),
    # siblings
    (put(f"{IN_CSV}/Process batch (Csv)/Retry/0/MaxAttempts", 3), [
        "Process CSV manifest: its processor differs from that of Process prefix at "
        "States/Process batch (Csv)/Retry/0/MaxAttempts".replace("(Csv)", "(label)"),
    ]),
    (drop(f"{JSONL}/ItemBatcher/BatchInput/overwrite"), [
        "Process JSONL manifest: differs from Process prefix at ItemBatcher/BatchInput/overwrite",
    ]),
    # readers
    (put(f"{PREFIX}/ItemReader/Resource", "arn:aws:states:::s3:getObject"), [
        "Process prefix: ItemReader: no Key among the Arguments",
        "Process prefix: ItemReader: no InputType",
    ]),
    (put(f"{PREFIX}/ItemReader/Resource", "arn:aws:states:::s3:listObjects"), [
        "Process prefix: ItemReader: Resource is neither s3:listObjectsV2 nor s3:getObject",
        "Process prefix: ItemReader: no Key among the Arguments",
        "Process prefix: ItemReader: no InputType",
    ]),
    (drop(f"{PREFIX}/ItemReader/Arguments/Bucket"), ["Process prefix: ItemReader: no Bucket among the Arguments"]),
    (put(f"{PREFIX}/ItemReader/ReaderConfig/InputType", "CSV"), [
        "Process prefix: ItemReader: InputType is not for items without rows",
        "Process prefix: ItemReader: CSV without CSVHeaderLocation",
    ]),
    (put(f"{JSONL}/ItemReader/ReaderConfig/InputType", "NDJSON"), [
        "Process JSONL manifest: ItemReader: InputType cannot be NDJSON",
    ]),
    (put(f"{JSONL}/ItemReader/ReaderConfig/Format", "LINES"), [
        "Process JSONL manifest: ItemReader: ReaderConfig has no field Format",
    ]),
    (put(f"{CSV}/ItemReader/ReaderConfig/CSVDelimiter", ";"), [
        "Process CSV manifest: ItemReader: CSVDelimiter cannot be ;",
    ]),
    (drop(f"{CSV}/ItemReader/ReaderConfig/CSVHeaderLocation"), [
        "Process CSV manifest: ItemReader: CSV without CSVHeaderLocation",
    ]),
    (put(f"{CSV}/ItemReader/ReaderConfig/CSVHeaderLocation", "GIVEN"), [
        "Process CSV manifest: ItemReader: headers are GIVEN, but there are no CSVHeaders",
    ]),
    # batches and results, of all maps at once: one alone would also differ from its siblings
    (swap('"MaxItemsPerBatch"', '"MaxInputBytesPerBatch"'), [
        f"{name}: no MaxItemsPerBatch in ItemBatcher"
        for name in MAPS
    ]),
    (swap('"Transformation": "FLATTEN"', '"Transformation": "COMPACT"'), [
        f"{name}: ResultWriter: Transformation must be FLATTEN, not COMPACT"
        for name in MAPS
    ]),
    (swap(', "OutputType": "JSONL"', ""), [
        f"{name}: ResultWriter: OutputType must be JSONL, not None"
        for name in MAPS
    ]),
    (swap("s3:putObject", "s3:copyObject"), [
        f"{name}: ResultWriter: Resource is not s3:putObject"
        for name in MAPS
    ]),
    (swap('"DISTRIBUTED"', '"INLINE"'), [
        f"{name}: ProcessorConfig: Mode is not DISTRIBUTED"
        for name in MAPS
    ]),
    (swap('"${ChildType}"', '"FAST"'), [
        *[f"{name}: ProcessorConfig: ExecutionType is not EXPRESS, STANDARD or ${{ChildType}}"
          for name in MAPS],
        "DefinitionSubstitutions: ChildType is not used",
    ]),
    (swap('"{% $plan.concurrency %}"', "1000"), [
        f"{name}: MaxConcurrency does not come from the plan or the pass: 1000"
        for name in MAPS
    ]),
    (swap('"ToleratedFailurePercentage": "{% $pass.tolerated_percent %}"', '"ToleratedFailureCount": 5'), [
        f"{name}: ToleratedFailurePercentage does not come from the plan or the pass: None"
        for name in MAPS
    ]),
    # substitutions
    (put("States/Check/Comment", "${CheckArn}"), ["${CheckArn} is not among the DefinitionSubstitutions"]),
    (swap("${PrepareFunctionArn}", "prepare"), ["DefinitionSubstitutions: PrepareFunctionArn is not used"]),
]  # fmt: skip


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_shipped_workflow_has_no_findings(path):
    assert findings(definition(path), given(path)) == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_shipped_workflow_says_nothing_twice(path):
    assert repeated_keys(path.read_text()) == []


@pytest.mark.parametrize(("broken", "expected"), BROKEN, ids=[expected[0] for _, expected in BROKEN])
def test_a_broken_workflow_is_found_out(broken, expected):
    shipped = findings(PROCESS, GIVEN)

    assert [each for each in findings(broken(PROCESS), GIVEN) if each not in shipped] == expected


def test_every_rule_finds_something_somewhere():
    assert [rule.__name__ for rule in RULES if not any(rule(broken(PROCESS)) for broken, _ in BROKEN)] == []


def test_a_key_that_stands_twice_is_found():
    assert repeated_keys('{"States": {"A": {}, "B": {}, "A": {}}}') == ["key 'A' stands twice in one object"]


def test_variables_are_followed_around_loops_and_into_branches():
    """A loop may use what was assigned before it; an inline branch sees what is outside, a later state not inside."""
    flow = {
        "QueryLanguage": "JSONata",
        "StartAt": "First",
        "States": {
            "First": {"Type": "Pass", "Assign": {"pass": 1}, "Next": "Again"},
            "Again": {"Type": "Pass", "Assign": {"pass": "{% $pass + 1 %}"}, "Next": "Both"},
            "Both": {
                "Type": "Parallel",
                "Branches": [
                    {
                        "StartAt": "Inside",
                        "States": {"Inside": {"Type": "Pass", "Assign": {"inner": "{% $pass %}"}, "End": True}},
                    }
                ],
                "Output": "{% $inner %}",
                "Next": "Enough?",
            },
            "Enough?": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $pass < 3 %}", "Next": "Again"}],
                "Default": "Done",
            },
            "Done": {"Type": "Succeed"},
        },
    }

    assert findings(flow, []) == ["Both: Output: $inner is not assigned on every way here"]


def test_substitutions_are_compared_both_ways():
    assert substitutions({"Resource": "${A}", "Comment": "${B}"}, {"B", "C"}) == [
        "${A} is not among the DefinitionSubstitutions",
        "DefinitionSubstitutions: C is not used",
    ]
