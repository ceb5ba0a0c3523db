"""A schema: the columns of a table and what is allowed in them, as a job or a JSON file says it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

import polars as pl

from functions.table_transform.conversion import KINDS

_ORDERED = ("integer", "number", "date", "datetime")
_VALUES: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "date": (str,),
    "datetime": (str,),
}


@dataclass(frozen=True)
class Rules:
    """What is allowed in a column.

    Attributes:
        type: of KINDS.
        required: the column must be there; otherwise one without values is put in its place.
        nullable: cells may be empty.
        unique: no value comes twice; empty cells may.
        minimum, maximum: of numbers, dates and datetimes, these as ISO texts; both included.
        pattern: a regular expression that the whole text matches.
        enum: the only values.
    """

    type: str = "text"
    required: bool = True
    nullable: bool = True
    unique: bool = False
    minimum: Any = None
    maximum: Any = None
    pattern: str | None = None
    enum: tuple[Any, ...] = ()


Schema = Mapping[str, Rules]


def parse_schema(given: Any) -> Schema:
    """Read a schema: an object with the rules of each column.

    Raises:
        ValueError: what is wrong, in which column, and what to write instead.
    """
    if not isinstance(given, Mapping) or not given:
        raise ValueError('the schema is no object of columns: write {"id": {"type": "integer"}}')
    return {column: _rules(column, each) for column, each in given.items()}


def _rules(column: str, given: Any) -> Rules:
    if not isinstance(given, Mapping):
        # ValueError is what the kit takes for a refusal.
        raise ValueError(f'the schema has {given!r} for column {column!r}: write {{"type": "integer"}}')  # noqa: TRY004
    known = [field.name for field in fields(Rules)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            raise ValueError(f"the schema has an unknown rule {name!r} for column {column!r}: {hint}")
    values: dict[str, Any] = dict(given)
    if isinstance(values.get("enum"), list):
        values["enum"] = tuple(values["enum"])
    rules = Rules(**values)
    for name, (fits, wanted) in _wanted(rules).items():
        if name in given and not fits(given[name]):
            raise ValueError(f"the schema has {name!r}: {given[name]!r} for column {column!r}: write {wanted}")
    if rules.minimum is not None and rules.maximum is not None and rules.minimum > rules.maximum:
        raise ValueError(f"the schema has a 'minimum' above the 'maximum' for column {column!r}: exchange them")
    return rules


def _wanted(rules: Rules) -> dict[str, tuple[Callable[[Any], bool], str]]:
    """Return for each rule what tells that its value fits, and what to write otherwise."""
    kind = rules.type
    a_flag = (lambda value: isinstance(value, bool)), "true or false"
    of_kind = f"values of the type {kind!r}" + (" as ISO texts" if kind in ("date", "datetime") else "")
    limit = (lambda value: kind in _ORDERED and _is_value(value, kind)), f"one of {of_kind}; texts have no order"
    return {
        "type": ((lambda value: value in KINDS), f"one of {', '.join(KINDS)}"),
        "required": a_flag,
        "nullable": a_flag,
        "unique": a_flag,
        "minimum": limit,
        "maximum": limit,
        "pattern": (
            (lambda value: kind == "text" and _is_pattern(value)),
            "a regular expression; it is for texts only",
        ),
        "enum": (
            (lambda value: isinstance(value, list) and bool(value) and all(_is_value(each, kind) for each in value)),
            f"a list of {of_kind}",
        ),
    }


def _is_value(value: Any, kind: str) -> bool:
    """Tell whether a JSON value can stand for one of the kind."""
    if not isinstance(value, _VALUES.get(kind, ())) or isinstance(value, bool) != (kind == "boolean"):
        return False
    try:
        typed(value, kind)
    except ValueError:
        return False
    return True


def typed(value: Any, kind: str) -> Any:
    """Return a value of a schema as polars is to compare it; raises ValueError for a text that is no date."""
    if kind == "date":
        return date.fromisoformat(value)
    if kind == "datetime":
        moment = datetime.fromisoformat(value.removesuffix("Z"))
        if moment.tzinfo:
            raise ValueError("a datetime has no offset: it is in UTC")
        return moment
    return value


def whole(pattern: str) -> str:
    """Return a pattern that matches a whole text only."""
    return f"^(?:{pattern})$"


def _is_pattern(value: Any) -> bool:
    if not isinstance(value, str) or not re.sub(r"\s", "", value):
        return False
    try:
        pl.Series([""]).str.contains(whole(value))
    except pl.exceptions.PolarsError:
        return False
    return True
