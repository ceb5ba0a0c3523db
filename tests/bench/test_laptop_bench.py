"""The laptop's benchmark: the shape of its rows, over a few tiny files and without the peers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_a_tiny_run_measures_every_row_and_exits_as_its_targets_say(tmp_path):
    written = tmp_path / "rows.json"
    done = subprocess.run(
        [sys.executable, "bench/laptop.py", "--scale", "0.01", "--no-peers", "--many", "--json", str(written)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert written.exists(), done.stderr
    rows = json.loads(written.read_text())["rows"]

    assert [(row["what"].rpartition(", ")[2], row["unit"], row["target"]) for row in rows] == [
        ("against pool", "pictures/s", "ratio >= 0.85"),
        ("against lithops", "pictures/s", "ratio >= 1"),
        ("against img2dataset", "pictures/s", "ratio >= 1"),
        ("against pool", "tables/s", None),
        ("against lithops", "tables/s", None),
        ("the whole command over one picture", "s", None),
        ("all processes of a run over 50 small pictures", "MB", "ours <= 1,200"),
        ("all processes of a run over 500 pictures of full size", "MB", "ours <= 4,000"),
    ]
    assert [row["ours"] > 0 for row in rows] == [True] * 8
    assert [row["note"] for row in (rows[1], rows[2], rows[4])] == ["SKIPPED: --no-peers"] * 3
    assert rows[0]["peer"] > 0
    assert rows[3]["peer"] > 0
    assert done.returncode == (0 if all(row["met"] in {None, True} for row in rows) else 1)
