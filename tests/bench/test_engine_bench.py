"""The engine's benchmark and what all benchmarks share: the rows' shape, not their speeds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.rows import Row, Target, finish, interleave, rows_table

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_a_tiny_run_measures_every_row_and_exits_as_its_targets_say(tmp_path):
    written = tmp_path / "rows.json"

    done = subprocess.run(
        [sys.executable, "bench/engine.py", "--scale", "0.001", "--json", str(written)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip

    rows = json.loads(written.read_text())["rows"]
    assert [(row["what"], row["unit"], row["target"]) for row in rows] == [
        ("overhead: 25 ms of CPU an item, 2 items, batch 50", "items/s", "ratio >= 0.85"),
        ("dispatch: no-op, 10 items, batch 1", "items/s", "ours >= 1,200"),
        ("dispatch: no-op, 200 items, batch 100", "items/s", "ours >= 40,000"),
        ("growth: no-op, batch 100, 10 -> 100 items", "us/item", "ratio <= 1.15"),
        ("growth: no-op, batch 100, 100 -> 1,000 items", "us/item", "ratio <= 1.15"),
        ("growth: peak RSS of the endpoint process, 1,000 items", "MB", "ours <= 300"),
    ]
    assert [row for row in rows if not row["ours"] > 0] == []
    assert done.returncode == (0 if all(row["met"] for row in rows) else 1), done.stderr


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (Row("a", "s", 8, 10, target=Target("at least", 0.8)), True),
        (Row("a", "s", 7.9, 10, target=Target("at least", 0.8)), False),
        (Row("a", "s", 11, 10, target=Target("at most", 1.15)), True),
        (Row("a", "s", 300, 10, target=Target("at most", 300, of="ours")), True),
        (Row("a", "s", 301, None, target=Target("at most", 300, of="ours")), False),
        (Row("a", "s", 1, None, target=Target("at least", 0.8)), False),
        (Row("a", "s", 1, 10), None),
    ],
)
def test_a_target_bounds_the_ratio_or_our_own_figure(row, expected):
    assert row.met is expected


def test_rows_make_a_table_with_their_notes_below():
    rows = [
        Row("fast", "items/s", 12_345, 10_000, "pool", Target("at least", 0.85)),
        Row("slow", "s", 1.5, target=Target("at most", 1, of="ours"), note="cold"),
    ]

    assert rows_table(rows).splitlines() == [
        "|      | unit    | ours   | peer        | ratio | target        | met |",
        "|------|---------|--------|-------------|-------|---------------|-----|",
        "| fast | items/s | 12,345 | 10,000 pool | 1.23  | ratio >= 0.85 | yes |",
        "| slow | s       | 1.5    | -           | -     | ours <= 1     | NO  |",
        "slow: cold",
    ]


def test_a_missed_target_is_exit_code_1_and_in_the_json(tmp_path, capsys):
    row = Row("slow", "s", 3, 2, "pool", Target("at most", 1.15))

    assert finish([row], {}, tmp_path / "rows.json") == 1
    assert capsys.readouterr().out.splitlines()[-1] == "MISSED: slow"
    assert json.loads((tmp_path / "rows.json").read_text())["rows"] == [
        {"what": "slow", "unit": "s", "ours": 3, "peer": 2, "against": "pool", "target": "ratio <= 1.15",
         "note": "", "ratio": 1.5, "met": False},
    ]  # fmt: skip


def test_cases_take_turns_there_and_back():
    order: list[str] = []

    def case(name: str) -> float:
        order.append(name)
        return len(order)

    measured = interleave({name: lambda name=name: case(name) for name in "ab"}, 2)

    assert (order, measured) == (["a", "b", "b", "a"], {"a": [1, 4], "b": [2, 3]})
