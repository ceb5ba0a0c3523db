"""Converts CSV files to Parquet in one of the ways that are compared, and tells the CPU time and memory it took.

Run as ``table_side.py SIDE FOLDER CSV...``, with ``--distinct`` to leave out rows that are there already. Every side
selects, casts, filters and derives the same, reads files and writes files below FOLDER. Imports are not in the time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO, RawIOBase
from pathlib import Path
from typing import Any, BinaryIO

from memory import megabytes

ROOT = Path(__file__).resolve().parents[2]
Convert = Callable[[Sequence[Path], Path], None]
COLUMNS = ("order_id", "customer", "ordered_on", "region", "status", "quantity", "price", "note")
# Whole numbers to those who go by the looks of the values, which costs them their zeros.
CODES = ("order_id", "customer")
SQL = """
    SELECT order_id, customer, CAST(ordered_on AS DATE) AS ordered_on, region, status, quantity, price, note,
           quantity * price AS total
    FROM self WHERE status <> 'cancelled'
"""
# The same in our options, which name the form of the dates; CAST makes polars guess it.
OPTIONS = {
    "select": list(COLUMNS),
    "cast": {"ordered_on": "date"},
    "filter": "status <> 'cancelled'",
    "computed": {"total": "quantity * price"},
}


def ours(distinct: bool) -> Convert:
    """Return our side: one file after the other through the public operation."""
    operation, item, options = _operation(OPTIONS | {"drop_duplicates": distinct})

    def convert(paths: Sequence[Path], folder: Path) -> None:
        for path in paths:
            spooled = operation.spool_above is not None and path.stat().st_size > operation.spool_above
            result = operation.process(item(path), path if spooled else path.read_bytes(), options)
            _keep(result.outputs[0], folder / f"{path.stem}.parquet")

    return convert


def combined(_distinct: bool) -> Convert:
    """Return our side: all files into one, in which rows are not compared."""
    operation, item, options = _operation(OPTIONS | {"compact": True})

    def convert(paths: Sequence[Path], folder: Path) -> None:
        made = operation.combine([(item(path), path.read_bytes()) for path in paths], options)
        failed = [result for result in made.results if isinstance(result, Exception)]
        if failed:
            raise failed[0]
        _keep(made.output, folder / "combined.parquet")

    return convert


def fetched(_distinct: bool) -> Convert:
    """Return our side: one file after the other, each as a function gets it, as a stream and by way of its disk."""
    return _fetched(lambda path: [None])


def ranges(_distinct: bool) -> Convert:
    """Return our side: every file planned into parts, as Prepare does, and each part as a function gets it."""
    sys.path.insert(0, str(ROOT))
    from functions.prepare.split import Splitter  # noqa: PLC0415 - the peers do without
    from itemkit.job import Split  # noqa: PLC0415

    def parts(path: Path) -> Sequence[Any]:
        return Splitter(_Files(path), Split()).parts(f"s3://bench/{path.name}", path.stat().st_size, "etag")

    return _fetched(parts)


def _fetched(parts: Callable[[Path], Sequence[Any]]) -> Convert:
    """Return our side with the objects' bytes from a stream; ``parts`` of a file, ``None``: all of it."""
    operation, item, options = _operation(OPTIONS | {"types": dict.fromkeys(CODES, "text")})
    from itemkit.batch import body_of  # noqa: PLC0415 - the peers do without

    def convert(paths: Sequence[Path], folder: Path) -> None:
        for path in paths:
            for number, part in enumerate(parts(path)):
                cut = {} if part is None else _columns(part)
                of_it = replace(item(path), columns=cut)
                size = path.stat().st_size if part is None else part.size
                with _Files(path).open(of_it.uri, part) as (_, stream):
                    body = body_of(of_it, stream, on_disk=size > operation.spool_above)
                result = operation.process(of_it, body, options)
                _keep(result.outputs[0], folder / f"{path.stem}-{number}.parquet")
                if isinstance(body, Path):
                    body.unlink()

    return convert


def _columns(part: Any) -> dict[str, str]:
    return {"byte_range": f"{part.first}-{part.last}", "source_etag": part.etag, "header_row": part.header}


class _Files:
    """Objects as files, read as streams."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def open(self, uri: str, part: Any) -> Iterator[tuple[Any, BinaryIO]]:
        """Open the file, or a part of it."""
        first, size = (0, self._path.stat().st_size) if part is None else (part.first, part.size)
        with self._path.open("rb", buffering=0) as file:
            file.seek(first)
            yield None, _Range(file, size)


class _Range(RawIOBase):
    """The next bytes of a file as a stream that ends with them."""

    def __init__(self, file: FileIO, size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        return True

    def readall(self) -> bytes:
        return self._file.read(self._left)

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(memoryview(buffer)[: self._left])
        self._left -= count
        return count


def polars(distinct: bool) -> Convert:
    """Return the peer we are made of: a lazy scan into a sink, streaming, which takes any text for rows."""
    import polars as pl  # noqa: PLC0415 - the other sides do without

    types = dict.fromkeys(CODES, pl.String())

    def convert(paths: Sequence[Path], folder: Path) -> None:
        for path in paths:
            rows = pl.SQLContext({"self": pl.scan_csv(path, schema_overrides=types)}).execute(SQL)
            rows = rows.unique() if distinct else rows
            rows.sink_parquet(folder / f"{path.stem}.parquet", compression="zstd", engine="streaming")

    return convert


def pandas(distinct: bool) -> Convert:
    """Return the peer everybody has."""
    import pandas as pd  # noqa: PLC0415 - it is not in our environment
    import pyarrow as pa  # noqa: PLC0415 - nor is what it writes Parquet with

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)

    def convert(paths: Sequence[Path], folder: Path) -> None:
        for path in paths:
            rows = pd.read_csv(
                path, usecols=list(COLUMNS), dtype=dict.fromkeys(CODES, "str"), parse_dates=["ordered_on"]
            )
            rows = rows.loc[rows["status"] != "cancelled"]
            rows = rows.drop_duplicates() if distinct else rows
            rows = rows.assign(total=rows["quantity"] * rows["price"])
            rows.to_parquet(folder / f"{path.stem}.parquet", compression="zstd", index=False)

    return convert


def duckdb(distinct: bool) -> Convert:
    """Return the peer that is a database."""
    import duckdb as db  # noqa: PLC0415 - it is not in our environment

    connection = db.connect(config={"threads": 1})
    types = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in CODES) + "}"
    sql = SQL.replace("SELECT", "SELECT DISTINCT", 1) if distinct else SQL

    def convert(paths: Sequence[Path], folder: Path) -> None:
        for path in paths:
            rows = sql.replace("self", f"read_csv('{path}', types = {types})", 1)
            target = folder / f"{path.stem}.parquet"
            connection.execute(f"COPY ({rows}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")

    return convert


SIDES = {
    "ours": ours, "combined": combined, "fetched": fetched, "ranges": ranges, "polars": polars, "pandas": pandas,
    "duckdb": duckdb,
}  # fmt: skip


def _operation(given: dict[str, Any]) -> tuple[Any, Callable[[Path], Any], Any]:
    """Return the operation, what makes an item of a file, and the options."""
    sys.path.insert(0, str(ROOT))
    from functions.table_transform.operation import OPERATION  # noqa: PLC0415 - the peers do without
    from itemkit import Item  # noqa: PLC0415

    return (
        OPERATION,
        lambda path: Item(f"s3://bench/{path.name}", path.name, path.stat().st_size),
        OPERATION.parse(given),
    )


def _keep(output: Any, path: Path) -> None:
    if isinstance(output.body, Path):
        shutil.move(output.body, path)
    else:
        path.write_bytes(output.body)


def main() -> None:
    """Do what the command line asks for, and print what it took as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--distinct", action="store_true")
    given = parser.parse_args()
    convert = SIDES[given.side](given.distinct)
    before = time.process_time()
    convert(given.paths, given.folder)
    # Not ru_maxrss, which a process inherits from the one that started it.
    print(json.dumps({"seconds": time.process_time() - before, "megabytes": megabytes(os.getpid(), "VmHWM") or 0}))


if __name__ == "__main__":
    main()
