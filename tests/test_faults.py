"""Functions that die, hang and talk nonsense: nothing is lost without a name, nothing is counted twice.

The operations are brought from outside: functions of the right name, made with CreateFunction, that the template never
heard of and that do not use the kit.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.brought import bring, failures_of, summary_of
from tests.conftest import Cloud


def test_a_function_brought_from_outside_needs_no_registration(cloud):
    summary = cloud.run(bring(cloud, "brought", "pass")).summary

    assert (summary["state"], summary["items"]["listed"], summary["items"]["succeeded"]) == ("SUCCEEDED", 4, 4)


@pytest.mark.parametrize(
    ("operation", "trouble", "error"),
    [
        ("dies", "if 'dies/c' in keys: os._exit(1)", "Runtime.ExitError"),
        ("hangs", "if 'hangs/c' in keys: time.sleep(60)", "Sandbox.Timedout"),
        ("raises", "if 'raises/c' in keys: raise KeyError('c')", "KeyError"),
    ],
)
def test_a_batch_that_died_is_tried_again_in_smaller_ones_until_its_trouble_stands_alone(
    cloud, operation, trouble, error
):
    job = bring(cloud, operation, trouble, timeout=1) | {"tolerate": {"percent": 50}}

    run = cloud.run(job, operation)

    assert run.status == "SUCCEEDED"
    summary = run.summary
    assert summary["reconciled"] is True
    assert (summary["items"]["listed"], summary["items"]["succeeded"], summary["items"]["lost"]) == (4, 3, 1)
    told = [(each["pass"], each["items"]["listed"], each["gained"]) for each in summary["passes"]]
    assert told == [(1, 4, 2), (2, 2, 1), (3, 1, 0)]
    [row] = failures_of(cloud, operation)
    assert (row["item_name"], row["error"], row["retryable"], row["attempts"]) == ("c", error, "true", "3")


def test_one_pass_leaves_what_is_lost_to_the_next_run(cloud):
    job = bring(cloud, "once", "if 'once/c' in keys: os._exit(1)") | {"tolerate": {"percent": 50}, "passes": 1}

    summary = cloud.run(job, "once").summary

    assert (summary["items"]["succeeded"], summary["items"]["lost"]) == (2, 2)
    named = [(row["item_name"], row["attempts"]) for row in failures_of(cloud, "once")]
    assert named == [("c", "1"), ("d", "1")]


def test_lost_items_beyond_the_tolerance_fail_the_run(cloud):
    run = cloud.run(bring(cloud, "fragile", "if 'fragile/c' in keys: os._exit(1)"), "fragile")

    summary = summary_of(cloud, "fragile")
    assert (run.status, run.described["error"]) == ("FAILED", "RunFailed")
    assert summary["reconciled"] is True
    assert summary["items"]["listed"] == summary["items"]["succeeded"] + summary["items"]["lost"]
    assert summary["reason"].endswith("2 of 4 items have no output, more than the tolerated 25 %.")


def test_a_transient_error_is_tried_again_and_counts_once(cloud):
    trouble = """
    class TransientError(Exception):
        pass
    marker = "/tmp/" + os.environ["AWS_LAMBDA_FUNCTION_NAME"] + str(os.getppid())
    if not os.path.exists(marker):
        open(marker, "w").close()
        raise TransientError("only the first time")
    """
    summary = cloud.run(bring(cloud, "stumbles", trouble)).summary

    assert (summary["state"], summary["items"]["succeeded"], summary["items"]["lost"]) == ("SUCCEEDED", 4, 0)


def test_a_run_stopped_in_the_middle_can_be_redriven_and_adds_up(cloud):
    job = bring(cloud, "slow", "time.sleep(0.8)") | {"concurrency": 1, "batch": {"items": 1}}
    stepfunctions = cloud.client("stepfunctions")
    started = stepfunctions.start_execution(
        stateMachineArn=cloud.application.machine_arn, name="slow", input=json.dumps(job)
    )["executionArn"]
    _until(lambda: _counts(cloud, started).get("succeeded", 0) >= 1)

    stepfunctions.stop_execution(executionArn=started)
    _until(lambda: _map_run(cloud, started)["status"] != "RUNNING")
    done = _counts(cloud, started)["succeeded"]
    stepfunctions.redrive_execution(executionArn=started)
    _until(
        lambda: stepfunctions.describe_execution(executionArn=started)["status"] not in ("RUNNING", "PENDING_REDRIVE")
    )

    assert 1 <= done < 4
    assert stepfunctions.describe_execution(executionArn=started)["status"] == "SUCCEEDED"
    summary = summary_of(cloud, "slow")
    assert (summary["reconciled"], summary["items"]["listed"], summary["items"]["succeeded"]) == (True, 4, 4)


def _map_run(cloud: Cloud, execution: str) -> dict[str, Any]:
    stepfunctions = cloud.client("stepfunctions")
    map_runs = stepfunctions.list_map_runs(executionArn=execution)["mapRuns"]
    return stepfunctions.describe_map_run(mapRunArn=map_runs[0]["mapRunArn"]) if map_runs else {}


def _counts(cloud: Cloud, execution: str) -> dict[str, int]:
    return _map_run(cloud, execution).get("itemCounts", {})


def _until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
