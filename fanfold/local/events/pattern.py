"""Event patterns: checked as PutRule checks them, and asked whether they match an event.

Our own rather than moto's, which lets every event through an operator it does not know.
See "Comparison operators for use in event patterns" in the EventBridge User Guide, and the project Event Ruler.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

Match: TypeAlias = Callable[[Mapping[str, Any]], bool]
"""Whether an event, or an object within one, matches."""
_Test: TypeAlias = Callable[[Any], bool]

_OR = "$or"
_IGNORE_CASE = "equals-ignore-case"
_FURTHEST: Final = 5e9  # numbers beyond are not compared
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
_BOUNDS = frozenset({("=",), ("<",), ("<=",), (">",), (">=",), (">", "<"), (">", "<="), (">=", "<"), (">=", "<=")})
_WILDCARD = re.compile(r"(?:[^*\\]|\\[*\\]|\*(?!\*))*", re.DOTALL)
_WILDCARD_PART = re.compile(r"\\(.)|(\*)|([^*\\]+)", re.DOTALL)


class InvalidPattern(ValueError):
    """EventBridge would refuse the pattern."""


@functools.lru_cache
def compiled(text: str) -> Match:
    """Return the test that a pattern, JSON text, is.

    Raises:
        InvalidPattern: EventBridge would refuse it.
    """
    try:
        return _object(json.loads(text), "the pattern")
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, InvalidPattern) else InvalidPattern(f"it is not JSON: {error}") from error


def _object(pattern: Any, path: str) -> Match:
    if not isinstance(pattern, dict) or not pattern:
        raise InvalidPattern(f"{path} must be an object with fields")
    tests = [_field(name, wanted, path) for name, wanted in pattern.items()]
    return lambda event: all(test(event) for test in tests)


def _field(name: str, wanted: Any, path: str) -> Match:
    if name == _OR and isinstance(wanted, list):
        return _either(wanted, path)
    if isinstance(wanted, dict):
        inner = _object(wanted, name)
        return lambda event: any(map(inner, _objects(event, name)))
    if not isinstance(wanted, list) or not wanted:
        raise InvalidPattern(f"{name} must be an object or a list with values")
    tests = [_leaf(each, name) for each in wanted]
    return lambda event: any(test(list(_values(event.get(name, [])))) for test in tests)


def _either(alternatives: list[Any], path: str) -> Match:
    if len(alternatives) < 2:
        raise InvalidPattern(f"{_OR} in {path} must have two alternatives")
    tests = [_object(each, _OR) for each in alternatives]
    return lambda event: any(test(event) for test in tests)


def _objects(event: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects below a name; an empty one when there are none, for what must not exist in them."""
    found = event.get(name)
    return [each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict)] or [{}]


def _values(found: Any) -> Iterator[Any]:
    """Yield the leaves at a name: itself or, of a list, each."""
    if isinstance(found, list):
        for each in found:
            yield from _values(each)
    elif not isinstance(found, dict):
        yield found


def _leaf(wanted: Any, path: str) -> Callable[[list[Any]], bool]:
    """Return the test of all values at a name; a name that is absent has none."""
    if not isinstance(wanted, dict):
        return lambda values: any(_same(value, wanted) for value in values)
    name, argument = _only(wanted, path)
    if name == "exists":
        if not isinstance(argument, bool):
            raise InvalidPattern("exists must be either true or false")
        return lambda values: bool(values) is argument
    if name not in _OPERATORS:
        raise InvalidPattern(f"unrecognized match type {name} for {path}")
    test = _OPERATORS[name](argument)
    return lambda values: any(map(test, values))


def _only(wanted: dict[str, Any], path: str) -> tuple[str, Any]:
    if len(wanted) != 1:
        raise InvalidPattern(f"only one operator is allowed in an expression for {path}")
    ((name, argument),) = wanted.items()
    return name, argument


def _same(value: Any, wanted: Any) -> bool:
    """Compare as EventBridge does: 300 is not 300.0, and neither is true 1."""
    return type(value) is type(wanted) and bool(value == wanted)


def _text(argument: Any, name: str) -> str:
    if not isinstance(argument, str):
        raise InvalidPattern(f"{name} must be a text, not {argument!r}")
    return argument


def _affix(name: str, method: Callable[[str, str], bool]) -> Callable[[Any], _Test]:
    """Return the operator ``prefix`` or ``suffix``, whose argument may ask for any case."""

    def operator_of(argument: Any) -> _Test:
        if isinstance(argument, dict) and set(argument) == {_IGNORE_CASE}:
            folded = _text(argument[_IGNORE_CASE], name).casefold()
            return lambda value: isinstance(value, str) and method(value.casefold(), folded)
        affix = _text(argument, name)
        return lambda value: isinstance(value, str) and method(value, affix)

    return operator_of


def _ignore_case(argument: Any) -> _Test:
    folded = _text(argument, _IGNORE_CASE).casefold()
    return lambda value: isinstance(value, str) and value.casefold() == folded


def _wildcard(argument: Any) -> _Test:
    text = _text(argument, "wildcard")
    if not _WILDCARD.fullmatch(text):
        raise InvalidPattern(f"wildcard {text!r} has consecutive wildcard characters, or an invalid escape")
    parts = [".*" if part[2] else re.escape(part[1] or part[3]) for part in _WILDCARD_PART.finditer(text)]
    expression = re.compile("".join(parts), re.DOTALL)
    return lambda value: isinstance(value, str) and expression.fullmatch(value) is not None


def _numeric(argument: Any) -> _Test:
    signs, bounds = (argument[::2], argument[1::2]) if isinstance(argument, list) else ([], [])
    if len(signs) != len(bounds) or tuple(map(str, signs)) not in _BOUNDS:
        raise InvalidPattern(f"numeric must be one comparison, or a lower and an upper bound, not {argument!r}")
    if not all(_is_number(bound) for bound in bounds):
        raise InvalidPattern(f"the value of {signs[0]} must be numeric and from -5e9 to 5e9, not {argument!r}")
    tests = [(_COMPARISONS[sign], bound) for sign, bound in zip(signs, bounds, strict=True)]
    return lambda value: _is_number(value) and all(holds(value, bound) for holds, bound in tests)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _FURTHEST


def _cidr(argument: Any) -> _Test:
    try:
        network = ipaddress.ip_network(argument, strict=False)
    except ValueError as error:
        raise InvalidPattern(f"cidr: {error}") from error
    return lambda value: _is_in(value, network)


def _is_in(value: Any, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return isinstance(value, str) and ipaddress.ip_address(value) in network
    except ValueError:
        return False


def _anything_but(argument: Any) -> _Test:
    if isinstance(argument, dict):
        name, excluded = _only(argument, "anything-but")
        if name not in _EXCLUDING:
            raise InvalidPattern(f"anything-but cannot be combined with {name}")
        tests = [_OPERATORS[name](each) for each in (excluded if isinstance(excluded, list) else [excluded])]
        return lambda value: not any(test(value) for test in tests)
    values = argument if isinstance(argument, list) else [argument]
    if not values or not (all(isinstance(each, str) for each in values) or all(map(_is_number, values))):
        raise InvalidPattern(f"anything-but must be texts alone or numbers alone, not {argument!r}")
    return lambda value: value not in values


_EXCLUDING = frozenset({"prefix", "suffix", _IGNORE_CASE, "wildcard"})
_OPERATORS: Final[dict[str, Callable[[Any], _Test]]] = {
    "prefix": _affix("prefix", str.startswith),
    "suffix": _affix("suffix", str.endswith),
    _IGNORE_CASE: _ignore_case,
    "wildcard": _wildcard,
    "numeric": _numeric,
    "cidr": _cidr,
    "anything-but": _anything_but,
}
