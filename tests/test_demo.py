"""``fanfold demo``, as ``make run`` calls it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.e2e


def test_the_demo_comes_to_the_expected_ledgers_and_leaves_everything(tmp_path):
    command = [str(Path(sys.executable).parent / "fanfold"), "demo", "--to", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=240, check=False)

    assert done.returncode == 0, done.stderr
    expected = {path.stem: json.loads(path.read_text()) for path in (PROJECT / "sample_data/expected").glob("*.json")}
    assert {folder.name for folder in tmp_path.iterdir()} == set(expected)
    for name, ledger in expected.items():
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        items = summary["items"]
        assert summary["reconciled"] is True
        assert {"items": items, "errors": {e["type"]: e["count"] for e in summary["errors"]}} == ledger
        assert items["listed"] == sum(count for status, count in items.items() if status != "listed")
        assert len(list(csv.DictReader((tmp_path / name / "failures.csv").open()))) == items["failed"]
        assert any((tmp_path / name / "outputs").rglob("*.*"))
    assert str(tmp_path) in done.stdout
