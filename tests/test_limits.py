"""docs/limits.md says what the code that plans and bills says: every row of its tables is worked out here."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from fanfold.planning import LIST_PAGE, WRITES_A_SECOND, Census, Estimate, Pace, Setting, estimate
from itemkit.cost import Usage, bill, load_prices
from itemkit.job import DEFAULT_CONCURRENCY

PAGE = (Path(__file__).parents[1] / "docs/limits.md").read_text("utf-8")
MILLION = 1_000_000
RUNS = (MILLION, 10 * MILLION, 100 * MILLION)
SETTING = Setting("prefix", heads_rows=False, batch_items=50, concurrency=DEFAULT_CONCURRENCY, memory=1769, timeout=240)
# Quotas of AWS: children that a map starts in a second, by type; requests a second below one prefix of S3.
DISPATCH = {"EXPRESS": 1_000, "STANDARD": 100}
READS_A_SECOND = 5_500


def planned(items: int, batch: int = 50) -> Estimate:
    """Return the estimate of a first run over new objects of a prefix."""
    setting = Setting(**{**vars(SETTING), "batch_items": batch})
    return estimate(Census(listed=items, to_run=items), setting, Pace())


def dollars(usage: Usage) -> float:
    return bill(usage, load_prices(), "us-east-1").total


def figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def price(value: float) -> str:
    return f"{value:,.2f}"


def row(name: str) -> list[str]:
    """Return the cells of a row of the page by its first one."""
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


BY_SIZE = {
    "children": lambda made: made.batches,
    "children a second": lambda made: made.batches / made.seconds,
    "functions at once": lambda made: min(SETTING.concurrency, made.batches),
    "LIST": lambda made: made.usage.lists,
    "GET a second, source": lambda made: made.usage.gets / made.seconds,
    "HEAD a second, destination": lambda made: made.usage.heads / made.seconds,
    "PUT a second, destination": lambda made: (made.usage.puts - made.batches) / made.seconds,
    "PUT a second, records": lambda made: made.batches / made.seconds,
    "seconds of a batch": lambda made: made.batch_seconds,
    "minutes": lambda made: made.seconds / 60,
    "dollars": lambda made: dollars(made.usage),
    "of them Step Functions": lambda made: sum(
        each.dollars for each in bill(made.usage, load_prices(), "us-east-1").lines if each.what.startswith("Step")
    ),
}


DOLLARS = {"dollars", "of them Step Functions"}


@pytest.mark.parametrize("name", BY_SIZE)
def test_a_row_of_the_runs(name):
    shown = price if name in DOLLARS else figure

    assert row(name)[1:4] == [shown(BY_SIZE[name](planned(items))) for items in RUNS]


@pytest.mark.parametrize("batch", [1, 10, 50, 500])
def test_a_row_of_the_batches(batch):
    made = planned(MILLION, batch)

    assert row(f"{batch} a child")[1:] == [
        f"{made.batches:,}",
        figure(made.batches / made.seconds),
        *(figure(made.batches / rate / 60) for rate in DISPATCH.values()),
        figure(made.batch_seconds),
        price(dollars(made.usage)),
    ]


def test_the_defaults_keep_every_rate_within_its_quota():
    for items in RUNS:
        made = planned(items)
        assert made.batches / made.seconds < DISPATCH["STANDARD"]
        assert max(made.usage.gets, made.usage.heads) / made.seconds < READS_A_SECOND
        assert made.usage.puts / made.seconds <= WRITES_A_SECOND
        assert made.batch_seconds < 300


def test_the_quotas_of_the_page_are_those_reckoned_with():
    assert row("GET a second, source")[4] == f"{READS_A_SECOND:,} a prefix"
    assert row("PUT a second, destination")[4] == f"{WRITES_A_SECOND:,} a prefix"
    assert row("children a second")[4] == "1,000 EXPRESS, 100 STANDARD"
    assert math.ceil(100 * MILLION / LIST_PAGE) == planned(100 * MILLION).usage.lists
