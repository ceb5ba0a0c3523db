"""Columns of Parquet files as Hive types, which is what a table of the Glue catalog has. Pure.

What Hive has no type for is left out, with the reason: a wrong type fails every query, a column left out fails none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

# Parquet keeps unsigned numbers in signed ones of 32 and 64 bits. The next larger Hive type holds the small ones; of 64
# bits there is none larger, so a value of 2**63 or more reads as negative.
_SIMPLE: Mapping[Any, str] = {
    pl.Boolean: "boolean",
    pl.Int8: "tinyint",
    pl.Int16: "smallint",
    pl.Int32: "int",
    pl.Int64: "bigint",
    pl.UInt8: "int",
    pl.UInt16: "int",
    pl.UInt32: "bigint",
    pl.UInt64: "bigint",
    pl.Float32: "float",
    pl.Float64: "double",
    pl.String: "string",
    pl.Categorical: "string",
    pl.Enum: "string",
    pl.Binary: "binary",
    pl.Date: "date",
    # Of any unit; with a time zone it is the moment in UTC.
    pl.Datetime: "timestamp",
    # Parquet has no such type: polars writes the number of its units.
    pl.Duration: "bigint",
}
# Each may be read as those after it.
_WIDER = (("tinyint", "smallint", "int", "bigint"), ("float", "double"))
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_LONGEST_NAME = 255  # of Glue's columns
# Names within a struct can be no others in Hive; those of columns can, in double quotes.
_FIELD = re.compile(r"\w+", re.ASCII)
_COLUMN = re.compile(r"[^\x00-\x1f,:;`\"]+")


class Unfit(Exception):
    """Something has no Hive type, or two types have none in common; the message says what."""


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        types: Hive types by name, in the order of the files.
        left_out: columns that are not among them, as sentences without an end.
    """

    types: Mapping[str, str]
    left_out: Sequence[str] = ()


def columns(schemas: Iterable[Mapping[str, pl.DataType]], before: Mapping[str, str]) -> Columns:
    """Return the columns that files of these schemas have in common with each other and with a table as it was.

    A column that only some have is null for the others; one of several types gets the widest; one that a file has
    without a type of Hive is left out.

    Raises:
        Unfit: two columns differ by case alone, or a column has types that no one type reads.
    """
    types, left_out = dict(before), dict[str, str]()
    for schema in schemas:
        names = [name.lower() for name in schema]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise Unfit(f"two columns of a file differ by case alone, which Glue takes for one: {', '.join(twice)}")
        for name, dtype in zip(names, schema.values(), strict=True):
            try:
                found = _column(name, dtype)
            except Unfit as error:
                left_out[name] = f"{name}: {error}"
                continue
            types[name] = _wider(name, types.get(name, found), found)
    return Columns({name: kind for name, kind in types.items() if name not in left_out}, list(left_out.values()))


def to_hive(dtype: pl.DataType) -> str:
    """Return the Hive type that reads what polars writes to Parquet for a type of its own.

    Raises:
        Unfit: there is none.
    """
    match dtype:
        case pl.Decimal():
            return f"decimal({dtype.precision},{dtype.scale})"
        case pl.List() | pl.Array():
            return f"array<{to_hive(_inner(dtype.inner))}>"
        case pl.Map():
            return f"map<{to_hive(_inner(dtype.key))},{to_hive(_inner(dtype.value))}>"
        case pl.Struct():
            return f"struct<{','.join(f'{_field(each.name)}:{to_hive(_inner(each.dtype))}' for each in dtype.fields)}>"
    if dtype.base_type() not in _SIMPLE:
        raise Unfit(f"Hive has no type for {dtype}")
    return _SIMPLE[dtype.base_type()]


def _column(name: str, dtype: pl.DataType) -> str:
    if not _COLUMN.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise Unfit("Glue takes no such name")
    if dtype == pl.Null:
        raise Unfit("it is empty and has no type")
    return to_hive(dtype)


def _inner(dtype: Any) -> pl.DataType:
    """Return the type of elements, which polars also allows to be a class."""
    made: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return made


def _field(name: str) -> str:
    if not _FIELD.fullmatch(name):
        raise Unfit(f"Hive takes no field of the name {name!r}: letters, digits and underscores only")
    return name.lower()


def _wider(name: str, one: str, other: str) -> str:
    """Return the type of two that reads both; Athena reads whole numbers as longer ones, and floats as doubles."""
    if one == other:
        return one
    for family in _WIDER:
        if {one, other} <= set(family):
            return max(one, other, key=family.index)
    decimals = [_DECIMAL.fullmatch(each) for each in (one, other)]
    if all(decimals) and len({each[2] for each in decimals if each}) == 1:
        return max(one, other, key=lambda each: int(each[8 : each.index(",")]))
    raise Unfit(f"column {name} is {one} in one file and {other} in another: Athena reads a column as one type")
