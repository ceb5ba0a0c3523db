"""The distributed Map: its run, and what comes of it."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from fanfold.local.stepfunctions import arns, batching, history
from fanfold.local.stepfunctions.batching import Batch
from fanfold.local.stepfunctions.children import ABORTED, FAILED, PENDING, SUCCEEDED, UNSUCCESSFUL, Child
from fanfold.local.stepfunctions.childruns import ChildRuns
from fanfold.local.stepfunctions.dispatch import Dispatch
from fanfold.local.stepfunctions.document import DATA_LIMIT, Document
from fanfold.local.stepfunctions.failure import (
    DATA_LIMIT_EXCEEDED,
    EXCEED_TOLERATED_FAILURE_THRESHOLD,
    RESULT_WRITER_FAILED,
    Failure,
    Stopped,
    oversized,
)
from fanfold.local.stepfunctions.interpreter import Visit
from fanfold.local.stepfunctions.items import select
from fanfold.local.stepfunctions.mapruns import MapRun, Origin
from fanfold.local.stepfunctions.plan import Plan, make_plan
from fanfold.local.stepfunctions.program import MapBody
from fanfold.local.stepfunctions.writer import inline_result, write_results

Outcome = tuple[str | None, Document]

_log: Final = logging.getLogger(__name__)


def run_distributed(visit: Visit, body: MapBody) -> Outcome:
    """Run the children of a distributed Map and give out its result; raises Failure with the map run as checkpoint."""
    plan = make_plan(visit, body)
    earlier = visit.inner if isinstance(visit.inner, MapRun) and visit.inner.restartable else None
    run = earlier or _start(visit, body, plan)
    if earlier is not None:
        if not earlier.read:
            visit.line.services.children.forget(earlier.number)
        earlier.redrive()
    _note_start(visit, run, plan)
    try:
        result = _run(visit, body, plan, run)
    except (Failure, Stopped) as problem:
        problem.checkpoint = run
        raise
    finally:
        run.end_if_running(FAILED)
    trail, started = visit.line.trail, visit.line.trail.last
    trail.add("MapRunSucceeded")
    trail.add("MapStateSucceeded")
    trail.follow(started)  # as recorded: the exit follows the start of the run
    visit.reported = True
    return visit.finish(result)


def _start(visit: Visit, body: MapBody, plan: Plan) -> MapRun:
    line, label = visit.line, body.label or ""
    origin = Origin(
        execution_arn=line.identity.arn,
        root=line.identity.root,
        machine_arn=arns.child_machine(line.identity.machine_arn, label),
        label=label,
        role=line.identity.role,
        express=body.express,
        processor=body.processor,
    )
    limits = (plan.max_concurrency, plan.tolerance)
    return line.services.map_runs.start(line.identity.machine_arn, str(uuid.uuid4()), origin, limits)


def _note_start(visit: Visit, run: MapRun, plan: Plan) -> None:
    trail = visit.line.trail
    if run.redrives:
        trail.follow(run.event)
        details = {"mapRunArn": run.arn, "redriveCount": run.redrives}
        trail.add("MapRunRedriven", "mapRunRedrivenEventDetails", details)
        return
    run.event = trail.add("MapStateStarted", "mapStateStartedEventDetails", {"length": plan.length or 0})
    trail.add("MapRunStarted", "mapRunStartedEventDetails", {"mapRunArn": run.arn})


def _run(visit: Visit, body: MapBody, plan: Plan, run: MapRun) -> Document:
    """Run the children, write what came of them, and return the state's result; raises Failure or Stopped."""
    again = run.redrives > 0 and run.read
    total = _total(run, plan)
    failure = _unwritable(visit, plan) or _dispatch(
        visit, run, _batches_again(visit, run) if again else _batches(visit, body, plan, run), total
    )
    if again:
        run.recount(visit.line.services.children.tally(run.number))
    failure = failure or _breach(run, total)
    if failure is None and visit.line.scope.stopped:
        _write(visit, plan, run, ABORTED)
        raise Stopped
    if failure is not None:
        _fail(visit, plan, run, failure)
        raise failure
    try:
        result = _result(visit, body, plan, run)
    except Failure as problem:
        run.restartable = problem.error != DATA_LIMIT_EXCEEDED
        _fail(visit, plan, run, problem)
        raise
    run.end(SUCCEEDED)
    return result


def _unwritable(visit: Visit, plan: Plan) -> Failure | None:
    """Return why no results could be written, found out before any child is started."""
    if plan.target is None:
        return None
    try:
        visit.line.services.clients("s3").head_bucket(Bucket=plan.target.bucket)
    except (ClientError, BotoCoreError) as problem:
        reason = f"The bucket '{plan.target.bucket}' for the results cannot be used: {problem}"
        return Failure(RESULT_WRITER_FAILED, reason)
    return None


def _dispatch(visit: Visit, run: MapRun, batches: Iterator[Batch], total: Callable[[], int]) -> Failure | None:
    """Run the children, keep what stays pending, and return why the items could not be read to the end."""
    services = visit.line.services
    children = ChildRuns(run, visit.line, total)
    dispatch = Dispatch(run, batches, children.perform, children.halted)

    def wake() -> None:
        children.judge()
        dispatch.grow()

    run.wake = wake
    try:
        dispatch.run(services.workers)
    finally:
        run.wake = _asleep
        children.close()
    for batch in dispatch.rest():
        if run.earlier(batch.index) is None:
            services.children.put(_pending(run, batch))
    return dispatch.failure


def _asleep() -> None:
    """Stand in for a dispatch that is over."""


def _batches(visit: Visit, body: MapBody, plan: Plan, run: MapRun) -> Iterator[Batch]:
    items = select(visit, body.selector, plan.entries())
    for batch in batching.single(items) if plan.limits is None else batching.batched(items, plan.limits):
        run.read_one(batch.items)
        yield batch


def _batches_again(visit: Visit, run: MapRun) -> Iterator[Batch]:
    """Yield the inputs of the children that have not succeeded yet."""
    for child in visit.line.services.children.each(run.number, *UNSUCCESSFUL, PENDING):
        if child.attempt < run.redrives:
            run.again(child)
            yield Batch(child.index, Document(child.input), child.items)


def _total(run: MapRun, plan: Plan) -> Callable[[], int]:
    """Return how to learn the number of all items, which a percentage is of: read ahead where that is needed."""
    lock = threading.Lock()
    known: list[int] = []

    def total() -> int:
        with lock:
            if not known and not run.read:
                known.append(_count(plan))
        return known[0] if known else run.total

    return total


def _count(plan: Plan) -> int:
    """Read the dataset through; where that fails the run is about to fail too, and every failure is one too many."""
    try:
        return sum(1 for _ in plan.entries())
    except Failure:
        return 0


def _pending(run: MapRun, batch: Batch) -> Child:
    return Child(run.number, batch.index, PENDING, batch.items, 0, 0, 0, "", batch.document.text, attempt=run.redrives)


def _breach(run: MapRun, total: Callable[[], int]) -> Failure | None:
    if not run.breached(total):
        return None
    return Failure(EXCEED_TOLERATED_FAILURE_THRESHOLD, "The specified tolerated failure threshold was exceeded")


def _result(visit: Visit, body: MapBody, plan: Plan, run: MapRun) -> Document:
    services = visit.line.services
    if plan.target is not None:
        try:
            return Document.of(write_results(run, plan.target, services.children, services.clients("s3")))
        except (ClientError, BotoCoreError) as problem:
            raise Failure(RESULT_WRITER_FAILED, f"The results could not be written: {problem}") from None
    transformation = body.writer.transformation if body.writer else "COMPACT"
    text = inline_result(run, transformation, services.children, DATA_LIMIT)
    result = None if text is None else Document(text)
    if result is None or result.oversized:
        raise oversized(visit.state.name)
    return result


def _fail(visit: Visit, plan: Plan, run: MapRun, failure: Failure) -> None:
    visit.explain(failure)
    if failure.error != RESULT_WRITER_FAILED:
        _write(visit, plan, run, FAILED)
    run.end(FAILED)
    details = history.named(failure.error, failure.cause)
    visit.line.trail.add("MapRunFailed", "mapRunFailedEventDetails", details)


def _write(visit: Visit, plan: Plan, run: MapRun, status: str) -> None:
    """Write what there is of an unsuccessful run; that nothing can be written does not hide why it failed."""
    services = visit.line.services
    try:
        if plan.target is not None:
            write_results(run, plan.target, services.children, services.clients("s3"))
    except (ClientError, BotoCoreError) as problem:
        _log.warning("the results of %s could not be written: %s", run.arn, problem)
    finally:
        run.end(status)
