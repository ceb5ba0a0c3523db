"""A table of any kind that is read, recognised by its content."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from functions.table_transform.binary import ARROW_FILE, ARROW_STREAM, PARQUET, read_arrow, read_parquet
from functions.table_transform.content import refuse_what_is_no_table, unpacked
from functions.table_transform.delimited import Delimited, Wanted, recognised
from functions.table_transform.errors import (
    POLARS_FAULTS,
    UnreadableTable,
    first_line,
)
from functions.table_transform.markup import to_csv
from functions.table_transform.objects import Objects, read_lines, to_lines
from functions.table_transform.spool import Content, Scratch
from functions.table_transform.text import as_utf8, markup
from itemkit import PermanentError

T = TypeVar("T")


@dataclass(frozen=True)
class Table:
    """The rows of an object.

    Attributes:
        frame: lazy; reading may still fail where the bytes of a Parquet file are damaged.
        counted: tells how many rows there are.
        facts: what was found: ``source``, and where it is text ``encoding`` and ``delimiter``.
        untyped: columns without a value, read as text.
    """

    frame: pl.LazyFrame
    counted: Callable[[], int]
    facts: Mapping[str, Any]
    untyped: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        """How many rows there are; of a table in passing, once its frame has been run."""
        return self.counted()

    @property
    def schema(self) -> pl.Schema:
        """The names and types of the columns."""
        return self.frame.collect_schema()

    @property
    def open_schema(self) -> pl.Schema:
        """The schema, in which columns without a value fit any query: of a sample, they may have some further on."""
        return pl.Schema({name: pl.Null if name in self.untyped else dtype for name, dtype in self.schema.items()})

    def refuse_if_damaged(self) -> None:
        """Raise UnreadableTable if the rows themselves cannot be read, whatever the query."""
        try:
            self.frame.sink_parquet(io.BytesIO(), compression="uncompressed", engine="streaming")
        except POLARS_FAULTS as error:
            raise UnreadableTable(f"the table is damaged ({first_line(error)}): write it again") from error


def read_table(body: bytes | Path, wanted: Wanted | None = None, scratch: Scratch | None = None) -> Table:
    """Read a table whose rows are proven; ``wanted`` is of delimited text.

    ``scratch`` takes what is made of a large one, and must not be closed before the table is done with; without it all
    of that is in memory.

    Raises:
        UnreadableTable: the bytes are no table, or a damaged one; EmptyTable: there are not even columns.
        InvalidRows: the message says which row and column.
        QueryFailed: ``wanted`` names a column that is not there.
    """
    source = _source(body, wanted or Wanted(), scratch or Scratch.without_disk())
    return source if isinstance(source, Table) else source.proven()


def over_table(body: bytes | Path, wanted: Wanted, work: Callable[[Table], T]) -> tuple[T, Table]:
    """Return what ``work`` makes of a table, and the table.

    Delimited text is read once: its rows are proven while ``work`` runs them. Should they turn out to be other than
    they looked, ``work`` is done again, over rows that are proven; so it is not to leave anything behind when it fails.
    The table lasts as long as the call, apart from its ``rows`` and ``facts``.

    Raises what ``read_table`` and ``work`` do.
    """
    with Scratch() as scratch:
        source = _source(body, wanted, scratch)
        if isinstance(source, Table):
            return work(source), source
        done = source.in_passing(work)
        if done is None:
            table = source.proven_with_patience()
            done = work(table), table
        return done


@dataclass(frozen=True)
class _Source:
    """Delimited text that is not read yet."""

    delimited: Delimited
    facts: Mapping[str, Any]

    def proven(self) -> Table:
        rows = self.delimited.rows()
        return Table(rows.frame, lambda: rows.count, self.facts, rows.untyped)

    def proven_with_patience(self) -> Table:
        rows = self.delimited.doubtful_rows()
        return Table(rows.frame, lambda: rows.count, self.facts, rows.untyped)

    def in_passing(self, work: Callable[[Table], T]) -> tuple[T, Table] | None:
        """Return what comes of one reading, ``None`` where the rows are other than they looked."""
        passage = self.delimited.passage()
        if passage is None:
            return None
        untyped = frozenset(name for name, kind in passage.kinds.items() if kind is None)
        table = Table(passage.frame, lambda: passage.rows, self.facts, untyped)
        try:
            done = work(table)
        except (PermanentError, *POLARS_FAULTS):
            # Whether it is the work's fault or the rows': the patient reading tells.
            return None
        return (done, table) if passage.is_proven else None


def _source(body: bytes | Path, wanted: Wanted, scratch: Scratch) -> Table | _Source:
    content = unpacked(Content(body), scratch)
    refuse_what_is_no_table(content)
    beginning = content.beginning(64)
    if beginning.startswith(PARQUET):
        return _binary("parquet", read_parquet(content))
    if beginning.startswith((ARROW_FILE, ARROW_STREAM)):
        return _binary("arrow", read_arrow(content, scratch))
    kind = markup(content)
    if kind == "html":
        raise UnreadableTable("this is HTML, often the error page of a server: fetch the table again")
    if kind == "xml":
        rows = recognised(to_csv(content, scratch), replace(wanted, delimiter="comma"), scratch)
        return _Source(rows, {"source": "xml"})
    text = as_utf8(content, scratch)
    sign = text.beginning(1024).lstrip()[:1] if wanted.delimiter is None else b""
    if sign == b"{":
        lines = text.unmarked(scratch).content
        return _objects("jsonl", read_lines(lines, text.longest_line), text.encoding)
    if sign == b"[":
        lines = to_lines(text.unmarked(scratch).content, scratch)
        return _objects("json", read_lines(lines, 0), text.encoding)
    found = recognised(text, wanted, scratch)
    return _Source(found, {"source": "csv", "encoding": text.encoding, "delimiter": found.delimiter})


def _binary(kind: str, read: tuple[pl.LazyFrame, int]) -> Table:
    frame, rows = read
    return Table(frame, lambda: rows, {"source": kind})


def _objects(kind: str, objects: Objects, encoding: str) -> Table:
    return Table(objects.frame, lambda: objects.count, {"source": kind, "encoding": encoding}, objects.untyped)
