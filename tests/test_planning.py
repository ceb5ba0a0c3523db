"""What a run would come to: the sorting of items, and the arithmetic against what docs/cost.md works out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.planning import Census, Finding, Pace, Setting, Sorter, assumptions, estimate, warnings
from itemkit.cost import bill, load_prices
from itemkit.item import Item
from itemkit.select import Select

N = 1_000_000
SETTING = Setting("prefix", heads_rows=False, batch_items=50, concurrency=400, memory=1769, timeout=240)


def item(name: str, size: int | None = 10, modified: float = 2e9) -> Item:
    return Item(f"s3://b/p/{name}", name, size, "etag", modified)


def dollars(census: Census, setting: Setting = SETTING) -> float:
    return round(bill(estimate(census, setting, Pace()).usage, load_prices(), "us-east-1").total, 2)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"batch_items": 1, "child_type": "STANDARD"}, 114.22),
        ({"batch_items": 1}, 40.43),
        ({"batch_items": 10}, 11.86),
        ({"child_type": "STANDARD"}, 10.68),
        ({}, 9.33),
        ({"batch_items": 500}, 8.76),
    ],
)
def test_a_million_images_cost_what_the_document_says(changed, expected):
    assert dollars(Census(listed=N, to_run=N), replace(SETTING, **changed)) == pytest.approx(expected, abs=0.011)


@pytest.mark.parametrize(("kind", "expected"), [("prefix", 1.16), ("csv", 1.67)])
def test_a_second_run_costs_what_the_document_says(kind, expected):
    assert dollars(Census(listed=N, done=N), replace(SETTING, kind=kind)) == expected


def test_every_count_of_a_mixed_prefix():
    census = Census(101, {"suffix": Finding(1, "a", "")}, {"ObjectTooLarge": Finding(10, "b", "")}, 20, 70)

    made = estimate(census, replace(SETTING, concurrency=2), Pace(100, gets=2, puts=3))

    assert (made.batches, made.usage.transitions, made.usage.lists) == (3, 10, 1)
    # Every item that is wanted is asked for its output; what is too large is read, and not written.
    assert (made.usage.heads, made.usage.gets, made.usage.puts) == (100, 70 * 2 + 10, 70 * 3 + 3)
    # 7 s of work and 30 more HEADs of 5 ms, in two rounds of batches.
    assert made.usage.megabyte_seconds == pytest.approx(7.15 * 1769)
    assert made.usage.child_seconds == pytest.approx(3 * 2.4)
    assert made.seconds == pytest.approx(2 * 7.15 / 3)


def test_rows_are_asked_for_their_sizes_where_rules_need_them():
    census = Census(10, {"min_bytes": Finding(4, "a", "")}, {}, 2, 4)

    assert estimate(census, replace(SETTING, kind="csv", heads_rows=True), Pace()).usage.heads == 10 + 6
    assert estimate(census, replace(SETTING, kind="csv"), Pace()).usage.heads == 6 + 2


def test_nothing_takes_no_time():
    made = estimate(Census(), SETTING, Pace())

    assert (made.batches, made.seconds, made.usage.children, made.usage.puts) == (0, 0.0, 0, 0)


def test_writes_to_one_prefix_bound_the_time():
    made = estimate(Census(listed=N, to_run=N), replace(SETTING, concurrency=10_000), Pace(1.0))

    assert made.seconds == pytest.approx((N + N / 50) / 3500)


SELECT = Select(suffix=(".jpg",), glob="a/*", min_bytes=5, max_bytes=20, modified_after="2026-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("given_item", "rule"),
    [
        (item("a/", 0), "folder marker"),
        (item("a/x.png"), "suffix"),
        (item("b/x.jpg"), "glob"),
        (item("a/x.jpg", 4), "min_bytes"),
        (item("a/x.jpg", 21), "max_bytes"),
        (item("a/x.jpg", 10, 1e9), "modified_after"),
    ],
)
def test_what_is_excluded_is_counted_under_its_rule(given_item, rule):
    census = Census()

    Sorter(SELECT).sort(given_item, census)

    assert census.excluded == {rule: Finding(1, given_item.uri, SELECT.refusal(given_item))}
    assert (census.listed, census.wanted) == (1, 0)


def test_what_is_wanted_is_done_too_large_or_to_run():
    census = Census()
    sorter = Sorter(Select(), most_bytes=100, is_done=lambda each: each.name == "done")

    for each in (item("done"), item("big", 101), item("fits", 100), item("row", None)):
        sorter.sort(each, census)

    assert (census.done, census.to_run, census.bytes, census.unsized) == (1, 2, 100, 1)
    assert census.failing == {"ObjectTooLarge": Finding(1, "s3://b/p/big", "101 bytes are more than 100")}


NAMES = st.lists(st.sampled_from(["a.jpg", "b.png", "c/", "d.gif", "e.jpg"]), max_size=12)


@given(NAMES, NAMES)
def test_parts_merge_to_what_the_whole_holds(one, other):
    def counted(names):
        census = Census()
        for name in names:
            Sorter(Select(suffix=(".jpg",))).sort(item(name, 0 if name.endswith("/") else 7), census)
        return census

    merged = counted(one)
    merged.merge(counted(other))

    assert merged == counted(one + other)
    assert merged.listed == sum(found.count for found in merged.excluded.values()) + merged.to_run


@given(st.integers(0, 999), st.integers(0, 999), st.integers(0, 999), st.floats(1, 1000))
def test_an_estimate_of_the_whole_still_adds_up(out, done, to_run, factor):
    census = Census(out + done + to_run, {"suffix": Finding(out, "a", "")}, {}, done, to_run, 10 * to_run)

    whole = census.scaled(factor)

    assert whole.listed == whole.excluded["suffix"].count + whole.done + whole.to_run
    assert whole.to_run == round(to_run * factor)


def test_a_probe_tells_the_pace():
    summary = {
        "items": {"succeeded": 3, "failed": 1},
        "usage": {"milliseconds": 800, "invocations": 2, "requests": {"get": 8, "put": 5}},
    }

    assert Pace.of_summary(summary) == Pace(200, 2, 0.75, "probed")
    assert Pace.of_summary(summary | {"items": {"succeeded": 0, "failed": 0}}) is None


def test_what_is_assumed_is_said():
    census = Census(listed=60, to_run=60, unsized=7)

    def said(pace):
        return " ".join(assumptions(census, SETTING, pace, estimate(census, SETTING, pace)))

    assert "120 ms of a function an item" in said(Pace())
    assert "assumed, not measured" in said(Pace())
    assert "33 ms of a function an item, as given" in said(Pace(33, source="given"))
    assert "2 GETs, 3 outputs an item, as the probe measured" in said(Pace(33, 2, 3, "probed"))
    assert "functions at once: 2," in said(Pace())
    assert "the sizes of 7 items are not known" in said(Pace())


def test_a_batch_that_takes_too_long_is_warned_of_with_the_size_that_fits():
    def warned(items, setting=SETTING):
        census = Census(listed=items, to_run=items)
        return list(warnings(setting, Pace(6000), estimate(census, setting, Pace(6000))))

    (warning,) = warned(100)
    assert "takes up to 300 s and its function has 240 s" in warning
    assert warning.endswith("set batch.items=36 or less")
    assert warned(100, replace(SETTING, batch_items=36)) == warned(36) == []
    assert len(warned(100, replace(SETTING, batch_items=37))) == len(warned(37)) == 1
