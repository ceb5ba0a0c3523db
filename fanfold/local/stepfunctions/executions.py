"""Executions of state machines: their life, and the book of all of them."""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from fanfold.local.protocol import ServiceError
from fanfold.local.stepfunctions import history
from fanfold.local.stepfunctions.children import ABORTED, FAILED, RUNNING, SUCCEEDED, TIMED_OUT
from fanfold.local.stepfunctions.document import Document
from fanfold.local.stepfunctions.failure import RUNTIME, Failure, Stopped
from fanfold.local.stepfunctions.history import History, KeptTrail
from fanfold.local.stepfunctions.interpreter import Checkpoint, resume_flow, run_flow
from fanfold.local.stepfunctions.line import Identity, Line, execution_context
from fanfold.local.stepfunctions.machines import Machine
from fanfold.local.stepfunctions.scope import Scope
from fanfold.local.stepfunctions.services import Services

_EVENTS: Final = {
    SUCCEEDED: "ExecutionSucceeded",
    FAILED: "ExecutionFailed",
    TIMED_OUT: "ExecutionTimedOut",
    ABORTED: "ExecutionAborted",
}
_WINDING_DOWN: Final = 30.0  # seconds a redrive waits for the thread of the attempt before it
_KEPT: Final = 1_000  # executions, with their histories
_WHOLE: Final = {"truncated": False}


@dataclass(frozen=True, slots=True)
class Ending:
    """How an execution ends; ``previous`` is the id of the event before the last."""

    status: str
    error: str | None = None
    cause: str | None = None
    output: str | None = None
    previous: int = 0


class Execution:
    """One execution of a machine as it was when the execution started."""

    def __init__(self, machine: Machine, identity: Identity, document: Document, services: Services) -> None:
        self.machine = machine
        self.identity = identity
        self.document = document
        self.history = History()
        self.status = RUNNING
        self.stopped: float | None = None
        self.redriven: float | None = None
        self.output: str | None = None
        self.error: str | None = None
        self.cause: str | None = None
        self._services = services
        self._checkpoint: Checkpoint | None = None
        self._scope = Scope(services.scope)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._timer: threading.Timer | None = None
        self._tokens: dict[str, float] = {}

    def start(self) -> None:
        """Begin to run."""
        details = {"input": self.document.text, "inputDetails": _WHOLE, "roleArn": self.identity.role}
        self.history.add("ExecutionStarted", 0, "executionStartedEventDetails", details)
        self._go(lambda line: run_flow(self.machine.flow, self.document, line))

    def redrive(self, token: str | None) -> float:
        """Run on from where it failed, and return the moment; raises ServiceError ExecutionNotRedrivable.

        Asked again with the ``token`` of an earlier redrive, it only tells when that was.
        """
        if token in self._tokens:
            return self._tokens[token]
        before = self._thread
        if before is not None and self.status != RUNNING:
            before.join(_WINDING_DOWN)
        with self._lock:
            checkpoint = self._checkpoint
            reason = self.not_redrivable
            if reason is not None or checkpoint is None:
                raise ServiceError("ExecutionNotRedrivable", reason or "Execution is still winding down: try again")
            self.redriven = time.time()
            self.identity = replace(self.identity, redrives=self.identity.redrives + 1, redriven=self.redriven)
            self.status, self.stopped, self.error, self.cause = RUNNING, None, None, None
            self._checkpoint = None
            self._scope = Scope(self._services.scope)
        if token is not None:
            self._tokens[token] = self.redriven
        self.history.redriven(self.identity.redrives)
        self._go(lambda line: resume_flow(self.machine.flow, checkpoint, line))
        return self.redriven

    def _go(self, run: Callable[[Line], Document]) -> None:
        scope = self._scope
        line = Line(
            services=self._services,
            identity=self.identity,
            execution=execution_context(self.identity, self.document),
            scope=scope,
            trail=KeptTrail(self.history),
            variables={},
        )
        seconds = self.machine.flow.timeout
        if seconds is not None:
            self._timer = threading.Timer(seconds, self._finish, (scope, Ending(TIMED_OUT)))
            self._timer.daemon = True
            self._timer.start()
        self._thread = threading.Thread(target=self._run, args=(run, line), daemon=True)
        self._thread.start()

    def _run(self, run: Callable[[Line], Document], line: Line) -> None:
        try:
            document = run(line)
            self._finish(line.scope, Ending(SUCCEEDED, output=document.text, previous=line.trail.last))
        except Failure as failure:
            self._checkpoint = failure.checkpoint
            self._finish(line.scope, Ending(FAILED, failure.error, failure.cause, previous=line.trail.last))
        except Stopped as stopped:
            self._checkpoint = stopped.checkpoint
        except Exception as problem:  # a defect of the endpoint fails the execution, and nothing else
            self._finish(line.scope, Ending(FAILED, RUNTIME, f"{type(problem).__name__}: {problem}"))

    def stop(self, error: str | None, cause: str | None) -> float:
        """Abort, if it still runs, and return when it stopped."""
        self._finish(self._scope, Ending(ABORTED, error, cause))
        return self.stopped or time.time()

    def _finish(self, scope: Scope, ending: Ending) -> None:
        with self._lock:
            if self.status != RUNNING or scope is not self._scope:
                return
            kind = _EVENTS[ending.status]
            details = history.named(ending.error, ending.cause)
            if ending.output is not None:
                details = {"output": ending.output, "outputDetails": _WHOLE}
            self.history.add(kind, ending.previous, f"{kind[0].lower()}{kind[1:]}EventDetails", details)
            self.error, self.cause, self.output = ending.error, ending.cause, ending.output
            self.stopped = time.time()
            self.status = ending.status
        scope.stop()
        scope.close()
        if self._timer is not None:
            self._timer.cancel()

    @property
    def not_redrivable(self) -> str | None:
        """Why a redrive is not possible, ``None`` if it is."""
        if self.status not in (FAILED, ABORTED, TIMED_OUT):
            return f"Execution is {self.status} and cannot be redriven"
        full = len(self.history.events) >= history.EVENT_LIMIT
        return "Execution has exceeded the maximum history event limit" if full else None


class Executions:
    """The book of executions."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._by_arn: dict[str, Execution] = {}
        self._lock = threading.Lock()

    def start(self, machine: Machine, arn: str, name: str, document: Document) -> Execution:
        """Start an execution, or return the one that runs under the same name with the same input.

        Raises ServiceError ExecutionAlreadyExists.
        """
        with self._lock:
            known = self._by_arn.get(arn)
            if known is not None:
                if known.status == RUNNING and known.document.text == document.text:
                    return known
                raise ServiceError("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'")
            identity = Identity(arn, name, machine.role, machine.arn, machine.name, time.time(), arn)
            execution = self._by_arn[arn] = Execution(machine, identity, document, self._services)
            self._forget()
        execution.start()
        return execution

    def _forget(self) -> None:
        """Drop the oldest executions beyond those that are kept, unless they run, and what came of their maps."""
        oldest = list(itertools.islice(self._by_arn.values(), max(0, len(self._by_arn) - _KEPT)))
        for execution in oldest:
            if execution.status != RUNNING:
                del self._by_arn[execution.identity.arn]
                for run in self._services.map_runs.forget(execution.identity.arn):
                    self._services.children.forget(run.number)

    def get(self, arn: str) -> Execution:
        """Return an execution; raises ServiceError ExecutionDoesNotExist."""
        execution = self._by_arn.get(arn)
        if execution is None:
            raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        return execution

    def of(self, machine_arn: str) -> list[Execution]:
        """Return the executions of a machine, those first that began or, if they are over, ended last."""
        with self._lock:
            known = [each for each in self._by_arn.values() if each.identity.machine_arn == machine_arn]
        return sorted(known, key=lambda each: each.stopped or each.redriven or each.identity.started)[::-1]


def new_name() -> str:
    """Return the name of an execution that was started without one."""
    return str(uuid.uuid4())


def details_of(execution: Execution) -> dict[str, Any]:
    """Return what DescribeExecution and ListExecutions both say of an execution."""
    details = {
        "executionArn": execution.identity.arn,
        "stateMachineArn": execution.identity.machine_arn,
        "name": execution.identity.name,
        "status": execution.status,
        "startDate": execution.identity.started,
        "stopDate": execution.stopped,
        "redriveCount": execution.identity.redrives,
        "redriveDate": execution.redriven,
    }
    return {key: value for key, value in details.items() if value is not None}
