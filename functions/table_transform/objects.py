"""JSON: a list of objects, or an object a line. A list is brought to lines, an object at a time."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import polars as pl

from functions.table_transform.errors import POLARS_FAULTS, EmptyTable, InvalidRows, UnreadableTable, first_line
from functions.table_transform.spool import MOST_COLUMNS, Content, Scratch

# polars takes up to eighty times its bytes for an object of small ones.
_LONGEST_OBJECT = 8 * 1024 * 1024
_KEY = re.compile(rb'"([^"\\]{1,100})"\s*:')
_LOOKED_AT_FOR_KEYS = 4 * 1024 * 1024
_SPACE = re.compile(r"\s*")


@dataclass(frozen=True)
class Objects:
    """The objects of a JSON text as rows.

    Attributes:
        untyped: columns without a value, read as text.
    """

    frame: pl.LazyFrame
    count: int
    untyped: frozenset[str]


def read_lines(content: Content, longest_line: int) -> Objects:
    """Read an object a line, of UTF-8 without a byte order mark.

    Raises:
        EmptyTable: the objects have no keys.
        UnreadableTable: more keys than columns are taken.
        InvalidRows: a line is no object, or the types of a column differ.
    """
    if longest_line > _LONGEST_OBJECT:
        raise _too_long("a line")
    _refuse_endless_keys(content)
    try:
        frame = pl.scan_ndjson(content.source, infer_schema_length=None)
        schema = frame.collect_schema()
        # Counting the nulls as well has polars read the lines.
        counts = frame.select(pl.len(), pl.all().null_count().name.prefix("nulls of "))
        count = counts.collect(engine="streaming").item(0, 0)
    except POLARS_FAULTS as error:
        _refuse_lines(content, error)
    if not schema:
        raise EmptyTable("the JSON has no columns: remove it, or leave it out of the job's 'select'")
    untyped = frozenset(name for name, dtype in schema.items() if dtype == pl.Null)
    return Objects(frame.cast({pl.Null: pl.String}), count, untyped)


def to_lines(content: Content, scratch: Scratch) -> Content:
    """Return a list of objects as an object a line.

    Raises:
        EmptyTable: an empty list.
        UnreadableTable: it is cut off, or no JSON.
        InvalidRows: an element of it is no object.
    """
    lines = scratch.keep(_elements(content), "the JSON")
    if not lines.size:
        raise EmptyTable("the JSON has no columns: remove it, or leave it out of the job's 'select'")
    return lines


class _Characters:
    """The characters of a text, of which more are read as they are wanted."""

    def __init__(self, content: Content) -> None:
        self._pieces = content.pieces()
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.held = ""

    def more(self) -> bool:
        """Read on, half as much again as is held; tell whether there was more."""
        wanted = len(self.held) + max(1, len(self.held) // 2)
        parts = [self.held]
        length = len(self.held)
        for piece in self._pieces:
            parts.append(self._decoder.decode(piece))
            length += len(parts[-1])
            if length >= wanted:
                break
        self.held = "".join(parts)
        return len(parts) > 1

    def next_sign(self, place: int) -> tuple[str, int]:
        """Return the next character that is no space, and its place; ``""`` at the end."""
        while True:
            place = _end_of_space(self.held, place)
            if place < len(self.held):
                return self.held[place], place
            self.held, place = "", 0
            if not self.more():
                return "", 0

    def drop(self, place: int) -> None:
        """Let go of what is before a place."""
        self.held = self.held[place:]


def _end_of_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _elements(content: Content) -> Iterator[bytes]:
    """Yield the lines that a list becomes, some at a time."""
    text = _Characters(content)
    _, place = text.next_sign(0)
    sign, place = text.next_sign(place + 1)
    number, done, lines = 0, sign == "]", []
    while not done:
        number += 1
        if sign != "{":
            raise InvalidRows(f"element {number} of the JSON list is no object: correct it, or write it again")
        place, line = _element(text, place, number)
        lines.append(line)
        sign, place = text.next_sign(place)
        done = sign == "]"
        if not done:
            if sign != ",":
                raise _damaged(f"after element {number} there is {sign or 'nothing'} where a comma should be")
            sign, place = text.next_sign(place + 1)
        if place > _LOOKED_AT_FOR_KEYS:
            text.drop(place)
            place = 0
            yield b"".join(lines)
            lines.clear()
    if text.next_sign(place + 1)[0]:
        raise _damaged("there is something below the list")
    yield b"".join(lines)


def _element(text: _Characters, place: int, number: int) -> tuple[int, bytes]:
    """Return where the object at a place ends, and the object on a line; drops nothing."""
    while True:
        try:
            _, end = _DECODER.raw_decode(text.held, place)
        except json.JSONDecodeError as error:
            if len(text.held) - place > _LONGEST_OBJECT:
                raise _too_long(f"element {number} of the JSON list") from error
            if not text.more():
                raise _damaged(f"element {number}: {error.msg}") from error
        except (ValueError, RecursionError) as error:
            raise _damaged(f"element {number}: {error}") from error
        else:
            # Line breaks are no part of a JSON string, so they are space.
            line = text.held[place:end].replace("\n", " ").replace("\r", " ")
            return end, line.encode(errors="replace") + b"\n"


def _damaged(fault: str) -> UnreadableTable:
    return UnreadableTable(f"the JSON is damaged, or no list of objects ({fault}): write it again")


def _too_long(what: str) -> UnreadableTable:
    return UnreadableTable(f"{what} has more than {_LONGEST_OBJECT:,} bytes: is each object a row?")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON: write null")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _refuse_endless_keys(content: Content) -> None:
    """Raise UnreadableTable where data stand in the place of keys, before polars makes a column of each."""
    keys = {key[1] for key in _KEY.finditer(content.beginning(_LOOKED_AT_FOR_KEYS))}
    if len(keys) > MOST_COLUMNS:
        raise UnreadableTable(
            f"the objects have more than {MOST_COLUMNS:,} different keys: make what differs a value, not a key"
        )


def _refuse_lines(content: Content, cause: BaseException) -> NoReturn:
    """Raise InvalidRows for the first line that is no JSON object, or for types that differ from line to line."""
    with content.open() as stream:
        for number, line in enumerate(stream, start=1):
            try:
                is_object = not line.strip() or isinstance(_DECODER.decode(line.decode()), dict)
            except json.JSONDecodeError as error:
                fault = f"{error.msg}, column {error.colno}"
                raise InvalidRows(f"line {number} is no JSON ({fault}): correct it, one object a line") from cause
            except (ValueError, RecursionError) as error:
                raise InvalidRows(f"line {number} is no JSON ({error}): correct it, one object a line") from cause
            if not is_object:
                raise InvalidRows(f"line {number} is no JSON object: correct it, one object a line") from cause
    raise InvalidRows(f"the types of a column differ from line to line ({first_line(cause)}): make them one") from cause
