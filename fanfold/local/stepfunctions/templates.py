"""Templates of a definition: compiled, with their faults reported at their place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fanfold.local.stepfunctions.diagnostics import Report
from fanfold.local.stepfunctions.query import (
    Literal,
    Template,
    compile_template,
    compiled,
    expression_text,
    is_expression,
)

# The event and result of a state are not there yet, or not any more, in these fields.
_RESERVED: Final = re.compile(r"\$states\.(\w+)")
_MEMBERS: Final = frozenset({"input", "context", "result", "errorOutput"})


def optional_template(source: Mapping[str, Any], field: str, location: str, report: Report) -> Template | None:
    """Compile ``source[field]`` where it is present."""
    return template(source[field], field, location, report) if field in source else None


def template(value: Any, field: str, location: str, report: Report) -> Template:
    """Compile the value of ``field``; a fault is reported and leaves a literal behind."""
    faults = list(_faults(value, f"{location}/{field}"))
    for place, message in faults:
        report.add(place, message)
    return Literal(None) if faults else compile_template(value, field)


def _faults(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _faults(each, f"{place}/{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _faults(each, f"{place}[{index}]")
    elif isinstance(value, str):
        yield from _text_faults(value, place)


def _text_faults(value: str, place: str) -> Iterator[tuple[str, str]]:
    if not is_expression(value):
        if value.startswith("{%") or value.endswith("%}"):
            yield place, "A JSONata expression starts with '{%' and ends with '%}'"
        return
    text = expression_text(value)
    try:
        compiled(text)
    except ValueError as problem:
        yield place, f"The JSONata expression '{text}' is not valid: {problem}"
        return
    unknown = sorted(set(_RESERVED.findall(text)) - _MEMBERS)
    if unknown:
        yield place, f"The JSONata expression '{text}' uses $states.{unknown[0]}, which does not exist"
    allowed = _allowed(place)
    misplaced = sorted({"result", "errorOutput"}.intersection(_RESERVED.findall(text)) - allowed)
    if misplaced:
        yield place, f"$states.{misplaced[0]} is not available in this field"


def _allowed(place: str) -> frozenset[str]:
    """Return which of the state's own values an expression at ``place`` may use."""
    if re.search(r"/Catch\[\d+]/(?:Assign|Output)(?:/|\[|$)", place):
        return frozenset({"errorOutput"})
    if re.search(r"/States/[^/]+/(?:Assign|Output)(?:/|\[|$)", place):
        return frozenset({"result"})
    return frozenset()
