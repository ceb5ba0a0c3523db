"""Rows against a schema: the good ones go on, typed; the others are set aside with what is wrong in them."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from functions.table_transform.conversion import KINDS, converted, misfit
from functions.table_transform.dedupe import Repeats
from functions.table_transform.errors import InvalidRows
from functions.table_transform.query import refuse_taken, refuse_unknown
from functions.table_transform.schema import Rules, Schema, typed, whole

ROW, COLUMNS, REASONS = "rejected_row", "rejected_columns", "rejected_reasons"
_SHOWN_ROWS = 3
_SHOWN_VALUES = 5
_LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Fault:
    """One rule of one column: where it is broken, and the reason in words."""

    column: str
    broken: pl.Expr
    reason: pl.Expr


@dataclass(frozen=True)
class Verdict:
    """The rows that fit, typed, and those set aside: their numbers, columns at fault, reasons, and cells as read."""

    good: pl.LazyFrame
    rejected: pl.DataFrame


def completed(frame: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    """Add the columns that the schema does not require and the table lacks.

    Raises:
        QueryFailed: a required column is not there, or a column has a name that rejected rows need.
    """
    names = frame.collect_schema().names()
    refuse_unknown((name for name, rules in schema.items() if rules.required), "schema", names)
    refuse_taken((ROW, COLUMNS, REASONS), "schema", names)
    lacking = [pl.lit(None, KINDS[rules.type]).alias(name) for name, rules in schema.items() if name not in names]
    return frame.with_columns(lacking)


def as_typed(frame: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    """Return the frame with the types of the schema; a value that has not its column's becomes null."""
    types = frame.collect_schema()
    return frame.with_columns(converted(name, types[name], rules.type, strict=False) for name, rules in schema.items())


def validate(frame: pl.LazyFrame, schema: Schema, most: int) -> Verdict:
    """Sort the rows of a completed frame; ``most`` may be set aside. Runs the frame once, more often for 'unique'.

    Raises:
        InvalidRows: more rows do not fit; the message names the first ones.
    """
    numbered = frame.with_row_index(ROW, offset=1)
    faults = list(_faults(frame.collect_schema(), schema))
    broken = functools.reduce(operator.or_, (fault.broken for fault in faults), pl.lit(False))
    rejected = _told(numbered.filter(broken), faults).head(most + 1).collect(engine="streaming")
    _refuse_beyond(rejected, most)
    good = numbered.filter(~broken)
    repeated = [_told_twice(good, name, rules.type) for name, rules in schema.items() if rules.unique]
    rejected = _merged([rejected, *repeated])
    _refuse_beyond(rejected, most)
    if any(each.height for each in repeated):
        marks = pl.concat([each[ROW] for each in repeated])
        good = good.filter(~_is_among(marks))
    return Verdict(as_typed(good.drop(ROW), schema), rejected)


def _faults(types: pl.Schema, schema: Schema) -> Iterator[Fault]:
    for name, rules in schema.items():
        yield from _column_faults(name, types[name], rules)


def _column_faults(name: str, dtype: pl.DataType, rules: Rules) -> Iterator[Fault]:
    cell, value = pl.col(name), converted(name, dtype, rules.type, strict=False)

    def fault(broken: pl.Expr, words: str) -> Fault:
        """Say of a value what it breaks; braces within a rule are no places for values."""
        shown = cell.cast(pl.String, strict=False).str.slice(0, _LONGEST_SHOWN)
        text = pl.concat_str(pl.lit(f"{name}: '"), shown, pl.lit(f"' {words}"), ignore_nulls=True)
        return Fault(name, broken.fill_null(False), text)

    if not rules.nullable:
        yield Fault(name, cell.is_null(), pl.lit(f"{name}: empty"))
    yield fault(misfit(name, dtype, rules.type), f"is no {rules.type}")
    if rules.minimum is not None:
        yield fault(value < typed(rules.minimum, rules.type), f"is below {rules.minimum}")
    if rules.maximum is not None:
        yield fault(value > typed(rules.maximum, rules.type), f"is above {rules.maximum}")
    if rules.pattern is not None:
        yield fault(~value.str.contains(whole(rules.pattern)), f"does not match {rules.pattern}")
    if rules.enum:
        allowed = pl.Series([typed(each, rules.type) for each in rules.enum], dtype=KINDS[rules.type], strict=False)
        more = ", ..." if len(rules.enum) > _SHOWN_VALUES else ""
        yield fault(
            ~value.is_in(allowed.implode()), f"is none of {', '.join(map(str, rules.enum[:_SHOWN_VALUES]))}{more}"
        )


def _told(rows: pl.LazyFrame, faults: list[Fault]) -> pl.LazyFrame:
    """Put the columns at fault and the reasons beside the number of each row, before its cells."""
    columns = [pl.when(fault.broken).then(pl.lit(fault.column)) for fault in faults]
    reasons = [pl.when(fault.broken).then(fault.reason) for fault in faults]
    unique = pl.concat_list(columns).list.drop_nulls().list.unique(maintain_order=True).list.join(", ")
    return rows.select(
        ROW,
        unique.alias(COLUMNS),
        pl.concat_str(reasons, separator="; ", ignore_nulls=True).alias(REASONS),
        pl.exclude(ROW),
    )


def _told_twice(good: pl.LazyFrame, name: str, kind: str) -> pl.DataFrame:
    """Return the rows whose value an earlier good row has; values are the same that are so in their type."""
    value = converted(name, good.collect_schema()[name], kind, strict=False)
    filled = good.filter(pl.col(name).is_not_null()).with_columns(value)
    with Repeats(filled.select(ROW, name), [name]) as repeats:
        numbers = repeats.values(ROW)
    if not len(numbers):
        return _told(good.head(0), [Fault(name, pl.lit(True), pl.lit(""))]).collect()
    reason = pl.concat_str(pl.lit(f"{name}: '"), pl.col(name).cast(pl.String), pl.lit("' is there before"))
    twice = good.filter(_is_among(numbers))
    return _told(twice, [Fault(name, pl.lit(True), reason)]).collect(engine="streaming")


def _is_among(numbers: pl.Series) -> pl.Expr:
    """Return whether a row's number is among these."""
    last = max(int(numbers.max() or 0), 0)  # type: ignore[arg-type]
    marks = pl.repeat(False, last + 1, dtype=pl.Boolean, eager=True).scatter(numbers, True)

    def marked(rows: pl.Series) -> pl.Series:
        return (rows <= last) & marks.gather(rows.clip(upper_bound=last))

    return pl.col(ROW).map_batches(marked, return_dtype=pl.Boolean, is_elementwise=True)


def _merged(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Put rows together in their order; one that is in several has the reasons of all."""
    together = pl.concat(parts).sort(ROW, maintain_order=True)
    if not together[ROW].is_duplicated().any():
        return together
    joined = [pl.col(COLUMNS).str.join(", "), pl.col(REASONS).str.join("; "), pl.exclude(ROW, COLUMNS, REASONS).first()]
    return together.group_by(ROW, maintain_order=True).agg(joined)


def _refuse_beyond(rejected: pl.DataFrame, most: int) -> None:
    if rejected.height <= most:
        return
    first = "; ".join(f"row {row}: {reason}" for row, reason in rejected.select(ROW, REASONS).head(_SHOWN_ROWS).rows())
    raise InvalidRows(
        f"more rows than 'max_rejected' allows ({most}) do not fit the schema ({first}): correct them, or raise "
        "'max_rejected'"
    )


def written(rejected: pl.DataFrame) -> tuple[bytes, str]:
    """Return the rows as a file and its extension: CSV, or JSON lines where cells are lists or objects."""
    if any(dtype.is_nested() for dtype in rejected.dtypes):
        return rejected.write_ndjson().encode(), ".jsonl"
    return rejected.write_csv().encode(), ".csv"
