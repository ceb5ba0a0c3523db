"""The fold's benchmark: it measures every row on a small run, and both sides agree with what was written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_a_small_run_measures_every_row_and_exits_as_its_targets_say(tmp_path):
    written = tmp_path / "rows.json"

    done = subprocess.run(
        [sys.executable, "bench/fold.py", "--items", "20000", "--json", str(written)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip

    rows = json.loads(written.read_text())["rows"]
    assert [(row["what"], row["target"]) for row in rows] == [
        ("fold: 20,000 items, batches of 1,000", "ratio <= 0.111"),
        ("peak RSS", "ours <= 300"),
        ("p50 of item milliseconds", rows[2]["target"]),
        ("p95 of item milliseconds", rows[3]["target"]),
        ("p99 of item milliseconds", rows[4]["target"]),
        ("fold: 20,000 items, batches of 50", None),
        ("fold: 20,000 items, batches of 1,000, 1 in 1,000 failed", None),
    ]
    assert [row["met"] for row in rows[2:5]] == [True, True, True]
    assert done.returncode == (0 if all(row["met"] in (True, None) for row in rows) else 1), done.stderr
