"""A table of any kind that is read, recognised by its content."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from functions.table_transform.binary import ARROW_FILE, ARROW_STREAM, PARQUET, read_arrow, read_parquet
from functions.table_transform.columns import TYPES
from functions.table_transform.content import refuse_what_is_no_table, unpacked
from functions.table_transform.delimited import Delimited, Used, recognised
from functions.table_transform.errors import (
    POLARS_FAULTS,
    QueryFailed,
    UnreadableTable,
    first_line,
    listed,
    nearest,
)
from functions.table_transform.markup import to_csv
from functions.table_transform.objects import Objects, read_lines, to_lines
from functions.table_transform.spool import Content, Scratch
from functions.table_transform.text import Text, as_utf8, markup
from itemkit import PermanentError

T = TypeVar("T")
# Types by column, or what tells them once the columns of delimited text are known.
Types = Mapping[str, str] | Callable[[Sequence[str]], Mapping[str, str]]


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


def read_table(
    body: bytes | Path,
    delimiter: str | None,
    types: Types,
    scratch: Scratch | None = None,
    used: Used = pl.Schema.names,
) -> Table:
    """Read a table whose rows are proven; ``delimiter`` and ``types`` by name, as the options have them.

    ``used`` tells the columns of text whose values matter, all unless given; in others there may be anything.
    ``scratch`` takes what is made of a large one, and must not be closed before the table is done with; without it all
    of that is in memory.

    Raises:
        UnreadableTable: the bytes are no table, or a damaged one; EmptyTable: there are not even columns.
        InvalidRows: the message says which row and column.
        QueryFailed: ``types`` names a column that is not there.
    """
    source = _source(body, delimiter, types, used, scratch or Scratch.without_disk())
    return source if isinstance(source, Table) else source.proven()


def over_table(
    body: bytes | Path, delimiter: str | None, types: Types, used: Used, work: Callable[[Table], T]
) -> tuple[T, Table]:
    """Return what ``work`` makes of a table, and the table.

    Delimited text is read once: its rows are proven while ``work`` runs them. Should they turn out to be other than
    they looked, ``work`` is done again, over rows that are proven; so it is not to leave anything behind when it fails.
    The table lasts as long as the call, apart from its ``rows`` and ``facts``.

    Raises what ``read_table`` and ``work`` do.
    """
    with Scratch() as scratch:
        source = _source(body, delimiter, types, used, scratch)
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


def _source(body: bytes | Path, delimiter: str | None, types: Types, used: Used, scratch: Scratch) -> Table | _Source:
    content = unpacked(Content(body), scratch)
    refuse_what_is_no_table(content)
    beginning = content.beginning(64)
    if beginning.startswith(PARQUET):
        return _binary("parquet", read_parquet(content), types)
    if beginning.startswith((ARROW_FILE, ARROW_STREAM)):
        return _binary("arrow", read_arrow(content, scratch), types)
    kind = markup(content)
    if kind == "html":
        raise UnreadableTable("this is HTML, often the error page of a server: fetch the table again")
    if kind == "xml":
        return _delimited("xml", to_csv(content, scratch), "comma", types, used, scratch)
    text = as_utf8(content, scratch)
    sign = text.beginning(1024).lstrip()[:1] if delimiter is None else b""
    if sign == b"{":
        lines = text.unmarked(scratch).content
        return _objects("jsonl", read_lines(lines, text.longest_line), text.encoding, types)
    if sign == b"[":
        lines = to_lines(text.unmarked(scratch).content, scratch)
        return _objects("json", read_lines(lines, 0), text.encoding, types)
    return _delimited("csv", text, delimiter, types, used, scratch)


def _delimited(kind: str, text: Text, delimiter: str | None, types: Types, used: Used, scratch: Scratch) -> _Source:
    found = recognised(text, delimiter, types, used, scratch)
    _refuse_unknown(found.types, found.names)
    facts = {"source": kind, "encoding": text.encoding, "delimiter": found.delimiter}
    return _Source(found, facts if kind == "csv" else {"source": kind})


def _binary(kind: str, read: tuple[pl.LazyFrame, int], types: Types) -> Table:
    frame, rows = read
    return _typed(Table(frame, lambda: rows, {"source": kind}), types)


def _objects(kind: str, objects: Objects, encoding: str, types: Types) -> Table:
    facts = {"source": kind, "encoding": encoding}
    return _typed(Table(objects.frame, lambda: objects.count, facts, objects.untyped), types)


def _typed(table: Table, types: Types) -> Table:
    """Cast the columns of a table that knows its own types; only what is given by name."""
    if not types or callable(types):
        return table
    _refuse_unknown(types, table.frame.collect_schema().names())
    wanted: dict[Any, pl.DataType] = {name: TYPES[kind] for name, kind in types.items()}
    return replace(table, frame=table.frame.cast(wanted), untyped=table.untyped - types.keys())


def _refuse_unknown(types: Mapping[str, str], known: Sequence[str]) -> None:
    for name in types:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"its columns are {listed(known)}"
            raise QueryFailed(f"the table has no column {name!r}, which the option 'types' names: {hint}")
