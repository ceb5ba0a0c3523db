"""Running a line of states: enter, do, retry, catch, assign, give out, go on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fanfold.local.stepfunctions import history
from fanfold.local.stepfunctions.document import DATA_LIMIT, NULL, Document, dumps, size
from fanfold.local.stepfunctions.failure import (
    DATA_LIMIT_EXCEEDED,
    EvaluationFailure,
    Failure,
    Stopped,
    oversized,
)
from fanfold.local.stepfunctions.line import Line, iso
from fanfold.local.stepfunctions.program import Flow, State
from fanfold.local.stepfunctions.query import Template, unexpected_type
from fanfold.local.stepfunctions.retry import Attempts, catcher_for

B = TypeVar("B")
Runner = Callable[["Visit"], tuple[str | None, Document]]

_VARIABLES_LIMIT: Final = 10 * 1024**2  # bytes of all variables of an execution
# Types whose failure is an event of its own, whatever came before it.
_REPORTING: Final = frozenset({"Map", "Parallel"})
_TRYING: Final = frozenset({"Map", "Parallel", "Task"})


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a line of states ended before its time: what a redrive starts from.

    Attributes:
        event: the id of the event by which the state was entered.
        inner: what the state itself noted of its progress, such as its map run or its branches.
    """

    state: str
    document: Document
    variables: dict[str, Any]
    event: int
    inner: Any


def run_flow(flow: Flow, document: Document, line: Line) -> Document:
    """Run a line of states from its start; raises Failure or Stopped with a checkpoint."""
    return _run(flow, Visit(flow.states[flow.start], document, line))


def resume_flow(flow: Flow, checkpoint: Checkpoint, line: Line) -> Document:
    """Run a line of states on from where it failed; raises as run_flow does."""
    line.variables = dict(checkpoint.variables)
    line.trail.follow(checkpoint.event)
    return _run(flow, Visit(flow.states[checkpoint.state], checkpoint.document, line, checkpoint))


def _run(flow: Flow, visit: Visit) -> Document:
    runners = visit.line.services.runners
    while True:
        try:
            following, document = _run_state(visit, runners[visit.state.kind])
        except (Failure, Stopped) as problem:
            problem.checkpoint = visit.checkpoint(problem.checkpoint)
            raise
        if following is None:
            return document
        visit = Visit(flow.states[following], document, visit.line)


def _run_state(visit: Visit, runner: Runner) -> tuple[str | None, Document]:
    visit.enter()
    attempts = Attempts(visit.state.retriers, visit.state.kind)
    while True:
        try:
            return visit.leave(*runner(visit))
        except Failure as problem:
            failure = problem
            visit.explain(failure)
        seconds = attempts.delay(failure)
        if seconds is None:
            return visit.leave(*visit.catch(failure))
        visit.inner = None
        visit.line.sleep(seconds)
        visit.retries += 1


class Visit:
    """One stay in a state, all its attempts included.

    Attributes:
        inner: the progress of an earlier stay that a redrive takes up; ``None`` in a fresh attempt.
        event: the id of the event by which the state was entered.
        reported: whether an event already says how a Map or Parallel ended.
    """

    __slots__ = ("assigned", "document", "entered", "event", "inner", "line", "reported", "retries", "state")

    def __init__(self, state: State, document: Document, line: Line, earlier: Checkpoint | None = None) -> None:
        self.state = state
        self.document = document
        self.line = line
        self.inner = earlier.inner if earlier else None
        self.retries = 0
        self.entered = 0.0
        self.event = earlier.event if earlier else 0
        self.reported = False
        self.assigned: dict[str, Document] = {}

    def enter(self) -> None:
        """Check that the execution still runs, and note the entry."""
        line = self.line
        line.check()
        self.entered = time.time()
        if line.trail.kept and not self.event:
            details = history.entered(self.state.name, self.document.text)
            self.event = line.trail.add(f"{self.state.kind}StateEntered", "stateEnteredEventDetails", details)

    def checkpoint(self, inner: Any) -> Checkpoint:
        """Return where a redrive takes up this state; ``inner`` is the progress within it."""
        return Checkpoint(self.state.name, self.document, self.line.variables, self.event, inner)

    def leave(self, following: str | None, document: Document) -> tuple[str | None, Document]:
        """Note the exit, make the assigned variables visible, and pass on."""
        trail = self.line.trail
        if trail.kept and self.state.kind != "Fail":
            assigned = {name: value.text for name, value in self.assigned.items()}
            details = history.exited(self.state.name, document.text, assigned)
            trail.add(f"{self.state.kind}StateExited", "stateExitedEventDetails", details)
        for name, value in self.assigned.items():
            self.line.variables[name] = NULL if value.bound is None else value.bound
        return following, document

    def body(self, kind: type[B]) -> B:
        """Return the body of the state, which the definition made of this kind."""
        body = self.state.body
        if not isinstance(body, kind):
            raise TypeError(f"the state '{self.state.name}' has no {kind.__name__}")
        return body

    def bindings(self, **own: Any) -> dict[str, Any]:
        """Return what expressions of this state see; ``own`` is ``result`` or ``errorOutput``."""
        state: dict[str, Any] = {"Name": self.state.name, "EnteredTime": iso(self.entered)}
        if self.state.kind in _TRYING:
            state["RetryCount"] = self.retries
        states = {"input": self.document.bound, "context": self.line.context(state), **own}
        return {**self.line.variables, "states": states}

    def evaluate(self, template: Template, **own: Any) -> Any:
        """Return the value of a template in this state."""
        return template.evaluate(self.bindings(**own))

    def typed(self, template: Template, field: str, expected: str, kinds: type | tuple[type, ...]) -> Any:
        """Return the value of a field that takes one type only; raises EvaluationFailure for another."""
        value = self.evaluate(template)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in _types(kinds)):
            raise unexpected_type(template, field, expected, value)
        return value

    def finish(self, result: Document | None = None) -> tuple[str | None, Document]:
        """End the state: compute Output and Assign, both from the variables as they were on entry."""
        own = {} if result is None else {"result": result.bound}
        return self.state.next, self.give_out(self.state.output, self.state.assign, result or self.document, own)

    def give_out(
        self, output: Template | None, assign: Template | None, result: Document, own: dict[str, Any]
    ) -> Document:
        """Return the output document, and keep the assigned variables for the exit."""
        document = result
        if output is not None or assign is not None:
            bindings = self.bindings(**own)
            if output is not None:
                document = self.document_of(output.evaluate(bindings), "Output", result)
            if assign is not None:
                assigned = assign.evaluate(bindings)
                self.assigned = {name: self.document_of(value, f"Assign/{name}") for name, value in assigned.items()}
        if document.oversized:
            raise oversized(self.state.name)
        self._check_assigned()
        return document

    def _check_assigned(self) -> None:
        """Raise Failure for variables larger than AWS keeps: one, those of one Assign, or all of the execution."""
        total, name = 0, self.state.name
        for variable, value in self.assigned.items():
            weight = size(value.text)
            total += weight
            if weight > DATA_LIMIT:
                where = f"Variable '{variable}' in state '{name}'"
                raise self._too_much(f"Variable size limit exceeded. {where} was assigned {weight} bytes.")
            if total > DATA_LIMIT:
                raise self._too_much(
                    f"State total variable size limit exceeded. Variable '{variable}' in state '{name}' was assigned "
                    f"{weight} bytes, which caused the size of variables assigned in the state to exceed its limit by "
                    f"{total - DATA_LIMIT} bytes."
                )
        earlier = [value for known, value in self.line.variables.items() if known not in self.assigned]
        if total and (len(earlier) + 1) * DATA_LIMIT > _VARIABLES_LIMIT:
            excess = total + sum(size(dumps(value)) for value in earlier) - _VARIABLES_LIMIT
            if excess > 0:
                raise self._too_much(
                    f"Execution total variable size limit exceeded. State '{name}' assigned variables that exceed the "
                    f"total execution limit by {excess} bytes."
                )

    def _too_much(self, cause: str) -> Failure:
        details = history.named(DATA_LIMIT_EXCEEDED, cause, location="Assign", state=self.state.name)
        self.line.trail.add("EvaluationFailed", "evaluationFailedEventDetails", details)
        return Failure(DATA_LIMIT_EXCEEDED, cause)

    def document_of(self, value: Any, field: str, *known: Document) -> Document:
        """Return the document of an evaluated value; raises EvaluationFailure where JSON has no form for it."""
        for document in (*known, self.document):
            if value is document.bound:
                return document
        try:
            return Document.of(value)
        except (TypeError, ValueError) as problem:
            raise EvaluationFailure(f"The value of the field '{field}' is not JSON: {problem}", field) from None

    def explain(self, failure: Failure) -> None:
        """Say in the cause where an expression failed, and note it."""
        if isinstance(failure, EvaluationFailure) and not failure.explained:
            failure.explained = True
            failure.cause = (
                f"An error occurred while executing the state '{self.state.name}' (entered at the event id "
                f"#{self.event}). {failure.cause}"
            )
            details = history.named(failure.error, failure.cause, location=failure.location, state=self.state.name)
            self.line.trail.add("EvaluationFailed", "evaluationFailedEventDetails", details)

    def catch(self, failure: Failure) -> tuple[str | None, Document]:
        """Go where a catcher points; raises the failure again if none names it."""
        if self.state.kind in _REPORTING and not self.reported:
            self.line.trail.add(f"{self.state.kind}StateFailed")
        catcher = catcher_for(self.state.catchers, failure, self.state.kind)
        if catcher is None:
            raise failure
        error_output = failure.output()
        own = {"errorOutput": error_output}
        try:
            return catcher.next, self.give_out(catcher.output, catcher.assign, Document.of(error_output), own)
        except Failure as problem:
            self.explain(problem)
            raise


def _types(kinds: type | tuple[type, ...]) -> tuple[type, ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)
