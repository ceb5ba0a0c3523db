"""A run of the workflow: start it, follow it, and read what it came to. Speaks AWS APIs only."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from fanfold.application import Application
from fanfold.problems import EnvironmentFault, Exit, UsageProblem

# Between two looks, in seconds: DescribeExecution takes more, DescribeMapRun about one call a second.
LOOK = 0.25
LOOK_AT_MAP_RUN = 1.0


@dataclass(frozen=True)
class Progress:
    """The newest map run of a run so far, as DescribeMapRun counts its items and its children (batches).

    Attributes:
        passing: which map run it is, from 1 on: the first pass, a further one, or loading the outputs.
    """

    total: int
    succeeded: int
    failed: int
    batches: int
    batches_done: int
    passing: int

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
    map_runs = map_runs_of(stepfunctions, execution)
    if map_runs:
        tell(progress_of(stepfunctions, map_runs))


def map_runs_of(stepfunctions: Any, execution: str) -> list[str]:
    """Return the ARNs of a run's map runs, the oldest first."""
    listed = stepfunctions.list_map_runs(executionArn=execution)["mapRuns"]
    return [each["mapRunArn"] for each in sorted(listed, key=lambda each: each["startDate"])]


def progress_of(stepfunctions: Any, map_runs: Sequence[str]) -> Progress:
    """Ask how far the newest of some map runs is."""
    answer = stepfunctions.describe_map_run(mapRunArn=map_runs[-1])
    items, children = answer["itemCounts"], answer["executionCounts"]
    return Progress(
        total=items["total"],
        succeeded=items["succeeded"],
        failed=_unsuccessful(items),
        batches=children["total"],
        batches_done=children["succeeded"] + _unsuccessful(children),
        passing=len(map_runs),
    )


def _unsuccessful(counts: Mapping[str, int]) -> int:
    return counts["failed"] + counts["timedOut"] + counts["aborted"]


def listed(application: Application) -> Iterator[dict[str, Any]]:
    """Yield what ListExecutions tells of each run, the newest first."""
    pages = application.client("stepfunctions").get_paginator("list_executions")
    for page in pages.paginate(stateMachineArn=application.machine_arn):
        yield from page["executions"]


def described(application: Application, run: str) -> dict[str, Any]:
    """Return DescribeExecution's answer for a run.

    Raises:
        UsageProblem: there is no such run.
    """
    try:
        answer = application.client("stepfunctions").describe_execution(executionArn=application.execution_arn(run))
    except ClientError as error:
        if error.response["Error"].get("Code") not in ("ExecutionDoesNotExist", "InvalidArn"):
            raise
        raise UsageProblem(
            f"there is no run {run!r}; 'fanfold status' lists them (Step Functions forgets runs after 90 days)"
        ) from error
    found: dict[str, Any] = answer
    return found


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
    """Read a run's summary.json; raises as ``read_artifact`` does."""
    summary: dict[str, Any] = json.loads(read_artifact(application, run, "summary.json"))
    return summary


def read_artifact(application: Application, run: str, name: str) -> bytes:
    """Read a file that a run left.

    Raises:
        UsageProblem: there is none: no such run, or one that is still at work, was refused or stopped.
    """
    key = f"runs/{run}/{name}"
    try:
        answer = application.client("s3").get_object(Bucket=application.output_bucket, Key=key)
    except ClientError as error:
        if error.response["Error"].get("Code") != "NoSuchKey":
            raise
        raise UsageProblem(f"there is no s3://{application.output_bucket}/{key}: {_why(application, run)}") from error
    body: bytes = answer["Body"].read()
    return body


def _why(application: Application, run: str) -> str:
    status = described(application, run)["status"]
    return "the run is still at work" if status == "RUNNING" else f"the run ended as {status} before it was written"


def exit_code(summary: dict[str, Any]) -> Exit:
    """Return the exit code that a summary stands for."""
    items = summary["items"]
    if summary["state"] != "SUCCEEDED" or items["failed"] or items["deferred"] or items["lost"]:
        return Exit.SOME_FAILED
    return Exit.GOOD if items["listed"] else Exit.NOTHING_MATCHED
