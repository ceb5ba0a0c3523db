"""Delimited text: which delimiter, whether every row is whole, and the typed rows.

polars reads a row with too few fields as if the rest were empty, and reads much that is no table as one. So the rows
are proven: every delimiter of the text is between two fields of a row of full width, or within quotes. This happens in
passing (``Passage``); what does not pass is read again with patience, to say what is wrong with it or to get it right.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import polars as pl

from functions.table_transform.columns import Evidence, evidence, misfit, schema_of, undecided
from functions.table_transform.errors import POLARS_FAULTS, EmptyTable, InvalidRows, UnreadableTable
from functions.table_transform.passage import Layout, Passage
from functions.table_transform.spool import MOST_COLUMNS, Content, Scratch
from functions.table_transform.text import Text

DELIMITERS: Mapping[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
_SNIFFED_BYTES = 1024 * 1024
_SNIFFED_ROWS = 100
# What polars makes of a line takes up to eight times as much.
_LONGEST_LINE = 96 * 1024 * 1024
_LONGEST_CELL = 16 * 1024 * 1024
_LONGEST_HEADER = 512 * 1024


@dataclass(frozen=True)
class Wanted:
    """What a job wants of delimited text.

    Attributes:
        delimiter: its name; ``None``: the one that is found.
        types: of the columns' names, what some of them are read as.
        used: of the schema, the columns whose values have to be of their types; in the others there may be anything.
    """

    delimiter: str | None = None
    types: Callable[[Sequence[str]], Mapping[str, str]] = lambda _: {}
    used: Callable[[pl.Schema], Collection[str]] = pl.Schema.names


@dataclass(frozen=True)
class Rows:
    """The rows of a delimited text.

    Attributes:
        frame: typed.
        count: how many, without the header.
        untyped: the columns without a value, read as text.
    """

    frame: pl.LazyFrame
    count: int
    untyped: frozenset[str]


@dataclass(frozen=True)
class Delimited:
    """A delimited text, of which only the beginning has been looked at.

    Attributes:
        delimiter: its name; ``None`` for a single column.
        names: of the columns.
        types: given ones, by column.
        wanted: by the job.
    """

    layout: Layout
    delimiter: str | None
    names: list[str]
    types: Mapping[str, str]
    wanted: Wanted
    scratch: Scratch

    def passage(self) -> Passage | None:
        """Return the rows for one reading, ``None`` where there is something odd about them."""
        try:
            return Passage(self.layout, self.names, self.types)
        except POLARS_FAULTS:
            return None

    def rows(self) -> Rows:
        """Read the rows to prove them, and return them for another reading.

        Raises:
            UnreadableTable: no rows where there should be some.
            InvalidRows: a row of another width than the header, unpaired quotes, or a cell of the wrong type.
        """
        passage = self.passage()
        if passage is not None and _passes(passage):
            return _rows(self.layout, passage.rows, passage.kinds)
        return self.doubtful_rows()

    def doubtful_rows(self) -> Rows:
        """Read rows that did not pass as they looked: without blank lines, and with types from all cells.

        Raises as ``rows`` does.
        """
        cells = _proven(self.layout, self.types, self.scratch)
        return _rows(cells.layout, cells.count, cells.kinds(self.types, self.wanted))


def recognised(text: Text, wanted: Wanted, scratch: Scratch) -> Delimited:
    """Look at the beginning of a text.

    Raises:
        EmptyTable: no header.
        UnreadableTable: no header that could be one, or the wrong delimiter.
    """
    beginning = text.beginning(_SNIFFED_BYTES)
    if b"\n" not in beginning and b"\r" in beginning:
        text = Text(scratch.keep(_with_line_feeds(text.content), "the text"), text.encoding)
        beginning = text.beginning(_SNIFFED_BYTES)
    if not beginning.strip() and len(beginning) < _SNIFFED_BYTES:
        raise EmptyTable('there is nothing in it: remove it, or leave it out with "select": {"min_bytes": 1}')
    if text.longest_line > _LONGEST_LINE:
        raise UnreadableTable(f"a line has more than {_LONGEST_LINE:,} bytes: is this a table?")
    name = _settled_delimiter(beginning, wanted.delimiter)
    separator = DELIMITERS[name or "comma"]
    _refuse_endless_header(beginning, separator)
    layout = Layout(text.content, separator)
    try:
        names = layout.cells.collect_schema().names()
    except POLARS_FAULTS as error:
        raise _refusal(layout) from error
    return Delimited(layout, name, names, wanted.types(names), wanted, scratch)


def _rows(layout: Layout, count: int, kinds: Mapping[str, str | None]) -> Rows:
    return Rows(layout.typed(kinds), count, frozenset(column for column, kind in kinds.items() if kind is None))


def _with_line_feeds(content: Content) -> Iterator[bytes]:
    return (piece.replace(b"\r", b"\n") for piece in content.pieces())


def _passes(passage: Passage) -> bool:
    try:
        passage.run_through()
    except POLARS_FAULTS:
        return False
    return passage.is_proven


@dataclass(frozen=True)
class _Cells:
    """The cells of a delimited text, read as text.

    Attributes:
        count: rows, without the header.
        found: what the columns that may not be text hold.
    """

    layout: Layout
    names: list[str]
    count: int
    found: Mapping[str, Evidence]

    @classmethod
    def read(cls, layout: Layout, types: Mapping[str, str]) -> _Cells:
        """Read all of them once; raises InvalidRows where polars cannot."""
        try:
            names = layout.cells.collect_schema().names()
            looked_at = list(dict.fromkeys([*undecided(layout.cells), *(name for name in types if name in names)]))
            # With the nulls counted polars reads every column: else it passes over the end of rows that are too long.
            counts = [pl.len(), pl.sum_horizontal(pl.all().null_count()).alias("nulls")]
            found = [evidence(name).alias(f"found {place}") for place, name in enumerate(looked_at)]
            count, _, *fields = layout.cells.select(*counts, *found).collect(engine="streaming").row(0)
        except POLARS_FAULTS as error:
            raise _refusal(layout) from error
        evidences = {name: Evidence(**each) for name, each in zip(looked_at, fields, strict=True)}
        return cls(layout, names, count, evidences)

    def kinds(self, types: Mapping[str, str], wanted: Wanted) -> dict[str, str | None]:
        """Return the type of each column, ``None`` for one without values.

        Raises:
            InvalidRows: a cell of a used column is of another; what is in the others does not matter.
        """
        own = {name: types.get(name) or found.meant for name, found in self.found.items()}
        kinds = {name: own.get(name, "text") for name in self.names}
        misfits = {name: kind for name, kind in own.items() if kind and not self.found[name].fits(kind)}
        used = wanted.used(schema_of(kinds)) if misfits else ()
        for name, kind in misfits.items():
            if name in used:
                raise misfit(name, kind, self.layout.cells, is_given=name in types)
        return kinds | dict.fromkeys(misfits, "text")

    @property
    def are_whole(self) -> bool:
        """Tell whether every row has as many cells as the header."""
        return self.layout.rows(len(self.names)) == self.count

    @property
    def are_lost(self) -> bool:
        """Tell whether polars saw no row where there are lines below the header."""
        lines_of_header = 1 + sum(name.count("\n") for name in self.names)
        beginning = self.layout.content.beginning(_SNIFFED_BYTES)
        return self.count == 0 and len(beginning.strip(b"\r\n").splitlines()) > lines_of_header


def _proven(layout: Layout, types: Mapping[str, str], scratch: Scratch) -> _Cells:
    """Read the cells, without blank lines; raises InvalidRows or UnreadableTable unless each row is whole."""
    if layout.rows(len(layout.cells.collect_schema())) is None and (fault := _first_fault(layout)):
        raise InvalidRows(fault)
    cells = _Cells.read(layout, types)
    if not cells.are_whole:
        filled = scratch.keep(_filled_lines(layout.content), "the text without blank lines")
        layout = Layout(filled, layout.separator)
        cells = _Cells.read(layout, types)
    if not cells.are_whole:
        raise _refusal(layout)
    if cells.are_lost:
        raise UnreadableTable("no row was found below the header though there are lines: give a table")
    return cells


def _refuse_endless_header(text: bytes, separator: str) -> None:
    """Raise UnreadableTable for what polars would take hours and gigabytes to read as the names of columns."""
    header = next(filter(None, _records(text, separator)), [])
    columns, length = len(header), sum(map(len, header))
    if columns > MOST_COLUMNS:
        raise UnreadableTable(f"{columns:,} columns are more than {MOST_COLUMNS:,}: is the first line the header?")
    if length > _LONGEST_HEADER or (not header and len(text) >= _SNIFFED_BYTES):
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
    lines = io.TextIOWrapper(io.BytesIO(text), "utf-8", errors="replace", newline="")
    try:
        yield from _reader(lines, delimiter)
    except csv.Error:
        return


def _reader(lines: Iterable[str], delimiter: str) -> Any:
    """Return a csv reader; of the module's own default, 128 KiB, a cell may be longer."""
    csv.field_size_limit(_LONGEST_CELL)
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _filled_lines(content: Content) -> Iterator[bytes]:
    """Yield the lines that are not blank; a blank line within quotes is not."""
    quotes = 0
    with content.open() as stream:
        for line in stream:
            if quotes % 2 or line.strip(b"\r\n "):
                yield line
            quotes += line.count(b'"')


def _refusal(layout: Layout) -> InvalidRows | UnreadableTable:
    """Return the error for rows that cannot be read, or that are not whole."""
    fault = _first_fault(layout)
    return InvalidRows(fault) if fault else UnreadableTable("this is no delimited text that polars reads: give a table")


def _first_fault(layout: Layout) -> str | None:
    """Describe the first row that is not as wide as the header, or whose quotes are not paired; ``None`` if none is."""
    with layout.content.open() as stream:
        return _first_fault_in(io.TextIOWrapper(stream, "utf-8-sig", newline=""), layout.separator)


def _first_fault_in(text: Iterable[str], separator: str) -> str | None:
    lines = _Quotes(iter(text))
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
    return None


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
