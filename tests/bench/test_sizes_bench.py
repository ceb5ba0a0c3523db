"""The derivation of what a size of memory makes of an operation, and a quick run of all of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# It imports its neighbours, as a script does.
sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from bench.sizes import HEADINGS, MEMORIES, Work, line

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("memory", "computing", "expected"),
    [
        (1769, 1, 120.0),
        (884, 1, 120.0 * 1769 / 884),
        (3538, 1, 120.0),
        (3538, 2, 60.0),
        (2654, 2, 120.0 * 1769 / 2654),
    ],
)
def test_an_item_takes_its_processor_time_by_the_share_of_a_vcpu(memory, computing, expected):
    assert Work(120.0, computing).took(memory) == pytest.approx(expected)


def test_an_item_takes_no_less_than_waiting_for_s3():
    # A HEAD and a GET of 30 ms each, by four readers.
    assert Work(1.0, 1).took(3538) == 15.0


def test_a_million_items_of_docs_cost_take_what_that_page_says_of_lambda():
    assert round(Work(120.0, 1).dollars(1769), 2) == 2.77


def test_below_one_vcpu_memory_changes_the_time_and_not_the_price():
    work = Work(120.0, 1)

    assert {round(work.dollars(memory), 6) for memory in (512, 1024, 1769)} == {round(work.dollars(1769), 6)}
    assert work.dollars(3538) == pytest.approx(2 * work.dollars(1769), rel=0.01)


def test_a_line_of_the_table():
    assert line(1769, Work(120.0, 1)) == ("1,769", "1.00", "1", "120.0", "120.0", "2.77", "6.0")


def test_a_quick_run_measures_both_operations(tmp_path):
    written = tmp_path / "sizes.json"
    command = [sys.executable, "bench/sizes.py", "--quick", "--json", str(written)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)

    assert done.returncode == 0, done.stderr
    tables = json.loads(written.read_text())["tables"]
    assert [name.partition(":")[0] for name in tables] == ["image-resize", "table-transform"]
    for lines in tables.values():
        assert [each[0] for each in lines] == [f"{memory:,}" for memory in MEMORIES]
        assert all(len(each) == len(HEADINGS) and float(each[3]) > 0 for each in lines)
