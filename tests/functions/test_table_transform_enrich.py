"""Columns from reference tables, the manifest's row, the object and the clock."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from functions.table_transform.errors import InvalidRows, QueryFailed
from functions.table_transform.operation import OPERATION
from itemkit import InvalidJob, Item, PermanentError, lambda_handler
from itemkit.batch import Task, run_batch
from itemkit.destination import Destination
from itemkit.references import load
from tests.functions.tabular import ITEM, packed, parquet, short
from tests.itemkit.test_handler import Context
from tests.memory_store import MemoryStore

URI = "s3://ref/regions.csv"
REGIONS = b"region,manager,budget\nnorth,Ada,10\nsouth,Bob,20\n"
BODY = b"id,region\n1,south\n2,west\n3,north\n4,south\n5,\n"


def join(reference: bytes = REGIONS, body: bytes = BODY, item: Item = ITEM, **entry: Any) -> Any:
    options = OPERATION.parse({"join": {"table": URI, "on": ["region"], **entry}})
    return OPERATION.process(item, body, OPERATION.resolve(options, {URI: reference}))


def table(result: Any) -> list[dict[str, Any]]:
    return pl.read_parquet(result.outputs[0].body).to_dicts()


class TestJoin:
    """A left join with tables in S3."""

    @pytest.mark.parametrize(
        "reference", [REGIONS, packed(REGIONS), parquet(pl.read_csv(REGIONS)), REGIONS.replace(b",", b";")], ids=short
    )
    def test_every_row_stays_in_its_place_and_the_unmatched_are_counted(self, reference: bytes) -> None:
        result = join(reference)

        assert [(row["id"], row["manager"], row["budget"]) for row in table(result)] == [
            (1, "Bob", 20),
            (2, None, None),
            (3, "Ada", 10),
            (4, "Bob", 20),
            (5, None, None),
        ]
        assert (result.rows_out, result.facts["rows_unmatched"]) == (5, {URI: 2})

    def test_some_columns_under_a_prefix(self) -> None:
        assert table(join(columns=["manager"], prefix="region_"))[0] == {
            "id": 1,
            "region": "south",
            "region_manager": "Bob",
        }

    def test_several_tables_one_after_the_other(self) -> None:
        other = "s3://ref/managers.csv"
        options = OPERATION.parse(
            {
                "join": [
                    {"table": URI, "on": ["region"], "columns": ["manager"]},
                    {"table": other, "on": ["manager"]},
                ],
                "filter": "team IS NOT NULL",
            }
        )
        resolved = OPERATION.resolve(options, {URI: REGIONS, other: b"manager,team\nBob,7\n"})

        result = OPERATION.process(ITEM, BODY, resolved)
        assert [(row["id"], row["team"]) for row in table(result)] == [(1, 7), (4, 7)]
        assert result.facts["rows_unmatched"] == {URI: 2, other: 3}

    @pytest.mark.parametrize(
        ("ours", "theirs", "matched"),
        [(b"7", b"7", 1), (b"007", b"7", 0), (b"007", b"007", 1), (b"7", b"007", 0), (b"x\n7", b"7", 1)],
    )
    def test_keys_are_compared_by_their_digits(self, ours: bytes, theirs: bytes, matched: int) -> None:
        body = b"region\n" + ours + b"\n"

        result = join(b"region,name\n" + theirs + b",N\n", body)
        assert result.rows_in - result.facts["rows_unmatched"][URI] == matched
        assert sum(row["name"] is not None for row in table(result)) == matched

    def test_keys_that_cannot_be_compared_are_refused(self) -> None:
        with pytest.raises(QueryFailed, match="the key 'region' is Float64 in the table and String in the reference"):
            join(body=b"region\n1.5\n")

    @pytest.mark.parametrize(
        ("reference", "entry", "error", "message"),
        [
            (
                REGIONS + b"north,Eve,1\n",
                {},
                InvalidRows,
                "rows with the same region, such as north: leave one of each",
            ),
            (
                b"regoin,x\nnorth,1\n",
                {},
                QueryFailed,
                "no column 'region', which the option 'join' names: did you mean",
            ),
            (REGIONS, {"columns": ["manger"]}, QueryFailed, "did you mean 'manager'"),
            (b"<html>", {}, PermanentError, f"the reference table {URI}: "),
            (b"", {}, PermanentError, f"the reference table {URI}: "),
        ],
        ids=short,
    )
    def test_a_reference_that_does_not_fit(
        self, reference: bytes, entry: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error) as raised:
            join(reference, **entry)

        assert message in str(raised.value)

    def test_columns_that_are_there_already(self) -> None:
        with pytest.raises(QueryFailed, match="already has a column 'manager', which the option 'join' adds"):
            join(body=b"region,manager\nnorth,x\n")

    def test_rows_of_the_reference_without_a_key_fit_nothing(self) -> None:
        assert join(REGIONS + b",Nobody,1\n,Noone,2\n").facts["rows_unmatched"] == {URI: 2}

    @pytest.mark.parametrize(
        ("reference", "message"),
        [
            (REGIONS + b"north,Eve,1\n", "the options name what cannot be used: the reference table"),
            (REGIONS.replace(b"region", b"regoin"), "did you mean 'regoin'"),
            (REGIONS.replace(b"manager", b"id"), "already has a column 'id'"),
        ],
        ids=short,
    )
    def test_check_looks_into_the_reference_and_the_sample(self, reference: bytes, message: str) -> None:
        store = MemoryStore({URI: reference, "s3://in/orders.csv": BODY})
        question = {"options": {"join": {"table": URI, "on": ["region"]}}, "sample": "s3://in/orders.csv"}

        with pytest.raises(InvalidJob) as raised:
            lambda_handler(OPERATION, store)({"Check": question}, Context())

        assert message in str(raised.value)

    def test_a_batch_joins(self) -> None:
        store = MemoryStore({URI: REGIONS, "s3://in/orders.csv": BODY})
        options = OPERATION.parse({"join": {"table": URI, "on": ["region"]}, "format": "csv"})
        known = load(OPERATION, options, store)
        task = Task(OPERATION, options, Destination("s3://out/"), resolved=known.resolved, references=known.etags)

        record = run_batch([ITEM], task, store)[0]
        assert (record.status.value, record.facts["rows_unmatched"]) == ("succeeded", {URI: 2})
        assert store.bodies("s3://out/")["orders.csv"].startswith(
            b"id,region,manager,budget\n1,south,Bob,20\n2,west,,\n"
        )


class TestConstants:
    """What the manifest says of an object."""

    ITEM = Item("s3://in/orders.csv", "orders.csv", columns={"customer": "007", "year": "2026"})

    def test_become_columns_as_they_are_written(self) -> None:
        options = OPERATION.parse({"constants": {"client": "customer"}, "source_column": "from"})

        row = table(OPERATION.process(self.ITEM, BODY, options))[0]
        assert row == {"id": 1, "region": "south", "client": "007", "from": "s3://in/orders.csv"}

    def test_of_a_column_the_manifest_has_not(self) -> None:
        with pytest.raises(
            PermanentError, match="no column 'custmer', which the option 'constants' names: it has cust"
        ):
            OPERATION.process(self.ITEM, BODY, OPERATION.parse({"constants": {"client": "custmer"}}))

    def test_two_columns_of_one_name(self) -> None:
        with pytest.raises(InvalidJob, match="one of them twice"):
            OPERATION.check(OPERATION.parse({"source_column": "x", "ingested_at": "x"}), BODY)
