"""Lambda entry of Summarize: fold what a pass left; then plan the next pass, or write the run's summary."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from botocore.exceptions import BotoCoreError, ClientError

from functions.summarize.account import Account, Pass
from functions.summarize.failures import Failures
from functions.summarize.fold import Fold, fold
from functions.summarize.measures import measures
from functions.summarize.outputs import write_manifests
from functions.summarize.passes import Passes
from functions.summarize.repair import repair
from functions.summarize.results import MapRun, Results
from functions.summarize.summary import Run, figures, summarize, told_of
from itemkit.connect import connect
from itemkit.errors import TransientError
from itemkit.store import S3Store

logger = Logger(service="summarize")
tracer = Tracer(service="summarize")
# By the stack alone: a metric is paid for by each combination of dimensions.
metrics = Metrics(namespace="Fanfold")
# The map run's counts are eventually consistent; after so many attempts what is there is the truth.
PATIENCE = 6
# As often as the workflow tries again; then a summary is written whatever there is.
LAST_ATTEMPT = 30
# Answers of Step Functions after which asking again helps.
_PASSING = frozenset({"ThrottlingException", "InternalServerError", "ServiceUnavailable", "ResourceNotFound"})


@functools.cache
def clients() -> tuple[Any, S3Store]:
    """Connect once an execution environment."""
    return boto3.client("stepfunctions"), connect()


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer ``{"plan", "pass", "map_run", "failure", "execution", "started", "child_type", "attempt"}``.

    The answer is ``{"summary", "next"}``: the run's summary, or the pass that is to follow (an ``account.Pass``); the
    other is null. Raises TransientError while the map run or its files are not settled, for the workflow to come again.
    """
    plan, current = event["plan"], Pass(**event["pass"])
    logger.append_keys(run=plan["run"], passing=current.number)
    stepfunctions, store = clients()
    passes = Passes(store, plan)
    account, failures = passes.before(current.number)
    map_run = _map_run(stepfunctions, event, account.map_runs)
    listed = map_run.listed if map_run else 0
    folded = _fold(map_run, event, store)
    difference = folded.ledger.difference(listed)
    if difference and event["attempt"] < PATIENCE:
        raise TransientError(f"the results are not settled yet: {difference}")
    if difference:
        repair(folded, listed, current, plan, store)
    now = datetime.now(UTC)
    arn = map_run.arn if map_run else None
    account.close(folded.ledger, listed, told_of(current, folded.ledger, listed, arn, now))
    failures.resume(folded.failed.lines())
    left_open = folded.deferred.count + folded.lost.count
    if left_open and not event["failure"] and current.number < plan["passes"]:
        following = passes.go_on(current, account, failures, folded)
        logger.info("another pass", extra={"carried": account.carried, "batch_items": following.batch_items})
        return {"summary": None, "next": asdict(following)}
    for still_open in (folded.deferred, folded.lost):
        failures.resume(still_open.lines())
    return {"summary": _publish(_run(event, now), account, failures, store), "next": None}


def _map_run(stepfunctions: Any, event: Mapping[str, Any], earlier: Sequence[str]) -> MapRun | None:
    """Find the pass's map run; ``None`` when the map failed before it began one."""
    try:
        arn = event["map_run"] or _newest(stepfunctions, event["execution"], earlier)
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


def _newest(stepfunctions: Any, execution: str, earlier: Sequence[str]) -> str | None:
    """Return the ARN of the latest map run that no pass before had: a redrive may have begun another one."""
    map_runs = stepfunctions.list_map_runs(executionArn=execution)["mapRuns"]
    fresh = [each for each in map_runs if each["mapRunArn"] not in earlier]
    return max(fresh, key=lambda each: each["startDate"])["mapRunArn"] if fresh else None


def _fold(map_run: MapRun | None, event: Mapping[str, Any], store: S3Store) -> Fold:
    folded = Fold()
    if map_run is None:
        return folded
    place = event["plan"]["results"]
    try:
        results = Results.open(store, map_run.manifest_uri(place["bucket"], place["prefix"]))
    except TransientError as error:
        if event["attempt"] < PATIENCE:
            raise
        # A map run that listed nothing has nothing to write.
        if map_run.listed:
            folded.ledger.gaps.add(str(error))
    else:
        folded = fold(results, store, event["pass"]["records"])
    if not map_run.settled:
        folded.ledger.faults.add(f"{map_run.arn} is still at work: {map_run.status}")
    return folded


def _run(event: Mapping[str, Any], now: datetime) -> Run:
    started = datetime.fromisoformat(event["started"])
    return Run(event["plan"], event["execution"], event["failure"], event["child_type"], started, now)


def _publish(run: Run, account: Account, failures: Failures, store: S3Store) -> dict[str, Any]:
    tables = write_manifests(store, run.plan, account.notes.append) if run.plan["load"] else 0
    summary = {**summarize(run, account), "tables": tables}
    artifacts = summary["artifacts"]
    with failures.csv() as body:
        store.upload(artifacts["failures"], body, "text/csv; charset=utf-8")
    store.write(artifacts["figures"], _encoded(figures(account)), "application/json")
    store.write(artifacts["summary"], _encoded(summary, indent=2), "application/json")
    day = f"{run.started.astimezone(UTC):%Y-%m-%d}"
    # A line a run, for Athena.
    store.write(f"{run.plan['summaries']}{day}/{summary['run']}.json", _encoded(summary) + b"\n", "application/json")
    _measure(summary)
    logger.info("summarized", extra={"summary": summary})
    return summary


def _encoded(value: dict[str, Any], indent: int | None = None) -> bytes:
    """Return JSON in UTF-8; half a surrogate pair, which UTF-8 cannot hold, becomes the escape that JSON has for it."""
    return json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _measure(summary: Mapping[str, Any]) -> None:
    """Publish the run's metrics: one line of the log, which CloudWatch reads them from.

    By hand, because the decorator would also publish nothing for an attempt that comes too early, and warn.
    """
    metrics.add_dimension("Stack", os.environ["STACK"])
    metrics.add_metadata("run", summary["run"])
    metrics.add_metadata("operation", summary["operation"])
    for measure in measures(summary):
        metrics.add_metric(measure.name, measure.unit, measure.value)
    metrics.flush_metrics()
