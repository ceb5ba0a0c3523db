"""A table of any kind that is read, recognised by its content."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import polars as pl

from functions.table_transform.columns import TYPES
from functions.table_transform.content import MOST_COLUMNS, is_parquet, refuse_what_is_no_table
from functions.table_transform.delimited import read_rows
from functions.table_transform.errors import (
    POLARS_FAULTS,
    EmptyTable,
    InvalidRows,
    QueryFailed,
    UnreadableTable,
    first_line,
    listed,
    nearest,
)
from functions.table_transform.text import to_utf8

# A few kilobytes of Parquet can stand for any number of equal rows.
MOST_ROWS = 100_000_000
_KEY = re.compile(rb'"([^"\\]{1,100})"\s*:')
_LOOKED_AT_FOR_KEYS = 4 * 1024 * 1024


@dataclass(frozen=True)
class Table:
    """The rows of an object.

    Attributes:
        frame: lazy; reading may still fail where the bytes of a Parquet file are damaged.
        rows: how many.
        facts: what was found: ``source``, and where it is text ``encoding`` and ``delimiter``.
        untyped: columns without a value, read as text.
    """

    frame: pl.LazyFrame
    rows: int
    facts: Mapping[str, Any]
    untyped: frozenset[str] = frozenset()

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


def read_table(content: bytes, delimiter: str | None, types: Mapping[str, str]) -> Table:
    """Read unpacked bytes; ``delimiter`` and ``types`` by name, as the options have them.

    Raises:
        UnreadableTable: they are no table, or a damaged one; EmptyTable: there are not even columns.
        InvalidRows: the message says which row and column.
        QueryFailed: ``types`` names a column that is not there.
    """
    refuse_what_is_no_table(content)
    if is_parquet(content):
        return _typed(_parquet(content), types)
    text, encoding = to_utf8(content)
    beginning = text[:1024].lstrip()[:1] if delimiter is None else b""
    if beginning in (b"{", b"["):
        _refuse_endless_keys(text)
    if beginning == b"{":
        return _typed(_json_lines(text, encoding), types)
    if beginning == b"[":
        return _typed(_json(text, encoding), types)
    rows = read_rows(text, delimiter, types)
    facts = {"source": "csv", "encoding": encoding, "delimiter": rows.delimiter}
    table = Table(rows.frame, rows.count, facts, rows.untyped)
    _refuse_unknown(types, table.frame.collect_schema().names())
    return table


def _parquet(content: bytes) -> Table:
    try:
        frame = pl.scan_parquet(io.BytesIO(content))
        rows = frame.select(pl.len()).collect().item()
        frame.collect_schema()
    except POLARS_FAULTS as error:
        raise UnreadableTable(
            f"the Parquet file is damaged or cut off ({first_line(error)}): write it again"
        ) from error
    if rows > MOST_ROWS:
        raise UnreadableTable(f"{rows:,} rows are more than {MOST_ROWS:,}: split it into smaller tables")
    return Table(frame, rows, {"source": "parquet"})


def _json_lines(text: bytes, encoding: str) -> Table:
    try:
        frame = pl.scan_ndjson(io.BytesIO(text), infer_schema_length=None)
        # Counting the nulls as well has polars read the lines.
        counts = frame.select(pl.len(), pl.all().null_count().name.prefix("nulls of "))
        rows = counts.collect(engine="streaming").item(0, 0)
    except POLARS_FAULTS as error:
        _refuse_lines(text, error)
    return _without_nulls(Table(frame, rows, {"source": "jsonl", "encoding": encoding}))


def _json(text: bytes, encoding: str) -> Table:
    try:
        whole = pl.read_json(io.BytesIO(text), infer_schema_length=None)
    except POLARS_FAULTS as error:
        raise UnreadableTable(
            f"the JSON is damaged, or no list of objects with the same types ({first_line(error)}): write it again"
        ) from error
    return _without_nulls(Table(whole.lazy(), whole.height, {"source": "json", "encoding": encoding}))


def _refuse_endless_keys(text: bytes) -> None:
    """Raise UnreadableTable where data stand in the place of keys, before polars makes a column of each."""
    keys = {key[1] for key in _KEY.finditer(text, 0, _LOOKED_AT_FOR_KEYS)}
    if len(keys) > MOST_COLUMNS:
        raise UnreadableTable(
            f"the objects have more than {MOST_COLUMNS:,} different keys: make what differs a value, not a key"
        )


def _without_nulls(table: Table) -> Table:
    """Make columns without a value text, as those of delimited text are."""
    schema = table.schema
    if not schema:
        raise EmptyTable("the JSON has no columns: remove it, or leave it out of the job's 'select'")
    untyped = frozenset(name for name, dtype in schema.items() if dtype == pl.Null)
    return replace(table, frame=table.frame.cast({pl.Null: pl.String}), untyped=untyped)


def _refuse_lines(text: bytes, cause: BaseException) -> NoReturn:
    """Raise InvalidRows for the first line that is no JSON object, or for types that differ from line to line."""
    for number, line in enumerate(io.BytesIO(text), start=1):
        try:
            is_object = not line.strip() or isinstance(json.loads(line, parse_constant=_refuse_constant), dict)
        except json.JSONDecodeError as error:
            fault = f"{error.msg}, column {error.colno}"
            raise InvalidRows(f"line {number} is no JSON ({fault}): correct it, one object a line") from cause
        except (ValueError, RecursionError) as error:
            raise InvalidRows(f"line {number} is no JSON ({error}): correct it, one object a line") from cause
        if not is_object:
            raise InvalidRows(f"line {number} is no JSON object: correct it, one object a line") from cause
    raise InvalidRows(f"the types of a column differ from line to line ({first_line(cause)}): make them one") from cause


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON: write null")


def _typed(table: Table, types: Mapping[str, str]) -> Table:
    """Cast the columns of a table that knows its own types."""
    _refuse_unknown(types, table.frame.collect_schema().names())
    wanted: dict[Any, pl.DataType] = {name: TYPES[kind] for name, kind in types.items()}
    return replace(table, frame=table.frame.cast(wanted), untyped=table.untyped - types.keys()) if wanted else table


def _refuse_unknown(types: Mapping[str, str], known: list[str]) -> None:
    for name in types:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"its columns are {listed(known)}"
            raise QueryFailed(f"the table has no column {name!r}, which the option 'types' names: {hint}")
