"""dynamodb-load: every row is an item, exactly as it was, and loading it again changes nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.dynamodb_load.attributes import MOST_DIGITS, number_text, significant_digits
from functions.dynamodb_load.errors import InvalidRow
from functions.dynamodb_load.mapping import Mapper
from functions.dynamodb_load.operation import dynamodb_load
from functions.dynamodb_load.table import Table
from itemkit import Item
from tests.functions.loading import ITEM, Dynamo, counts, dynamo, packed


@pytest.fixture
def orders() -> Iterator[Dynamo]:
    """DynamoDB with the table orders, whose key is the text id."""
    with dynamo() as found:
        yield found


def parquet(frame: pl.DataFrame) -> bytes:
    body = io.BytesIO()
    frame.write_parquet(body, row_group_size=7)
    return body.getvalue()


def lines(*rows: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


class TestKinds:
    """CSV, JSON lines and Parquet, plain, packed and as files."""

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"id,note\na,x\nb,\n", "csv"),
            (b"\xef\xbb\xbfid,note\r\na,x\r\nb,\r\n", "csv"),
            (b'\n"id","note"\n\na,"x"\n\nb,""\n\n', "csv"),
            (packed(b"id,note\na,x\n") + packed(b"b,\n"), "csv"),
            (b'{"id": "a", "note": "x"}\n\n{"note": null, "id": "b"}', "jsonl"),
            (packed(b'{"id": "a", "note": "x"}\n{"id": "b"}\n'), "jsonl"),
            (parquet(pl.DataFrame({"id": ["a", "b"], "note": ["x", None]})), "parquet"),
        ],
    )
    def test_the_same_items_from_each(self, orders, body, kind):
        result = orders.load(body)

        assert orders.by_id() == {"a": {"note": "x"}, "b": {}}
        assert (result.rows_in, result.rows_out, result.facts["source"]) == (2, 2, kind)

    def test_a_large_object_comes_as_a_file(self, orders, tmp_path):
        for kind, body in {"csv": b"id,n\na,1\n", "parquet": parquet(pl.DataFrame({"id": ["b"], "n": ["2"]}))}.items():
            file = tmp_path / kind
            file.write_bytes(body)
            orders.load(file)

        assert orders.by_id() == {"a": {"n": "1"}, "b": {"n": "2"}}

    def test_quoted_cells_keep_newlines_commas_and_quotes(self, orders):
        orders.load(b'id,"the\nnote"\na,"x, ""y""\nz"\n')

        assert orders.by_id() == {"a": {"the\nnote": 'x, "y"\nz'}}

    def test_a_table_of_no_rows_is_loaded(self, orders):
        assert counts(orders.load(b"id,note\n"))["rows"] == 0
        assert counts(orders.load(b""))["rows"] == 0
        assert counts(orders.load(parquet(pl.DataFrame(schema={"id": pl.String}))))["rows"] == 0


class TestTypes:
    """A value is in the table exactly, or not at all."""

    def test_a_csv_is_text_but_for_the_key_and_what_the_job_names(self):
        with dynamo(id="N", day="S") as dynamodb:
            dynamodb.load(
                b"id,day,amount,code,paid\n1e2,2026-01-31,12.10,007,TRUE\n",
                types={"amount": "number", "paid": "boolean", "code": "text"},
            )

            (item,) = dynamodb.items()
            assert item == {
                "id": 100, "day": "2026-01-31", "amount": Decimal("12.1"), "code": "007", "paid": True,
            }  # fmt: skip

    def test_json_keeps_every_digit_and_what_is_nested(self, orders):
        number = "0.1234567890123456789012345678901234567"
        orders.load(f'{{"id": "a", "n": {number}, "deep": {{"l": [1, null, {{"ok": true}}], "e": ""}}}}'.encode())

        deep = {"l": [Decimal(1), None, {"ok": True}], "e": ""}
        assert orders.by_id() == {"a": {"n": Decimal(number), "deep": deep}}

    def test_parquet_keeps_its_types(self, orders):
        moment = datetime(2026, 1, 31, 12, 30, 15, 5)
        frame = pl.DataFrame(
            {
                "id": ["a"], "whole": [2**63 - 1], "exact": [Decimal("12345678901234567890.12")], "float": [0.1],
                "ok": [False], "bytes": [b"\x00\xff"], "day": [date(2026, 1, 31)], "at": [moment],
                "list": [[1, None]], "struct": [{"x": 1.5, "on": date(2026, 2, 1)}], "none": [None],
            }
        ).with_columns(
            fine=pl.lit(1_769_862_615_000_000_123).cast(pl.Datetime("ns")),
            there=pl.lit(moment).dt.replace_time_zone("Europe/Berlin"),
            kind=pl.lit("x").cast(pl.Categorical),
        )  # fmt: skip
        orders.load(parquet(frame))

        found = orders.by_id()["a"]
        assert found.pop("bytes").value == b"\x00\xff"
        assert found == {
            "whole": 2**63 - 1, "exact": Decimal("12345678901234567890.12"), "float": Decimal("0.1"), "ok": False,
            "day": "2026-01-31", "at": "2026-01-31T12:30:15.000005", "list": [Decimal(1), None],
            "struct": {"x": Decimal("1.5"), "on": "2026-02-01"}, "fine": "2026-01-31T12:30:15.000000123",
            "there": "2026-01-31T12:30:15.000005+01:00", "kind": "x",
        }  # fmt: skip

    def test_a_key_has_the_type_of_the_table_whatever_the_rows_have(self):
        with dynamo(id="S", n="B") as dynamodb:
            dynamodb.load(lines({"id": 7, "n": "AP8="}))
            dynamodb.load(parquet(pl.DataFrame({"id": [8], "n": [b"\x01"]})))

            assert sorted((item["id"], item["n"].value) for item in dynamodb.items()) == [
                ("7", b"\x00\xff"), ("8", b"\x01"),
            ]  # fmt: skip

    @given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e125, max_value=1e125, allow_subnormal=False))
    def test_a_float_is_read_as_itself_again(self, value: float) -> None:
        if abs(value) >= 1e-130 or value == 0:
            assert float(Decimal(number_text(value))) == value

    @given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**37), max_value=10**37, places=20))
    def test_a_number_has_one_text_and_loses_nothing(self, value: Decimal) -> None:
        if significant_digits(value) > MOST_DIGITS:
            with pytest.raises(ValueError, match="significant digits"):
                number_text(value)
            return
        text = number_text(value)
        assert Decimal(text) == value
        assert number_text(Decimal(text + "0") if "." in text and "E" not in text else value) == text

    @given(st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?", fullmatch=True))
    def test_a_number_in_a_text_is_what_the_number_is(self, text: str) -> None:
        mapper = Mapper(Table("orders", {"id": "S"}), {"n": "number"})
        try:
            expected = number_text(Decimal(text))
        except ValueError:
            with pytest.raises(InvalidRow, match="significant digits"):
                mapper.entry("line 1", {"id": "1", "n": text})
        else:
            assert mapper.entry("line 1", {"id": "1", "n": text}).item["n"] == {"N": expected}

    @pytest.mark.parametrize("value", [10**38 - 1, 10**40, Decimal("9.9E+125"), Decimal("1E-130"), Decimal("-0")])
    def test_the_ends_of_the_range_are_taken(self, value):
        assert Decimal(number_text(value)) == value

    @pytest.mark.parametrize(
        "value",
        [10**38 + 1, Decimal("1E+126"), Decimal("1E-131"), Decimal("NaN"), float("inf"), 5e-324, Decimal("1E+999999")],
    )
    def test_what_is_beyond_is_refused(self, value):
        with pytest.raises(ValueError, match="DynamoDB"):
            number_text(value)


class TestReceipt:
    """The one output tells what was loaded, and is the same whenever it is the same."""

    def test_tells_what_became_of_the_rows(self, orders):
        result = orders.load(b"id,n\na,1\nb,2\na,3\na,4\n")

        (output,) = result.outputs
        receipt = json.loads(output.body)
        assert len(receipt.pop("fingerprint")) == 32
        counted = {"rows": 4, "written": 2, "unchanged": 0, "kept": 0, "duplicates": 2}
        assert receipt == {"source": ITEM.uri, "table": "orders", **counted}
        assert output.content_type == "application/json"
        assert (result.rows_in, result.rows_out, counts(result)) == (4, 2, counted)
        assert orders.by_id() == {"a": {"n": "4"}, "b": {"n": "2"}}

    def test_is_the_same_for_the_same_and_another_for_other_bytes_or_options(self, orders):
        first, again, faster, other_bytes, other_options = (
            orders.load(body, **options).outputs[0].body
            for body, options in (
                (b"id,n\na,1\n", {}),
                (b"id,n\na,1\n", {}),
                (b"id,n\na,1\n", {"concurrency": 1}),
                (b"id,n\na,2\n", {}),
                (b"id,n\na,1\n", {"types": {"n": "number"}}),
            )
        )

        assert first == again == faster
        assert len({first, other_bytes, other_options}) == 3

    def test_is_named_after_object_and_table(self):
        operation = dynamodb_load(Dynamo(None), lambda: 1.0)

        assert operation.names("2026/a.csv", operation.parse({"table": "sales"})) == ["2026/a.csv.sales.json"]


class TestExpiry:
    """The table's TTL attribute is set from a column."""

    @pytest.fixture
    def sessions(self) -> Iterator[Dynamo]:
        with dynamo(ttl="expires") as found:
            yield found

    DAY = int(datetime(2026, 1, 31, tzinfo=UTC).timestamp())

    @pytest.mark.parametrize(
        ("text", "days", "expected"),
        [
            ("2026-01-31", 0, DAY),
            ("2026-01-31", 30, DAY + 30 * 86_400),
            ("2026-01-31T01:00:00+01:00", 0, DAY),
            ("2026-01-31T00:00:00Z", 0, DAY),
            ("2026-01-31 00:00:59.999", 0, DAY + 59),
            (str(DAY), 1, DAY + 86_400),
            (f"{DAY}.7", 0, DAY),
        ],
    )
    def test_by_a_date_or_seconds(self, sessions, text, days, expected):
        sessions.load(f"id,made\na,{text}\nb,\n".encode(), ttl="made", ttl_days=days)

        assert sessions.by_id() == {"a": {"made": text, "expires": expected}, "b": {}}

    def test_by_the_columns_of_parquet(self, sessions):
        sessions.load(parquet(pl.DataFrame({"id": ["a"], "made": [date(2026, 1, 31)]})), ttl="made")

        assert sessions.by_id() == {"a": {"made": "2026-01-31", "expires": self.DAY}}

    def test_by_a_column_of_the_same_name(self, sessions):
        sessions.load(b"id,expires\na,2026-01-31\n", ttl="expires", ttl_days=1)

        assert sessions.by_id() == {"a": {"expires": self.DAY + 86_400}}


class TestConflict:
    """With "fingerprint" the table comes to hold the newest object's rows, in whatever order objects are loaded."""

    OLD, NEW, TWIN = (
        Item("s3://in/old", "old", modified=1.0),
        Item("s3://in/new", "new", modified=2.0),
        Item("s3://in/twin", "twin", modified=2.0),
    )
    UNDATED = Item("s3://in/listed-nowhere", "x")

    def load(self, orders: Dynamo, item: Item, text: str, **options: Any) -> Any:
        told = counts(orders.load(f"id,n\na,{text}\n".encode(), item, conflict="fingerprint", **options))
        return {name: told[name] for name in ("written", "unchanged", "kept")}

    WRITTEN: ClassVar = {"written": 1, "unchanged": 0, "kept": 0}
    UNCHANGED: ClassVar = {"written": 0, "unchanged": 1, "kept": 0}
    KEPT: ClassVar = {"written": 0, "unchanged": 0, "kept": 1}

    def test_only_a_newer_object_replaces_another_ones_items(self, orders):
        assert self.load(orders, self.OLD, "old") == self.WRITTEN
        assert self.load(orders, self.NEW, "new") == self.WRITTEN
        assert self.load(orders, self.OLD, "old") == self.KEPT
        assert orders.by_id()["a"]["n"] == "new"

    def test_the_same_load_again_leaves_what_others_changed_since(self, orders):
        self.load(orders, self.NEW, "1")
        change = {"Key": {"id": {"S": "a"}}, "UpdateExpression": "SET seen = :yes"}
        orders.client.update_item(TableName="orders", **change, ExpressionAttributeValues={":yes": {"BOOL": True}})

        assert self.load(orders, self.NEW, "1") == self.UNCHANGED
        assert orders.by_id()["a"]["seen"] is True

    def test_an_object_replaces_what_it_held_before(self, orders):
        self.load(orders, self.UNDATED, "1")

        assert self.load(orders, self.UNDATED, "2") == self.WRITTEN
        assert self.load(orders, self.UNDATED, "2", types={"n": "number"}) == self.WRITTEN

    def test_without_a_date_nothing_of_others_is_replaced(self, orders):
        self.load(orders, self.OLD, "old")

        assert self.load(orders, self.UNDATED, "undated") == self.KEPT

    def test_what_fanfold_did_not_write_stays(self, orders):
        orders.client.put_item(TableName="orders", Item={"id": {"S": "a"}})

        assert self.load(orders, self.NEW, "new") == self.KEPT
        assert orders.by_id() == {"a": {}}

    @given(order=st.permutations(["OLD", "NEW", "TWIN", "OLD", "NEW"]))
    @settings(max_examples=20, deadline=None)
    def test_the_order_does_not_matter(self, order: list[str]) -> None:
        with dynamo() as orders:
            for name in order:
                self.load(orders, getattr(self, name), name)

            assert orders.by_id()["a"]["n"] == "TWIN"
            assert orders.by_id()["a"]["fanfold_source"] == "s3://in/twin"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6)
SCALARS = st.one_of(st.none(), st.booleans(), TEXTS, NUMBERS, st.integers(-(10**37), 10**37).map(Decimal))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xy"), inner)
)
ROWS = st.lists(st.dictionaries(st.sampled_from(["v", "w", "é"]), VALUES).map(dict), max_size=80)
KEYS = st.sampled_from(["a", "b", "ä", "c c", "a\n", '"'])


def encoded(value: Any) -> str:
    """Write JSON whose numbers have all their digits."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, list):
        return f"[{','.join(encoded(each) for each in value)}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{encoded(each)}" for name, each in value.items()) + "}"
    return json.dumps(value)


class TestWhole:
    """The table holds the last row of each key exactly, and repeats change nothing."""

    @given(rows=ROWS, data=st.data())
    @settings(max_examples=40, deadline=None)
    def test_of_json_lines(self, rows: list[dict[str, Any]], data: st.DataObject) -> None:
        keyed = [{"id": data.draw(KEYS), "n": data.draw(st.integers(0, 3).map(Decimal)), **row} for row in rows]
        body = "".join(encoded(row) + "\n" for row in keyed).encode()
        last = {(row["id"], row["n"]): {name: v for name, v in row.items() if v is not None} for row in keyed}
        with dynamo(id="S", n="N") as dynamodb:
            first = dynamodb.load(body)
            loaded = {(item["id"], item["n"]): item for item in dynamodb.items()}
            again = dynamodb.load(body)

            assert loaded == last
            assert loaded == {(item["id"], item["n"]): item for item in dynamodb.items()}
            assert first.outputs == again.outputs
            assert (first.rows_in, first.rows_out) == (len(rows), len(last))
            assert first.facts["duplicates"] == len(rows) - len(last)

    @given(rows=st.lists(st.tuples(KEYS, TEXTS.map(lambda text: text.replace("\0", ""))), max_size=80))
    @settings(max_examples=30, deadline=None)
    def test_of_csv_and_parquet(self, rows: list[tuple[str, str]]) -> None:
        frame = pl.DataFrame(rows, schema={"id": pl.String, "v": pl.String}, orient="row")
        csv = frame.write_csv(quote_style="always").encode()
        with dynamo() as orders:
            orders.load(csv)
            assert orders.by_id() == {key: {"v": text} if text else {} for key, text in rows}
            orders.load(parquet(frame))
            assert orders.by_id() == {key: {"v": text} for key, text in rows}

    def test_of_more_rows_than_are_looked_at_together(self, orders, tmp_path: Path):
        body = "id,n\n" + "".join(f"{number % 700},{number}\n" for number in range(23_000))
        file = tmp_path / "orders.csv"
        file.write_text(body)

        result = orders.load(file)

        assert counts(result) == {"rows": 23_000, "written": 700, "unchanged": 0, "kept": 0, "duplicates": 22_300}
        last = {number % 700: number for number in range(23_000)}
        assert orders.by_id() == {str(key): {"n": str(number)} for key, number in last.items()}
