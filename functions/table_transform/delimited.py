"""Delimited text: which delimiter, whether every row is whole, and the typed rows.

polars reads a row with too few fields as if the rest were empty, and reads much that is no table as one. So the rows
are proven: every delimiter of the text is between two fields of a row of full width, or within quotes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import polars as pl

from functions.table_transform.columns import TYPES, Evidence, evidence, settled, undecided
from functions.table_transform.content import MOST_BYTES, MOST_COLUMNS
from functions.table_transform.errors import POLARS_FAULTS, EmptyTable, InvalidRows, UnreadableTable

DELIMITERS: Mapping[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_SNIFFED_BYTES = 1024 * 1024
_SNIFFED_ROWS = 100
_LONGEST_HEADER = 512 * 1024


@dataclass(frozen=True)
class Rows:
    """The rows of a delimited text.

    Attributes:
        frame: typed.
        count: how many, without the header.
        delimiter: its name; ``None`` for a single column.
        untyped: the columns without a value, read as text.
    """

    frame: pl.LazyFrame
    count: int
    delimiter: str | None
    untyped: frozenset[str]


def read_rows(text: bytes, delimiter: str | None, types: Mapping[str, str]) -> Rows:
    """Read UTF-8 text; ``delimiter`` and ``types`` by name, as the options have them.

    Raises:
        EmptyTable: no header.
        UnreadableTable: no rows where there should be some, or the wrong delimiter.
        InvalidRows: a row of another width than the header, unpaired quotes, or a cell of the wrong type.
    """
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    if not text.strip():
        raise EmptyTable('there is nothing in it: remove it, or leave it out with "select": {"min_bytes": 1}')
    name = _settled_delimiter(text, delimiter)
    separator = DELIMITERS[name or "comma"]
    _refuse_endless_header(text, separator)
    cells = _proven(text, separator, types)
    kinds = cells.kinds(types)
    schema = {column: TYPES[kind or "text"] for column, kind in kinds.items()}
    frame = pl.scan_csv(io.BytesIO(cells.text), separator=separator, schema=schema)
    return Rows(frame, cells.count, name, frozenset(column for column, kind in kinds.items() if kind is None))


@dataclass(frozen=True)
class _Cells:
    """The cells of a delimited text, read as text.

    Attributes:
        count: rows, without the header.
        in_quotes: separators that stand within cells and names.
        found: what the columns that may not be text hold.
    """

    text: bytes
    separator: str
    frame: pl.LazyFrame
    names: list[str]
    count: int
    in_quotes: int
    found: Mapping[str, Evidence]

    @classmethod
    def read(cls, text: bytes, separator: str, types: Mapping[str, str]) -> _Cells:
        """Read all of them once; raises InvalidRows where polars cannot."""
        frame = pl.scan_csv(io.BytesIO(text), separator=separator, infer_schema=False)
        try:
            names = frame.collect_schema().names()
            looked_at = list(dict.fromkeys([*undecided(frame), *(name for name in types if name in names)]))
            found = [evidence(name).alias(f"found {place}") for place, name in enumerate(looked_at)]
            gathered = frame.select(*_counts(text, separator), *found).collect(engine="streaming")
        except POLARS_FAULTS as error:
            raise InvalidRows(_first_fault(text, separator)) from error
        count, _, in_cells, *fields = gathered.row(0)
        in_quotes = in_cells + sum(name.count(separator) for name in names)
        evidences = {name: Evidence(**each) for name, each in zip(looked_at, fields, strict=True)}
        return cls(text, separator, frame, names, count, in_quotes, evidences)

    def kinds(self, types: Mapping[str, str]) -> dict[str, str | None]:
        """Return the type of each column, ``None`` for one without values; raises InvalidRows for a cell of another."""
        found = {name: settled(name, each, types.get(name), self.frame) for name, each in self.found.items()}
        return {name: found.get(name, "text") for name in self.names}

    @property
    def are_whole(self) -> bool:
        """Tell whether every row has as many cells as the header."""
        between = (self.count + 1) * (len(self.names) - 1)
        return self.text.count(self.separator.encode()) == between + self.in_quotes and not self.text.count(b'"') % 2

    @property
    def are_lost(self) -> bool:
        """Tell whether polars saw no row where there are lines below the header."""
        lines_of_header = 1 + sum(name.count("\n") for name in self.names)
        return self.count == 0 and len(self.text.strip(b"\r\n").splitlines()) > lines_of_header


def _counts(text: bytes, separator: str) -> list[pl.Expr]:
    """Return expressions for the rows, the nulls and the separators within cells.

    The nulls are counted so that polars reads every column: else it passes over the end of rows that are too long.
    """
    within = pl.all().str.count_matches(separator, literal=True) if b'"' in text else pl.lit(0)
    return [
        pl.len().alias("rows"),
        pl.sum_horizontal(pl.all().null_count()).alias("nulls"),
        pl.sum_horizontal(within.sum()).alias("within"),
    ]


def _proven(text: bytes, separator: str, types: Mapping[str, str]) -> _Cells:
    """Read the cells, without blank lines; raises InvalidRows or UnreadableTable unless each row is whole."""
    cells = _Cells.read(text, separator, types)
    if not cells.are_whole:
        text = b"".join(_filled_lines(text))
        cells = _Cells.read(text, separator, types)
    if not cells.are_whole:
        raise InvalidRows(_first_fault(text, separator))
    if cells.are_lost:
        raise UnreadableTable("no row was found below the header though there are lines: give a table")
    return cells


def _refuse_endless_header(text: bytes, separator: str) -> None:
    """Raise UnreadableTable for what polars would take hours and gigabytes to read as the names of columns."""
    header = next(filter(None, _records(text, separator)), [])
    columns, length = len(header), sum(map(len, header))
    if columns > MOST_COLUMNS:
        raise UnreadableTable(f"{columns:,} columns are more than {MOST_COLUMNS:,}: is the first line the header?")
    if length > _LONGEST_HEADER or (not header and len(text) > _SNIFFED_BYTES):
        raise UnreadableTable("the first line is too long to name columns: is it a header, and are its quotes closed?")


def _settled_delimiter(text: bytes, given: str | None) -> str | None:
    """Return the delimiter's name; ``None`` for a single column.

    Raises:
        UnreadableTable: the one given is not the one in the text, or a title stands above the header.
    """
    sniffed = sniff(text)
    if given is None or given == sniffed:
        return sniffed
    if sniffed is not None and len(next(_records(text, DELIMITERS[given]), [])) == 1:
        raise UnreadableTable(
            f"the header has no {given}, it is separated by {sniffed}: leave the option 'delimiter' out and it is found"
        )
    return given


def sniff(text: bytes) -> str | None:
    """Return the name of the delimiter that splits the header and most rows alike; ``None`` for a single column.

    Raises:
        UnreadableTable: the rows are split where the header is not.
    """
    widths = {name: _widths(text, delimiter) for name, delimiter in DELIMITERS.items()}
    splitting = [name for name, found in widths.items() if found and found[0] > 1]
    if splitting:
        return max(
            splitting, key=lambda name: (widths[name].count(widths[name][0]) / len(widths[name]), widths[name][0])
        )
    for name, found in widths.items():
        if len(found) > 2 and found[1] > 1 and len(set(found[1:])) == 1:
            raise UnreadableTable(
                f"the rows are separated by {name} and the first line is not: the first line must name the columns, "
                "remove what stands above them"
            )
    return None


def _widths(text: bytes, delimiter: str) -> list[int]:
    """Return how many fields each of the first records has."""
    return [len(record) for record in islice(_records(text, delimiter), _SNIFFED_ROWS) if record]


def _records(text: bytes, delimiter: str) -> Iterator[list[str]]:
    """Yield the first records; a quote that is not closed ends them."""
    beginning = io.BytesIO(text[:_SNIFFED_BYTES])
    lines = io.TextIOWrapper(beginning, "utf-8", errors="replace", newline="")
    try:
        yield from _reader(lines, delimiter)
    except csv.Error:
        return


def _reader(lines: Iterable[str], delimiter: str) -> Any:
    """Return a csv reader; the module's default of 128 KiB is no limit of ours: a cell is at most the table."""
    csv.field_size_limit(MOST_BYTES)
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _filled_lines(text: bytes) -> Iterator[bytes]:
    """Yield the lines that are not blank; a blank line within quotes is not."""
    quotes = 0
    for line in io.BytesIO(text):
        if quotes % 2 or line.strip(b"\r\n "):
            yield line
        quotes += line.count(b'"')


def _first_fault(text: bytes, separator: str) -> str:
    """Describe the first row that is not as wide as the header, or whose quotes are not paired."""
    lines = _Quotes(io.TextIOWrapper(io.BytesIO(text), "utf-8", newline=""))
    records = _reader(lines, separator)
    place, width = -1, 0
    try:
        for record in filter(None, records):
            place, width = place + 1, width or len(record)
            where = f"{_row(place)} (line {records.line_num})"
            if lines.count % 2:
                return f"{where} has a quote within an unquoted field: put the field in quotes and double the quote"
            if len(record) != width:
                return f"{where} has {len(record)} fields where the header has {width}: correct the row, or its quotes"
    except csv.Error as error:
        return f"{_row(place + 1)} has unpaired quotes ({error}): put whole fields in quotes, and double those within"
    raise UnreadableTable("this is no delimited text that polars reads: give CSV, TSV, JSON, JSON lines or Parquet")


def _row(place: int) -> str:
    return f"row {place} below the header" if place else "the header"


class _Quotes:
    """Lines that count the quotes in those handed out."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.count += line.count('"')
        return line
