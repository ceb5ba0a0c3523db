"""table-transform's options beside SQL: each alone, together in their order, refused where they do not fit."""

from __future__ import annotations

import io
import re
from typing import Any

import polars as pl
import pytest

from functions.table_transform.errors import InvalidRows, QueryFailed
from functions.table_transform.operation import OPERATION
from itemkit import InvalidJob
from tests.functions.tabular import parquet, rows, short, transform

BODY = b"Ordr Id,region,amount,ordered\n0017, North,1.50,31.1.2026\n0018,south ,2,1/2/2026\n"


def check(sample: bytes | None = BODY, **options: Any) -> None:
    OPERATION.check(OPERATION.parse(options), sample)


class TestEach:
    """What one option does to the rows."""

    def test_rename_and_select_the_new_names_in_their_order(self) -> None:
        found = rows(BODY, rename={"Ordr Id": "id"}, select=["amount", "id"])

        assert [list(row.items()) for row in found] == [
            [("amount", 1.5), ("id", "0017")],
            [("amount", 2), ("id", "0018")],
        ]

    def test_normalize_trims_changes_case_and_makes_dates_iso(self) -> None:
        found = rows(BODY, normalize={"*": "trim", "region": "trim lower", "ordered": "dmy"})

        assert [(row["region"], row["ordered"]) for row in found] == [("north", "2026-01-31"), ("south", "2026-02-01")]

    @pytest.mark.parametrize(
        ("form", "cell", "expected"),
        [
            ("dmy", "31/02/2026", "31/02/2026"),
            ("mdy", "2/1/2026", "2026-02-01"),
            ("ymd", "2026.2.1", "2026-02-01"),
            ("dmy", "2026-02-01", "2026-02-01"),
            ("dmy", "soon", "soon"),
            ("trim", "  ", None),
            ("upper", "straße", "STRASSE"),
            ("trim", "007 ", "007"),
        ],
    )
    def test_normalize_leaves_what_is_no_such_date(self, form: str, cell: str, expected: str | None) -> None:
        assert rows(f"k,cell\nx,{cell}\n".encode(), normalize={"cell": form})[0]["cell"] == expected

    @pytest.mark.parametrize(
        ("kind", "cell", "expected", "dtype"),
        [
            ("text", "1.50", "1.50", pl.String),
            ("integer", "0017", 17, pl.Int64),
            ("number", "1.50", 1.5, pl.Float64),
            ("boolean", "TRUE", True, pl.Boolean),
            ("date", "2026-01-31", "2026-01-31", pl.Date),
            ("datetime", "2026-01-31 10:00:00Z", "2026-01-31 10:00:00", pl.Datetime("us")),
        ],
    )
    def test_cast_takes_the_cells_as_they_are_written(self, kind: str, cell: str, expected: Any, dtype: Any) -> None:
        body = f"k,cell\nx,{cell}\ny,\n".encode()

        schema = pl.read_parquet_schema(io.BytesIO(transform(body, cast={"cell": kind}).outputs[0].body))
        assert (schema["cell"], [row["cell"] for row in rows(body, cast={"cell": kind})]) == (dtype, [expected, None])

    def test_cast_of_a_table_that_knows_its_types(self) -> None:
        body = parquet(pl.DataFrame({"a": [1.0, 2.0], "b": [1, 0]}))

        assert rows(body, cast={"a": "integer", "b": "text"}) == [{"a": 1, "b": "1"}, {"a": 2, "b": "0"}]
        with pytest.raises(InvalidRows, match=r"row 2, column 'a': '2.5' is no integer"):
            transform(parquet(pl.DataFrame({"a": [1.0, 2.5]})), cast={"a": "integer"})

    @pytest.mark.parametrize(
        ("kind", "cell"), [("integer", "1.5"), ("boolean", "yes"), ("date", "31.1.2026"), ("datetime", "noon")]
    )
    def test_a_value_that_cannot_be_cast_fails_the_table_with_its_place(self, kind: str, cell: str) -> None:
        with pytest.raises(InvalidRows) as raised:
            transform(f"k,cell\nx,\ny,{cell}\n".encode(), rename={"cell": "c"}, cast={"c": kind})

        assert f"row 2, column 'c': '{cell}' is no {kind}, as the option 'cast' wants it; correct it" in str(
            raised.value
        )

    def test_filter_and_computed_columns_that_use_each_other(self) -> None:
        found = rows(BODY, filter="amount > 1.5", computed={"gross": "amount * 2", "twice": "gross * 2", "amount": "0"})

        assert [(row["amount"], row["gross"], row["twice"]) for row in found] == [(0, 4, 8)]

    def test_where_and_when_a_row_is_from(self) -> None:
        found = rows(BODY, source_column="from", ingested_at="at", select=["amount"])

        assert {row["from"] for row in found} == {"s3://in/orders.csv"}
        assert all(re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", row["at"]) for row in found)


class TestTogether:
    """The options apply in their order, whatever the job's."""

    def test_all_of_them(self) -> None:
        body = b"Id,Day,Amount\n1, 31.1.2026,10\n2,1.2.2026,x\n3,1.2.2026,5\n4,1.2.2026,30\n4,1.2.2026,30\n"

        found = rows(
            body,
            drop_duplicates=True,
            sql="SELECT day, net, COUNT(*) OVER (PARTITION BY day) AS n FROM self",
            computed={"net": "amount - 1"},
            filter="amount > 5",
            schema={"amount": {"type": "integer"}, "day": {"type": "date"}},
            max_rejected=1,
            normalize={"*": "trim", "day": "trim dmy"},
            select=["day", "amount"],
            rename={"Day": "day", "Amount": "amount"},
        )

        assert found == [{"day": "2026-01-31", "net": 9, "n": 1}, {"day": "2026-02-01", "net": 29, "n": 2}]

    def test_the_declaration_tells_the_order(self) -> None:
        names = [each["name"] for each in OPERATION.describe()["options"]]

        steps = (
            "rename select normalize cast schema join constants filter computed sql drop_duplicates partition_by format"
        )
        assert [name for name in names if name in steps.split()] == steps.split()


class TestRefused:
    """What cannot fit is refused in Check with what to write instead."""

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"rename": {"Order Id": "id"}},
                "no column 'Order Id', which the option 'rename' names: did you mean 'Ordr Id'",
            ),
            (
                {"rename": {"amount": "region"}},
                "already has a column 'region', which the option 'rename' adds: rename one",
            ),
            ({"select": ["amuont"]}, "no column 'amuont', which the option 'select' names: did you mean 'amount'"),
            (
                {"select": ["amount"], "filter": "region = 'x'"},
                "the option 'filter' does not fit: unable to find column",
            ),
            ({"normalize": {"regoin": "trim"}}, "which the option 'normalize' names: did you mean 'region'"),
            ({"cast": {"regoin": "text"}}, "which the option 'cast' names: did you mean 'region'"),
            (
                {"filter": "amuont > 1"},
                "the option 'filter' does not fit: unable to find column \"amuont\"; did you mean",
            ),
            ({"filter": "amount"}, "the option 'filter' is 'amount', which is no condition"),
            ({"filter": "amount >"}, "the option 'filter' does not fit"),
            ({"filter": "region IN (SELECT a FROM read_csv('x'))"}, "the option 'filter' reads files"),
            (
                {"computed": {"x": "amuont * 2"}},
                "the option 'computed.x' does not fit: unable to find column \"amuont\"",
            ),
            ({"sql": "SELECT amuont FROM self"}, 'the SQL does not fit: unable to find column "amuont"'),
            ({"drop_duplicates": ["regoin"]}, "which the option 'drop_duplicates' names: did you mean 'region'"),
            ({"partition_by": ["regoin"]}, "which the option 'partition_by' names: did you mean 'region'"),
            ({"source_column": "region"}, "already has a column 'region'"),
            ({"schema": {"regoin": {}}}, "no column 'regoin', which the option 'schema' names: did you mean 'region'"),
        ],
        ids=short,
    )
    def test_against_the_columns_of_the_sample(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidJob) as raised:
            check(**options)
        with pytest.raises(QueryFailed) as failed:
            transform(BODY, **options)

        assert message in str(raised.value)
        assert message in str(failed.value)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"cast": {"a": "float"}}, "option 'cast' has 'float' for column 'a': write one of text, integer, number"),
            ({"normalize": {"a": "trim low"}}, "option 'normalize' has 'low' for column 'a': write trim, lower"),
            ({"rename": {"a": "x", "b": "x"}}, "option 'rename' gives two columns the name 'x'"),
            ({"select": ["a", "a"]}, "option 'select' names 'a' twice"),
            ({"partition_by": ["a", "a"]}, "option 'partition_by' names a column twice"),
            ({"max_rejected": 5}, "add 'schema', or leave it out"),
            ({"max_rejected": "5", "schema": {"a": {}}}, "option 'max_rejected' is '5': write a number, or a share"),
            ({"schema": "schema.json"}, "option 'schema' has 'schema.json': write s3://BUCKET/KEY"),
            ({"drift": "refuse"}, 'add "compact": true'),
            ({"compact": True, "sql": "SELECT 1 AS x FROM self"}, "options 'compact' and 'sql' do not fit"),
            ({"compact": True, "drop_duplicates": True}, "options 'compact' and 'drop_duplicates' do not fit"),
            ({"compact": True, "schema": {"a": {}}}, "options 'compact' and 'schema' do not fit"),
            ({"compact": True, "partition_by": ["a"]}, "options 'compact' and 'partition_by' do not fit"),
            ({"join": {"tabel": "s3://b/k"}}, "option 'join' has 'tabel': known are table, on, columns, prefix"),
            ({"join": {"table": "k", "on": ["a"]}}, "option 'join.table' has 'k': write s3://BUCKET/KEY"),
            ({"join": {"table": "s3://b/k"}}, "option 'join.on' is None: write a list of columns"),
            ({"join": {"table": "s3://b/k", "on": ["a"], "prefix": 1}}, "option 'join.prefix' is 1: write a text"),
        ],
        ids=short,
    )
    def test_whatever_the_table(self, options: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidJob) as raised:
            OPERATION.parse(options)

        assert message in str(raised.value)

    def test_a_good_job_passes(self) -> None:
        check(
            rename={"Ordr Id": "id"},
            normalize={"*": "trim"},
            cast={"id": "integer"},
            filter="id > 0 AND amount IS NOT NULL",
            computed={"gross": "amount * 2"},
            sql="SELECT id, gross, ordered FROM self",
            drop_duplicates=["id"],
            partition_by=["ordered"],
        )
