"""An object's bytes to its table, with the cells that options work on exactly as they stand in delimited text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import polars as pl

from functions.table_transform.columns import TYPES
from functions.table_transform.delimited import Wanted
from functions.table_transform.query import refuse_unknown
from functions.table_transform.spool import Scratch
from functions.table_transform.table import Table, over_table, read_table
from functions.table_transform.transform import Prepared, used_columns

T = TypeVar("T")
# Kinds of tables that are text, of which the columns have no types of their own.
DELIMITED = ("csv", "xml")


def over(body: bytes | Path, prepared: Prepared, work: Callable[[Table], T]) -> tuple[T, Table]:
    """Return what ``work`` makes of the table, and the table, of which then only ``rows`` and ``facts`` are left.

    Raises what reading and ``work`` do.
    """

    def typed(table: Table) -> T:
        return work(_typed(table, prepared))

    if prepared.options.reads_in_passing:
        return over_table(body, _wanted(prepared), typed)
    with Scratch() as scratch:
        table = read_table(body, _wanted(prepared), scratch)
        return typed(table), table


def read(body: bytes, prepared: Prepared, as_text: Sequence[str] = ()) -> Table:
    """Read a table that fits into memory; ``as_text`` are further columns to read as text."""
    return _typed(read_table(body, _wanted(prepared, as_text)), prepared)


def _wanted(prepared: Prepared, as_text: Sequence[str] = ()) -> Wanted:
    """Return what is wanted of a table; text where options work on the cells.

    Else a column of numbers would have lost its zeros, or been refused for a cell that a schema would set aside.
    """
    options, texts = prepared.options, {*prepared.as_text, *as_text}

    def types(names: Sequence[str]) -> Mapping[str, str]:
        refuse_unknown(options.types or {}, "types", names)
        return {name: "text" for name in names if name in texts} | (options.types or {})

    return Wanted(options.delimiter, types, partial(used_columns, prepared=prepared))


def _typed(table: Table, prepared: Prepared) -> Table:
    """Cast the columns that are given of a table that knows its own types."""
    types = prepared.options.types or {}
    if not types or table.facts["source"] in DELIMITED:
        return table
    refuse_unknown(types, "types", table.schema.names())
    casts = [pl.col(name).cast(TYPES[kind]) for name, kind in types.items()]
    return replace(table, frame=table.frame.with_columns(casts), untyped=table.untyped - types.keys())
