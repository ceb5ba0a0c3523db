"""Running the children of one map run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from fanfold.local.stepfunctions import arns, history
from fanfold.local.stepfunctions.batching import Batch
from fanfold.local.stepfunctions.children import ABORTED, FAILED, RUNNING, SUCCEEDED, TIMED_OUT, Child
from fanfold.local.stepfunctions.document import Document
from fanfold.local.stepfunctions.failure import RUNTIME, TIMEOUT, Failure, Stopped
from fanfold.local.stepfunctions.history import History, KeptTrail, NoTrail
from fanfold.local.stepfunctions.interpreter import resume_flow, run_flow
from fanfold.local.stepfunctions.line import Identity, Line, execution_context
from fanfold.local.stepfunctions.mapruns import Live, MapRun, child_arn
from fanfold.local.stepfunctions.scope import Scope

_EXPRESS_SECONDS: Final = 300.0
_NO_TRAIL: Final = NoTrail()


class ChildRuns:
    """Runs children: STANDARD ones end with the run, are resumed and keep a history; EXPRESS ones do none of it."""

    def __init__(self, run: MapRun, parent: Line, total: Callable[[], int]) -> None:
        self._run = run
        self._parent = parent
        self._total = total
        self._scope = Scope(parent.services.scope if run.origin.express else parent.scope)
        self._breached = False

    def halted(self) -> bool:
        """Tell whether no further child is to start."""
        return self._breached or self._parent.scope.stopped

    def close(self) -> None:
        """Let go of the scope around."""
        self._scope.close()

    def perform(self, batch: Batch) -> None:
        """Run one child and keep what came of it."""
        child = self._begin(batch)
        live = self._run.live.get(child.index)
        line = self._line(child, batch.document, live)
        try:
            document = self._go(child, batch.document, line)
            line.check_time()
            child.status, child.output = SUCCEEDED, document.text
            details = {"output": document.text, "outputDetails": {"truncated": False}}
            line.trail.add("ExecutionSucceeded", "executionSucceededEventDetails", details)
        except Failure as failure:
            self._failed(child, failure, line)
        except Stopped as stopped:
            self._aborted(child, stopped, live)
        except Exception as problem:  # a defect of the endpoint fails this child, not the run
            self._failed(child, Failure(RUNTIME, f"{type(problem).__name__}: {problem}"), line)
        self._end(child, live)

    def _go(self, child: Child, document: Document, line: Line) -> Document:
        flow = self._run.origin.processor
        checkpoint = self._run.checkpoints.pop(child.index, None)
        if checkpoint is not None:
            return resume_flow(flow, checkpoint, line)
        if isinstance(line.trail, KeptTrail) and not line.trail.history.events:
            line.trail.history.add("ExecutionStarted", 0, "executionStartedEventDetails", self._started(document))
        return run_flow(flow, document, line)

    def _started(self, document: Document) -> dict[str, object]:
        return {"input": document.text, "inputDetails": {"truncated": False}, "roleArn": self._run.origin.role}

    def _begin(self, batch: Batch) -> Child:
        """Note the start of a child; a STANDARD one that a redrive takes up keeps its start and its history."""
        run, now = self._run, time.time()
        name = arns.derived_id(run.id, batch.index)
        child = Child(run.number, batch.index, RUNNING, batch.items, 0, now, 0, name, batch.document.text)
        child.attempt = run.redrives
        earlier = run.earlier(batch.index)
        events: list[dict[str, Any]] = []
        if earlier is not None:
            child.redrives, child.redriven = earlier.redrives + 1, now
            if not run.origin.express:
                child.started, events = earlier.started, json.loads(earlier.history or "[]")
        if not run.origin.express:
            run.live[batch.index] = Live(History(events), Scope(self._scope))
            if events:
                run.live[batch.index].history.redriven(child.redrives)
        run.started_child(child)
        return child

    def _line(self, child: Child, document: Document, live: Live | None) -> Line:
        run, parent = self._run, self._parent
        identity = Identity(
            arn=child_arn(run, child),
            name=child.name,
            role=run.origin.role,
            machine_arn=run.origin.machine_arn,
            machine_name=parent.identity.machine_name,
            started=child.started,
            root=run.origin.root,
            redrives=child.redrives,
            redriven=child.redriven,
        )
        return Line(
            services=parent.services,
            identity=identity,
            execution=execution_context(identity, document),
            scope=live.scope if live else self._scope,
            trail=KeptTrail(live.history) if live else _NO_TRAIL,
            variables={},
            deadline=child.started + _EXPRESS_SECONDS if run.origin.express else None,
        )

    def _failed(self, child: Child, failure: Failure, line: Line) -> None:
        overdue = failure.error == TIMEOUT and line.overdue
        child.status = TIMED_OUT if overdue else FAILED
        child.error, child.cause = failure.error, failure.cause
        if not self._run.origin.express and failure.checkpoint is not None:
            self._run.checkpoints[child.index] = failure.checkpoint
        line.trail.add("ExecutionFailed", "executionFailedEventDetails", history.named(failure.error, failure.cause))

    def _aborted(self, child: Child, stopped: Stopped, live: Live | None) -> None:
        child.status = ABORTED
        child.error, child.cause = (live.error, live.cause) if live else (None, None)
        if self._scope.stopped:
            child.cause = f"The map run execution [{self._run.arn}] which was managing this resource was aborted"
        if live is not None:
            if stopped.checkpoint is not None:
                self._run.checkpoints[child.index] = stopped.checkpoint
            details = history.named(child.error, child.cause)
            live.history.add("ExecutionAborted", 0, "executionAbortedEventDetails", details)

    def _end(self, child: Child, live: Live | None) -> None:
        child.stopped = time.time()
        if live is not None:
            live.scope.close()
            child.history = json.dumps(live.history.events)
        self._parent.services.children.put(child)
        self._run.live.pop(child.index, None)
        self._run.ended_child(child)
        if child.status in (FAILED, TIMED_OUT):
            self.judge()

    def judge(self) -> None:
        """End the run when more items failed than are tolerated; EXPRESS children under way run on."""
        if not self._breached and self._run.breached(self._total):
            self._breached = True
            if not self._run.origin.express:
                self._scope.stop()
