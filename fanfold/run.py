"""A run of the workflow: start it, follow it, and read what it came to. Speaks AWS APIs only."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fanfold.application import Application
from fanfold.problems import EnvironmentFault, Exit, UsageProblem

# Between two looks, in seconds: DescribeExecution takes more, DescribeMapRun about one call a second.
LOOK = 0.25
LOOK_AT_MAP_RUN = 1.0


@dataclass(frozen=True)
class Progress:
    """Items of a run so far, as DescribeMapRun counts them."""

    total: int
    succeeded: int
    failed: int

    @property
    def done(self) -> int:
        """Items in children that have ended."""
        return self.succeeded + self.failed


def start(application: Application, job: dict[str, Any], run: str | None = None) -> str:
    """Start the workflow with a job and return the execution's ARN; ``run`` is its name."""
    answer = application.client("stepfunctions").start_execution(
        stateMachineArn=application.machine_arn, name=run or run_name(str(job["operation"])), input=json.dumps(job)
    )
    return str(answer["executionArn"])


def run_name(operation: str) -> str:
    """Return a name that sorts by time: ``image-resize-20261121T101500Z-3fa9``."""
    return f"{operation}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def follow(application: Application, execution: str, tell: Callable[[Progress], None]) -> dict[str, Any]:
    """Wait for the run's end, telling its progress, and return DescribeExecution's last answer."""
    stepfunctions = application.client("stepfunctions")
    next_look = 0.0
    while True:
        answer: dict[str, Any] = stepfunctions.describe_execution(executionArn=execution)
        over = answer["status"] != "RUNNING"
        if over or time.monotonic() >= next_look:
            _tell_progress(stepfunctions, execution, tell)
            next_look = time.monotonic() + LOOK_AT_MAP_RUN
        if over:
            return answer
        time.sleep(LOOK)


def _tell_progress(stepfunctions: Any, execution: str, tell: Callable[[Progress], None]) -> None:
    map_runs = stepfunctions.list_map_runs(executionArn=execution)["mapRuns"]
    if map_runs:
        items = stepfunctions.describe_map_run(mapRunArn=map_runs[0]["mapRunArn"])["itemCounts"]
        failed = items["failed"] + items["timedOut"] + items["aborted"]
        tell(Progress(items["total"], items["succeeded"], failed))


def outcome(application: Application, ended: dict[str, Any]) -> dict[str, Any]:
    """Return the summary of a run that ended.

    Raises:
        UsageProblem: the job was refused.
        EnvironmentFault: the run ended without a summary.
    """
    if ended["status"] == "SUCCEEDED":
        summary: dict[str, Any] = json.loads(ended["output"])
        return summary
    error, cause = ended.get("error", ended["status"]), ended.get("cause", "")
    if error == "InvalidJob":
        raise UsageProblem(cause)
    if error == "RunFailed":
        return read_summary(application, ended["name"])
    raise EnvironmentFault(f"the run {ended['name']} ended as {ended['status']} with {error}: {cause}")


def read_summary(application: Application, run: str) -> dict[str, Any]:
    """Read a run's summary.json."""
    key = f"runs/{run}/summary.json"
    body = application.client("s3").get_object(Bucket=application.output_bucket, Key=key)["Body"].read()
    summary: dict[str, Any] = json.loads(body)
    return summary


def exit_code(summary: dict[str, Any]) -> Exit:
    """Return the exit code that a summary stands for."""
    items = summary["items"]
    if summary["state"] != "SUCCEEDED" or items["failed"] or items["deferred"] or items["lost"]:
        return Exit.SOME_FAILED
    return Exit.GOOD if items["listed"] else Exit.NOTHING_MATCHED
