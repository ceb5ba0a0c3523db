"""Options of an operation: a frozen dataclass whose fields are validated by their declarations.

Declare each field with ``option(...)``; the field's annotation is one of ``bool``, ``int``, ``float``, ``str``,
``dict[str, str]``, ``dict[str, Any]`` (any JSON object), ``tuple[X, ...]`` of one of these, or a union of several of
them and ``None``, such as ``bool | tuple[str, ...]``.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from itemkit.errors import InvalidJob

T = TypeVar("T")
_WORDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a field accepts beside its type: its meaning in one line, its choices, its least and greatest value."""

    help: str
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    example: Any = None


def option(default: Any = dataclasses.MISSING, **rule: Any) -> Any:
    """Declare an option; ``rule`` are the fields of ``Rule``. Without a default the option is required."""
    return dataclasses.field(default=default, metadata={"rule": Rule(**rule)})


def parse_options(kind: type[T], given: Mapping[str, Any]) -> T:
    """Build the options dataclass ``kind`` from JSON values.

    Raises:
        InvalidJob: an unknown or missing option, a value of the wrong type or outside its range.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    refuse_unknown("option", given, fields)
    hints = typing.get_type_hints(kind)
    values = {name: _checked(name, hints[name], fields[name].metadata["rule"], value) for name, value in given.items()}
    missing = [name for name, field in fields.items() if field.default is dataclasses.MISSING and name not in values]
    if missing:
        rule = fields[missing[0]].metadata["rule"]
        raise InvalidJob(
            f"option {missing[0]!r} is missing ({rule.help}); for example {missing[0]!r}: {rule.example!r}"
        )
    try:
        return kind(**values)
    except ValueError as error:
        raise InvalidJob(str(error)) from error


def describe_options(kind: type) -> list[dict[str, Any]]:
    """Describe the options for people: name, type, default, help, choices, range and example."""
    hints = typing.get_type_hints(kind)
    return [
        {
            "name": field.name,
            "type": _words(_unwrap(hints[field.name])[0]),
            "required": field.default is dataclasses.MISSING,
            "default": None if field.default is dataclasses.MISSING else field.default,
            **{
                name: value
                for name, value in dataclasses.asdict(field.metadata["rule"]).items()
                if value not in (None, ())
            },
        }
        for field in dataclasses.fields(kind)
    ]


def refuse_unknown(what: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise InvalidJob for the first name that is not known, naming the nearest one that is."""
    names = list(known)
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(names))}"
            raise InvalidJob(f"unknown {what} {name!r}: {hint}")


def _checked(name: str, hint: Any, rule: Rule, value: Any) -> Any:
    kinds, optional = _unwrap(hint)
    if value is None and optional:
        return None
    if not any(_fits(kind, value) for kind in kinds):
        raise InvalidJob(f"option {name!r} is {value!r}: write {_words(kinds)} ({rule.help})")
    if rule.choices and value not in rule.choices:
        raise InvalidJob(f"option {name!r} is {value!r}: write one of {', '.join(rule.choices)}")
    for number in value if isinstance(value, list) else [value]:
        _in_range(name, rule, number)
    return tuple(value) if isinstance(value, list) else value


def _in_range(name: str, rule: Rule, value: Any) -> None:
    below = rule.least is not None and value < rule.least
    above = rule.most is not None and value > rule.most
    if below or above:
        limits = f"at least {rule.least}" if rule.most is None else f"from {rule.least} to {rule.most}"
        raise InvalidJob(f"option {name!r} is {value!r}: it must be {limits}")


def _unwrap(hint: Any) -> tuple[list[Any], bool]:
    """Split ``X | Y | None`` into X and Y and whether None is allowed."""
    if isinstance(hint, types.UnionType):
        kinds = [kind for kind in typing.get_args(hint) if kind is not types.NoneType]
        return kinds, len(kinds) < len(typing.get_args(hint))
    return [hint], False


def _fits(kind: Any, value: Any) -> bool:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return isinstance(value, list) and all(_fits(inner[0], each) for each in value)
    if origin is dict:
        return isinstance(value, dict) and (inner[1] is Any or all(isinstance(each, str) for each in value.values()))
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and isinstance(value, bool) == (kind is bool)


def _words(kinds: Iterable[Any]) -> str:
    return " or ".join(map(_word, kinds))


def _word(kind: Any) -> str:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return f"a list, each {_word(inner[0])}"
    if origin is dict:
        return "an object" if inner[1] is Any else "an object of texts"
    return _WORDS[kind]
