"""The benchmark of listings: both sides come to the same keys, and the row says what it found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_a_small_run_counts_every_key_and_exits_as_its_target_says(tmp_path):
    written = tmp_path / "rows.json"

    done = subprocess.run(
        [sys.executable, "bench/listing.py", "--keys", "20000", "--json", str(written)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip

    [row] = json.loads(written.read_text())["rows"]
    assert (row["what"], row["target"]) == ("20,000 keys, each page 80 ms away", "ratio >= 2")
    assert min(row["ours"], row["peer"]) > 0
    assert done.returncode == (0 if row["met"] else 1), done.stderr
