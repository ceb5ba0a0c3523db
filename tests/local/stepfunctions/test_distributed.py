"""Distributed Map: tolerance, stopping, live limits, results in S3, redrive."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from moto import mock_aws
from states_stage import BUCKET, Execution, Stage, distributed, reading, task, until, writing

ITEMS = "{% $states.input %}"


def broken(event: Any) -> Any:
    """Fail for odd numbers."""
    if event % 2:
        raise ValueError(f"{event} is odd")
    return event


def counts(**some: int) -> dict[str, int]:
    """Return counts as DescribeMapRun has them."""
    names = ("pending", "running", "succeeded", "failed", "timedOut", "aborted", "total", "resultsWritten")
    return {name: some.get(name, 0) for name in (*names, "failuresNotRedrivable", "pendingRedrive")}


def test_outputs_are_in_the_order_of_the_items(stage: Stage) -> None:
    """Without a writer the result is one array, in order, however the children finish."""
    stage.functions["f"] = lambda event: event + 1

    assert stage.output({"All": distributed(task("f"), "EXPRESS", Items=ITEMS)}, list(range(300))) == list(
        range(1, 301)
    )


@pytest.mark.parametrize(("percentage", "status"), [(49.9, "FAILED"), (50, "SUCCEEDED")])
def test_tolerated_percentage_is_of_all_items(stage: Stage, percentage: float, status: str) -> None:
    """The percentage is taken of all items of the run, not of those done so far."""
    stage.functions["f"] = broken

    execution = stage.run(
        {"All": distributed(task("f"), "EXPRESS", Items=ITEMS, ToleratedFailurePercentage=percentage)},
        [1] * 50 + [2] * 50,
    )

    assert execution.status == status


def test_percentage_counts_a_dataset_that_is_not_read_yet(stage: Stage) -> None:
    """Failures at the start of a long dataset do not look like more than they are."""
    stage.functions["f"] = broken
    stage.put("in.jsonl", "1\n" * 100 + "2\n" * 2_400)

    execution = stage.run(
        {
            "All": distributed(
                task("f"),
                "EXPRESS",
                ItemReader=reading("getObject", {"Key": "in.jsonl"}, InputType="JSONL"),
                ToleratedFailurePercentage=4,
                ResultWriter=writing(Transformation="COMPACT"),
            )
        }
    )

    assert execution.map_run["itemCounts"] == counts(succeeded=2_400, failed=100, total=2_500, resultsWritten=2_500)
    assert execution.status == "SUCCEEDED"


def test_tolerated_failures_leave_the_others_outputs(stage: Stage) -> None:
    """A tolerated failure is not in the result."""
    stage.functions["f"] = broken

    assert stage.output({"All": distributed(task("f"), Items=ITEMS, ToleratedFailureCount=1)}, [1, 2, 4]) == [2, 4]


def test_breach_aborts_standard_children_and_keeps_the_rest_pending(stage: Stage) -> None:
    """One failure too many: what runs is aborted, what waits is written as PENDING."""
    each = {"Type": "Choice", "Choices": [{"Condition": "{% $states.input = 1 %}", "Next": "Bad"}], "Default": "Wait"}
    fields = distributed(each, Items=ITEMS, MaxConcurrency=2, ResultWriter=writing())
    fields["ItemProcessor"]["States"] |= {
        "Bad": {"Type": "Fail", "Error": "Bad", "Cause": "one is bad"},
        "Wait": {"Type": "Wait", "Seconds": 60, "End": True},
    }

    execution = stage.run({"All": fields}, [0, 1, 2, 3, 4])

    run = execution.map_run
    arn, run_id = run["mapRunArn"], run["mapRunArn"].rsplit(":", 1)[1]
    assert execution.failure[0] == "States.ExceedToleratedFailureThreshold"
    assert run["itemCounts"] == counts(pending=3, failed=1, aborted=1, total=5, resultsWritten=2)
    assert execution.events[-3:] == ["MapRunFailed", "MapStateFailed", "ExecutionFailed"]
    aborted, failed = json.loads(stage.get(f"out/{run_id}/FAILED_0.json"))
    assert (failed["Error"], failed["Cause"], failed["Status"]) == ("Bad", "one is bad", "FAILED")
    assert aborted["Cause"] == f"The map run execution [{arn}] which was managing this resource was aborted"
    assert list(aborted) == [
        "Cause", "ExecutionArn", "Input", "InputDetails", "Name", "OutputDetails", "RedriveCount", "RedriveStatus",
        "StartDate", "StateMachineArn", "Status", "StopDate",
    ]  # fmt: skip
    assert json.loads(stage.get(f"out/{run_id}/PENDING_0.json")) == [
        {"Input": str(n), "InputDetails": {"Included": True}, "Status": "PENDING"} for n in (2, 3, 4)
    ]


def test_breach_lets_express_children_run_on(stage: Stage) -> None:
    """EXPRESS children under way come to their end."""
    going = threading.Event()

    def function(event: int) -> int:
        if event == 1:
            raise ValueError
        going.wait(20)
        return event

    stage.functions["f"] = function
    execution = stage.start({"All": distributed(task("f"), "EXPRESS", Items=ITEMS, MaxConcurrency=2)}, [0, 1, 2])
    until(lambda: execution.map_run["itemCounts"]["failed"])
    going.set()

    execution.wait()

    assert execution.map_run["itemCounts"] == counts(pending=1, succeeded=1, failed=1, total=3, resultsWritten=2)


def test_express_children_time_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """An EXPRESS child that takes longer than it may is TIMED_OUT, and counts as failed."""
    monkeypatch.setattr("fanfold.local.stepfunctions.childruns._EXPRESS_SECONDS", 0.1)
    wait = {"Type": "Wait", "Seconds": 60, "End": True}

    execution = stage.run({"All": distributed(wait, "EXPRESS", Items=[1])})

    assert execution.failure[0] == "States.ExceedToleratedFailureThreshold"
    assert execution.map_run["itemCounts"] == counts(timedOut=1, total=1, resultsWritten=1)
    assert execution.children[0]["status"] == "TIMED_OUT"


def test_live_counts_show_what_is_pending(stage: Stage) -> None:
    """While it runs DescribeMapRun tells items and executions apart."""
    wait = {"Type": "Wait", "Seconds": 60, "End": True}
    execution = stage.start(
        {"All": distributed(wait, Items=ITEMS, MaxConcurrency=1, ItemBatcher={"MaxItemsPerBatch": 2})}, [1, 2, 3, 4, 5]
    )

    until(lambda: execution.map_run["executionCounts"]["running"] == 1)

    assert execution.map_run["itemCounts"] == counts(pending=3, running=2, total=5)
    assert execution.map_run["executionCounts"] == counts(pending=2, running=1, total=3)
    execution.ask("StopExecution")
    until(lambda: execution.map_run["status"] == "ABORTED")
    assert execution.map_run["itemCounts"] == counts(pending=3, aborted=2, total=5, resultsWritten=2)


def test_update_takes_effect_at_once(stage: Stage) -> None:
    """More concurrency starts more children; less tolerance ends the run."""
    each = {"Type": "Choice", "Choices": [{"Condition": "{% $states.input = 0 %}", "Next": "Bad"}], "Default": "Wait"}
    fields = distributed(each, Items=ITEMS, MaxConcurrency=1, ToleratedFailureCount=2)
    fields["ItemProcessor"]["States"] |= {
        "Bad": {"Type": "Fail", "Error": "Bad"},
        "Wait": {"Type": "Wait", "Seconds": 60, "End": True},
    }
    execution = stage.start({"All": fields}, [0, 1, 2, 3, 4])
    until(lambda: execution.map_run["itemCounts"]["running"] == 1 and execution.map_run["itemCounts"]["failed"] == 1)
    arn = execution.map_run["mapRunArn"]

    stage.service.handle("UpdateMapRun", {"mapRunArn": arn, "maxConcurrency": 3})

    until(lambda: execution.map_run["itemCounts"]["running"] == 3)
    stage.service.handle("UpdateMapRun", {"mapRunArn": arn, "toleratedFailureCount": 0})
    assert execution.wait().failure[0] == "States.ExceedToleratedFailureThreshold"


def test_a_standard_child_has_a_history_and_can_be_stopped(stage: Stage) -> None:
    """A child can be described, read and stopped by its ARN."""
    execution = stage.start(
        {
            "All": distributed(
                {"Type": "Wait", "Seconds": 60, "End": True}, Items=ITEMS, ToleratedFailureCount=1, MaxConcurrency=1
            )
        },
        [7],
    )
    until(lambda: execution.children)
    arn = execution.children[0]["executionArn"]

    def child(operation: str, **more: Any) -> Any:
        return stage.service.handle(operation, {"executionArn": arn, **more})

    until(lambda: len(child("GetExecutionHistory")["events"]) == 2)
    assert child("DescribeExecution")["input"] == "7"
    child("StopExecution", error="Enough")
    execution.wait()
    assert child("DescribeExecution")["error"] == "Enough"
    assert [event["type"] for event in child("GetExecutionHistory")["events"]] == [
        "ExecutionStarted", "WaitStateEntered", "ExecutionAborted",
    ]  # fmt: skip
    assert child("DescribeStateMachineForExecution")["label"] == "Items"


def test_redrive_runs_what_did_not_succeed(stage: Stage) -> None:
    """Failed children resume, pending ones start, succeeded ones stay; results go to Redrive-1."""
    attempts: list[int] = []

    def function(event: int) -> int:
        attempts.append(event)
        return broken(event)

    stage.functions["f"] = function
    execution = stage.run(
        {"All": distributed(task("f"), Items=ITEMS, MaxConcurrency=1, ResultWriter=writing())}, [0, 1, 2]
    )
    first = execution.map_run
    run_id = first["mapRunArn"].rsplit(":", 1)[1]
    assert first["itemCounts"] == counts(succeeded=1, failed=1, pending=1, total=3, resultsWritten=2)
    stage.functions["f"] = lambda event: attempts.append(event) or event

    execution.ask("RedriveExecution")
    execution.wait()

    assert execution.output == {
        "MapRunArn": first["mapRunArn"],
        "ResultWriterDetails": {"Bucket": BUCKET, "Key": f"out/{run_id}/Redrive-1/manifest.json"},
    }
    assert attempts == [0, 1, 1, 2]
    assert execution.map_run["itemCounts"] == counts(succeeded=3, total=3, resultsWritten=3)
    assert [child["redriveCount"] for child in execution.children] == [0, 1, 0]
    manifest = json.loads(stage.get(f"out/{run_id}/Redrive-1/manifest.json"))["ResultFiles"]
    assert (manifest["FAILED"], manifest["PENDING"]) == ([], [])
    assert [each["Key"] for each in manifest["SUCCEEDED"]] == [
        f"out/{run_id}/SUCCEEDED_0.json",
        f"out/{run_id}/Redrive-1/SUCCEEDED_0.json",
    ]
    again = json.loads(stage.get(f"out/{run_id}/Redrive-1/SUCCEEDED_0.json"))
    assert [record["Input"] for record in again] == ["1", "2"]
    assert execution.events[-6:] == [
        "ExecutionRedriven", "MapRunRedriven", "MapRunSucceeded", "MapStateSucceeded", "MapStateExited",
        "ExecutionSucceeded",
    ]  # fmt: skip


def test_redrive_of_express_children_starts_them_again(stage: Stage) -> None:
    """EXPRESS children have nothing to resume: they start from their first state, under the same ARN."""
    seen: list[str] = []
    stage.functions["first"] = lambda event: seen.append("first") or event
    stage.functions["second"] = broken
    fields = distributed(task("first", Next="Second"), "EXPRESS", Items=ITEMS)
    fields["ItemProcessor"]["States"]["Second"] = task("second")
    execution = stage.run({"All": fields}, [1])
    before = execution.children[0]
    stage.functions["second"] = lambda event: event

    execution.ask("RedriveExecution")

    assert execution.wait().output == [1]
    assert seen == ["first", "first"]
    assert execution.children[0]["executionArn"] == before["executionArn"]


def test_redrive_of_standard_children_resumes_them(stage: Stage) -> None:
    """A STANDARD child goes on at the state that failed, its variables kept."""
    seen: list[str] = []
    stage.functions["first"] = lambda event: seen.append("first") or event
    stage.functions["second"] = broken
    fields = distributed(task("first", Next="Second", Assign={"kept": "{% $states.input %}"}), Items=ITEMS)
    fields["ItemProcessor"]["States"]["Second"] = task(
        "second", Output={"kept": "{% $kept %}", "again": "{% $exists($states.context.Execution.RedriveTime) %}"}
    )
    execution = stage.run({"All": fields}, [1])
    before = execution.children[0]
    stage.functions["second"] = lambda event: event

    execution.ask("RedriveExecution")

    assert execution.wait().output == [{"kept": 1, "again": True}]
    assert seen == ["first"]
    after = execution.children[0]
    assert after["startDate"] == before["startDate"] < after["redriveDate"] < after["stopDate"]
    events = stage.service.handle("GetExecutionHistory", {"executionArn": after["executionArn"]})["events"]
    assert [(event["type"], event["previousEventId"]) for event in events[7:]] == [
        ("TaskScheduled", 7),
        ("TaskStarted", 8),
        ("TaskFailed", 9),
        ("ExecutionFailed", 10),
        ("ExecutionRedriven", 11),
        ("TaskScheduled", 7),
        ("TaskStarted", 13),
        ("TaskSucceeded", 14),
        ("TaskStateExited", 15),
        ("ExecutionSucceeded", 16),
    ]


def test_redrive_after_stop_goes_on(stage: Stage) -> None:
    """An aborted run is redriven like a failed one."""
    gate = threading.Event()
    stage.functions["f"] = lambda event: gate.wait(20) and event
    execution = stage.start({"All": distributed(task("f"), Items=ITEMS, MaxConcurrency=1)}, [1, 2])
    until(lambda: execution.map_run["itemCounts"]["running"])
    execution.ask("StopExecution")
    gate.set()

    execution.ask("RedriveExecution")

    assert execution.wait().output == [1, 2]


def test_redrive_goes_on_within_parallel(stage: Stage) -> None:
    """Branches that succeeded are not run again."""
    seen: list[str] = []
    executions: list[Execution] = []

    def bad(event: Any) -> None:
        until(lambda: executions and "TaskStateExited" in executions[0].events)
        raise ValueError

    stage.functions["good"] = lambda event: seen.append("good") or "good"
    stage.functions["bad"] = bad
    branches = [{"StartAt": name, "States": {name: task(name)}} for name in ("good", "bad")]
    executions.append(stage.start({"Both": {"Type": "Parallel", "Branches": branches, "End": True}}))
    assert executions[0].wait().failure == ("ValueError", '{"errorMessage": "", "errorType": "ValueError"}')
    stage.functions["bad"] = lambda event: "mended"

    executions[0].ask("RedriveExecution")

    assert executions[0].wait().output == ["good", "mended"]
    assert seen == ["good"]


def test_catch_makes_the_execution_not_redrivable(stage: Stage) -> None:
    """What was caught and led to success is over."""
    execution = stage.run(
        {
            "All": distributed({"Type": "Fail"}, Items=[1], Catch=[{"ErrorEquals": ["States.ALL"], "Next": "End"}]),
            "End": {"Type": "Succeed"},
        }
    )

    with pytest.raises(Exception, match="ExecutionNotRedrivable: Execution is SUCCEEDED and cannot be redriven"):
        execution.ask("RedriveExecution")


def test_retry_on_the_map_is_another_run(stage: Stage) -> None:
    """Retry of a Map starts a new map run with all items."""
    stage.functions["f"] = broken
    retry = [{"ErrorEquals": ["States.ExceedToleratedFailureThreshold"], "MaxAttempts": 1}]

    execution = stage.run({"All": distributed(task("f"), Items=ITEMS, Retry=retry)}, [1])

    assert len(execution.ask("ListMapRuns")["mapRuns"]) == 2
    assert execution.events.count("MapRunFailed") == 2


def test_many_children_need_few_threads(stage: Stage) -> None:
    """Thousands of children run on the fixed number of workers."""
    most = [0]

    def function(event: int) -> int:
        most[0] = max(most[0], threading.active_count())
        return event

    stage.functions["f"] = function
    before = threading.active_count()
    execution = stage.run(
        {"All": distributed(task("f"), "EXPRESS", Items="{% [1..3000] %}", ResultWriter=writing(OutputType="JSONL"))}
    )

    assert execution.map_run["itemCounts"]["succeeded"] == 3_000
    assert most[0] <= before + 8 + 1


def test_nested_runs_finish_with_one_helper() -> None:
    """Maps within maps never wait for each other, however few threads there are."""
    with mock_aws():
        stage = Stage(parallel_children=1)
        stage.functions["f"] = lambda event: event
        inner = distributed(task("f"), Items="{% [1..5] %}", state="Leaf", Label="Inner")

        got = stage.output({"All": distributed(inner, Items="{% [1..6] %}")})

        stage.service.close()
    assert got == [[1, 2, 3, 4, 5]] * 6


def test_express_children_may_branch_and_iterate(stage: Stage) -> None:
    """Parallel and inline Map run inside children that keep no history."""
    square = {"Type": "Pass", "Output": "{% $states.input * $states.input %}", "End": True}
    inline = {
        "Type": "Map",
        "Items": "{% [1..3] %}",
        "ItemProcessor": {"StartAt": "S", "States": {"S": square}},
        "End": True,
    }
    both = {
        "Type": "Parallel",
        "Branches": [{"StartAt": "I", "States": {"I": inline}}, {"StartAt": "E", "States": {"E": {"Type": "Succeed"}}}],
        "End": True,
    }

    assert stage.output({"All": distributed(both, "EXPRESS", Items=ITEMS)}, [0, 7]) == [
        [[1, 4, 9], 0],
        [[1, 4, 9], 7],
    ]


def test_writer_flattens_into_lines(stage: Stage) -> None:
    """FLATTEN with JSONL: one element a line, in the order of the items."""
    each = {"Type": "Pass", "Output": "{% [$states.input, {'copy': $states.input}] %}", "End": True}
    writer = writing("res/", Transformation="FLATTEN", OutputType="JSONL")

    execution = stage.run({"All": distributed(each, "EXPRESS", Items=["a", "é"], ResultWriter=writer)})

    run_id = execution.map_run["mapRunArn"].rsplit(":", 1)[1]
    assert stage.get(f"res/{run_id}/SUCCEEDED_0.jsonl") == '"a"\n{"copy":"a"}\n"é"\n{"copy":"é"}\n'
    assert stage.keys("res/") == [f"res/{run_id}/SUCCEEDED_0.jsonl", f"res/{run_id}/manifest.json"]


def test_writer_without_a_bucket_fails_the_run(stage: Stage) -> None:
    """Results that cannot be written are an error of their own."""
    writer = {**writing(), "Arguments": {"Bucket": "nowhere", "Prefix": "x"}}

    execution = stage.run({"All": distributed({"Type": "Pass", "End": True}, Items=[1], ResultWriter=writer)})

    assert execution.failure[0] == "States.ResultWriterFailed"
    assert execution.map_run["status"] == "FAILED"


def test_empty_writer_fails_when_run(stage: Stage) -> None:
    """`ResultWriter: {}` is accepted at creation and fails later."""
    execution = stage.run({"All": distributed({"Type": "Pass", "End": True}, Items=[1], ResultWriter={})})

    assert execution.failure[0] == "States.Runtime"
