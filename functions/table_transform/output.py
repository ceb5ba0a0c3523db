"""The result of a query in the format the job asks for."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

Engine = Literal["streaming", "in-memory"]
CONTENT_TYPES: Mapping[str, str] = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "csv.gz": "application/gzip",
    "jsonl": "application/x-ndjson",
    "jsonl.gz": "application/gzip",
}
# A tenth less CPU than level 3, which is the default of polars, and no larger.
_ZSTD_LEVEL = 2
_GZIP_LEVEL = 6
# Of a row group, which is in memory until it is written.
_CELLS_AT_ONCE = 8_000_000
_FEWEST_ROWS, _MOST_ROWS = 1_000, 100_000


@dataclass(frozen=True)
class Written:
    """A result and how many rows are in it.

    Attributes:
        body: its bytes, or the file they are in.
    """

    body: bytes | Path
    rows: int


def write(query: pl.LazyFrame, form: str, engine: Engine, on_disk: bool = False) -> Written:
    """Run the query with an engine of polars and write its rows as ``form``, into memory or a temporary file."""
    if not on_disk:
        memory = io.BytesIO()
        rows = _sink(query, form, engine, memory)
        return Written(memory.getvalue(), rows)
    descriptor, name = tempfile.mkstemp(prefix="table-")
    os.close(descriptor)
    path = Path(name)
    try:
        return Written(path, _sink(query, form, engine, path))
    except BaseException:
        path.unlink()
        raise


def _sink(query: pl.LazyFrame, form: str, engine: Engine, target: io.BytesIO | Path) -> int:
    """Write the rows and return how many they are."""
    heights: list[int] = []
    counted = _counting(query, heights)
    kind, _, packing = form.partition(".")
    packed: Any = {"compression": "gzip", "compression_level": _GZIP_LEVEL} if packing else {}
    if kind == "parquet":
        at_once = max(_FEWEST_ROWS, min(_MOST_ROWS, _CELLS_AT_ONCE // max(1, len(query.collect_schema()))))
        counted.sink_parquet(
            target, compression="zstd", compression_level=_ZSTD_LEVEL, row_group_size=at_once, engine=engine
        )
    elif kind == "csv":
        counted.sink_csv(target, engine=engine, check_extension=False, **packed)
    else:
        counted.sink_ndjson(target, engine=engine, check_extension=False, **packed)
    return sum(heights)


def _counting(query: pl.LazyFrame, heights: list[int]) -> pl.LazyFrame:
    """Return the query that notes how many rows pass to its output."""

    def note(rows: pl.DataFrame) -> pl.DataFrame:
        heights.append(rows.height)
        return rows

    return query.map_batches(note, streamable=True)
