"""What becomes of cells after reading: texts brought to one form, and columns to a type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from functions.table_transform.columns import TYPES
from functions.table_transform.errors import InvalidRows

# Types by name; those of TYPES can also be read as such.
KINDS: Mapping[str, pl.DataType] = {**TYPES, "date": pl.Date(), "datetime": pl.Datetime("us")}
FORMS = ("trim", "lower", "upper", "dmy", "mdy", "ymd")
_LONGEST_SHOWN = 80
_ROW = " row"


def normalised(name: str, forms: Sequence[str]) -> pl.Expr:
    """Return a text column brought to its forms; ``dmy`` and the like read dates in this order and write them as ISO.

    What is no such date stays as it is. A cell that trimming leaves nothing of has no value.
    """
    cell = pl.col(name)
    for form in forms:
        if form == "trim":
            trimmed = cell.str.strip_chars()
            cell = pl.when(trimmed != "").then(trimmed)
        elif form == "lower":
            cell = cell.str.to_lowercase()
        elif form == "upper":
            cell = cell.str.to_uppercase()
        else:
            cell = _iso(cell, form)
    return cell.alias(name)


def _iso(cell: pl.Expr, order: str) -> pl.Expr:
    widths = {"d": r"(\d{1,2})", "m": r"(\d{1,2})", "y": r"(\d{4})"}
    pattern = "^" + "[./-]".join(widths[part] for part in order) + "$"
    year, month, day = (f"${{{order.index(part) + 1}}}" for part in "ymd")
    date = cell.str.replace(pattern, f"{year}-{month}-{day}").str.to_date("%Y-%m-%d", strict=False, cache=False)
    return date.dt.to_string("%Y-%m-%d").fill_null(cell)


def converted(name: str, dtype: pl.DataType, kind: str, *, strict: bool) -> pl.Expr:
    """Return a column of ``dtype`` as a kind; where a value is none, polars raises (``strict``) or it becomes null."""
    cell, target = pl.col(name), KINDS[kind]
    if dtype.is_float() and kind == "integer":
        # By way of the text: a cast would cut off the fraction.
        cell, dtype = cell.cast(pl.String).str.strip_suffix(".0"), pl.String()
    if dtype != pl.String or kind in ("text", "integer", "number"):
        return cell.cast(target, strict=strict).alias(name)
    if kind == "boolean":
        lower, words = cell.str.to_lowercase(), {"true": True, "false": False}
        if strict:
            return lower.replace_strict(words, return_dtype=pl.Boolean).alias(name)
        return lower.replace_strict(words, default=None, return_dtype=pl.Boolean).alias(name)
    if kind == "date":
        # To look a date up takes twice as long as to read it.
        return cell.str.to_date("%Y-%m-%d", strict=strict, cache=False).alias(name)
    iso = cell.str.strip_suffix("Z").str.replace(" ", "T", literal=True)
    return iso.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=strict, time_unit="us").alias(name)


def misfit(name: str, dtype: pl.DataType, kind: str) -> pl.Expr:
    """Return where a column has a value that is none of the kind."""
    return pl.col(name).is_not_null() & converted(name, dtype, kind, strict=False).is_null()


def refuse_misfits(frame: pl.LazyFrame, kinds: Mapping[str, str]) -> None:
    """Raise InvalidRows for the first value that cannot be cast, if there is one."""
    schema = frame.collect_schema()
    for name, kind in kinds.items():
        found = frame.select(_ROW_INDEX, pl.col(name)).filter(misfit(name, schema[name], kind)).head(1).collect()
        if found.height:
            row, value = found.row(0)
            raise InvalidRows(
                f"row {row}, column {name!r}: {str(value)[:_LONGEST_SHOWN]!r} is no {kind}, as the option 'cast' wants "
                "it; correct it, or give a 'schema' that sets such rows aside"
            )


_ROW_INDEX = pl.int_range(1, pl.len() + 1).alias(_ROW)
