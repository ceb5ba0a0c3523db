"""``states:startExecution`` and its waits: an execution that starts another."""

from __future__ import annotations

import contextlib
import json

import pytest
from states_stage import until

from fanfold.local.protocol import ServiceError

CHILD = "arn:aws:states:us-east-1:123456789012:stateMachine:child"
STARTED = "arn:aws:states:us-east-1:123456789012:execution:child:one"
DOUBLE = {"Double": {"Type": "Pass", "Output": {"twice": "{% $states.input.n * 2 %}"}, "End": True}}
FAIL = {"Fail": {"Type": "Fail", "Error": "Unlucky", "Cause": "It was to be."}}
WAIT = {"Wait": {"Type": "Wait", "Seconds": 1000, "End": True}}


def start(mode, **more):
    """The states of a machine that starts the child."""
    arguments = {"StateMachineArn": CHILD, "Name": "one", "Input": {"n": 21}, **more}
    resource = f"arn:aws:states:::states:startExecution{mode}"
    return {"Start": {"Type": "Task", "Resource": resource, "Arguments": arguments, "End": True}}


def child(stage, states):
    stage.create({"StartAt": next(iter(states)), "States": states}, "child")


def described(stage):
    return stage.service.handle("DescribeExecution", {"executionArn": STARTED})


def status(stage):
    """The status of the child's execution, ``None`` before it began."""
    with contextlib.suppress(ServiceError):
        return described(stage)["status"]
    return None


def kinds(execution):
    return [event["type"] for event in execution.ask("GetExecutionHistory")["events"]]


def test_an_execution_is_started_and_not_waited_for(stage):
    child(stage, WAIT)

    output = stage.output(start(""))

    assert output == {"ExecutionArn": STARTED, "StartDate": int(described(stage)["startDate"] * 1000)}
    assert described(stage)["status"] == "RUNNING"


@pytest.mark.parametrize(
    ("mode", "given", "result"), [(".sync", '{"n":21}', '{"twice":42}'), (".sync:2", {"n": 21}, {"twice": 42})]
)
def test_the_end_of_an_execution_is_waited_for(stage, mode, given, result):
    child(stage, DOUBLE)

    execution = stage.run(start(mode))

    ended = described(stage)
    assert execution.output == {
        "ExecutionArn": STARTED,
        "Input": given,
        "InputDetails": {"Included": True},
        "Name": "one",
        "Output": result,
        "OutputDetails": {"Included": True},
        "StartDate": int(ended["startDate"] * 1000),
        "StateMachineArn": CHILD,
        "Status": "SUCCEEDED",
        "StopDate": int(ended["stopDate"] * 1000),
    }
    assert kinds(execution)[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]


def test_an_execution_that_fails_fails_the_task(stage):
    child(stage, FAIL)

    execution = stage.run(start(".sync:2"))

    cause = json.loads(execution.described["cause"])
    assert (execution.status, execution.described["error"]) == ("FAILED", "States.TaskFailed")
    assert {name: cause[name] for name in ("Status", "Error", "Cause", "Input")} == {
        "Status": "FAILED", "Error": "Unlucky", "Cause": "It was to be.", "Input": '{"n":21}',
    }  # fmt: skip


def test_stopping_the_parent_stops_the_child(stage):
    child(stage, WAIT)
    execution = stage.start(start(".sync:2"))
    until(lambda: status(stage) == "RUNNING")

    execution.ask("StopExecution")

    until(lambda: status(stage) == "ABORTED")


def test_a_task_whose_time_is_up_stops_the_child(stage):
    child(stage, WAIT)
    states = start(".sync:2")
    states["Start"]["TimeoutSeconds"] = 1

    execution = stage.run(states)

    assert (execution.described["error"], status(stage)) == ("States.Timeout", "ABORTED")


@pytest.mark.parametrize("mode", ["", ".sync", ".sync:2"])
def test_a_name_that_was_taken_can_be_caught(stage, mode):
    child(stage, DOUBLE)
    stage.run(start(".sync"))
    states = start(mode)
    states["Start"]["Catch"] = [{"ErrorEquals": ["StepFunctions.ExecutionAlreadyExistsException"], "Next": "Known"}]
    states["Known"] = {"Type": "Pass", "Output": "known", "End": True}

    assert stage.output(states) == "known"


def test_a_machine_that_is_not_there_fails_the_task(stage):
    execution = stage.run(start(".sync:2"))

    assert execution.described["error"] == "StepFunctions.StateMachineDoesNotExistException"


@pytest.mark.parametrize(
    ("more", "fault"), [({"Names": "x"}, "'Names' is unknown"), ({"StateMachineArn": 5}, "missing")]
)
def test_arguments_that_are_none_fail_the_task(stage, more, fault):
    execution = stage.run(start("", **more))

    assert execution.described["error"] == "States.Runtime"
    assert fault in execution.described["cause"]
