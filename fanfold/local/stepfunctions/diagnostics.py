"""What is wrong with a definition, and where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fanfold.local.protocol import ServiceError

SCHEMA = "SCHEMA_VALIDATION_FAILED"
DUPLICATE_NAME = "DUPLICATE_STATE_NAME"
MISSING_TARGET = "MISSING_TRANSITION_TARGET"
NOT_JSON = "INVALID_JSON_DESCRIPTION"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One fault of a definition; ``location`` is a path such as ``/States/Main/Next``."""

    code: str
    message: str
    location: str

    def __str__(self) -> str:
        """Return the fault as InvalidDefinition lists it."""
        return f"{self.code}: {self.message} at {self.location}" if self.location else f"{self.code}: {self.message}"


class Report:
    """The faults found so far."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def add(self, location: str, message: str, code: str = SCHEMA) -> None:
        """Note a fault."""
        self.diagnostics.append(Diagnostic(code, message, location))


def invalid_definition(diagnostics: Iterable[Diagnostic]) -> ServiceError:
    """Return the InvalidDefinition error that lists the faults."""
    listed = ", ".join(str(each) for each in diagnostics)
    return ServiceError("InvalidDefinition", f"Invalid State Machine Definition: '{listed}'")
