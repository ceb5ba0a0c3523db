"""table-transform refuses what is no table or a broken one, with the reason and the place."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.table_transform.errors import EmptyTable, InvalidRows, UnreadableTable
from itemkit import PermanentError
from tests.functions.tabular import packed, parquet, short, transform


class TestRefusing:
    """What is no table, or a broken one, fails with the reason and the place."""

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"<!DOCTYPE html><html><body>Not Found</body></html>", "this is HTML, often the error page of a server"),
            (b"PK\x03\x04\x14\x00\x06\x00", "the zip is damaged or cut off"),
            (packed(packed(b"a,b\n1,2\n")), "this is compressed twice, gzip within gzip"),
            (packed(b"a,b\n1,2\n")[:-5], "the gzip is damaged or cut off"),
            (b"\x1f\x8b\x08\x00garbage of all kinds", "the gzip is damaged or cut off"),
            ("a,b\n1,2\n".encode("utf-16-le"), "line 1 has a zero byte: this is binary, or UTF-16 without"),
            (b"a,b\n1,\xff\xfe\x01\x02\n", "this is binary"),
            ("a,b\nMüller,é\n".encode() + b"x,\xfc\n", "line 3 has a byte that is not UTF-8, as the rest is"),
            (b"\xff\xfea\x00,\x00\x00\xd8", "the text is not the utf-16 it begins as"),
            (parquet(pl.DataFrame({"a": [1]}))[:-6], "the Parquet file is damaged or cut off"),
            (b"PAR1 that is none PAR1", "the Parquet file is damaged or cut off"),
            (b'[{"a": 1}', "the JSON is damaged, or no list of objects"),
            (b",".join(b"c%d" % place for place in range(10_001)), "10,001 columns are more than 10,000"),
            (b"x" * 600_000 + b"\n1\n", "the first line is too long to name columns"),
            (b'"' + b"x,y\n" * 300_000, "the first line is too long to name columns"),
            (b"".join(b'{"k%d": 1}\n' % key for key in range(10_001)), "the objects have more than 10,000 different"),
            (b"Sales report\na;b\n1;2\n3;4\n", "the rows are separated by semicolon and the first line is not"),
        ],
        ids=short,
    )
    def test_what_is_no_table(self, body: bytes, message: str) -> None:
        with pytest.raises(UnreadableTable) as raised:
            transform(body)

        assert str(raised.value).startswith(f"s3://in/orders.csv: {message}")

    def test_damage_within_a_parquet_file_is_the_files_fault_and_not_the_querys(self) -> None:
        body = bytearray(parquet(pl.DataFrame({"a": list(range(5000))}), compression="zstd"))
        body[40:80] = bytes(40)

        with pytest.raises(UnreadableTable, match="the table is damaged"):
            transform(bytes(body), sql="SELECT SUM(a) AS a FROM self")

    def test_a_semicolon_table_called_comma_separated(self) -> None:
        with pytest.raises(UnreadableTable, match="the header has no comma, it is separated by semicolon: leave"):
            transform(b"a;b\n1;2\n", delimiter="comma")

    @pytest.mark.parametrize(
        "body",
        [b"", b"\xef\xbb\xbf", b"\n \r\n", packed(b""), b"[]", b"{}\n{}\n", b'<?xml version="1.0"?><orders/>'],
    )
    def test_an_empty_object_has_no_columns_to_make_a_table_of(self, body: bytes) -> None:
        with pytest.raises(EmptyTable, match=r"leave it out"):
            transform(body)

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"a,b,c\n1,2,3\n1,2\n", "row 2 below the header (line 3) has 2 fields where the header has 3"),
            (b"a,b,c\n1,2,3,4\n", "row 1 below the header (line 2) has 4 fields where the header has 3"),
            (b"a,b,c\n1,2\n1,2,3,4\n", "row 1 below the header (line 2) has 2 fields where the header has 3"),
            (b'a,b,c\n"1,\n",2,3\n\n4\n', "row 2 below the header (line 4) has 1 fields where the header has 3"),
            (b'a,b\n1,"x\n2,y\n', "row 1 below the header has unpaired quotes"),
            (b'a,b\n1,"x" y\n', "row 1 below the header has unpaired quotes"),
            (b'"a,b\n1,2\n', "the header has unpaired quotes"),
            (b'a,b\n1,19" screen\n2,x\n', "row 1 below the header (line 2) has a quote within an unquoted field"),
            (b'{"a": 1}\n{"a": \n', "line 2 is no JSON (Expecting value, column 1): correct it, one object a line"),
            (b'{"a": 1}\n{"a": NaN}\n', "line 2 is no JSON (NaN is no JSON: write null)"),
            (b'{"a": 1}\n[2]\n', "line 2 is no JSON object"),
            (b"[1, 2]", "element 1 of the JSON list is no object"),
            (b'{"a": 1}\n{"a": true}\n', "the types of a column differ from line to line"),
            (b'{"a":' * 5000, "line 1 is no JSON"),
            (b'[{"a": 1}, null]', "element 2 of the JSON list is no object"),
        ],
        ids=short,
    )
    def test_broken_rows_by_their_place(self, body: bytes, message: str) -> None:
        with pytest.raises(InvalidRows) as raised:
            transform(body)

        assert message in str(raised.value)

    @given(st.data())
    @settings(deadline=None, max_examples=150)
    def test_mutated_tables_fail_as_items_or_succeed(self, data: st.DataObject) -> None:
        """Whatever the bytes, nothing but an item's own failure comes out; most of all no crash."""
        body = bytearray(data.draw(st.sampled_from(_MUTATED)))
        for _ in range(data.draw(st.integers(1, 4))):
            start, length = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 30))
            body[start : start + length] = data.draw(
                st.sampled_from([b"", b'"', b"\n", b",,", b"\x00", b"\xc3\x28", b"["])
            )
        told = _outcome(bytes(body), data.draw(st.sampled_from(["parquet", "csv", "jsonl"])))

        assert told.startswith(("s3://in/orders.csv: ", "as many rows out as in"))


def _outcome(body: bytes, form: str) -> str:
    try:
        result = transform(body, format=form)
    except PermanentError as error:
        return str(error)
    return "as many rows out as in" if result.rows_out == result.rows_in else f"{result}"


_TYPICAL = b'region,amount,note\nnorth,1.5,"a ""b""\nc"\nsouth,,x\n"east",00,\n'
_MUTATED = [
    _TYPICAL,
    packed(_TYPICAL),
    _TYPICAL.decode().encode("utf-16"),
    b'{"region": "north", "amount": 1.5}\n{"region": "south", "notes": ["x", "y"]}\n',
    b'[{"region": "north", "amount": 1.5}, {"region": "south", "note": null}]',
    parquet(pl.DataFrame({"region": ["north", "south", None] * 50, "amount": [[1.5], [], None] * 50})),
]
