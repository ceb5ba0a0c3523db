"""dynamodb-load refuses what cannot be loaded before it writes anything, and says which row and what to do."""

from __future__ import annotations

import io
from collections.abc import Iterator

import polars as pl
import pytest

from functions.dynamodb_load.errors import InvalidRow, TableNotFound, TableRefused, UnreadableTable
from functions.dynamodb_load.source import LONGEST_LINE
from itemkit import InvalidJob, TransientError
from tests.functions.loading import Dynamo, answered, dynamo, packed


@pytest.fixture
def orders() -> Iterator[Dynamo]:
    """DynamoDB with the table orders, whose key is the text id, and whose items expire."""
    with dynamo(ttl="expires") as found:
        yield found


GOOD_ROWS = "".join(f"{number},x\n" for number in range(60))
NAN = pl.DataFrame({"id": ["a", "b"], "f": [1.0, float("nan")]})


def parquet(frame: pl.DataFrame) -> bytes:
    body = io.BytesIO()
    frame.write_parquet(body)
    return body.getvalue()


class TestRows:
    """One bad row refuses its object, with line, column and reason, and nothing of it is loaded."""

    @pytest.mark.parametrize(
        ("body", "options", "told"),
        [
            (f"id,n\n{GOOD_ROWS},x\n", {}, "line 62, column 'id' has no value: it is of the key of table orders"),
            (f"id,n\n{GOOD_ROWS}a\n", {}, "line 62 has 1 fields where the header has 2: correct the row"),
            (f'id,n\n{GOOD_ROWS}a,"x\n', {}, "line 62 has unpaired quotes"),
            (f"id,n\n{GOOD_ROWS}\n", {"types": {"n": "number"}}, "line 2, column 'n' is 'x': it is no number"),
            ("id,n\na,NaN\n", {"types": {"n": "number"}}, "line 2, column 'n' is 'NaN': it is no number"),
            ("id,n\na,1_0\n", {"types": {"n": "number"}}, "line 2, column 'n' is '1_0': it is no number"),
            (f"id,n\na,1{'0' * 37}1\n", {"types": {"n": "number"}}, "it has 39 significant digits, DynamoDB takes 38"),
            ("id,n\na,yes\n", {"types": {"n": "boolean"}}, "column 'n' is 'yes': it is neither true nor false"),
            ('{"id": "a"}\n{"id": ""}\n', {}, "line 2, column 'id' is empty"),
            ('{"id": "a"}\n\n{"n": 1}\n', {}, "line 3, column 'id' is missing"),
            ('{"id": "a"}\n{"id": {}}\n', {}, "line 2, column 'id' is no text"),
            ('{"id": "a"}\n{"id": \n', {}, "line 2 is no JSON"),
            ('{"id": "a"}\n["id"]\n', {}, "line 2 is no JSON object"),
            ('{"id": "a", "n": Infinity}\n', {}, "line 1 is no JSON (Infinity is none)"),
            ('{"id": "a", "n": 1E+126}\n', {}, "line 1, column 'n' is 1E+126: DynamoDB takes 1E-130 to 9.9E+125"),
            ('{"id": "a", "n": "\\ud800"}\n', {}, "line 1 has the text '\\ud800', which is no Unicode"),
            (f'{{"id": "a", "n": {"[" * 33}{"]" * 33}}}\n', {}, "column 'n' is nested more than 32 levels deep"),
            (f'{{"id": "a", "n": {"[" * 90_000}\n', {}, "line 1 is no JSON"),
            (f"id,n\na,{'x' * 400 * 1024}\n", {}, "line 2 makes an item of 409,604 bytes: DynamoDB takes 409,600"),
            (f"id,n\n{'x' * 2049},1\n", {}, "line 2, column 'id' has 2,049 bytes: DynamoDB takes 2,048 of a key"),
            ("id,made\na,soon\n", {"ttl": "made"}, "line 2, column 'made' is 'soon': write epoch seconds or an ISO"),
            ("id,made\na,1769862615000\n", {"ttl": "made"}, "these are no seconds since 1970 of this age"),
            ("id,made\na,20260131\n", {"ttl": "made"}, "these are no seconds since 1970 of this age"),
            ("id,made,expires\na,2026-01-31,x\n", {"ttl": "made"}, "column 'expires': the load writes an attribute"),
            ("id,fanfold_source\na,x\n", {"conflict": "fingerprint"}, "the load writes an attribute of this name"),
            ("order,n\na,1\n", {}, "there is no column 'id', which the key of table orders names: its columns are"),
            ("id,amount\na,1\n", {"types": {"amuont": "number"}}, "the option 'types' names: did you mean 'amount'?"),
            (parquet(NAN), {}, "row 2, column 'f' is nan, which DynamoDB does not take"),
            (parquet(NAN.with_columns(f=pl.duration(hours=1).implode())), {}, "column 'f' is a timedelta"),
        ],
        ids=lambda value: repr(value)[:40],
    )
    def test_are_named(self, orders, body, options, told):
        with pytest.raises(InvalidRow) as refused:
            orders.load(body.encode() if isinstance(body, str) else body, **options)

        assert told in str(refused.value)
        assert str(refused.value).startswith("s3://in/orders.csv: ")
        assert (orders.items(), orders.writes) == ([], [])

    def test_a_number_at_its_limits_is_text_unless_the_job_says_number(self, orders):
        orders.load(f"id,n\na,{'9' * 60}\n".encode())

        assert orders.by_id() == {"a": {"n": "9" * 60}}


class TestObjects:
    """What is no table."""

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (b"PK\x03\x04\x14\x00\x00", "this is binary, or UTF-16"),
            ("id,n\n".encode("utf-16"), "this is not UTF-8"),
            (b"id,n\nM\xfcller,1\n", "this is not UTF-8"),
            (b'[{"id": "a"}]', "this is a JSON array or markup: write CSV"),
            (b"<html></html>", "this is a JSON array or markup"),
            (b"id,,n\na,b,c\n", "column 2 of the header has no name"),
            (b"id,n,n\na,b,c\n", "the header has two columns 'n'"),
            (packed(b"id\na\n")[:-9], "the gzip is damaged or cut off"),
            (packed(b"id\na\n")[:10] + b"\xff" * 20, "the gzip is damaged or cut off"),
            (b"PAR1 and no more", "the Parquet file is damaged or cut off"),
            (parquet(pl.DataFrame({"id": ["a"] * 9}))[:-20], "the Parquet file is damaged or cut off"),
            (b'{"id": "' + b"x" * LONGEST_LINE + b'"}', "line 1 has more than 4,194,304 characters"),
            (packed(b"id\n" + b"x" * 64 * 1024 * 1024), "line 2 has more than 4,194,304 characters"),
        ],
        ids=lambda value: repr(value)[:30],
    )
    def test_is_refused(self, orders, body, told):
        with pytest.raises(UnreadableTable) as refused:
            orders.load(body)

        assert told in str(refused.value)
        assert orders.items() == []

    def test_a_bomb_of_blank_lines_is_refused(self, orders, monkeypatch):
        monkeypatch.setattr("functions.dynamodb_load.source.MOST_UNPACKED", 1_000_000)

        with pytest.raises(UnreadableTable, match="the gzip holds more than 1,000,000 bytes"):
            orders.load(packed(b"id\na\n" + b"\n" * 2_000_000))

    def test_too_many_rows_are_refused(self, orders, monkeypatch):
        monkeypatch.setattr("functions.dynamodb_load.operation.MOST_ROWS", 20_000)

        with pytest.raises(UnreadableTable, match="more than 20,000 rows: split it"):
            orders.load(b"id\n" + b"a\n" * 30_000)


class TestCheck:
    """What does not fit is an invalid job before anything runs."""

    def test_what_fits_is_accepted(self, orders):
        orders.check(b"id,made\na,1\n", key=["id"], ttl="made", ttl_days=1)
        orders.check(packed(b"id,made\n" + b"a,1\n" * 90_000)[:100])
        orders.check(b'{"other": 1}\n')
        orders.check(b"\x89PNG\r\n\x00")
        orders.check()

    @pytest.mark.parametrize(
        ("sample", "options", "told"),
        [
            (None, {"table": "oders"}, "there is no table oders in this account and Region"),
            (None, {"table": "a b"}, "write a table's name"),
            (None, {"key": ["order"]}, "the key of table orders is ['id'], option 'key' says ['order']"),
            (None, {"key": ["id", "day"]}, "the key of table orders is ['id']"),
            (None, {"ttl_days": 3}, "name the column with 'ttl'"),
            (None, {"types": {"a": "float"}}, "write one of text, number, boolean"),
            (b"idd,n\n", {}, "there is no column 'id', which the key of table orders names: did you mean 'idd'?"),
            (b"id,created\n", {"ttl": "create"}, "which the option 'ttl' names: did you mean 'created'?"),
        ],
    )
    def test_what_does_not_is_told(self, orders, sample, options, told):
        with pytest.raises(InvalidJob) as refused:
            orders.check(sample, **options)

        assert told in str(refused.value)

    def test_a_table_without_ttl_cannot_expire_items(self):
        with dynamo() as dynamodb, pytest.raises(InvalidJob, match="table orders has no TTL attribute"):
            dynamodb.check(ttl="made")

    def test_a_table_that_is_not_granted_names_the_parameter(self, orders, monkeypatch):
        def denied(**_: object) -> None:
            raise answered("AccessDeniedException")

        monkeypatch.setattr(orders, "describe_table", denied)

        with pytest.raises(InvalidJob, match=r"access to table orders is denied: add its ARN .* LoadTableArns"):
            orders.check()

    def test_a_throttled_question_is_asked_again_by_step_functions(self, orders, monkeypatch):
        def throttled(**_: object) -> None:
            raise answered("ThrottlingException")

        monkeypatch.setattr(orders, "describe_table", throttled)

        with pytest.raises(TransientError) as refused:
            orders.check()
        assert type(refused.value) is TransientError


def test_a_table_that_went_away_fails_the_object(orders):
    with pytest.raises(TableNotFound, match=r"s3://in/orders\.csv: there is no table elsewhere"):
        orders.load(b"id\na\n", table="elsewhere")


def test_a_key_that_is_not_the_jobs_fails_the_object(orders):
    with pytest.raises(TableRefused, match=r"option 'key' says \['no'\]"):
        orders.load(b"id\na\n", key=["no"])
