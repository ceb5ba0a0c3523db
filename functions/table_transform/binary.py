"""Parquet and Arrow: files that know their columns, of which one never knows that they are sound.

A few kilobytes of Parquet can promise gigabytes, so the promises in its footer are looked at first. polars takes the
lengths in an Arrow file for what they say and ends the process over wrong ones. So Arrow is read in a process of its
own, with a bound on its memory, and comes back as Parquet.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import polars as pl

from functions.table_transform.errors import POLARS_FAULTS, UnreadableTable, first_line
from functions.table_transform.footer import Footer, read_footer
from functions.table_transform.spool import Content, Scratch

PARQUET = b"PAR1"
# An Arrow file; a stream begins with a continuation marker and the length of its schema.
ARROW_FILE = b"ARROW1"
ARROW_STREAM = b"\xff\xff\xff\xff"
# A few kilobytes of Parquet can stand for any number of equal rows.
MOST_ROWS = 100_000_000
# Of what is read at once: of a row group unpacked, and of the texts in it written out.
_MOST_AT_ONCE = 512 * 1024 * 1024
# polars writes row groups of about so many rows.
_ROWS_AT_ONCE = 100_000
_SECONDS = 120
_CHILD = "functions.table_transform.arrow"


def read_parquet(content: Content) -> tuple[pl.LazyFrame, int]:
    """Return the rows and how many they are; raises UnreadableTable."""
    try:
        footer = read_footer(content)
        _refuse_promises(footer)
        frame = pl.scan_parquet(content.source, glob=False)
        rows: int = frame.select(pl.len()).collect().item()
        frame.collect_schema()
        _refuse_expanding(frame, footer)
    except POLARS_FAULTS as error:
        raise UnreadableTable(
            f"the Parquet file is damaged or cut off ({first_line(error)}): write it again"
        ) from error
    return frame, rows


def _refuse_promises(footer: Footer) -> None:
    if footer.rows > MOST_ROWS:
        raise UnreadableTable(f"{footer.rows:,} rows are more than {MOST_ROWS:,}: split it into smaller tables")
    if footer.largest_group > _MOST_AT_ONCE:
        raise UnreadableTable(
            f"a row group of the Parquet file unpacks to {footer.largest_group:,} bytes, more than {_MOST_AT_ONCE:,}: "
            "write it with smaller row groups"
        )


def _refuse_expanding(frame: pl.LazyFrame, footer: Footer) -> None:
    """Raise UnreadableTable where a few long texts stand for so many that writing them would fill the memory."""
    texts = [name for name, dtype in frame.collect_schema().items() if dtype in (pl.String, pl.Binary)]
    if not texts or footer.rows * footer.largest_group <= _MOST_AT_ONCE:
        return
    lengths = [pl.col(name).cast(pl.Binary).bin.size().cast(pl.Int64) for name in texts]
    sizes = frame.select(size=pl.sum_horizontal(lengths)).with_row_index("row")
    groups = sizes.group_by(pl.col("row") // _ROWS_AT_ONCE).agg(pl.col("size").sum())
    at_once = groups.select(pl.col("size").max()).collect(engine="streaming").item()
    if at_once and at_once > _MOST_AT_ONCE:
        raise UnreadableTable(
            f"{_ROWS_AT_ONCE:,} rows of the Parquet file hold {at_once:,} bytes of text, more than {_MOST_AT_ONCE:,}: "
            "split it into smaller tables"
        )


def read_arrow(content: Content, scratch: Scratch) -> tuple[pl.LazyFrame, int]:
    """Return the rows and how many they are; raises UnreadableTable."""
    with tempfile.TemporaryDirectory(prefix="arrow-") as folder:
        source, target = Path(folder) / "arrow", Path(folder) / "parquet"
        if isinstance(content.body, Path):
            source = content.body
        else:
            source.write_bytes(content.body)
        _convert(source, target)
        return read_parquet(scratch.keep(Content(target).pieces(), "the Arrow table"))


def _convert(source: Path, target: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "RUST_BACKTRACE": "0"}
    command = [sys.executable, "-m", _CHILD, str(source), str(target)]
    try:
        done = subprocess.run(  # noqa: S603 (our own program, over files we named)
            command, env=environment, timeout=_SECONDS, check=False, capture_output=True, cwd=target.parent
        )
    except subprocess.TimeoutExpired as error:
        raise UnreadableTable(f"the Arrow table is not read in {_SECONDS} s: split it into smaller tables") from error
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().split("\n")[-1][:200]
        reason = told if done.returncode == 1 else "its lengths are wrong, or it needs too much memory"
        raise UnreadableTable(f"the Arrow table is damaged or cut off ({reason}): write it again")
