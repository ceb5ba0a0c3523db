"""Running the children of one map run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Final

from fanfold.local.stepfunctions import arns, history
from fanfold.local.stepfunctions.batching import Batch
from fanfold.local.stepfunctions.children import ABORTED, FAILED, RUNNING, SUCCEEDED, TIMED_OUT, Child
from fanfold.local.stepfunctions.document import Document
from fanfold.local.stepfunctions.failure import RUNTIME, TIMEOUT, Failure, Stopped
from fanfold.local.stepfunctions.history import History, KeptTrail, NoTrail
from fanfold.local.stepfunctions.interpreter import resume_flow, run_flow
from fanfold.local.stepfunctions.line import Identity, Line, execution_context
from fanfold.local.stepfunctions.mapruns import Live, MapRun
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
        run = self._run
        earlier = run.checkpoints.pop(batch.index, None)
        child = self._begin(batch)
        kept, scope = None, self._scope
        if not run.origin.express:
            kept, scope = History(), Scope(self._scope)
            run.live[batch.index] = Live(kept, scope)
        line = self._line(child, batch.document, kept, scope)
        try:
            line.trail.add(
                "ExecutionStarted", "executionStartedEventDetails", _started(batch.document, run.origin.role)
            )
            if isinstance(line.trail, KeptTrail):
                line.trail.last = 0
            if earlier is None:
                document = run_flow(run.origin.processor, batch.document, line)
            else:
                document = resume_flow(run.origin.processor, earlier, line)
            child.status, child.output = SUCCEEDED, document.text
            details = {"output": document.text, "outputDetails": {"truncated": False}}
            line.trail.add("ExecutionSucceeded", "executionSucceededEventDetails", details)
        except Failure as failure:
            self._failed(child, failure, line)
        except Stopped as stopped:
            self._aborted(child, stopped, kept)
        except Exception as problem:  # a defect of the endpoint fails this child, not the run
            self._failed(child, Failure(RUNTIME, f"{type(problem).__name__}: {problem}"), line)
        self._end(child, kept)

    def _begin(self, batch: Batch) -> Child:
        run = self._run
        redrives = run.redrives_of(batch.index)
        name = arns.derived_id(run.id, batch.index)
        child = Child(
            run.number, batch.index, RUNNING, batch.items, redrives, time.time(), 0, name, batch.document.text
        )
        child.attempt = run.redrives
        run.started_child(child)
        return child

    def _line(self, child: Child, document: Document, kept: History | None, scope: Scope) -> Line:
        run, parent = self._run, self._parent
        machine = run.origin.machine_arn
        arn = (
            arns.express(machine, child.name, arns.derived_id(run.id, child.name))
            if run.origin.express
            else arns.execution(machine, child.name)
        )
        identity = Identity(
            arn, child.name, run.origin.role, machine, parent.identity.machine_name, child.started, child.redrives
        )
        return Line(
            services=parent.services,
            identity=identity,
            execution=execution_context(identity, document),
            scope=scope,
            trail=KeptTrail(kept) if kept is not None else _NO_TRAIL,
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

    def _aborted(self, child: Child, stopped: Stopped, kept: History | None) -> None:
        child.status = ABORTED
        live = self._run.live.get(child.index)
        child.error, child.cause = (live.error, live.cause) if live else (None, None)
        if self._scope.stopped:
            child.cause = f"The map run execution [{self._run.arn}] which was managing this resource was aborted"
        if stopped.checkpoint is not None:
            self._run.checkpoints[child.index] = stopped.checkpoint
        if kept is not None:
            kept.add("ExecutionAborted", 0, "executionAbortedEventDetails", history.named(child.error, child.cause))

    def _end(self, child: Child, kept: History | None) -> None:
        child.stopped = time.time()
        if kept is not None:
            self._run.live[child.index].scope.close()
        child.history = json.dumps(kept.events) if kept is not None else None
        self._run.live.pop(child.index, None)
        self._parent.services.children.put(child)
        self._run.ended_child(child)
        if child.status in (FAILED, TIMED_OUT):
            self.judge()

    def judge(self) -> None:
        """End the run when more items failed than are tolerated; EXPRESS children under way run on."""
        if not self._breached and self._run.breached(self._total):
            self._breached = True
            if not self._run.origin.express:
                self._scope.stop()


def _started(document: Document, role: str) -> dict[str, object]:
    return {"input": document.text, "inputDetails": {"truncated": False}, "roleArn": role}
