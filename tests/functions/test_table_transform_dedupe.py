"""Repeated rows go, the first of them stays where it was; also when hashes collide and in pieces."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.table_transform import dedupe
from functions.table_transform.dedupe import Repeats
from tests.functions.tabular import rows, transform

CELLS = st.tuples(
    st.one_of(st.none(), st.integers(0, 3)),
    st.one_of(st.none(), st.sampled_from(["", "x", "X", "x" * 30])),
    st.one_of(st.none(), st.sampled_from([0.0, -0.0, 1.5, float("nan")])),
)


def first_ones(frame: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    return frame.unique(subset=keys, keep="first", maintain_order=True)


def dropped(frame: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    with Repeats(frame.lazy(), keys) as repeats:
        return repeats.dropped(lambda kept: kept.collect(engine="streaming"))


@given(st.lists(CELLS, max_size=60), st.sets(st.sampled_from("abc"), min_size=1))
@settings(deadline=None, max_examples=60)
def test_the_first_of_equal_rows_stay_in_their_order(cells: list[Any], keys: set[str]) -> None:
    frame = pl.DataFrame(cells, schema={"a": pl.Int64, "b": pl.String, "c": pl.Float64}, orient="row")
    numbered = frame.with_row_index("n")

    assert dropped(numbered, sorted(keys)).equals(first_ones(numbered, sorted(keys)), null_equal=True)


@pytest.mark.parametrize("compared", [dedupe._COMPARED_BYTES, 1000])
def test_different_keys_with_the_same_hash_both_stay(compared: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst: all hashes are equal."""
    monkeypatch.setattr(dedupe, "_COMPARED_BYTES", compared)
    frame = pl.DataFrame({"a": [place * 7 % 50 for place in range(500)], "n": range(500)})
    monkeypatch.setattr(
        dedupe, "_hashed", lambda rows, keys: pl.repeat(7, rows.height, dtype=pl.UInt64, eager=True).alias(" hash")
    )

    runs = []
    with Repeats(frame.lazy(), ["a"]) as repeats:
        kept = repeats.dropped(lambda each: runs.append(each) or each.collect(engine="streaming"))

    assert (kept.rows(), repeats.count, len(runs)) == (first_ones(frame, ["a"]).rows(), 450, 2)


def test_without_repeats_nothing_is_laid_aside() -> None:
    frame = pl.DataFrame({"a": range(100)})

    with Repeats(frame.lazy(), ["a"]) as repeats:
        assert repeats.marked is None
    assert dropped(frame, ["a"]).equals(frame)


def test_as_an_option() -> None:
    body = b"id,cell\n1,x\n2,y\n1,x\n1,z\n"

    assert [row["cell"] for row in rows(body, drop_duplicates=True)] == ["x", "y", "z"]
    assert [row["cell"] for row in rows(body, drop_duplicates=["id"])] == ["x", "y"]
    result = transform(body, drop_duplicates=["id"])
    assert (result.rows_in, result.rows_out, result.facts["duplicates_dropped"]) == (4, 2, 2)


def test_after_a_query_that_shuffles() -> None:
    body = b"id,cell\n1,x\n2,y\n1,x\n3,y\n"

    found = rows(body, sql="SELECT id, MAX(cell) AS cell FROM self GROUP BY id", drop_duplicates=["cell"])
    assert found == [{"id": 1, "cell": "x"}, {"id": 2, "cell": "y"}]
