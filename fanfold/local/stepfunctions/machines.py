"""State machines: created, updated, found."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from fanfold.local.protocol import ServiceError
from fanfold.local.stepfunctions.definition import compile_definition
from fanfold.local.stepfunctions.program import Flow

_NAME: Final = re.compile(r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]{1,80}""")
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
_LOGGING_OFF: Final = {"level": "OFF", "includeExecutionData": False}
_TRACING_OFF: Final = {"enabled": False}


@dataclass(frozen=True)
class Machine:
    """One revision of a state machine."""

    arn: str
    name: str
    role: str
    definition: str
    flow: Flow = field(repr=False)
    created: float
    updated: float
    revision: str | None = None
    logging: Mapping[str, Any] = field(default_factory=lambda: _LOGGING_OFF)
    tracing: Mapping[str, Any] = field(default_factory=lambda: _TRACING_OFF)
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def told_apart_by(self) -> tuple[object, ...]:
        """What another machine of the name may not differ in."""
        return self.definition, dict(self.logging), dict(self.tracing)

    def described(self) -> dict[str, Any]:
        """Return what DescribeStateMachine and DescribeStateMachineForExecution both say."""
        details = {
            "stateMachineArn": self.arn,
            "name": self.name,
            "definition": self.definition,
            "roleArn": self.role,
            "loggingConfiguration": dict(self.logging),
            "tracingConfiguration": dict(self.tracing),
            "encryptionConfiguration": {"type": "AWS_OWNED_KEY"},
            "revisionId": self.revision,
        }
        return {key: value for key, value in details.items() if value is not None}


def check_name(name: str) -> None:
    """Raise ServiceError InvalidName for what names neither a machine nor an execution."""
    if not _NAME.fullmatch(name):
        raise ServiceError("InvalidName", f"Invalid Name: '{name}'")


class Machines:
    """The book of state machines."""

    def __init__(self) -> None:
        self._by_arn: dict[str, Machine] = {}
        self._lock = threading.Lock()

    def create(self, arn: str, request: Mapping[str, Any]) -> Machine:
        """Enter a machine, or return the one that is there already and the same.

        As on AWS, another role or other tags than those of the known machine are overlooked. Raises ServiceError
        InvalidArn, InvalidDefinition, InvalidLoggingConfiguration, StateMachineAlreadyExists.
        """
        _check_role(request["roleArn"])
        flow = compile_definition(request["definition"])
        tags = {tag["key"]: tag.get("value", "") for tag in request.get("tags", ())}
        now = time.time()
        machine = Machine(arn, request["name"], request["roleArn"], request["definition"], flow, now, now, tags=tags)
        machine = _configured(machine, request)
        with self._lock:
            known = self._by_arn.setdefault(arn, machine)
        if known.told_apart_by != machine.told_apart_by:
            raise ServiceError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
        return known

    def update(self, arn: str, request: Mapping[str, Any]) -> Machine:
        """Put a new revision in the place of a machine; executions under way keep theirs."""
        machine = replace(self.get(arn), updated=time.time(), revision=str(uuid.uuid4()))
        if "definition" in request:
            flow = compile_definition(request["definition"])
            machine = replace(machine, definition=request["definition"], flow=flow)
        if "roleArn" in request:
            _check_role(request["roleArn"])
            machine = replace(machine, role=request["roleArn"])
        self._by_arn[arn] = _configured(machine, request)
        return self._by_arn[arn]

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Replace the tags of a machine."""
        self._by_arn[arn] = replace(self.get(arn), tags=tags)

    def get(self, arn: str) -> Machine:
        """Return a machine; raises ServiceError StateMachineDoesNotExist."""
        machine = self._by_arn.get(arn)
        if machine is None:
            raise ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        return machine

    def delete(self, arn: str) -> None:
        """Drop a machine, if it is there."""
        self._by_arn.pop(arn, None)

    def each(self) -> list[Machine]:
        """Return all machines by name."""
        return sorted(self._by_arn.values(), key=lambda machine: machine.name)


def _check_role(role: str) -> None:
    if not _ROLE.fullmatch(role):
        raise ServiceError("InvalidArn", f"Invalid Role Arn: '{role}'")


def _configured(machine: Machine, request: Mapping[str, Any]) -> Machine:
    logging = {**_LOGGING_OFF, **request.get("loggingConfiguration", machine.logging)}
    if logging["level"] != "OFF" and len(logging.get("destinations", ())) != 1:
        message = "Invalid Logging Configuration: Must specify exactly one Log Destination."
        raise ServiceError("InvalidLoggingConfiguration", message)
    return replace(machine, logging=logging, tracing=request.get("tracingConfiguration", machine.tracing))
