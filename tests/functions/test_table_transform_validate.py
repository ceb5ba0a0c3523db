"""A schema sets bad rows aside with row, column and reason; the good ones go on, typed, and no row is lost."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.table_transform.errors import InvalidRows, QueryFailed
from functions.table_transform.operation import OPERATION
from itemkit import InvalidJob, PermanentError, Result
from itemkit.batch import Task, run_batch
from itemkit.destination import Destination
from itemkit.item import Item
from itemkit.references import load
from tests.functions.tabular import ITEM, parquet, short, transform
from tests.memory_store import MemoryStore

SCHEMA = {
    "id": {"type": "integer", "nullable": False, "unique": True},
    "zip": {"pattern": r"\d{5}"},
    "amount": {"type": "number", "minimum": 0, "maximum": 100},
    "region": {"enum": ["north", "south"]},
    "ordered": {"type": "date", "minimum": "2026-01-01", "required": False},
}
BODY = b"""id,zip,amount,region
1,01234,1.50,north
x,1234,2,south
3,01235,-1,west
,01236,100,south
5,01237,101,
5,01238,100,south
5,01239,0,north
8,,n/a,north
"""


def good(result: Result) -> pl.DataFrame:
    return pl.read_parquet(result.outputs[0].body)


def rejected(result: Result) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(result.outputs[1].body.decode())))


def column(cells: list[str], rules: dict[str, Any]) -> Result:
    return transform(
        "".join(["k,c\n", *(f"k,{cell}\n" for cell in cells)]).encode(), schema={"c": rules}, max_rejected=99
    )


class TestRejecting:
    """Bad rows leave with their reasons."""

    def test_each_rule_is_told_of_row_and_column(self) -> None:
        result = transform(BODY, schema=SCHEMA, max_rejected=6)

        told = [(row["rejected_row"], row["rejected_columns"], row["rejected_reasons"]) for row in rejected(result)]
        assert told == [
            ("2", "id, zip", r"id: 'x' is no integer; zip: '1234' does not match \d{5}"),
            ("3", "amount, region", "amount: '-1' is below 0; region: 'west' is none of north, south"),
            ("4", "id", "id: empty"),
            ("5", "amount", "amount: '101' is above 100"),
            ("7", "id", "id: '5' is there before"),
            ("8", "amount", "amount: 'n/a' is no number"),
        ]
        assert [(output.name, output.content_type) for output in result.outputs] == [
            (None, "application/vnd.apache.parquet"),
            ("_rejected/orders.csv", "text/csv; charset=utf-8"),
        ]

    def test_the_cells_of_rejected_rows_are_as_they_were(self) -> None:
        assert rejected(transform(BODY, schema=SCHEMA, max_rejected=6))[2]["zip"] == "01236"

    def test_good_rows_go_on_with_the_types_of_the_schema(self) -> None:
        result = transform(BODY, schema=SCHEMA, max_rejected=6)

        types = {"id": pl.Int64, "zip": pl.String, "amount": pl.Float64, "region": pl.String, "ordered": pl.Date}
        assert good(result).schema == types
        assert good(result).rows() == [(1, "01234", 1.5, "north", None), (5, "01238", 100.0, "south", None)]
        assert (result.rows_in, result.rows_out, result.facts["rows_rejected"]) == (8, 2, 6)

    def test_without_bad_rows_there_is_no_second_output(self) -> None:
        result = transform(BODY[:40], schema=SCHEMA)

        assert (len(result.outputs), result.facts["rows_rejected"]) == (1, 0)

    def test_nested_cells_are_rejected_as_json_lines(self) -> None:
        body = parquet(pl.DataFrame({"id": [1, None], "tags": [["a"], ["b", "c"]]}))

        result = transform(body, schema={"id": {"type": "integer", "nullable": False}}, max_rejected=1)

        assert result.outputs[1].name == "_rejected/orders.csv.jsonl"
        assert json.loads(result.outputs[1].body)["tags"] == ["b", "c"]

    @pytest.mark.parametrize(
        ("rules", "cells", "kept"),
        [
            ({"type": "date", "maximum": "2026-06-30"}, ["2026-06-30", "2026-07-01", "30.6.2026"], 1),
            (
                {"type": "datetime", "minimum": "2026-06-30T12:00:00Z"},
                ["2026-06-30 12:00:00", "2026-06-30T11:59:59"],
                1,
            ),
            ({"type": "boolean", "enum": [True]}, ["true", "false", "yes", ""], 2),
            ({"type": "integer", "enum": [1, 2]}, ["1", "01", "3", "1.0"], 2),
            ({"pattern": "a|b"}, ["a", "b", "ab", "xa"], 2),
            ({"enum": ["00", "0"]}, ["0", "00", "000"], 2),
            ({"unique": True}, ["x", "", "", "x", "X"], 4),
            ({"type": "number", "unique": True}, ["1", "1.0", "1e0", "2"], 2),
        ],
        ids=short,
    )
    def test_rules_of_every_type(self, rules: dict[str, Any], cells: list[str], kept: int) -> None:
        result = column(cells, rules)

        assert (result.rows_out, result.facts["rows_rejected"]) == (kept, len(cells) - kept)

    def test_braces_and_quotes_of_rules_and_cells_are_told_as_they_are(self) -> None:
        told = rejected(column(['"a ""{}"" b"'], {"pattern": "[{}%]"}))[0]["rejected_reasons"]

        assert told == "c: 'a \"{}\" b' does not match [{}%]"

    @given(
        st.lists(
            st.tuples(st.sampled_from(["1", "2", "x", "", "007"]), st.sampled_from(["a", "b", "", "7"])), max_size=40
        )
    )
    @settings(deadline=None, max_examples=60)
    def test_good_and_rejected_rows_are_all_rows(self, cells: list[tuple[str, str]]) -> None:
        body = "n,a,b\n" + "".join(f"{n},{a},{b}\n" for n, (a, b) in enumerate(cells))
        schema = {"a": {"type": "integer", "unique": True, "maximum": 6}, "b": {"enum": ["a", "b"]}, "n": {}}

        result = transform(body.encode(), schema=schema, max_rejected=99)

        kept = good(result)
        left = rejected(result) if len(result.outputs) > 1 else []
        assert sorted([*map(int, kept["n"]), *(int(row["n"]) for row in left)]) == list(range(len(cells)))
        assert all(int(row["rejected_row"]) == int(row["n"]) + 1 for row in left)
        assert all((row["a"], row["b"]) == cells[int(row["n"])] for row in left)
        assert kept["a"].drop_nulls().is_unique().all()
        fits = {n for n, (a, b) in enumerate(cells) if a in ("1", "2", "") and b in ("a", "b", "")}
        first = {a: n for n, (a, _) in reversed(list(enumerate(cells))) if n in fits and a}
        assert set(map(int, kept["n"])) == {n for n in fits if not cells[n][0] or first[cells[n][0]] == n}


class TestRefusing:
    """A table with too many bad rows fails as a whole, and so does a schema that is none."""

    @pytest.mark.parametrize(("most", "allowed"), [(5, 5), ("62%", 4), ("10%", 0), (0, 0)])
    def test_beyond_max_rejected_the_first_rows_are_named(self, most: int | str, allowed: int) -> None:
        with pytest.raises(InvalidRows) as raised:
            transform(BODY, schema=SCHEMA, max_rejected=most)

        assert f"more rows than 'max_rejected' allows ({allowed}) do not fit the schema (row 2: id: 'x' is" in str(
            raised.value
        )
        assert "100%" not in str(raised.value)

    def test_all_may_be_rejected_where_the_job_says_so(self) -> None:
        result = transform(b"id\nx\ny\n", schema={"id": {"type": "integer"}}, max_rejected="100%")

        assert (result.rows_out, len(rejected(result))) == (0, 2)

    def test_a_required_column_that_is_not_there(self) -> None:
        with pytest.raises(QueryFailed, match="no column 'idd', which the option 'schema' names: did you mean 'id'"):
            transform(BODY, schema={"idd": {}})

    @pytest.mark.parametrize(
        ("schema", "message"),
        [
            ({}, "the schema is no object of columns"),
            ({"a": "integer"}, "the schema has 'integer' for column 'a': write"),
            ({"a": {"tpye": "text"}}, "unknown rule 'tpye' for column 'a': did you mean 'type'"),
            ({"a": {"type": "int"}}, "the schema has 'type': 'int' for column 'a': write one of text, integer"),
            ({"a": {"minimum": 1}}, "texts have no order"),
            ({"a": {"type": "integer", "minimum": 1.5}}, "the schema has 'minimum': 1.5 for column 'a'"),
            ({"a": {"type": "date", "maximum": "31.1.2026"}}, "as ISO texts"),
            ({"a": {"type": "number", "minimum": 2, "maximum": 1}}, "'minimum' above the 'maximum'"),
            ({"a": {"type": "number", "pattern": "x"}}, "it is for texts only"),
            ({"a": {"pattern": "("}}, "write a regular expression"),
            ({"a": {"enum": []}}, "write a list of values of the type 'text'"),
            ({"a": {"type": "integer", "enum": [1, True]}}, "write a list of values of the type 'integer'"),
            ({"a": {"unique": 1}}, "the schema has 'unique': 1 for column 'a': write true or false"),
        ],
        ids=short,
    )
    def test_a_schema_that_is_none(self, schema: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidJob) as raised:
            OPERATION.parse({"schema": schema})

        assert message in str(raised.value)

    def test_a_column_in_cast_and_schema(self) -> None:
        with pytest.raises(InvalidJob, match="the column 'id' is in 'cast' and in the schema"):
            OPERATION.check(OPERATION.parse({"schema": {"id": {}}, "cast": {"id": "text"}}), None)


class TestFromS3:
    """The schema may be an object."""

    def test_a_batch_writes_good_and_rejected_rows(self) -> None:
        store = MemoryStore({"s3://in/a/orders.csv": BODY, "s3://in/schema.json": json.dumps(SCHEMA).encode()})
        options = OPERATION.parse({"schema": "s3://in/schema.json", "max_rejected": "80%", "format": "csv"})
        references = load(OPERATION, options, store)
        task = Task(
            OPERATION, options, Destination("s3://out/x/"), resolved=references.resolved, references=references.etags
        )

        record = run_batch([Item("s3://in/a/orders.csv", "a/orders.csv")], task, store)[0]

        assert record.outputs == ("s3://out/x/a/orders.csv", "s3://out/x/_rejected/a/orders.csv")
        assert (record.rows_in, record.rows_out, record.facts["rows_rejected"]) == (8, 2, 6)
        assert store.bodies("s3://out/x/a/")["orders.csv"].startswith(
            b"id,zip,amount,region,ordered\n1,01234,1.5,north,"
        )

    @pytest.mark.parametrize("body", [b"{", b'{"a": {"type": "int"}}', b"\xff", b"[]"])
    def test_an_object_that_is_no_schema(self, body: bytes) -> None:
        options = OPERATION.parse({"schema": "s3://in/schema.json"})

        with pytest.raises(PermanentError, match=r"s3://in/schema\.json is no schema"):
            load(OPERATION, options, MemoryStore({"s3://in/schema.json": body}))

    def test_the_name_an_item_asks_for(self) -> None:
        item = Item(ITEM.uri, ITEM.name, output="mine/first.parquet")

        result = OPERATION.process(item, BODY, OPERATION.parse({"schema": SCHEMA, "max_rejected": 6}))
        assert result.outputs[1].name == "_rejected/mine/first.parquet.csv"
