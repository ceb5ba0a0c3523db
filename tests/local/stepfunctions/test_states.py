"""States of every type, retried, caught and timed out."""

from __future__ import annotations

import time
from typing import Any

import pytest
from states_stage import Stage, task, until

from fanfold.local.protocol import ServiceError


def test_null_is_a_value_and_not_nothing(stage: Stage) -> None:
    """Nulls survive in fields, lists and variables."""
    states = {
        "Set": {"Type": "Pass", "Assign": {"none": "{% $states.input.a %}"}, "Next": "Use"},
        "Use": {
            "Type": "Pass",
            "Output": {
                "variable": "{% $none %}",
                "first": "{% $states.input.list[0] %}",
                "all": "{% $states.input.list %}",
                "made": "{% [null, 1] %}",
            },
            "End": True,
        },
    }

    got = stage.output(states, {"a": None, "list": [None, 2]})

    assert got == {"variable": None, "first": None, "all": [None, 2], "made": [None, 1]}


def test_half_a_surrogate_pair_is_carried_as_an_escape(stage: Stage) -> None:
    """JSON may hold what UTF-8 cannot: it reaches functions and comes back."""
    stage.functions["f"] = lambda event: event

    assert stage.output({"Do": task("f")}, "\ud800 é") == "\ud800 é"


def test_choice_rules_have_their_own_output_and_assign(stage: Stage) -> None:
    """The rule that matches assigns and gives out; Default uses the state's own."""
    states = {
        "Ask": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $states.input.n > 1 %}", "Next": "End", "Assign": {"v": "big"}, "Output": "rule"}
            ],
            "Default": "End",
            "Assign": {"v": "small"},
            "Output": "default",
        },
        "End": {"Type": "Pass", "Output": {"in": "{% $states.input %}", "v": "{% $v %}"}, "End": True},
    }

    assert stage.output(states, {"n": 2}) == {"in": "rule", "v": "big"}
    assert stage.output(states, {"n": 1}) == {"in": "default", "v": "small"}


def test_choice_without_match_or_default_fails(stage: Stage) -> None:
    """No way on is an error of its own."""
    states = {"Ask": {"Type": "Choice", "Choices": [{"Condition": False, "Next": "End"}]}, "End": {"Type": "Succeed"}}

    assert stage.run(states).failure[0] == "States.NoChoiceMatched"


def test_retry_waits_and_gives_up(stage: Stage) -> None:
    """MaxAttempts counts retries; each retrier counts for itself; RetryCount tells which one it is."""
    seen: list[Any] = []

    def failing(event: Any) -> None:
        seen.append(event)
        raise (ValueError if len(seen) < 3 else KeyError)("no")

    stage.functions["f"] = failing
    retry = [
        {"ErrorEquals": ["ValueError"], "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 5, "MaxDelaySeconds": 1},
        {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 0},
    ]
    states = {"Do": task("f", "{% $states.context.State.RetryCount %}", Retry=retry)}

    execution = stage.run(states)

    assert execution.failure == ("KeyError", '{"errorMessage": "\'no\'", "errorType": "KeyError"}')
    assert seen == [0, 1, 2]


@pytest.mark.parametrize(
    ("errors", "caught"),
    [
        (["States.ALL"], True),
        (["States.TaskFailed"], True),
        (["Lambda.ResourceNotFoundException"], True),
        (["States.Timeout", "Other"], False),
    ],
)
def test_catch_names_errors(stage: Stage, errors: list[str], caught: bool) -> None:
    """Wildcards catch what they cover; the error output is the next input unless Output says otherwise."""
    states = {
        "Do": task("nobody", Catch=[{"ErrorEquals": errors, "Next": "Caught"}]),
        "Caught": {"Type": "Pass", "Output": "{% $states.input.Error %}", "End": True},
    }

    execution = stage.run(states)

    if caught:
        assert execution.output == "Lambda.ResourceNotFoundException"
    else:
        assert execution.failure[0] == "Lambda.ResourceNotFoundException"


def test_runtime_errors_are_not_caught_by_all(stage: Stage) -> None:
    """States.Runtime ends the execution whatever Catch says."""
    do = task("f", Arguments="{% {'Payload': 1} %}", Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Caught"}])

    assert stage.run({"Do": do, "Caught": {"Type": "Succeed"}}).failure[0] == "States.Runtime"


def test_service_errors_of_lambda_have_its_name(stage: Stage) -> None:
    """A code of the Lambda API becomes Lambda.<code>."""

    def throttled(event: Any) -> None:
        raise ServiceError("TooManyRequestsException", "Rate Exceeded.", 429)

    stage.functions["f"] = throttled

    error, cause = stage.run({"Do": task("f")}).failure

    assert error == "Lambda.TooManyRequestsException"
    assert cause.startswith("Rate Exceeded. (Service: Lambda, Status Code: 429, Request ID: ")


def test_task_timeout(stage: Stage) -> None:
    """TimeoutSeconds of a Task is States.Timeout, and the late answer is dropped."""
    stage.functions["slow"] = lambda event: time.sleep(1.5)
    states = {"Do": task("slow", TimeoutSeconds=1)}

    execution = stage.run(states)

    assert execution.failure == ("States.Timeout", "")
    assert execution.events == [
        "ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "TaskTimedOut", "ExecutionFailed",
    ]  # fmt: skip


def test_stop_aborts_and_history_ends_there(stage: Stage) -> None:
    """StopExecution ends a wait at once; winding down leaves no events."""
    execution = stage.start(
        {
            "Both": {
                "Type": "Parallel",
                "Branches": [{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}}],
                "End": True,
            }
        }
    )
    until(lambda: "WaitStateEntered" in execution.events)

    execution.ask("StopExecution", error="Why", cause="asked")

    described = execution.described
    assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "Why", "asked")
    assert execution.events[-1] == "ExecutionAborted"


def test_parallel_stops_the_other_branches_at_the_first_failure(stage: Stage) -> None:
    """A failing branch does not wait for a sleeping one."""
    states = {
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": True}}},
                {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Bad"}}},
            ],
            "End": True,
        }
    }

    assert stage.run(states).failure == ("Bad", "")


def test_branches_and_iterations_may_assign_without_leaking(stage: Stage) -> None:
    """Variables of a branch stay in it; those outside are read."""
    inner = {"Type": "Pass", "Assign": {"x": "{% $x + 1 %}"}, "Next": "Show"}
    show = {"Type": "Pass", "Output": "{% $x %}", "End": True}
    states = {
        "Set": {"Type": "Pass", "Assign": {"x": 1}, "Next": "Both"},
        "Both": {
            "Type": "Parallel",
            "Branches": [{"StartAt": "A", "States": {"A": inner, "Show": show}}],
            "Next": "Out",
        },
        "Out": {"Type": "Pass", "Output": ["{% $states.input %}", "{% $x %}"], "End": True},
    }

    assert stage.output(states) == [[2], 1]


def test_inline_map_keeps_order_with_many_iterations(stage: Stage) -> None:
    """Outputs are in the order of the items however they finish."""
    stage.functions["f"] = lambda event: event * 2
    states = {
        "All": {
            "Type": "Map",
            "Items": "{% [1..50] %}",
            "ItemProcessor": {"StartAt": "Do", "States": {"Do": task("f")}},
            "End": True,
        }
    }

    assert stage.output(states) == [n * 2 for n in range(1, 51)]


def test_items_may_be_an_object(stage: Stage) -> None:
    """The members of an object are items with Key and Value."""
    states = {
        "All": {
            "Type": "Map",
            "Items": {"a": 1, "b": 2},
            "ItemSelector": ["{% $states.context.Map.Item.Key %}", "{% $states.context.Map.Item.Value %}"],
            "ItemProcessor": {"StartAt": "Do", "States": {"Do": {"Type": "Pass", "End": True}}},
            "End": True,
        }
    }

    assert stage.output(states) == [["a", 1], ["b", 2]]


def test_wait_until_a_timestamp(stage: Stage) -> None:
    """Timestamps need a time zone and may be expressions."""
    states = {"W": {"Type": "Wait", "Timestamp": "{% $states.input.t %}", "End": True}}

    assert stage.output(states, {"t": "2020-01-01T00:00:00Z"}) == {"t": "2020-01-01T00:00:00Z"}
    assert stage.run(states, {"t": "tomorrow"}).failure[0] == "States.QueryEvaluationError"


def test_large_payload_is_refused_before_the_call(stage: Stage) -> None:
    """What is sent to a function is bounded as well."""
    stage.functions["f"] = lambda event: None

    assert stage.run({"Do": task("f", "{% $pad('', 262144, 'x') %}")}).failure[0] == "States.DataLimitExceeded"


def test_sdk_integration_reads_and_writes_s3(stage: Stage) -> None:
    """Any API by one path: members in the spelling of Step Functions, bodies as text, objects as JSON."""
    place = {"Bucket": "stage", "Key": "k"}
    states = {
        "Put": {
            "Type": "Task",
            "Resource": "arn:aws-us-gov:states:::aws-sdk:s3:putObject",
            "Arguments": {**place, "Body": {"a": 1}},
            "Next": "Get",
        },
        "Get": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Arguments": place,
            "Output": ["{% $states.result.Body %}", "{% $states.result.ContentLength %}"],
            "End": True,
        },
    }

    assert stage.output(states) == ['{"a":1}', 7]


def test_sdk_errors_are_named_after_the_service(stage: Stage) -> None:
    """Modelled errors keep their name, the service's prefix before it."""
    states = {
        "Get": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Arguments": {"Bucket": "stage", "Key": "none"},
            "End": True,
        }
    }

    error, cause = stage.run(states).failure

    assert error == "S3.NoSuchKeyException"
    assert cause.startswith("The specified key does not exist. (Service: S3, Status Code: 404, Request ID: ")


def test_sdk_integration_spells_members_in_pascal_case(stage: Stage) -> None:
    """DynamoDB and SNS answer in the same spelling as the request."""
    topic = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:sns:createTopic",
        "Arguments": {"Name": "news"},
        "End": True,
    }

    assert stage.output({"Make": topic}) == {"TopicArn": "arn:aws:sns:us-east-1:123456789012:news"}
