"""Repeated rows go, the first of them stays where it was; also when hashes collide and in pieces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.table_transform import dedupe
from functions.table_transform.dedupe import Repeats
from tests.functions.tabular import rows, transform

MANY = 400_000
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


@given(st.lists(CELLS, max_size=60), st.sets(st.sampled_from("abc"), min_size=1), st.sampled_from([0, 200, 10**9]))
@settings(deadline=None, max_examples=90)
def test_the_first_of_equal_rows_stay_in_their_order(cells: list[Any], keys: set[str], in_memory: int) -> None:
    frame = pl.DataFrame(cells, schema={"a": pl.Int64, "b": pl.String, "c": pl.Float64}, orient="row")
    numbered = frame.with_row_index("n")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(dedupe, "_BYTES_IN_MEMORY", in_memory)
        found = dropped(numbered, sorted(keys))

    assert found.equals(first_ones(numbered, sorted(keys)), null_equal=True)


@pytest.mark.parametrize("in_memory", [0, 10**9], ids=["run again", "in memory"])
@pytest.mark.parametrize("times", [1, 2])
def test_many_rows_in_many_pieces(in_memory: int, times: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The pieces come from several threads; what runs the rows may do it more than once."""
    monkeypatch.setattr(dedupe, "_BYTES_IN_MEMORY", in_memory)
    path = tmp_path / "many.csv"
    number = pl.Series("n", range(MANY))
    frame = pl.DataFrame({"key": (number * 7919 % (MANY // 2)).cast(pl.String).str.zfill(15), "n": number})
    frame.write_csv(path)

    with Repeats(pl.scan_csv(path), ["key"]) as repeats:
        kept = repeats.dropped(lambda each: [each.collect(engine="streaming") for _ in range(times)])
        marked = repeats.values("n")

    expected = first_ones(pl.read_csv(path), ["key"])
    assert all(each.equals(expected) for each in kept)
    assert marked.to_list() == list(range(MANY // 2, MANY))


def test_rows_that_are_other_ones_in_the_next_run_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe, "_BYTES_IN_MEMORY", 0)
    runs = iter(range(100))

    def changed(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.col("a") + next(runs) * pl.int_range(pl.len()))

    frame = pl.LazyFrame({"a": [1, 1, 2, 3] * 10})
    with Repeats(frame.map_batches(changed), ["a"]) as repeats, pytest.raises(RuntimeError, match="rows have changed"):
        repeats.dropped(lambda kept: kept.collect(engine="streaming"))


def test_more_rows_in_the_next_run_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dedupe, "_BYTES_IN_MEMORY", 0)
    runs = iter(range(1, 100))
    frame = pl.LazyFrame({"a": [1, 1, 2, 3]}).map_batches(lambda rows: pl.concat([rows] * next(runs)))

    with Repeats(frame, ["a"]) as repeats, pytest.raises(RuntimeError, match="rows have become more"):
        repeats.dropped(lambda kept: kept.collect(engine="streaming"))


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


def test_without_repeats_the_rows_are_as_they_were() -> None:
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
