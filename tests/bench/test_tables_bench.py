"""The benchmark of tables: it measures every row on a small run without peers, and its tables are what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from bench.orders import COPIES, orders, write_orders, write_small

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_a_tiny_run_measures_every_row_and_skips_peers_that_are_not_there(tmp_path):
    written, without = tmp_path / "rows.json", tmp_path / "without"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(without)], check=True)

    done = subprocess.run(
        [sys.executable, "bench/tables.py", "--scale", "0.001", "--peers", str(without / "bin" / "python"),
         "--json", str(written)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip

    assert written.exists(), done.stderr
    rows = json.loads(written.read_text())["rows"]
    assert [(row["what"], row["unit"], row["target"]) for row in rows] == [
        ("CSV of 0.101 MB to Parquet, against pandas", "CPU s", "ratio <= 0.625"),
        ("CSV of 0.101 MB to Parquet, against duckdb", "CPU s", "ratio <= 1"),
        ("CSV of 0.101 MB to Parquet, against polars", "CPU s", None),
        ("CSV of 0.101 MB to Parquet without duplicates, against pandas", "CPU s", "ratio <= 0.625"),
        ("CSV of 0.101 MB to Parquet without duplicates, against duckdb", "CPU s", "ratio <= 1"),
        ("CSV of 0.101 MB to Parquet without duplicates, against polars", "CPU s", None),
        ("CSV of 1.01 MB to Parquet: peak RSS", "MB", "ours <= 400"),
        ("CSV of 1.01 MB to Parquet", "CPU s", None),
        ("CSV of 1.01 MB to Parquet without duplicates: peak RSS", "MB", "ours <= 450"),
        ("CSV of 1.01 MB to Parquet without duplicates", "CPU s", "ratio <= 0.9"),
        ("CSV of 1.01 MB in parts of 64 MB, planned and transformed", "CPU s", "ratio <= 1.15"),
        ("2 CSVs of 20 kB, a file at a time", "CPU s", None),
        ("2 CSVs of 20 kB, compacted", "CPU s", "ratio <= 0.125"),
        ("2 CSVs of 20 kB, compacted: output", "MB", "ratio <= 0.588"),
        ("10 rows into DynamoDB, each call 10 ms away", "rows/s", "ratio >= 4"),
    ]
    assert [row for row in rows if not row["ours"] > 0] == []
    assert [(row["met"], row["note"]) for row in rows if row["peer"] is None] == [
        (False, f"SKIPPED: ModuleNotFoundError: No module named {name!r}") for name in ("pandas", "duckdb") * 2
    ]
    assert done.returncode == 1


def test_a_row_is_the_same_in_whatever_block_it_is_made():
    whole = orders(0, 1000)

    assert pl.concat([orders(0, 333), orders(333, 1000)]).equals(whole)


def test_one_row_in_fifty_is_a_copy_and_no_other():
    rows = orders(0, 100 * COPIES)

    assert rows.height - rows.unique().height == 99
    assert rows.height - rows.unique(subset="order_id").height == 99


def test_the_tables_have_what_makes_a_csv_hard():
    text = orders(0, 1000).write_csv()

    assert text.splitlines()[1].startswith("0000000000,")
    assert '"behind, ' in text or '"box, ' in text
    assert ' ""' in text
    assert ",\n" in text


@pytest.mark.parametrize("size", [100_000, 3_000_000])
def test_a_table_has_about_the_size_asked_for_and_the_same_bytes_each_time(tmp_path, size):
    paths = [tmp_path / "one.csv", tmp_path / "two.csv"]

    rows = {write_orders(path, size) for path in paths}

    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].stat().st_size == pytest.approx(size, rel=0.03)
    assert rows == {pl.scan_csv(paths[0]).select(pl.len()).collect().item()}


def test_small_tables_share_no_row(tmp_path):
    paths = write_small(tmp_path, files=3, size=20_000)

    read = [pl.read_csv(path, infer_schema=False) for path in paths]
    assert [path.stat().st_size for path in paths] == pytest.approx([20_000] * 3, rel=0.05)
    assert sum(each.height for each in read) == 3 * read[0].height
