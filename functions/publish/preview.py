"""The first rows of a table, as text. Pure. Importing this imports polars, which only runs with tables need."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from functions.publish.report import Column, Preview

MOST_ROWS = 10
MOST_COLUMNS = 12
LONGEST_CELL = 60
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
# What polars raises over data; its panics are no Exception.
_FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError, TypeError)
# A leading zero makes it a code, such as a postcode, rather than a number.
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][\d,]*)(?:\.\d+)?(?:[eE][-+]?\d+)?")


class Unreadable(Exception):
    """Bytes that are not the table their name promises; the message says what is wrong with them."""


def preview(uri: str, body: bytes, *, whole: bool) -> Preview:
    """Return the first rows of a table by the suffix of its URI; of text, ``body`` may be the beginning only.

    Raises:
        Unreadable: it is no such table, or a damaged one.
    """
    suffix = PurePosixPath(uri).suffix.lower()
    try:
        if suffix == ".parquet":
            # Lazy, and so no more is unpacked than is shown, however many rows a few bytes stand for.
            return _preview(pl.scan_parquet(io.BytesIO(body)).head(MOST_ROWS).collect(), typed=True)
        return _preview(_text(suffix, body if whole else body[: body.rfind(b"\n") + 1]), typed=False)
    except _FAULTS as error:
        raise Unreadable(str(error).partition("\n")[0][:200] or type(error).__name__) from error


def _text(suffix: str, body: bytes) -> pl.DataFrame:
    if not body.strip():
        raise ValueError("it is empty, or its first row is longer than what is looked at")
    if suffix in _DELIMITERS:
        return pl.read_csv(
            io.BytesIO(body), separator=_DELIMITERS[suffix], n_rows=MOST_ROWS, infer_schema=False,
            encoding="utf8-lossy", truncate_ragged_lines=True,
        )  # fmt: skip
    return pl.read_ndjson(io.BytesIO(b"\n".join(body.split(b"\n", MOST_ROWS)[:MOST_ROWS])))


def _preview(frame: pl.DataFrame, *, typed: bool) -> Preview:
    shown = frame.columns[:MOST_COLUMNS]
    cells = {name: [_cell(value) for value in frame[name].to_list()] for name in shown}
    columns = [
        Column(_cut(name), _cut(str(frame.schema[name])), frame.schema[name].is_numeric())
        if typed
        else Column(_cut(name), None, _are_numbers(cells[name]))
        for name in shown
    ]
    return Preview(columns, list(zip(*cells.values(), strict=True)), len(frame.columns) - len(shown))


def _cell(value: Any) -> str | None:
    if value is None:
        return None
    return _cut(f"{len(value):,} bytes" if isinstance(value, bytes) else str(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}\N{HORIZONTAL ELLIPSIS}"


def _are_numbers(cells: Iterable[str | None]) -> bool:
    written = [cell for cell in cells if cell]
    return bool(written) and all(_NUMBER.fullmatch(cell) for cell in written)
