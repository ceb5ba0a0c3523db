"""The result of a query in the format the job asks for."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import polars as pl

from functions.table_transform.spool import rows_at_once

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
_MOST_ROWS = 100_000


@dataclass(frozen=True)
class Written:
    """A result and how many rows are in it.

    Attributes:
        body: its bytes, or the file they are in.
    """

    body: bytes | Path
    rows: int


class Files:
    """New temporary files for outputs; a context, after which only those that were kept are there.

    What is written may have to be written once more, or fail half-way: none of it may stay on the function's disk.
    """

    def __init__(self) -> None:
        self._made: set[Path] = set()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Delete what was not kept."""
        for path in self._made:
            path.unlink()

    def new(self) -> Path:
        """Make an empty file."""
        descriptor, name = tempfile.mkstemp(prefix="table-")
        os.close(descriptor)
        self._made.add(Path(name))
        return Path(name)

    def keep(self, bodies: Iterable[bytes | Path]) -> None:
        """Leave the files that are among ``bodies`` to the caller."""
        self._made.difference_update(body for body in bodies if isinstance(body, Path))


def write(query: pl.LazyFrame, form: str, engine: Engine, files: Files | None = None) -> Written:
    """Run the query with an engine of polars and write its rows as ``form``, into memory or one of ``files``."""
    if files is None:
        memory = io.BytesIO()
        rows = _sink(query, form, engine, memory)
        return Written(memory.getvalue(), rows)
    path = files.new()
    return Written(path, _sink(query, form, engine, path))


def _sink(query: pl.LazyFrame, form: str, engine: Engine, target: io.BytesIO | Path) -> int:
    """Write the rows and return how many they are."""
    heights: list[int] = []
    counted = _counting(query, heights)
    kind, _, packing = form.partition(".")
    packed: Any = {"compression": "gzip", "compression_level": _GZIP_LEVEL} if packing else {}
    if kind == "parquet":
        at_once = rows_at_once(len(query.collect_schema()), _CELLS_AT_ONCE, _MOST_ROWS)
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
