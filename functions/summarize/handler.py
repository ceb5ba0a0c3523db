"""Lambda entry of Summarize: fold what a map run left, write summary.json and failures.csv, answer the summary."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import BotoCoreError, ClientError

from functions.summarize.failures import Failures
from functions.summarize.fold import fold
from functions.summarize.ledger import Ledger
from functions.summarize.results import MapRun, Results
from functions.summarize.summary import Run, summarize
from itemkit.errors import TransientError
from itemkit.store import S3Store

logger = Logger(service="summarize")
tracer = Tracer(service="summarize")
metrics = Metrics(namespace="Fanfold", service="summarize")
# The map run's counts are eventually consistent; after so many attempts what is there is the truth.
PATIENCE = 6
# As often as the workflow tries again; then a summary is written whatever there is.
LAST_ATTEMPT = 30
# Answers of Step Functions after which asking again helps.
_PASSING = frozenset({"ThrottlingException", "InternalServerError", "ServiceUnavailable", "ResourceNotFound"})


@functools.cache
def clients() -> tuple[Any, S3Store]:
    """Connect once an execution environment."""
    return boto3.client("stepfunctions"), S3Store()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer ``{"plan", "map_run", "failure", "execution", "started", "attempt"}`` with the run's summary.

    Raises TransientError while the map run or its files are not settled, for the workflow to come again.
    """
    logger.append_keys(run=event["plan"]["run"])
    stepfunctions, store = clients()
    map_run = _map_run(stepfunctions, event)
    ledger, failures = _fold(map_run, event, store)
    run = Run(
        event["plan"], event["execution"], event["failure"], datetime.fromisoformat(event["started"]), datetime.now(UTC)
    )
    summary = summarize(run, ledger, map_run.listed if map_run else 0)
    if not summary["reconciled"] and event["attempt"] < PATIENCE:
        raise TransientError(f"the results are not settled yet: {summary['reason']}")
    return _publish(summary, failures, event["plan"]["runs"], store)


def _map_run(stepfunctions: Any, event: Mapping[str, Any]) -> MapRun | None:
    """Find the execution's map run; ``None`` when the map failed before it began one."""
    try:
        arn = event["map_run"] or _newest(stepfunctions.list_map_runs(executionArn=event["execution"])["mapRuns"])
        map_run = MapRun.from_describe(stepfunctions.describe_map_run(mapRunArn=arn)) if arn else None
    except ClientError as error:
        if error.response["Error"].get("Code") in _PASSING:
            raise TransientError(f"Step Functions does not answer: {error}") from error
        raise
    except BotoCoreError as error:
        raise TransientError(f"Step Functions cannot be reached: {error}") from error
    if map_run is None and event["attempt"] < PATIENCE:
        raise TransientError(f"{event['execution']} has no map run yet")
    if map_run and not map_run.settled and event["attempt"] < LAST_ATTEMPT:
        raise TransientError(f"{arn} is not settled: {map_run.status}")
    return map_run


def _newest(map_runs: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the ARN of the latest map run: a redrive may have begun another one."""
    return max(map_runs, key=lambda each: each["startDate"])["mapRunArn"] if map_runs else None


def _fold(map_run: MapRun | None, event: Mapping[str, Any], store: S3Store) -> tuple[Ledger, Failures]:
    ledger, failures = Ledger(), Failures()
    if map_run is None:
        return ledger, failures
    place = event["plan"]["results"]
    try:
        results = Results.open(store, map_run.manifest_uri(place["bucket"], place["prefix"]))
    except TransientError as error:
        if event["attempt"] < PATIENCE:
            raise
        # A map run that listed nothing has nothing to write.
        if map_run.listed:
            ledger.fault(str(error))
    else:
        ledger, failures = fold(results, store)
    if not map_run.settled:
        ledger.fault(f"{map_run.arn} is still at work: {map_run.status}")
    return ledger, failures


def _publish(summary: dict[str, Any], failures: Failures, home: str, store: S3Store) -> dict[str, Any]:
    artifacts = {name: f"{home}{name}.{kind}" for name, kind in (("summary", "json"), ("failures", "csv"))}
    summary["artifacts"] = {**artifacts, "records": f"{home}records/"}
    with failures.csv() as body:
        store.upload(artifacts["failures"], body, "text/csv; charset=utf-8")
    # Half a surrogate pair, which UTF-8 cannot hold, becomes the escape that JSON has for it.
    text = json.dumps(summary, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")
    store.write(artifacts["summary"], text, "application/json")
    metrics.add_dimension("operation", summary["operation"])
    metrics.add_metric("Runs", MetricUnit.Count, 1)
    metrics.add_metric("RunsFailed", MetricUnit.Count, int(summary["state"] == "FAILED"))
    metrics.add_metric("RunsUnreconciled", MetricUnit.Count, int(not summary["reconciled"]))
    # By hand, because the decorator would also publish nothing for an attempt that comes too early, and warn.
    metrics.flush_metrics()
    logger.info("summarized", extra={"summary": summary})
    return summary
