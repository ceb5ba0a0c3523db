"""Rows as items of a table: typed, with a whole key, within DynamoDB's limits, and with the time they expire."""

from __future__ import annotations

import base64
import collections
import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from functions.dynamodb_load.attributes import AttributeValue, attribute, item_size, number_text, size
from functions.dynamodb_load.errors import InvalidRow
from functions.dynamodb_load.source import Row
from functions.dynamodb_load.table import Table

# Developer guide, "Constraints in Amazon DynamoDB": an item with its names, and the values of the key.
MOST_ITEM_BYTES = 400 * 1024
_MOST_KEY_BYTES = (2048, 1024)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,9})?", re.ASCII)
# A number as number_text writes it.
_CANONICAL = re.compile(r"0|-?(?:0\.\d{0,17}[1-9]|[1-9]\d{0,17}(?:\.\d{0,17}[1-9])?)", re.ASCII)
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# Epoch seconds from 2001 to 5138: beyond are years, days and milliseconds.
_FIRST_SECOND, _LAST_SECOND = 10**9, 10**11
_DAY = 24 * 60 * 60
Conversion = Callable[[Any], AttributeValue]


@dataclass(frozen=True)
class Entry:
    """An item to write, and the place of its row in the object."""

    place: str
    item: Mapping[str, AttributeValue]
    size: int


@dataclass(frozen=True)
class Mapper:
    """How rows become items of a table.

    Attributes:
        types: columns to convert, to ``text``, ``number`` or ``boolean``; those of the key have the table's types.
        ttl: the column with the time of expiry, ``None`` for items that stay.
        ttl_days: days after that time.
        marks: attributes that every item gets.
    """

    table: Table
    types: Mapping[str, str] = field(default_factory=dict)
    ttl: str | None = None
    ttl_days: int = 0
    marks: Mapping[str, AttributeValue] = field(default_factory=dict)

    def entry(self, place: str, row: Row) -> Entry:
        """Return a row's item; raises InvalidRow with the place, the column and what is wrong with its value."""
        item = dict(self.marks)
        for column, value in row.items():
            if value is not None:
                item[column] = self._attribute(place, column, value)
        self._check_key(place, item, row)
        if self.ttl and self.table.ttl and row.get(self.ttl) is not None:
            item[self.table.ttl] = self._expiry(place, row)
        return Entry(place, item, self._size(place, item))

    def identity(self, entry: Entry) -> bytes:
        """Return 16 bytes that stand for the entry's key."""
        told = hashlib.blake2b(digest_size=16)
        for name in self.table.key:
            ((_, value),) = entry.item[name].items()
            text = value if isinstance(value, bytes) else value.encode()
            told.update(b"%d:%b" % (len(text), text))
        return told.digest()

    def _attribute(self, place: str, column: str, value: Any) -> AttributeValue:
        if column in self._taken:
            raise InvalidRow(
                f"{place}, column {column!r}: the load writes an attribute of this name: rename the column"
            )
        try:
            convert = self._conversions[column]
            return convert(value) if convert else attribute(value)
        except ValueError as error:
            raise InvalidRow(f"{place}, column {column!r} {error}") from error

    @functools.cached_property
    def _taken(self) -> frozenset[str]:
        """The names of attributes that come from elsewhere than from columns of these names."""
        expires = {self.table.ttl} if self.ttl and self.table.ttl else set()
        return frozenset({*self.marks, *expires} - {self.ttl})

    def _size(self, place: str, item: Mapping[str, AttributeValue]) -> int:
        try:
            found = item_size(item)
        except UnicodeEncodeError as error:
            raise InvalidRow(f"{place} has the text {error.object[:40]!r}, which is no Unicode: correct it") from error
        if found > MOST_ITEM_BYTES:
            raise InvalidRow(f"{place} makes an item of {found:,} bytes: DynamoDB takes {MOST_ITEM_BYTES:,}")
        return found

    @functools.cached_property
    def _conversions(self) -> Mapping[str, Conversion | None]:
        """What converts a column's values, ``None`` where they stay what they are."""
        kinds = {name: _CONVERSIONS[kind] for name, kind in self.types.items()}
        keys = {name: _KEY_CONVERSIONS[kind] for name, kind in self.table.key.items()}
        return collections.defaultdict(lambda: None, kinds | keys)

    def _check_key(self, place: str, item: Mapping[str, AttributeValue], row: Row) -> None:
        for name, most in zip(self.table.key, _MOST_KEY_BYTES, strict=False):
            if name not in item:
                what = "has no value" if name in row else "is missing"
                raise InvalidRow(f"{place}, column {name!r} {what}: it is of the key of table {self.table.name}")
            found = size(item[name])
            if not found:
                raise InvalidRow(f"{place}, column {name!r} is empty: it is of the key of table {self.table.name}")
            if found > most:
                raise InvalidRow(f"{place}, column {name!r} has {found:,} bytes: DynamoDB takes {most:,} of a key")

    def _expiry(self, place: str, row: Row) -> AttributeValue:
        value = row[self.ttl or ""]
        try:
            return {"N": str(_seconds(value) + self.ttl_days * _DAY)}
        except (ValueError, OverflowError) as error:
            raise InvalidRow(
                f"{place}, column {self.ttl!r} is {str(value)[:40]!r}: write epoch seconds or an ISO 8601 date, {error}"
            ) from error


def _text(value: Any) -> AttributeValue:
    if isinstance(value, bool):
        return {"S": str(value).lower()}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | float | Decimal):
        return {"S": number_text(value)}
    raise ValueError("is no text")


def _number(value: Any) -> AttributeValue:
    if isinstance(value, str):
        if _CANONICAL.fullmatch(value):
            return {"N": value}
        if _NUMBER.fullmatch(value):
            return {"N": number_text(Decimal(value))}
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return {"N": number_text(value)}
    raise ValueError(f"is {str(value)[:40]!r}: it is no number")


def _boolean(value: Any) -> AttributeValue:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str) and value in _TRUTH:
        return {"BOOL": _TRUTH[value]}
    raise ValueError(f"is {str(value)[:40]!r}: it is neither true nor false")


def _binary(value: Any) -> AttributeValue:
    """Return the bytes of a binary key, from base64 where it is text, as the CLI of AWS has it."""
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, str):
        return {"B": base64.b64decode(value, validate=True)}
    raise ValueError("is neither binary nor base64")


def _seconds(value: Any) -> int:
    """Return the epoch seconds of a number or of an ISO 8601 date or time, UTC where it names no zone."""
    if isinstance(value, int | float | Decimal) or _NUMBER.fullmatch(str(value)):
        seconds = int(Decimal(str(value)))
        if not _FIRST_SECOND <= seconds < _LAST_SECOND:
            raise ValueError("these are no seconds since 1970 of this age")
        return seconds
    moment = datetime.fromisoformat(str(value))
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


_CONVERSIONS: Mapping[str, Conversion] = {"text": _text, "number": _number, "boolean": _boolean}
_KEY_CONVERSIONS: Mapping[str, Conversion] = {"S": _text, "N": _number, "B": _binary}
