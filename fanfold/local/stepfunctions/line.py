"""A line of states on its way: the execution it belongs to, its variables and its trail."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fanfold.local.stepfunctions.document import Document
from fanfold.local.stepfunctions.failure import TIMEOUT, Failure
from fanfold.local.stepfunctions.history import Trail
from fanfold.local.stepfunctions.scope import Scope

if TYPE_CHECKING:
    from fanfold.local.stepfunctions.services import Services


def iso(moment: float) -> str:
    """Return epoch seconds as ``2026-09-24T03:02:59.219Z``."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")[: -len("+00:00")] + "Z"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an execution is: what the context object and ARNs of its map runs are made of.

    Attributes:
        root: the ARN of the execution that a user started, and that this one is or descends from.
    """

    arn: str
    name: str
    role: str
    machine_arn: str
    machine_name: str
    started: float
    root: str
    redrives: int = 0
    redriven: float | None = None


@dataclass(slots=True)
class Line:
    """One line of states of an execution.

    Attributes:
        execution: the ``Execution`` part of the context object.
        variables: name to value, as JSONata takes it.
        deadline: epoch seconds at which an EXPRESS child times out.
    """

    services: Services
    identity: Identity
    execution: Mapping[str, Any]
    scope: Scope
    trail: Trail
    variables: dict[str, Any]
    deadline: float | None = None

    def branch(self, scope: Scope) -> Line:
        """Return a line within this one: it reads these variables, and keeps its own to itself."""
        return replace(self, scope=scope, trail=self.trail.fork(), variables=dict(self.variables))

    def context(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the context object in a state."""
        machine = {"Id": self.identity.machine_arn, "Name": self.identity.machine_name}
        return {"Execution": self.execution, "StateMachine": machine, "State": state}

    def check(self) -> None:
        """Raise Stopped when the execution is over, Failure when its time is up."""
        self.scope.check()
        self.check_time()

    def check_time(self) -> None:
        """Raise Failure when the time of an EXPRESS child is up."""
        if self.overdue:
            raise Failure(TIMEOUT, "The execution ran longer than an EXPRESS child may.")

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than the line has time; raises as check does."""
        left = seconds if self.deadline is None else min(seconds, self.deadline - time.time() + 0.001)
        self.scope.wait(left)
        self.check()

    @property
    def overdue(self) -> bool:
        """Whether the line's time is up."""
        return self.deadline is not None and time.time() > self.deadline


def execution_context(identity: Identity, document: Document) -> dict[str, Any]:
    """Return the ``Execution`` part of the context object."""
    redriven = {} if identity.redriven is None else {"RedriveTime": iso(identity.redriven)}
    return {
        "Id": identity.arn,
        "Input": document.bound,
        "StartTime": iso(identity.started),
        "Name": identity.name,
        "RoleArn": identity.role,
        "RedriveCount": identity.redrives,
        **redriven,
    }
