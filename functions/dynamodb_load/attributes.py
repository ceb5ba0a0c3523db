"""Values as DynamoDB's attribute values: every number exactly, by its text, or not at all.

Sizes are those that DynamoDB counts for an item (developer guide, "DynamoDB item sizes and formats").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Context, Decimal
from typing import Any

AttributeValue = dict[str, Any]
# Developer guide, "Constraints in Amazon DynamoDB": digits and magnitude of a number, levels of nesting.
MOST_DIGITS = 38
_LEAST_EXPONENT, _MOST_EXPONENT = -130, 125
_DEEPEST = 32
# Written out up to here, beyond with an exponent.
_PLAIN_EXPONENT = 40
_EXACT = Context(prec=MOST_DIGITS)


def attribute(value: Any, depth: int = 0) -> AttributeValue:
    """Return a value of a table as an attribute value; dates and times as ISO 8601 text.

    Raises:
        ValueError: DynamoDB has no such value; the message ends a sentence that begins with the column.
    """
    if isinstance(value, list | dict):
        return _nested(value, depth + 1)
    kind, convert = _SCALARS.get(type(value), (None, None))
    if kind is None or convert is None:
        raise ValueError(f"is a {type(value).__name__}, which DynamoDB does not know")
    return {kind: convert(value)}


def _nested(value: list[Any] | dict[str, Any], depth: int) -> AttributeValue:
    if depth > _DEEPEST:
        raise ValueError(f"is nested more than {_DEEPEST} levels deep")
    if isinstance(value, list):
        return {"L": [attribute(each, depth) for each in value]}
    return {"M": {name: attribute(each, depth) for name, each in value.items()}}


def number_text(value: Decimal | int | float) -> str:
    """Return the number as DynamoDB takes it, equal to ``value`` and the same for all that are equal.

    A float stands for the shortest decimal that is read as it: 0.1 is 0.1.

    Raises:
        ValueError: it is no number, has more than 38 significant digits, or is out of DynamoDB's range.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"is {value}, which DynamoDB does not take")
        value = Decimal(repr(value))
    elif isinstance(value, int):
        value = Decimal(value)
    if not value.is_finite():
        raise ValueError(f"is {value}, which DynamoDB does not take")
    if not value:
        return "0"
    if not _LEAST_EXPONENT <= value.adjusted() <= _MOST_EXPONENT:
        raise ValueError(f"is {_short(value)}: DynamoDB takes 1E-130 to 9.9E+125, positive or negative, and 0")
    digits = significant_digits(value)
    if digits > MOST_DIGITS:
        raise ValueError(f"is {_short(value)}: it has {digits} significant digits, DynamoDB takes {MOST_DIGITS}")
    exact = _EXACT.normalize(value)
    return format(exact, "f") if abs(exact.adjusted()) < _PLAIN_EXPONENT else str(exact)


def significant_digits(value: Decimal) -> int:
    """Return the digits of a number other than zero, without zeros at either end."""
    digits = value.as_tuple().digits
    last = len(digits)
    while last > 1 and digits[last - 1] == 0:
        last -= 1
    return last


def size(value: AttributeValue) -> int:
    """Return the bytes of an attribute value, without its name; of a number the most it may have."""
    ((kind, content),) = value.items()
    if kind == "S":
        return _text_size(content)
    if kind == "N":
        # A byte for two digits, one for the exponent and one for the sign.
        return len(content) // 2 + 3
    if kind == "B":
        return len(content)
    if kind == "L":
        return 3 + sum(1 + size(each) for each in content)
    if kind == "M":
        return 3 + len(content) + item_size(content)
    return 1


def item_size(item: Mapping[str, AttributeValue]) -> int:
    """Return the bytes of the names and values of an item."""
    return sum(_text_size(name) + size(value) for name, value in item.items())


def _text_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _as_it_is(value: Any) -> Any:
    return value


_SCALARS: Mapping[type, tuple[str, Callable[[Any], Any]]] = {
    str: ("S", _as_it_is),
    bytes: ("B", _as_it_is),
    bool: ("BOOL", _as_it_is),
    type(None): ("NULL", lambda _: True),
    Decimal: ("N", number_text),
    int: ("N", number_text),
    float: ("N", number_text),
    datetime: ("S", datetime.isoformat),
    date: ("S", date.isoformat),
    time: ("S", time.isoformat),
}


def _short(value: Decimal) -> str:
    text = str(value)
    return text if len(text) <= MOST_DIGITS + 10 else f"{text[:MOST_DIGITS]}..."
