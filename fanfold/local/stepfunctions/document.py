"""State data: a JSON value together with its text, each made from the other only when it is needed."""

from __future__ import annotations

import json
from typing import Any, Final

from jsonata import Utils

DATA_LIMIT: Final = 262_144  # bytes a state may take in or give out (256 KiB)

_UNSET: Final = object()
NULL: Final = Utils.NULL_VALUE


def _encode_null(value: object) -> None:
    if value is not NULL:
        raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


_encoder = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"), default=_encode_null
)


def dumps(value: Any) -> str:
    """Return ``value`` as compact JSON; raises TypeError or ValueError where JSON has no form for it."""
    return well_formed(_encoder.encode(value))


def well_formed(text: str) -> str:
    """Return JSON text with lone surrogates, which UTF-8 has no bytes for, as JSON escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def loads(text: str | bytes) -> Any:
    """Return the value of a JSON text; raises ValueError for anything JSON does not know, NaN included."""
    return _decoder.decode(text if isinstance(text, str) else text.decode(json.detect_encoding(text)))


def size(text: str) -> int:
    """Return the length of ``text`` in UTF-8 bytes."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class Document:
    """A JSON value and its text."""

    __slots__ = ("_bound", "_value", "text")

    def __init__(self, text: str, value: Any = _UNSET) -> None:
        self.text = text
        self._value = value
        self._bound: Any = _UNSET

    @classmethod
    def of(cls, value: Any) -> Document:
        """Return the document of a value, which may hold JSONata's own lists and nulls."""
        return cls(dumps(value))

    @property
    def value(self) -> Any:
        """The plain JSON value."""
        if self._value is _UNSET:
            self._value = loads(self.text)
        return self._value

    @property
    def bound(self) -> Any:
        """The value as JSONata takes it: its engine reads ``None`` in a list or a variable as "nothing"."""
        if self._bound is _UNSET:
            self._bound = with_nulls(self.value) if "null" in self.text else self.value
        return self._bound

    @property
    def oversized(self) -> bool:
        """Whether Step Functions would refuse to carry the document."""
        return len(self.text) * 4 > DATA_LIMIT and size(self.text) > DATA_LIMIT


def with_nulls(value: Any) -> Any:
    """Return ``value`` with every ``None`` replaced by JSONata's null."""
    if value is None:
        return NULL
    if isinstance(value, dict):
        return {key: with_nulls(each) for key, each in value.items()}
    if isinstance(value, list):
        return [with_nulls(each) for each in value]
    return value
