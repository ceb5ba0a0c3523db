"""The Parallel state and the inline Map."""

from __future__ import annotations

from typing import Any, Final

from fanfold.local.stepfunctions.distributed import run_distributed
from fanfold.local.stepfunctions.document import Document
from fanfold.local.stepfunctions.failure import Failure, Stopped, oversized
from fanfold.local.stepfunctions.interpreter import Checkpoint, Visit, resume_flow, run_flow
from fanfold.local.stepfunctions.items import map_items, select, whole_number
from fanfold.local.stepfunctions.line import Line
from fanfold.local.stepfunctions.program import Flow, MapBody, ParallelBody
from fanfold.local.stepfunctions.scope import Scope
from fanfold.local.stepfunctions.together import Together, array, in_thread

Outcome = tuple[str | None, Document]

_INLINE_CONCURRENCY: Final = 40


def run_parallel(visit: Visit) -> Outcome:
    """Run the branches at once on the same input, and give out their outputs in order."""
    body = visit.body(ParallelBody)
    visit.reported = False
    document = visit.document
    if body.arguments is not None:
        document = visit.document_of(visit.evaluate(body.arguments), "Arguments")
    if visit.inner is None:
        visit.line.trail.add("ParallelStateStarted")
    earlier = visit.inner or [None] * len(body.branches)

    def branch(index: int, scope: Scope) -> Document:
        line = visit.line.branch(scope)
        done = _go_on(body.branches[index], document, earlier[index], line)
        visit.line.trail.follow(line.trail.last)
        return done

    outputs = Together(len(body.branches), branch, visit.line.scope).run(in_thread, len(body.branches))
    return _succeed(visit, array(outputs))


def run_map(visit: Visit) -> Outcome:
    """Run an inline Map here, a distributed one in children."""
    body = visit.body(MapBody)
    visit.reported = False
    return run_distributed(visit, body) if body.distributed else _run_inline(visit, body)


def _run_inline(visit: Visit, body: MapBody) -> Outcome:
    limit = whole_number(visit, body.max_concurrency, "MaxConcurrency") or _INLINE_CONCURRENCY
    documents = list(select(visit, body.selector, map_items(visit, body)))
    trail = visit.line.trail
    if visit.inner is None:
        trail.add("MapStateStarted", "mapStateStartedEventDetails", {"length": len(documents)})
    earlier = visit.inner or [None] * len(documents)
    started = trail.last

    def iteration(index: int, scope: Scope) -> Document:
        done = earlier[index]
        if isinstance(done, Document):
            return done
        line = visit.line.branch(scope)
        line.trail.follow(started)
        done = _iterate(visit, body.processor, documents[index], earlier[index], (index, line))
        trail.follow(line.trail.last)
        return done

    team = Together(len(documents), iteration, visit.line.scope)
    return _succeed(visit, array(team.run(visit.line.services.workers.offer, limit) if documents else []))


def _iterate(visit: Visit, flow: Flow, document: Document, earlier: Any, place: tuple[int, Line]) -> Document:
    index, line = place
    details = {"name": visit.state.name, "index": index}
    line.trail.add("MapIterationStarted", "mapIterationStartedEventDetails", details)
    try:
        done = _go_on(flow, document, earlier, line)
    except Failure:
        line.trail.add("MapIterationFailed", "mapIterationFailedEventDetails", details)
        visit.line.trail.follow(line.trail.last)
        raise
    except Stopped:
        line.trail.add("MapIterationAborted", "mapIterationAbortedEventDetails", details)
        raise
    line.trail.add("MapIterationSucceeded", "mapIterationSucceededEventDetails", details)
    return done


def _go_on(flow: Flow, document: Document, earlier: Any, line: Line) -> Document:
    if isinstance(earlier, Document):
        return earlier
    try:
        if isinstance(earlier, Checkpoint):
            return resume_flow(flow, earlier, line)
        return run_flow(flow, document, line)
    except Stopped as stopped:
        if stopped.checkpoint.event:  # the state had been entered
            line.trail.add(f"{flow.states[stopped.checkpoint.state].kind}StateAborted")
        raise


def _succeed(visit: Visit, result: Document) -> Outcome:
    if result.oversized:
        raise oversized(visit.state.name)
    visit.line.trail.add(f"{visit.state.kind}StateSucceeded")
    visit.reported = True
    return visit.finish(result)
