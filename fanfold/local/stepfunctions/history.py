"""The events of an execution, and the trail one line of states leaves in them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any, Final, Protocol

from fanfold.local.stepfunctions.failure import RUNTIME, Failure

EVENT_LIMIT: Final = 25_000
_FINAL: Final = frozenset({"ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"})
_FULL: Final = {"truncated": False}


class Trail(Protocol):
    """What one line of states writes its events to."""

    @property
    def last(self) -> int:
        """The id of the line's last event."""
        ...

    def add(self, kind: str, details_name: str = "", details: dict[str, Any] | None = None) -> int:
        """Add an event that follows this line's last one, and return its id."""
        ...

    def fork(self) -> Trail:
        """Return the trail of a line that starts here."""
        ...

    def follow(self, event: int) -> None:
        """Make the next event of this line follow ``event``."""
        ...

    @property
    def kept(self) -> bool:
        """Whether anybody will read the events."""
        ...


class History:
    """All events of one execution, oldest first; ids count from 1."""

    def __init__(self, earlier: Iterable[dict[str, Any]] = ()) -> None:
        self.events: list[dict[str, Any]] = list(earlier)
        self._sealed = False
        self._lock = threading.Lock()

    def add(self, kind: str, previous: int, details_name: str = "", details: dict[str, Any] | None = None) -> int:
        """Append an event and return its id; raises Failure when the history is full.

        After the event that ends the execution, what still winds down leaves no trace.
        """
        with self._lock:
            number = len(self.events) + 1
            if self._sealed and kind != "ExecutionRedriven":
                return number - 1
            self._sealed = kind in _FINAL
            event: dict[str, Any] = {"timestamp": time.time(), "type": kind, "id": number, "previousEventId": previous}
            if details is not None:
                event[details_name] = details
            if number >= EVENT_LIMIT and not kind.startswith("Execution"):
                raise Failure(RUNTIME, f"The execution reached the maximum number of history events ({EVENT_LIMIT}).")
            self.events.append(event)
            return number

    def redriven(self, redrives: int) -> None:
        """Append the event by which a redrive takes up the execution."""
        self.add("ExecutionRedriven", len(self.events), "executionRedrivenEventDetails", {"redriveCount": redrives})


class KeptTrail:
    """A trail into a history."""

    __slots__ = ("history", "last")

    def __init__(self, history: History, last: int = 0) -> None:
        self.history = history
        self.last = last

    def add(self, kind: str, details_name: str = "", details: dict[str, Any] | None = None) -> int:
        """Add an event that follows this line's last one, and return its id."""
        self.last = self.history.add(kind, self.last, details_name, details)
        return self.last

    def fork(self) -> KeptTrail:
        """Return the trail of a line that starts here."""
        return KeptTrail(self.history, self.last)

    def follow(self, event: int) -> None:
        """Make the next event of this line follow ``event``."""
        self.last = event

    @property
    def kept(self) -> bool:
        """Whether anybody will read the events."""
        return True


class NoTrail:
    """The trail of an EXPRESS child: it has no history."""

    __slots__ = ()
    last = 0

    def add(self, kind: str, details_name: str = "", details: dict[str, Any] | None = None) -> int:
        """Add nothing."""
        return 0

    def fork(self) -> NoTrail:
        """Return itself."""
        return self

    def follow(self, event: int) -> None:
        """Do nothing."""

    @property
    def kept(self) -> bool:
        """Whether anybody will read the events."""
        return False


def entered(name: str, text: str) -> dict[str, Any]:
    """Return the details of a ``...StateEntered`` event."""
    return {"name": name, "input": text, "inputDetails": _FULL}


def exited(name: str, text: str, assigned: dict[str, str]) -> dict[str, Any]:
    """Return the details of a ``...StateExited`` event; ``assigned`` maps variables to JSON texts."""
    details: dict[str, Any] = {"name": name, "output": text, "outputDetails": _FULL}
    if assigned:
        details |= {"assignedVariables": assigned, "assignedVariablesDetails": _FULL}
    return details


def named(error: str | None, cause: str | None, **more: Any) -> dict[str, Any]:
    """Return the details of an event that reports an error."""
    return {key: value for key, value in {**more, "error": error, "cause": cause}.items() if value is not None}
