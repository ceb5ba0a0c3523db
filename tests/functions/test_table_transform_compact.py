"""Many small tables of a batch become one, each row with its object; a bad one fails alone."""

from __future__ import annotations

import io
import random
import time
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.table_transform.operation import OPERATION
from itemkit import Item, Result, lambda_handler
from itemkit.event import read_records
from itemkit.operation import Combined
from tests.functions.tabular import packed, parquet, short
from tests.itemkit.test_handler import Context
from tests.memory_store import MemoryStore

# As they stand in a file, and what they are.
CELLS = {"1": "1", "x": "x", '"q\n"': "q\n", '"a,""b"""': 'a,"b"', "007": "007", "": None}


def combined(*bodies: bytes, **options: Any) -> Combined:
    items = [Item(f"s3://in/{place}", str(place)) for place in range(len(bodies))]
    assert OPERATION.combine is not None
    return OPERATION.combine(list(zip(items, bodies, strict=True)), OPERATION.parse({"compact": True, **options}))


def table(made: Combined) -> pl.DataFrame:
    assert made.output is not None
    return pl.read_parquet(io.BytesIO(made.output.body))


def counts(made: Combined) -> list[Any]:
    return [(each.rows_in, each.rows_out) if isinstance(each, Result) else str(each) for each in made.results]


class TestTogether:
    """Tables of one kind."""

    @pytest.mark.parametrize(
        "bodies",
        [
            (b"a,b\n1,x\n2,y\n", b"a,b\n3,z\n"),
            (b"a,b\n1,x\n2,y", b"a,b\r\n3,z\r\n"),
            (b"a,b\n1,x\n\n2,y\n", b"\xef\xbb\xbfa,b\n3,z"),
            (b"a,b\n1,x\n2,y\n\n \r\n", b"a,b\n\n\n3,z\n\n"),
            (b"a;b\n1;x\n2;y\n", b"a;b\n3;z"),
            (b"a,b\n1,x\n2,y\n", b"a;b\n3;z"),
            (packed(b"a,b\n1,x\n2,y\n"), "a,b\n3,z\n".encode("utf-16")),
            (b'{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}', b'[{"b": "z", "a": 3}]'),
            (parquet(pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})), b"a,b\n3,z\n"),
        ],
        ids=short,
    )
    def test_become_one_with_the_object_of_each_row(self, bodies: tuple[bytes, ...]) -> None:
        made = combined(*bodies)

        assert table(made).to_dicts() == [
            {"a": 1, "b": "x", "source": "s3://in/0"},
            {"a": 2, "b": "y", "source": "s3://in/0"},
            {"a": 3, "b": "z", "source": "s3://in/1"},
        ]
        assert counts(made) == [(2, 2), (1, 1)]

    def test_a_header_alone_has_no_rows_and_succeeds(self) -> None:
        made = combined(b"a,b\n", b"a,b\n1,x\n", b"a,b\n")

        assert (counts(made), table(made)["source"].to_list()) == ([(0, 0), (1, 1), (0, 0)], ["s3://in/1"])

    def test_quoted_newlines_are_no_rows(self) -> None:
        made = combined(b'a,b\n1,"x\ny"\n2,""""\n', b'a,b\n3,"\n\n"\n')

        assert (counts(made), table(made)["b"].to_list()) == ([(2, 2), (1, 1)], ["x\ny", '"', "\n\n"])

    @given(st.lists(st.lists(st.sampled_from(list(CELLS)), max_size=5), min_size=1))
    @settings(deadline=None, max_examples=50)
    def test_each_row_stays_with_its_object(self, files: list[list[str]]) -> None:
        bodies = [("k,n,cell\n" + "".join(f"k,{n},{cell}\n" for n, cell in enumerate(each))).encode() for each in files]

        made = combined(*bodies, cast={"cell": "text"})

        expected = [(f"s3://in/{place}", n) for place, each in enumerate(files) for n in range(len(each))]
        found = table(made)
        assert found.select("source", pl.col("n").cast(pl.Int64)).rows() == expected
        cells = [CELLS[cell] for each in files for cell in each]
        assert found["cell"].to_list() == cells
        assert counts(made) == [(len(each), len(each)) for each in files]

    def test_the_options_apply_to_all_rows(self) -> None:
        made = combined(
            b"Id,amount\n01, 5\n02,7\n",
            b"Id,amount\n03,50\n",
            rename={"Id": "id"},
            select=["amount", "id"],
            normalize={"*": "trim", "amount": "trim"},
            cast={"amount": "integer"},
            filter="amount > 5",
            computed={"twice": "amount * 2"},
            source_column="from",
        )

        assert table(made).rows() == [(7, "02", "s3://in/0", 14), (50, "03", "s3://in/1", 100)]
        assert counts(made) == [(2, 1), (1, 1)]

    def test_a_join(self) -> None:
        options = OPERATION.parse({"compact": True, "join": {"table": "s3://r/t", "on": ["a"]}})
        prepared = OPERATION.resolve(options, {"s3://r/t": b"a,name\n1,one\n"})
        assert OPERATION.combine is not None

        made = OPERATION.combine([(Item("s3://in/0", "0"), b"a,b\n1,x\n2,y\n")], prepared)
        assert table(made)["name"].to_list() == ["one", None]


class TestBadOnes:
    """One bad table is that item's failure."""

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            (b"a,b\n1\n", "row 1 below the header (line 2) has 1 fields where the header has 2"),
            (b'a,b\n1,"x\n', "unpaired quotes"),
            (b'a,b\n1,x"\n', "quote"),
            (b"", "there is nothing in it"),
            (b"<html>", "HTML"),
            (b"\x1f\x8b\x08\x00gar", "gzip"),
            (b"a,b\n1,x,y\n", "row 1 below the header (line 2) has 3 fields where the header has 2"),
        ],
        ids=short,
    )
    def test_fails_and_the_others_go_on(self, bad: bytes, message: str) -> None:
        bodies = [f"a,b\n{place},x\n".encode() for place in range(9)]

        made = combined(*bodies[:5], bad, *bodies[5:])

        assert table(made)["a"].to_list() == list(range(9))
        assert "s3://in/5: " in str(made.results[5])
        assert message in str(made.results[5])
        assert sum(isinstance(each, Result) for each in made.results) == 9

    def test_two_halves_of_a_quoted_cell_are_no_cell(self) -> None:
        made = combined(b'a,b\n1,"x\n', b'a,b\n2",y\n', b"a,b\n3,z\n")

        assert table(made)["a"].to_list() == [3]

    def test_a_value_that_cannot_be_cast_is_its_files_failure(self) -> None:
        made = combined(b"a,b\n1,x\n2,y\n", b"a,b\n3,x\nfour,y\n", cast={"a": "integer"})

        assert table(made)["a"].to_list() == [1, 2]
        assert "s3://in/1: row 2, column 'a': 'four' is no integer" in str(made.results[1])

    def test_none_is_left(self) -> None:
        made = combined(b"", b"<html>")

        assert (made.output, [type(each).__name__ for each in made.results]) == (
            None,
            ["EmptyTable", "UnreadableTable"],
        )

    def test_none_is_left_after_the_cast(self) -> None:
        made = combined(b"a,b\nx,1\n", cast={"a": "integer"})

        assert (made.output, "is no integer" in str(made.results[0])) == (None, True)


class TestDrift:
    """Tables with other columns or types."""

    def test_columns_that_lack_are_null_and_whole_numbers_are_widened(self) -> None:
        made = combined(b"a,b\n1,x\n", b"b,a,c\ny,2.5,z\n")

        assert table(made).drop("source").rows() == [(1.0, "x", None), (2.5, "y", "z")]

    def test_what_is_number_here_and_text_there_is_text_as_it_was_written(self) -> None:
        made = combined(b"a,b\n1.50,x\n", b"a,b,c\n007,y,\n", parquet(pl.DataFrame({"a": [2.5]})))

        assert table(made)["a"].to_list() == ["1.50", "007", "2.5"]

    def test_whole_numbers_a_float_would_round_stay_whole(self) -> None:
        made = combined(b"a,b\n9007199254740993,x\n", b"a,c\n0.5,y\n")

        assert table(made)["a"].to_list() == ["9007199254740993", "0.5"]

    def test_a_column_without_a_value_takes_any_type(self) -> None:
        made = combined(b"a,b\n,x\n", b"a,c\n5,y\n")

        assert table(made).schema["a"] == pl.Int64

    def test_lists_and_numbers_are_no_column(self) -> None:
        made = combined(parquet(pl.DataFrame({"a": [[1]]})), b"a,b\n1,x\n")

        assert "s3://in/0: its columns cannot be brought to the types of the others" in str(made.results[0])
        assert counts(made)[1] == (1, 1)

    @pytest.mark.parametrize(
        ("odd", "difference"),
        [
            (b"a,b,c\n3,z,1\n", "it has 'c'"),
            (b"a,d\n3,z\n", "it lacks 'b', it has 'd'"),
            (b"b,a\nz,three\n", "'a' is String, not Int64"),
        ],
    )
    def test_refused(self, odd: bytes, difference: str) -> None:
        made = combined(b"a,b\n1,x\n", odd, b"a,b\n2,y\n", drift="refuse")

        assert f"s3://in/1: it differs from most tables of its batch: {difference}" in str(made.results[1])
        assert table(made)["a"].to_list() == [1, 2]

    def test_another_order_and_no_values_are_no_drift(self) -> None:
        made = combined(b"a,b\n1,x\n", b"b,a\ny,2.5\n", b"b,a\n,\n", drift="refuse")

        assert counts(made) == [(1, 1), (1, 1), (1, 1)]


class TestBatch:
    """A batch of the operation's handler."""

    def test_small_objects_are_one_and_large_ones_on_their_own(self) -> None:
        large = b"a,b\n" + b"1,%s\n" % (b"x" * 1000) * 17000
        store = MemoryStore({"s3://in/t/1.csv": b"a,b\n1,x\n", "s3://in/t/2.csv": b"", "s3://in/t/3.csv": large})
        store.objects["s3://in/t/4.csv"] = store.objects["s3://in/t/1.csv"]
        listed = [
            {"Key": uri.removeprefix("s3://in/"), "Size": len(each.body), "Etag": each.head.etag, "LastModified": 1}
            for uri, each in store.objects.items()
        ]
        settings = {
            "destination": "s3://out/",
            "options": {"compact": True},
            "run": "r1",
            "records": "s3://rec/",
            "source": {"kind": "prefix", "bucket": "in", "prefix": "t/"},
        }

        lambda_handler(OPERATION, store)({"BatchInput": settings, "Items": listed, "Batch": "b1"}, Context())

        records = list(read_records(store.objects["s3://rec/b1.jsonl.gz"].body))
        assert [(record.status.value, record.rows_out, record.outputs) for record in records] == [
            ("succeeded", 1, ("s3://out/r1/b1.parquet",)),
            ("failed", 0, ()),
            ("succeeded", 17000, ("s3://out/3.csv.parquet",)),
            ("succeeded", 1, ("s3://out/r1/b1.parquet",)),
        ]
        tables = {name: pl.read_parquet(body) for name, body in store.bodies("s3://out/").items()}
        assert tables["r1/b1.parquet"]["source"].to_list() == ["s3://in/t/1.csv", "s3://in/t/4.csv"]
        assert tables["r1/b1.parquet"].schema == tables["3.csv.parquet"].schema


def test_many_small_files_cost_a_fraction_of_one_at_a_time() -> None:
    """Eight times is what 500 files of 20 KB gain; of fewer, less is asked, as the machine is shared."""
    draw = random.Random(1)
    lines = [f"{n},{draw.choice(['north', 'south'])},{draw.random():.2f},note {n}\n" for n in range(800)]
    bodies = [("id,region,amount,note\n" + "".join(lines)).encode()] * 120
    options = OPERATION.parse({})

    begun = time.process_time()
    for body in bodies[:30]:
        OPERATION.process(Item("s3://in/x", "x"), body, options)
    alone = (time.process_time() - begun) / 30
    begun = time.process_time()
    made = combined(*bodies)
    together = (time.process_time() - begun) / len(bodies)

    assert counts(made) == [(800, 800)] * 120
    assert alone > 4 * together
