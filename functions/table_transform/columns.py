"""The types of a delimited table's columns, from what is in all of its cells.

A type never changes a value: ``00123``, ``+49`` and whole numbers too long for a float keep a column text. A column in
which nine of ten values are numbers is meant to be one, and another value in it is a fault of that row: making the
column text would change its type from file to file, and making the value null would lose it.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import polars as pl

from functions.table_transform.errors import InvalidRows

TYPES: Mapping[str, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
}
MEANT_AS_NUMBERS = 0.9
# Columns that are text in these rows are text; only the others are looked through to the end.
_FIRST_ROWS = 1000
_LONGEST_SHOWN = 80
CODE = r"^(\+|-?0\d)"
# A float holds any whole number of 15 digits.
TOO_LONG_FOR_A_FLOAT = 10**15
LONG = r"^-?\d{16,}$"
BOOLEAN = "^(true|True|TRUE|false|False|FALSE)$"


@dataclass(frozen=True)
class Evidence:
    """How many cells of a column, read as text, are what.

    Attributes:
        values: neither missing nor empty; the others are among these.
        integers: 64-bit whole numbers.
        numbers: any numbers, the integers included.
        codes: of digits, yet not equal to a number: with a leading zero or plus.
        longs: whole numbers that a float might round.
        booleans: true and false.
    """

    values: int
    integers: int
    numbers: int
    codes: int
    longs: int
    booleans: int

    @property
    def kind(self) -> str | None:
        """The type the values have without exception; ``None`` when there are none."""
        if self.values == 0:
            return None
        if self.booleans == self.values:
            return "boolean"
        if self.codes:
            return "text"
        if self.integers == self.values:
            return "integer"
        return "number" if self.numbers == self.values and not self.longs else "text"

    @property
    def meant(self) -> str | None:
        """The type the column is meant to have, whether or not all values fit it."""
        return "number" if self.is_meant_as_numbers else self.kind

    @property
    def is_text(self) -> bool:
        """Tell whether the column is text whatever other rows hold."""
        return self.kind == "text" and not self.is_meant_as_numbers

    @property
    def is_meant_as_numbers(self) -> bool:
        """Tell whether the column is text only because of a few cells."""
        return self.kind == "text" and not self.codes and MEANT_AS_NUMBERS <= self.numbers / self.values < 1

    def fits(self, kind: str | None) -> bool:
        """Tell whether all of the values can be read as ``kind``."""
        counts = {"integer": self.integers, "number": self.numbers, "boolean": self.booleans}
        return kind is None or counts.get(kind, self.values) >= self.values

    def __add__(self, other: Evidence) -> Evidence:
        """Return the evidence of both."""
        return Evidence(*map(operator.add, astuple(self), astuple(other)))


def schema_of(kinds: Mapping[str, str | None]) -> pl.Schema:
    """Return the schema of columns by their types, ``None`` for those without a value."""
    return pl.Schema({name: TYPES[kind or "text"] for name, kind in kinds.items()})


def undecided(cells: pl.LazyFrame) -> dict[str, Evidence]:
    """Return what the first rows hold of the columns that they do not make text whatever is below.

    ``cells`` are read as text, here and below.
    """
    first = gathered(cells.head(_FIRST_ROWS), cells.collect_schema().names())
    return {name: found for name, found in first.items() if not found.is_text}


def gathered(cells: pl.LazyFrame, names: Sequence[str]) -> dict[str, Evidence]:
    """Gather the evidence of some columns from all rows; raises what polars does."""
    if not names:
        return {}
    found = cells.select(evidence(name).alias(str(place)) for place, name in enumerate(names))
    return {
        name: Evidence(**fields) for name, fields in zip(names, found.collect(engine="streaming").row(0), strict=True)
    }


def evidence(name: str) -> pl.Expr:
    """Return the expression that gathers the fields of a column's Evidence."""
    cell = pl.col(name)
    return pl.struct(
        values=(cell != "").sum(),
        integers=cell.cast(pl.Int64, strict=False).count(),
        numbers=cell.cast(pl.Float64, strict=False).count(),
        codes=cell.str.contains(CODE).sum(),
        longs=cell.str.contains(LONG).sum(),
        booleans=cell.str.contains(BOOLEAN).sum(),
    )


def misfit(name: str, kind: str, cells: pl.LazyFrame, *, is_given: bool) -> InvalidRows:
    """Return the error for a column's first cell that is no ``kind``, which was given or is what most cells are."""
    row, value = _first_misfit(name, kind, cells)
    reason = "the option types wants it" if is_given else "nearly all of the column is"
    return InvalidRows(
        f"row {row} below the header, column {name!r}: {value[:_LONGEST_SHOWN]!r} is no {kind}, as {reason}; "
        f'correct it, or have it read as text with "types": {{{json.dumps(name, ensure_ascii=False)}: "text"}}'
    )


def _first_misfit(name: str, kind: str, cells: pl.LazyFrame) -> tuple[int, str]:
    """Return the row, from 1, and the text of the first cell that is no ``kind``."""
    cell = pl.col("cell")
    fits = cell.str.contains(BOOLEAN) if kind == "boolean" else cell.cast(TYPES[kind], strict=False).is_not_null()
    misfits = cells.select(cell=pl.col(name)).with_row_index("row", offset=1).filter((cell != "") & ~fits)
    row, value = misfits.head(1).collect().row(0)
    return row, value
