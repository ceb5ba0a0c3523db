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

_RESERVED: Final = re.compile(r"\$states\.(\w+)")
_MEMBERS: Final = frozenset({"input", "context", "result", "errorOutput"})


def optional_template(
    source: Mapping[str, Any], field: str, location: str, report: Report, within: str = ""
) -> Template | None:
    """Compile ``source[field]`` where it is present; ``within`` says where in the state ``source`` stands."""
    return template(source[field], f"{within}{field}", location, report) if field in source else None


def template(value: Any, field: str, location: str, report: Report) -> Template:
    """Compile the value of ``field`` of the state at ``location``; a fault is reported and leaves a literal behind."""
    faults = list(_faults(value, f"{location}/{field}"))
    for place, message in faults:
        report.add(place, message)
    return Literal(None) if faults else compile_template(value, field)


def expressions(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """Yield place and text of every JSONata expression in a JSON value."""
    for where, text in _strings(value, place):
        if is_expression(text):
            yield where, expression_text(text)


def _strings(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _strings(each, f"{place}/{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _strings(each, f"{place}[{index}]")
    elif isinstance(value, str):
        yield place, value


def _faults(value: Any, place: str) -> Iterator[tuple[str, str]]:
    for where, text in _strings(value, place):
        if not is_expression(text) and (text.startswith("{%") or text.endswith("%}")):
            yield where, "A JSONata expression starts with '{%' and ends with '%}'"
    for where, text in expressions(value, place):
        yield from ((where, fault) for fault in _expression_faults(text, where))


def _expression_faults(text: str, place: str) -> Iterator[str]:
    try:
        compiled(text)
    except ValueError as problem:
        yield f"The JSONata expression '{text}' is not valid: {problem}"
        return
    used = set(_RESERVED.findall(text))
    for name in sorted(used - _MEMBERS):
        yield f"The JSONata expression '{text}' uses $states.{name}, which does not exist"
    for name in sorted((used & {"result", "errorOutput"}) - _allowed(place)):
        yield f"$states.{name} is not available in this field"


def _allowed(place: str) -> frozenset[str]:
    """Return which of the state's own values an expression at ``place`` may use."""
    if re.search(r"/Catch\[\d+]/(?:Assign|Output)(?:/|\[|$)", place):
        return frozenset({"errorOutput"})
    if re.search(r"/States/[^/]+/(?:Assign|Output)(?:/|\[|$)", place):
        return frozenset({"result"})
    return frozenset()
