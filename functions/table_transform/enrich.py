"""Columns from elsewhere: reference tables in S3, the manifest's row, the object's URI and the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from functions.table_transform.errors import InvalidRows, QueryFailed
from functions.table_transform.options import TransformOptions
from functions.table_transform.query import refuse_taken, refuse_unknown
from itemkit import Item, PermanentError

_SHOWN_KEYS = 3


@dataclass(frozen=True)
class Lookup:
    """A reference table, ready to be joined.

    Attributes:
        uri: where it is from.
        keys: columns that both tables have; no two rows are equal in them.
        table: the keys and the columns to add, under the names they get.
    """

    uri: str
    keys: Sequence[str]
    table: pl.DataFrame

    @classmethod
    def of(cls, join: Mapping[str, Any], table: pl.DataFrame) -> Lookup:
        """Make one of a whole reference table, as an entry of the option 'join' says.

        Raises:
            QueryFailed: it has not these columns. InvalidRows: rows of it have equal keys.
        """
        uri, keys = join["table"], list(join["on"])
        added = join.get("columns") or [name for name in table.columns if name not in keys]
        refuse_unknown([*keys, *added], "join", table.columns)
        refuse_taken(added, "join", keys)
        prefix = join.get("prefix", "")
        table = table.select(*keys, *(pl.col(name).alias(prefix + name) for name in added)).drop_nulls(keys)
        twice = table.select(keys).filter(pl.struct(keys).is_duplicated()).unique(maintain_order=True)
        if twice.height:
            shown = ", ".join(str(row[0] if len(keys) == 1 else row) for row in twice.head(_SHOWN_KEYS).rows())
            raise InvalidRows(
                f"the reference table {uri} has rows with the same {', '.join(keys)}, such as {shown}: "
                "leave one of each, or join 'on' more columns"
            )
        return cls(uri, keys, table)

    @property
    def added(self) -> list[str]:
        """The columns that are added."""
        return [name for name in self.table.columns if name not in self.keys]

    def joined(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Add the columns; without a value where no key fits. The order of rows stays."""
        names = frame.collect_schema().names()
        refuse_unknown(self.keys, "join", names)
        refuse_taken(self.added, "join", names)
        left, right = self._keys(frame)
        added = self.table.select(*right, *self.added).lazy()
        keys = [f" key {place}" for place in range(len(left))]
        return (
            frame.with_columns(key.alias(name) for key, name in zip(left, keys, strict=True))
            .join(added, on=keys, how="left", maintain_order="left")
            .drop(keys)
        )

    def unmatched(self, frame: pl.LazyFrame) -> int:
        """Count the rows that no key fits; runs the frame once, for the keys alone."""
        left, right = self._keys(frame)
        keys = [f" key {place}" for place in range(len(left))]
        own = frame.select(key.alias(name) for key, name in zip(left, keys, strict=True))
        found = own.join(self.table.select(right).lazy(), on=keys, how="anti").select(pl.len())
        return int(found.collect(engine="streaming").item())

    def _keys(self, frame: pl.LazyFrame) -> tuple[list[pl.Expr], list[pl.Expr]]:
        """Return the keys of both sides in a type that compares them; whole numbers and texts by their digits."""
        ours, theirs = frame.collect_schema(), self.table.schema
        left, right = [], []
        for place, name in enumerate(self.keys):
            alias = f" key {place}"
            kind = _comparable(name, ours[name], theirs[name], self.uri)
            left.append(pl.col(name).cast(kind))
            right.append(pl.col(name).cast(kind).alias(alias))
        return left, right


def _comparable(name: str, ours: pl.DataType, theirs: pl.DataType, uri: str) -> pl.DataType:
    if ours in (theirs, pl.Null):
        return theirs
    if ours.is_integer() and theirs.is_integer():
        return pl.Int64()
    if ours.is_numeric() and theirs.is_numeric():
        return pl.Float64()
    if {ours.is_integer() or ours == pl.String, theirs.is_integer() or theirs == pl.String} == {True}:
        return pl.String()
    raise QueryFailed(
        f"the key {name!r} is {ours} in the table and {theirs} in the reference table {uri}: make them one with 'cast'"
    )


def told(frame: pl.LazyFrame, options: TransformOptions, item: Item | None, kept: Sequence[str] = ()) -> pl.LazyFrame:
    """Add what the manifest, the object and the clock tell of every row, but for columns that are there already.

    Without an item it is told of one to come.

    Raises:
        PermanentError: the manifest's row lacks a column that 'constants' names.
    """
    columns = []
    for name, manifest_column in (options.constants or {}).items():
        if item is not None and manifest_column not in item.columns:
            raise PermanentError(
                f"the manifest's row has no column {manifest_column!r}, which the option 'constants' names: "
                f"it has {', '.join(item.columns) or 'none'}"
            )
        columns.append(pl.lit(item.columns[manifest_column] if item else "", pl.String).alias(name))
    if options.source is not None and options.source not in kept:
        columns.append(pl.lit(item.uri if item else "", pl.String).alias(options.source))
    if options.ingested_at is not None:
        columns.append(pl.lit(datetime.now(UTC).replace(tzinfo=None), pl.Datetime("us")).alias(options.ingested_at))
    names = [column.meta.output_name() for column in columns]
    refuse_taken(names, "constants, source_column or ingested_at", frame.collect_schema().names())
    if len(set(names)) < len(names):
        raise QueryFailed(f"the columns {', '.join(names)} are to be added, one of them twice: give each its own name")
    return frame.with_columns(columns)
