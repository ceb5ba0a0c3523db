"""The rows of an object, one after another: CSV, JSON lines or Parquet, recognised by its bytes, plain or gzip.

A cell comes as exact as it is written: a cell of a CSV as text, a number of JSON as a Decimal. What is in memory is a
line, or a batch of rows of a Parquet file.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TextIO

import polars as pl
import polars.selectors as cs

from functions.dynamodb_load.errors import InvalidRow, UnreadableTable

# An item has at most 400 KB, and no byte of it takes more than the six of a JSON escape.
LONGEST_LINE = 4 * 1024 * 1024
# A few kilobytes of gzip can stand for any number of blank lines.
MOST_UNPACKED = 2 * 1024 * 1024 * 1024
_PARQUET_ROWS = 1000
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"
# What polars raises over damaged files; its panics are no Exception.
_POLARS_FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError)
_ELSE = "write CSV with commas and a header row in UTF-8, JSON lines or Parquet; table-transform makes them of others"

Row = Mapping[str, Any]
Body = bytes | Path


@dataclass(frozen=True)
class Source:
    """A table to read, as often as wanted.

    Attributes:
        kind: ``csv``, ``jsonl`` or ``parquet``.
        columns: their names; ``None`` where they may differ from row to row.
        numbered: yields rows with their numbers, from 1: of a text the line a row begins in.
    """

    kind: str
    columns: tuple[str, ...] | None
    numbered: Callable[[], Iterator[tuple[int, Row]]]

    def place(self, number: int) -> str:
        """Name a row for a message."""
        return f"{'row' if self.kind == 'parquet' else 'line'} {number}"


def read(body: Body) -> Source:
    """Recognise a table; its rows may still turn out to be unreadable.

    Raises:
        UnreadableTable: it is no CSV, JSON lines or Parquet.
    """
    with _opened(body) as stream:
        beginning = stream.read(len(_PARQUET))
    if beginning == _PARQUET:
        return _parquet(body)
    with _text(body) as text:
        line = next((line for line in _lines(text) if line.strip()), "")
    if "\0" in line:
        raise UnreadableTable(f"this is binary, or UTF-16: {_ELSE}")
    # JSON lines of no rows are nothing at all.
    if not line or line.lstrip().startswith("{"):
        return Source("jsonl", None, lambda: _json_rows(body))
    if line.lstrip().startswith(("[", "<")):
        raise UnreadableTable(f"this is a JSON array or markup: {_ELSE}")
    with _text(body) as text:
        _, header = next(_records(text))
    return Source("csv", _proven(header), lambda: _csv_rows(body))


def _proven(header: list[str]) -> tuple[str, ...]:
    """Return the names of the columns; raises UnreadableTable where one has none or two have the same."""
    for place, name in enumerate(header, start=1):
        if not name.strip():
            raise UnreadableTable(f"column {place} of the header has no name: name it")
        if header.index(name) + 1 < place:
            raise UnreadableTable(f"the header has two columns {name!r}: rename one")
    return tuple(header)


def _csv_rows(body: Body) -> Iterator[tuple[int, Row]]:
    with _text(body) as text:
        records = _records(text)
        _, header = next(records)
        for number, record in records:
            if len(record) != len(header):
                raise InvalidRow(
                    f"line {number} has {len(record)} fields where the header has {len(header)}: "
                    "correct the row, or its quotes"
                )
            yield number, dict(zip(header, (cell or None for cell in record), strict=True))


def _records(text: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Yield the records that are not blank, each with the line it begins in."""
    csv.field_size_limit(LONGEST_LINE)
    reader = csv.reader(_lines(text), strict=True)
    number = 1
    try:
        for record in reader:
            if record:
                yield number, record
            number = reader.line_num + 1
    except csv.Error as error:
        raise InvalidRow(f"line {number} has unpaired quotes ({error}): put whole fields in quotes") from error


def _json_rows(body: Body) -> Iterator[tuple[int, Row]]:
    with _text(body) as text:
        for number, line in enumerate(_lines(text), start=1):
            if line.strip():
                yield number, _json_row(number, line)


def _json_row(number: int, line: str) -> Row:
    try:
        row = json.loads(line, parse_int=Decimal, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise InvalidRow(f"line {number} is no JSON ({error}): correct it, one object a line") from error
    if not isinstance(row, dict):
        raise InvalidRow(f"line {number} is no JSON object: correct it, one object a line")
    return row


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is none")


def _parquet(body: Body) -> Source:
    try:
        columns = tuple(_scan(body).collect_schema().names())
    except _POLARS_FAULTS as error:
        raise _damaged(error) from error
    return Source("parquet", columns, lambda: _parquet_rows(body))


def _parquet_rows(body: Body) -> Iterator[tuple[int, Row]]:
    """Yield the rows; dates and times are text already, because Python's own have no nanoseconds."""
    number = 0
    try:
        frames = _scan(body).with_columns(cs.temporal().dt.to_string("iso:strict"))
        for frame in frames.collect_batches(chunk_size=_PARQUET_ROWS, maintain_order=True):
            for row in frame.iter_rows(named=True):
                number += 1
                yield number, row
    except _POLARS_FAULTS as error:
        raise _damaged(error) from error


def _scan(body: Body) -> pl.LazyFrame:
    return pl.scan_parquet(body if isinstance(body, Path) else io.BytesIO(body), hive_partitioning=False)


def _damaged(error: BaseException) -> UnreadableTable:
    line = str(error).strip().split("\n", maxsplit=1)[0][:200]
    return UnreadableTable(f"the Parquet file is damaged or cut off ({line}): write it again")


class _Unpacked(gzip.GzipFile):
    """What is in a gzip, up to a limit."""

    def read1(self, size: int = -1) -> bytes:
        """Read some bytes; raises UnreadableTable beyond the limit."""
        piece = super().read1(size)
        if self.tell() > MOST_UNPACKED:
            raise UnreadableTable(f"the gzip holds more than {MOST_UNPACKED:,} bytes: split it into smaller tables")
        return piece


@contextmanager
def _opened(body: Body) -> Iterator[BinaryIO]:
    with body.open("rb") if isinstance(body, Path) else io.BytesIO(body) as stream:
        yield stream


@contextmanager
def _text(body: Body) -> Iterator[TextIO]:
    """Open the text of an object, unpacked; raises UnreadableTable for what is not UTF-8 or a damaged gzip."""
    try:
        with _opened(body) as stream:
            packed = stream.read(len(_GZIP)) == _GZIP
            stream.seek(0)
            unpacked: Any = _Unpacked(fileobj=stream) if packed else stream
            yield io.TextIOWrapper(unpacked, "utf-8-sig", newline="")
    except UnicodeDecodeError as error:
        raise UnreadableTable(f"this is not UTF-8 ({error.reason}): {_ELSE}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UnreadableTable(f"the gzip is damaged or cut off ({error}): write it again") from error


def _lines(text: TextIO) -> Iterator[str]:
    """Yield the lines, of which none may be so long that it fits into no item."""
    number = 0
    while line := text.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise UnreadableTable(f"line {number} has more than {LONGEST_LINE:,} characters, no item is so long")
        yield line
