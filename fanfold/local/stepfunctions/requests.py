"""Checking API requests against botocore's model of Step Functions, with AWS's messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fanfold.local.protocol import ServiceError
from fanfold.local.stepfunctions.integrations import service_model

_PYTHON: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "boolean": bool,
    "list": list,
    "structure": dict,
}


def check(operation: str, request: Mapping[str, Any]) -> None:
    """Raise ServiceError ValidationException for a request that AWS would not take."""
    shape = service_model("stepfunctions").operation_model(operation).input_shape
    faults = [*_missing(shape, request), *_values(shape, request)]
    if faults:
        plural = "error" if len(faults) == 1 else "errors"
        raise ServiceError("ValidationException", f"{len(faults)} validation {plural} detected: {'; '.join(faults)}")


def _missing(shape: Any, request: Mapping[str, Any]) -> Iterator[str]:
    for name in shape.required_members:
        if request.get(name) is None:
            yield f"Value null at '{name}' failed to satisfy constraint: Member must not be null"


def _values(shape: Any, request: Mapping[str, Any]) -> Iterator[str]:
    for name, value in request.items():
        member = shape.members.get(name)
        if member is None or value is None:
            continue
        constraint = _fault(member, value)
        if constraint:
            yield f"Value '{value}' at '{name}' failed to satisfy constraint: Member must {constraint}"


def _fault(shape: Any, value: Any) -> str | None:
    kind = _PYTHON.get(shape.type_name, object)
    if not isinstance(value, kind) or (isinstance(value, bool) and shape.type_name != "boolean"):
        return f"be of type {shape.type_name}"
    if getattr(shape, "enum", None) and value not in shape.enum:
        return f"satisfy enum value set: [{', '.join(shape.enum)}]"
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if isinstance(value, str):
        return _range(len(value), least, most, "have length")
    return _range(value, least, most, "have value") if isinstance(value, int | float) else None


def _range(number: float, least: float | None, most: float | None, what: str) -> str | None:
    if least is not None and number < least:
        return f"{what} greater than or equal to {least}"
    if most is not None and number > most:
        return f"{what} less than or equal to {most}"
    return None
