"""Functions that die, hang and talk nonsense: nothing is lost without a name, nothing is counted twice.

The operations are brought from outside: functions of the right name, made with CreateFunction, that the template never
heard of and that do not use the kit.
"""

from __future__ import annotations

import csv
import io
import json
import textwrap
import time
import zipfile
from typing import Any

import pytest

from tests.conftest import Cloud

PREAMBLE = """
    import os, time

    NO_TIMES = {"buckets": {}, "largest": 0.0}

    def handler(event, context):
        if "Check" in event:
            return {"normalised": {}, "defaults": {"batch": {"items": 2}}}
        keys = [item["Key"] for item in event["Items"]]
        trouble(keys)
        return {
            "batch": event["Batch"], "pass": 1, "items": len(keys), "counts": {"succeeded": len(keys)}, "sums": {},
            "milliseconds": NO_TIMES, "errors": {}, "records": None, "failures": [],
        }
"""


def bring(cloud: Cloud, operation: str, trouble: str, timeout: int = 30) -> dict[str, Any]:
    """Create the operation's function and return a job for it over four objects, a to d."""
    source = textwrap.dedent(PREAMBLE) + "\ndef trouble(keys):\n" + textwrap.indent(textwrap.dedent(trouble), "    ")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("brought.py", source)
    cloud.client("lambda").create_function(
        FunctionName=f"fanfold-op-{operation}",
        Runtime="python3.13",
        Role="arn:aws:iam::123456789012:role/brought",
        Handler="brought.handler",
        Code={"ZipFile": packed.getvalue()},
        Timeout=timeout,
    )
    for name in "abcd":
        cloud.put(f"{operation}/{name}", b"x")
    return {"operation": operation, "source": f"s3://{cloud.application.input_bucket}/{operation}/"}


def summary_of(cloud: Cloud, name: str) -> dict[str, Any]:
    return json.loads(cloud.get(f"s3://{cloud.application.output_bucket}/runs/{name}/summary.json"))


def failures_of(cloud: Cloud, name: str) -> list[tuple[str, str, str]]:
    body = cloud.get(f"s3://{cloud.application.output_bucket}/runs/{name}/failures.csv").decode()
    return [(row["item_name"], row["error"], row["retryable"]) for row in csv.DictReader(io.StringIO(body))]


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
def test_items_of_a_batch_that_died_are_lost_and_named_and_the_others_done(cloud, operation, trouble, error):
    job = bring(cloud, operation, trouble, timeout=1) | {"tolerate": {"percent": 50}}

    run = cloud.run(job, operation)

    assert run.status == "SUCCEEDED"
    summary = run.summary
    assert summary["reconciled"] is True
    assert (summary["items"]["listed"], summary["items"]["succeeded"], summary["items"]["lost"]) == (4, 2, 2)
    assert failures_of(cloud, operation) == [("c", error, "true"), ("d", error, "true")]


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
