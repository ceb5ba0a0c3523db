"""A table cut into Hive partitions: a file for each value of some columns, and a list of the files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import polars as pl

from functions.table_transform.errors import QueryFailed
from functions.table_transform.query import refuse_unknown

# Of one table: each is an object in S3, and all are named in the item's record.
MOST_PARTITIONS = 1000
# What Hive writes where there is no value.
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Partition:
    """The rows that have the same values in the columns, and the folder these values make."""

    folder: str
    frame: pl.LazyFrame


class _Told(Protocol):
    """What polars tells of a file it is about to write."""

    partition_keys: pl.DataFrame


@contextmanager
def partitions(frame: pl.LazyFrame, columns: Sequence[str], engine: Any) -> Iterator[list[Partition]]:
    """Run the frame and cut it into partitions, sorted by folder; they last as long as the context.

    Raises:
        QueryFailed: a column is not there, is none to partition by, or has too many values.
    """
    schema = frame.collect_schema()
    refuse_unknown(columns, "partition_by", schema.names())
    for name in columns:
        if schema[name].is_nested() or schema[name].is_float() or schema[name] == pl.Binary:
            raise QueryFailed(
                f"the option 'partition_by' names {name!r}, which is {schema[name]}: partition by texts, whole "
                "numbers, dates or true and false"
            )
    if len(columns) == len(schema):
        raise QueryFailed("the option 'partition_by' names all columns, so that no column is left: leave one out")
    keys = [pl.col(name).cast(pl.String).replace("", None).alias(name) for name in columns]
    # Beforehand, by their hashes: polars would open a file for each value at once, and writes on while it is stopped.
    values = frame.select(pl.struct(keys).hash().alias("value")).unique().select(pl.len()).collect(engine=engine).item()
    if values > MOST_PARTITIONS:
        raise QueryFailed(
            f"{', '.join(columns)} have more than {MOST_PARTITIONS:,} values: partition by fewer, such as the month "
            "instead of the day"
        )
    with tempfile.TemporaryDirectory(prefix="fanfold-") as folder:
        files: dict[str, Path] = {}

        def place(told: _Told) -> Path:
            """Name a file by its partition; polars asks when it begins one."""
            name = _folder(columns, told.partition_keys.row(0))
            files[name] = Path(folder) / f"{len(files)}.parquet"
            return files[name]

        split = pl.PartitionBy(
            folder, file_path_provider=place, key=keys, include_key=False, approximate_bytes_per_file=None
        )
        frame.sink_parquet(split, compression="lz4", engine=engine)
        yield [Partition(name, pl.scan_parquet(file)) for name, file in sorted(files.items())]


def _folder(columns: Sequence[str], values: Sequence[str | None]) -> str:
    parts = [
        f"{_escaped(name)}={_escaped(value) if value else _NO_VALUE}"
        for name, value in zip(columns, values, strict=True)
    ]
    return "/".join(parts) + "/"


def _escaped(text: str) -> str:
    """Write a name or value as Hive does: what means something in a path is percent-encoded, letters are not."""
    return "".join(letter if letter.isalnum() or letter in " -_.,+@" else quote(letter, safe="") for letter in text)


def listing(columns: Sequence[str], files: Sequence[dict[str, Any]]) -> bytes:
    """Return the list of a table's partitions as JSON: ``output``, ``rows`` and ``bytes`` of each file."""
    return json.dumps({"partition_by": list(columns), "files": list(files)}, ensure_ascii=False, indent=1).encode()
