"""table-transform runs SQL over self and over nothing else, and checks it before anything is processed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from functions.table_transform.errors import QueryFailed
from functions.table_transform.operation import OPERATION, SAMPLE_BYTES
from itemkit import InvalidJob
from tests.functions.tabular import BY_REGION, packed, parquet, rows, short, transform


def check(sql: str, sample: bytes | None = None, **options: Any) -> None:
    OPERATION.check(OPERATION.parse({"sql": sql, **options}), sample)


class TestQuery:
    """SQL over self, and over nothing else."""

    BODY = b"region,amount\nsouth,1\nnorth,2\nsouth,3.5\n"

    def test_groups_come_in_the_order_of_their_columns(self) -> None:
        result = transform(self.BODY, sql=BY_REGION)

        assert pl.read_parquet(result.outputs[0].body).rows() == [("north", 1, 2.0), ("south", 2, 4.5)]
        assert (result.rows_in, result.rows_out, result.facts["columns"]) == (3, 2, 2)

    def test_an_order_that_is_asked_for_is_kept(self) -> None:
        assert [row["region"] for row in rows(self.BODY, sql=f"{BY_REGION} ORDER BY orders DESC")] == ["south", "north"]

    @pytest.mark.parametrize(
        "sql",
        [
            "FROM self",
            "(SELECT * FROM self)",
            "-- all of it\nSELECT * FROM self",
            "/* all */ WITH all_of_it AS (SELECT * FROM self) SELECT * FROM all_of_it",
        ],
    )
    def test_any_form_of_a_query(self, sql: str) -> None:
        assert rows(self.BODY, sql=sql)[1] == {"region": "north", "amount": 2.0}

    @pytest.mark.parametrize(
        ("sql", "message"),
        [
            ("SELECT regoin FROM self", """unable to find column "regoin"; did you mean 'region'?"""),
            ("SELECT self.Amount FROM self", "no column named 'Amount' found in table 'self'; did you mean 'amount'?"),
            ("SELECT region FROM slef", "relation 'slef' was not found; did you mean 'self'?"),
            ("SELECT x FROM self", 'unable to find column "x"; self has the columns region (String), amount (Float64)'),
            (
                "SELECT SUM(region) AS r FROM self",
                "`sum` operation not supported for dtype `str`; self has the columns",
            ),
            ("SELECT CAST(region AS INT) AS r FROM self", "conversion from `str` to `i32` failed in column 'region'"),
            ("SELECT COUNT(* FROM self", "sql parser error: Expected: ), found: FROM at Line: 1, Column: 16"),
        ],
    )
    def test_what_does_not_fit_is_told_with_the_near_name(self, sql: str, message: str) -> None:
        with pytest.raises(QueryFailed) as raised:
            transform(self.BODY, sql=sql)

        assert f"s3://in/orders.csv: the SQL does not fit: {message}" in str(raised.value)

    def test_columns_without_a_value_are_text_until_the_job_says_otherwise(self) -> None:
        with pytest.raises(
            QueryFailed, match=r'text \(amount, region\): say what it is, such as "types": {"amount": "n'
        ):
            transform(b"region,amount\n", sql=BY_REGION)

        assert rows(b"region,amount\n", sql=BY_REGION, types={"amount": "number"}) == []

    def test_types_name_columns_that_are_there(self) -> None:
        with pytest.raises(
            QueryFailed, match="no column 'amuont', which the option 'types' names: did you mean 'amount'"
        ):
            transform(self.BODY, types={"amuont": "text"})

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT * FROM read_csv('{secret}')",
            "SELECT * FROM READ_CSV ('{secret}')",
            "SELECT * FROM \"read_csv\"('{secret}')",
            "SELECT * FROM `read_csv`('{secret}')",
            "SELECT * FROM read_csv/* */('{secret}')",
            "SELECT * FROM self JOIN read_csv('{secret}') AS s ON true",
            "SELECT * FROM self WHERE region IN (SELECT word FROM read_csv('{secret}'))",
            "WITH s AS (SELECT * FROM read_csv('{secret}')) SELECT * FROM s",
            "SELECT * FROM '{secret}'",
            'SELECT * FROM "{secret}"',
            "SHOW TABLES",
            "EXPLAIN SELECT * FROM self",
            "CREATE TABLE other AS SELECT * FROM self",
            "DELETE FROM self",
            "TRUNCATE TABLE self",
            "SELECT 1 AS one; SELECT 2 AS two",
            "",
        ],
    )
    def test_nothing_but_a_query_over_self_is_run(self, sql: str, tmp_path: Path) -> None:
        secret = tmp_path / "secret.csv"
        secret.write_text("word\nhush\n")
        query = sql.replace("{secret}", str(secret))

        with pytest.raises(QueryFailed) as raised:
            transform(self.BODY, sql=query)
        with pytest.raises(InvalidJob):
            check(query, self.BODY)

        assert "hush" not in str(raised.value)

    def test_every_table_function_of_polars_is_refused(self) -> None:
        kinds = ("csv", "parquet", "ipc", "json", "ndjson", "avro", "lines", "text", "delta", "excel", "iceberg", "orc")
        known = []
        for name in (f"{verb}_{kind}" for verb in ("read", "scan") for kind in kinds):
            try:
                pl.SQLContext().execute(f"SELECT * FROM {name}('/nowhere')").collect_schema()
            except (pl.exceptions.PolarsError, OSError) as error:
                if "is not a supported table function" not in str(error):
                    known.append(name)
        refused = []
        for name in known:
            with pytest.raises(InvalidJob, match=f"{name} is not allowed in SQL"):
                check(f"SELECT * FROM {name}('/nowhere')")
            refused.append(name)

        assert refused == ["read_csv", "read_parquet", "read_ipc", "read_json", "read_ndjson"]


class TestCheck:
    """A job that cannot fit is refused before anything is processed, and no other."""

    SAMPLE = b"region,amount,note\nnorth,1,\n"

    @pytest.mark.parametrize("sql", ["SELEC region FROM self", "SELECT COUNT(* FROM self", "DROP TABLE self"])
    @pytest.mark.parametrize("sample", [None, SAMPLE])
    def test_bad_syntax_with_and_without_a_sample(self, sql: str, sample: bytes | None) -> None:
        with pytest.raises(InvalidJob):
            check(sql, sample)

    @pytest.mark.parametrize(
        "sample",
        [
            SAMPLE,
            packed(SAMPLE),
            SAMPLE.decode().encode("utf-16"),
            b'{"region": "north", "amount": 1}\n',
            b'[{"region": "north", "amount": 1}]',
            parquet(pl.DataFrame({"region": ["north"], "amount": [1]})),
            SAMPLE + b"south,2,x\n" * SAMPLE_BYTES,
            packed(SAMPLE + random.Random(1).randbytes(2 * SAMPLE_BYTES).hex().encode()),
            SAMPLE + b'south,2,"two\nlines"\n' * SAMPLE_BYTES,
        ],
        ids=short,
    )
    def test_an_unknown_column_by_the_beginning_of_a_sample(self, sample: bytes) -> None:
        beginning = sample[:SAMPLE_BYTES]
        check("SELECT region FROM self", beginning)

        with pytest.raises(InvalidJob) as raised:
            check("SELECT regoin FROM self", beginning)

        message = """the SQL does not fit: unable to find column "regoin"; did you mean 'region'?"""
        assert str(raised.value) == message

    def test_the_types_option(self) -> None:
        with pytest.raises(
            InvalidJob, match="option 'types' has 'float' for column 'amount': write one of text, integer"
        ):
            check("SELECT * FROM self", types={"amount": "float"})
        with pytest.raises(InvalidJob, match="did you mean 'amount'"):
            check("SELECT * FROM self", self.SAMPLE, types={"amuont": "text"})

    @pytest.mark.parametrize(
        "sample",
        [
            b"",
            b"<html>",
            b"region,amount\nnorth\n",
            b"region,amount\n" + b"x,1\n" * 50 + b"x,oops\n",
            parquet(pl.DataFrame({"x": range(100_000)}), compression="uncompressed")[:SAMPLE_BYTES],
            b'[{"x": "' + b"x" * SAMPLE_BYTES,
            b"x" * SAMPLE_BYTES,
        ],
        ids=short,
    )
    def test_a_sample_that_tells_no_columns_is_no_fault_of_the_job(self, sample: bytes) -> None:
        check("SELECT region FROM self", sample[:SAMPLE_BYTES])

        with pytest.raises(InvalidJob):
            check("SELECT region FORM self", sample[:SAMPLE_BYTES])

    @pytest.mark.parametrize(
        "sample", [SAMPLE, b'{"region": "north", "amount": 1, "note": null}', b"region,amount,note\n"]
    )
    def test_a_column_that_has_no_value_in_the_sample_may_be_anything(self, sample: bytes) -> None:
        check("SELECT UPPER(note) AS note, amount FROM self", sample)
        check("SELECT region, SUM(note) AS notes FROM self GROUP BY region", sample)
