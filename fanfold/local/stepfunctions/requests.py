"""Checking API requests against botocore's model of Step Functions, with AWS's messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fanfold.local.protocol import ServiceError
from fanfold.local.stepfunctions.document import size
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
_SHOWN: Final = 200  # characters of a refused value in a message
_IN_BYTES: Final = frozenset({"SensitiveData"})  # strings whose length AWS counts in UTF-8 bytes


def check(operation: str, request: Mapping[str, Any]) -> None:
    """Raise ServiceError ValidationException for a request that AWS would not take."""
    shape = service_model("stepfunctions").operation_model(operation).input_shape
    faults = list(_members(shape, request, ""))
    if faults:
        plural = "error" if len(faults) == 1 else "errors"
        raise ServiceError("ValidationException", f"{len(faults)} validation {plural} detected: {'; '.join(faults)}")


def _members(shape: Any, value: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield the faults of a structure and of everything in it."""
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{place}{name}' failed to satisfy constraint: Member must not be null"
    for name, each in value.items():
        if name in shape.members and each is not None:
            yield from _faults(shape.members[name], each, f"{place}{name}")


def _faults(shape: Any, value: Any, place: str) -> Iterator[str]:
    constraint = _constraint(shape, value)
    if constraint:
        shown = str(value) if len(str(value)) <= _SHOWN else f"{str(value)[:_SHOWN]}..."
        yield f"Value '{shown}' at '{place}' failed to satisfy constraint: Member must {constraint}"
    elif shape.type_name == "structure":
        yield from _members(shape, value, f"{place}.")
    elif shape.type_name == "list":
        for index, each in enumerate(value, start=1):
            yield from _faults(shape.member, each, f"{place}.{index}.member")


def _constraint(shape: Any, value: Any) -> str | None:
    """Return what a value would have to be, ``None`` if it is."""
    kind = _PYTHON.get(shape.type_name, object)
    if not isinstance(value, kind) or (isinstance(value, bool) and shape.type_name != "boolean"):
        return f"be of type {shape.type_name}"
    if getattr(shape, "enum", None) and value not in shape.enum:
        return f"satisfy enum value set: [{', '.join(shape.enum)}]"
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if isinstance(value, str):
        length = size(value) if shape.name in _IN_BYTES else len(value)
        return _range(length, least, most, "have length")
    if isinstance(value, list):
        return _range(len(value), least, most, "have length")
    return _range(value, least, most, "have value") if isinstance(value, int | float) else None


def _range(number: float, least: float | None, most: float | None, what: str) -> str | None:
    if least is not None and number < least:
        return f"{what} greater than or equal to {least}"
    if most is not None and number > most:
        return f"{what} less than or equal to {most}"
    return None
