"""table-transform: every kind of table in, every format out, and each cell as it was."""

from __future__ import annotations

import csv
import gzip
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.table_transform.errors import InvalidRows
from functions.table_transform.operation import OPERATION
from itemkit import PermanentError
from sample_data.write_tables import tables
from tests.functions.tabular import BY_REGION, packed, parquet, rows, short, transform

PROJECT = Path(__file__).resolve().parents[2]


class TestReading:
    """Any usual table is read, recognised by its content."""

    TWO_ROWS: ClassVar = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]

    @pytest.mark.parametrize(
        ("body", "facts"),
        [
            (b"a,b\n1,x\n2,y\n", ("csv", "utf-8", "comma")),
            (b"a;b\n1;x\n2;y", ("csv", "utf-8", "semicolon")),
            (b"a\tb\n1\tx\n2\ty\n", ("csv", "utf-8", "tab")),
            (b"a|b\n1|x\n2|y\n", ("csv", "utf-8", "pipe")),
            (b"a,b\r\n1,x\r\n2,y\r\n", ("csv", "utf-8", "comma")),
            (b"a,b\r1,x\r2,y\r", ("csv", "utf-8", "comma")),
            (b"\xef\xbb\xbfa,b\n1,x\n2,y\n", ("csv", "utf-8", "comma")),
            ("a,b\n1,x\n2,y\n".encode("utf-16"), ("csv", "utf-16", "comma")),
            (b"\n\na,b\n1,x\n\n2,y\n\n", ("csv", "utf-8", "comma")),
            (b'"a","b"\n"1","x"\n"2","y"\n', ("csv", "utf-8", "comma")),
            (packed(b"a,b\n1,x\n") + packed(b"2,y\n"), ("csv", "utf-8", "comma")),
            (b'{"a":1,"b":"x"}\n\n{"a":2,"b":"y"}', ("jsonl", "utf-8", None)),
            (b'\xef\xbb\xbf{"a":1,"b":"x"}\n{"b":"y","a":2}\n', ("jsonl", "utf-8", None)),
            (b' [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]', ("json", "utf-8", None)),
            (parquet(pl.DataFrame(TWO_ROWS)), ("parquet", None, None)),
            (packed(parquet(pl.DataFrame(TWO_ROWS))), ("parquet", None, None)),
        ],
        ids=short,
    )
    def test_the_same_rows_from_every_kind(self, body: bytes, facts: tuple[str, str | None, str | None]) -> None:
        result = transform(body, format="jsonl")

        found = result.facts["source"], result.facts.get("encoding"), result.facts.get("delimiter")
        assert (rows(body), result.rows_in, result.rows_out, found) == (self.TWO_ROWS, 2, 2, facts)

    @pytest.mark.parametrize(
        ("encoding", "told"), [("latin-1", "cp1252"), ("cp1252", "cp1252"), ("utf-8", "utf-8"), ("utf-16-be", "utf-16")]
    )
    def test_accents_survive_whatever_the_encoding(self, encoding: str, told: str) -> None:
        body = "\ufeff".encode("utf-16-be") if encoding == "utf-16-be" else b""
        body += "name,città\nMüller,Orléans\n".encode(encoding)

        assert transform(body).facts["encoding"] == told
        assert rows(body) == [{"name": "Müller", "città": "Orléans"}]

    def test_what_cp1252_lacks_is_latin_1(self) -> None:
        assert transform(b"a,b\n\xe9\x81,1\n").facts["encoding"] == "latin-1"

    def test_quoted_fields_keep_newlines_delimiters_and_quotes(self) -> None:
        body = b'a,"b\nc"\n1,"x, ""y""\n\nz"\n'

        assert rows(body) == [{"a": 1, "b\nc": 'x, "y"\n\nz'}]

    def test_a_header_alone_is_a_table_of_no_rows(self) -> None:
        result = transform(b"a,b\n")

        assert pl.read_parquet(result.outputs[0].body).to_dict(as_series=False) == {"a": [], "b": []}
        assert (result.rows_in, result.rows_out) == (0, 0)

    def test_one_column_is_a_table_and_its_blank_lines_are_rows(self) -> None:
        assert rows(b"name\nx\n\ny\n") == [{"name": "x"}, {"name": None}, {"name": "y"}]

    def test_the_delimiter_of_most_rows_wins_over_one_in_a_text(self) -> None:
        assert rows(b"a;b, or c;d\n1;x, y;2\n3;z;4\n")[0] == {"a": 1, "b, or c": "x, y", "d": 2}

    def test_a_given_delimiter_is_taken_even_where_the_text_looks_like_json(self) -> None:
        assert rows(b"[a];b\n1;2\n", delimiter="semicolon") == [{"[a]": 1, "b": 2}]

    def test_json_columns_without_a_value_are_text_as_in_csv(self) -> None:
        result = transform(b'{"a": 1, "b": null}\n')

        assert pl.read_parquet_schema(io.BytesIO(result.outputs[0].body)) == {"a": pl.Int64, "b": pl.String}


class TestTypes:
    """A type never changes a value."""

    @pytest.mark.parametrize(
        ("cells", "expected"),
        [
            (["1", "-2", ""], [1, -2, None]),
            (["1", "2.5", "1e3"], [1.0, 2.5, 1000.0]),
            (["00123", "45678"], ["00123", "45678"]),
            (["45678"] * 1500 + ["00123"], ["45678"] * 1500 + ["00123"]),
            (["+49", "30"], ["+49", "30"]),
            (["1234567890123456789", "1"], [1234567890123456789, 1]),
            (["12345678901234567890", "1"], ["12345678901234567890", "1"]),
            (["9007199254740993", "0.5"], ["9007199254740993", "0.5"]),
            (["true", "False"], [True, False]),
            (["2026-01-31", "2026-02-01"], ["2026-01-31", "2026-02-01"]),
            (["12", "12a", "b"], ["12", "12a", "b"]),
            (['""', "7"], [None, 7]),
        ],
    )
    def test_of_a_column_come_from_all_its_cells(self, cells: list[str], expected: list[Any]) -> None:
        body = "key,cell\n" + "".join(f"k,{cell}\n" for cell in cells)

        assert [row["cell"] for row in rows(body.encode())] == expected

    def test_can_be_given(self) -> None:
        types = {"zip": "integer", "n": "text", "x": "number", "yes": "boolean"}

        assert rows(b"zip,n,x,yes\n007,1,2,true\n", types=types) == [{"zip": 7, "n": "1", "x": 2.0, "yes": True}]
        assert rows(b'{"zip": "007", "x": 2}', types={"zip": "integer", "x": "number"}) == [{"zip": 7, "x": 2.0}]

    @pytest.mark.parametrize("good_rows", [20, 3000])
    def test_a_bad_cell_fails_the_table_with_row_column_and_remedy(self, good_rows: int) -> None:
        body = "id,amount\n" + "1,2.50\n" * good_rows + "2,n/a\n" + "3,4\n"

        with pytest.raises(InvalidRows) as raised:
            transform(body.encode())

        assert str(raised.value) == (
            f"s3://in/orders.csv: row {good_rows + 1} below the header, column 'amount': 'n/a' is no number, as nearly "
            'all of the column is; correct it, or have it read as text with "types": {"amount": "text"}'
        )
        assert rows(body.encode(), types={"amount": "text"})[good_rows] == {"id": 2, "amount": "n/a"}

    def test_a_given_type_that_a_cell_is_not_fails_the_table(self) -> None:
        with pytest.raises(InvalidRows, match="row 2 below the header, column 'a': 'x' is no integer, as the option"):
            transform(b"a,b\n1,y\nx,z\n", types={"a": "integer"})

    @given(
        st.lists(
            st.one_of(
                st.integers().map(str),
                st.floats(allow_nan=False, allow_infinity=False).map(str),
                st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{1,6})?", fullmatch=True),
                st.sampled_from(["true", "FALSE", "1e5", ".5", "5."]),
            ),
            min_size=1,
            max_size=8,
        )
    )
    @settings(deadline=None)
    def test_keep_what_a_cell_says(self, cells: list[str]) -> None:
        body = "key,cell\n" + "".join(f"k,{cell}\n" for cell in cells)

        for cell, row in zip(cells, rows(body.encode()), strict=True):
            same = {
                str: lambda cell, value: value == cell,
                int: lambda cell, value: str(value) == cell or cell == "-0",
                float: lambda cell, value: value == float(cell),
                bool: lambda cell, value: str(value).lower() == cell.lower(),
            }[type(row["cell"])]
            assert same(cell, row["cell"]), (cell, row["cell"])


class TestRoundTrip:
    """What goes in as CSV comes out cell by cell."""

    @given(
        st.integers(2, 4).flatmap(
            lambda width: st.lists(
                st.lists(
                    st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=width, max_size=width
                ),
                min_size=1,
                max_size=8,
            )
        ),
        st.sampled_from(",;\t|"),
        st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        st.sampled_from(["parquet", "csv", "jsonl"]),
    )
    @settings(deadline=None)
    def test_of_any_text(self, cells: list[list[str]], delimiter: str, quoting: int, form: str) -> None:
        names = [f"c{place}" for place in range(len(cells[0]))]
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter, quoting=quoting).writerows([names, *cells])
        # An empty cell is missing, one of two quotes is an empty text.
        empty = "" if quoting == csv.QUOTE_ALL else None
        expected = [dict(zip(names, [cell or empty for cell in row], strict=True)) for row in cells]

        made = transform(text.getvalue().encode(), format=form, types=dict.fromkeys(names, "text")).outputs[0].body

        read = {"parquet": pl.read_parquet, "csv": _read_text, "jsonl": pl.read_ndjson}[form]
        assert read(io.BytesIO(made)).to_dicts() == expected


def _read_text(body: io.BytesIO) -> pl.DataFrame:
    return pl.read_csv(body, infer_schema=False)


class TestWriting:
    """The result comes in the format asked for, under a name of its own."""

    BODY = b"a,b\n1,x\n2,\n"

    def test_parquet_by_default_compressed_with_zstd(self) -> None:
        output = transform(self.BODY).outputs[0]

        assert output.content_type == "application/vnd.apache.parquet"
        assert pl.read_parquet(output.body).to_dict(as_series=False) == {"a": [1, 2], "b": ["x", None]}

    def test_csv(self) -> None:
        output = transform(self.BODY, format="csv").outputs[0]

        assert (output.body, output.content_type) == (self.BODY, "text/csv; charset=utf-8")

    def test_json_lines(self) -> None:
        output = transform(self.BODY, format="jsonl").outputs[0]

        expected = b'{"a":1,"b":"x"}\n{"a":2,"b":null}\n'
        assert (output.body, output.content_type) == (expected, "application/x-ndjson")

    @pytest.mark.parametrize(
        ("name", "form", "expected"),
        [
            ("orders.csv", "parquet", "orders.csv.parquet"),
            ("2026/orders.csv.gz", "parquet", "2026/orders.csv.gz.parquet"),
            ("orders.parquet", "parquet", "orders.parquet"),
            ("orders.tsv", "csv", "orders.tsv.csv"),
            ("orders.csv", "jsonl", "orders.csv.jsonl"),
        ],
    )
    def test_names_keep_the_old_extension(self, name: str, form: str, expected: str) -> None:
        assert OPERATION.names(name, OPERATION.parse({"format": form})) == [expected]

    @pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT * FROM self WHERE x > 10",
            "SELECT key, COUNT(*) AS n, SUM(x) AS x FROM self GROUP BY key",
            "SELECT DISTINCT key FROM self",
            "SELECT key FROM self UNION SELECT CAST(x AS VARCHAR) FROM self",
            "SELECT key FROM self UNION ALL SELECT key FROM self",
            "SELECT l.key, r.most FROM self AS l "
            "JOIN (SELECT key, MAX(x) AS most FROM self GROUP BY key) AS r ON l.key = r.key",
        ],
    )
    def test_the_same_table_gives_the_same_bytes(self, sql: str, form: str) -> None:
        body = ("key,x\n" + "".join(f"k{number * 7919 % 997},{number % 89}\n" for number in range(20_000))).encode()

        assert len({transform(body, sql=sql, format=form).outputs[0].body for _ in range(3)}) == 1


class TestSampleTables:
    """The sample tables are what their script writes, and what the demonstration expects of them."""

    def test_are_what_the_script_writes(self) -> None:
        """Of a gzip the contents: zlib is not the same everywhere."""
        committed = {path.name: _unpacked(path.read_bytes()) for path in (PROJECT / "sample_data" / "tables").iterdir()}

        assert committed == {name: _unpacked(body) for name, body in tables().items()}

    @pytest.mark.parametrize(
        ("name", "outcome"),
        [
            ("orders_01.csv", (400, 4)),
            ("orders_02_semicolon.csv", (250, 4)),
            ("orders_03_bom.csv", (300, 4)),
            ("orders_04.csv.gz", (500, 4)),
            ("orders_05_latin1.csv", (200, 4)),
            ("orders_06_newlines.csv", (240, 4)),
            ("orders_07.tsv", (220, 4)),
            ("orders_08_pipe.txt", (180, 4)),
            ("orders_09.jsonl", (160, 4)),
            ("orders_10_utf16.csv", (120, 4)),
            ("orders_11_bad_rows.csv", "InvalidRows"),
            ("orders_12_empty.csv", "EmptyTable"),
            ("orders_13_error_page.csv", "UnreadableTable"),
        ],
    )
    def test_by_region(self, name: str, outcome: tuple[int, int] | str) -> None:
        assert _outcome(tables()[name]) == outcome

    def test_postcodes_keep_their_zeros(self) -> None:
        found = rows(tables()["orders_01.csv"], sql="SELECT MIN(LENGTH(postcode)) AS least FROM self")

        assert found == [{"least": 5}]


def _outcome(body: bytes) -> tuple[int, int] | str:
    try:
        result = transform(body, sql=BY_REGION)
    except PermanentError as error:
        return type(error).__name__
    return result.rows_in, result.rows_out


def _unpacked(body: bytes) -> bytes:
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


@pytest.mark.parametrize(("megabytes", "threads"), [(None, 1), ("512", 1), ("3538", 2)])
def test_the_handler_has_polars_use_the_processors_of_the_function(megabytes: str | None, threads: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "POLARS_MAX_THREADS"}
    if megabytes:
        environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] = megabytes
    program = (
        "import functions.table_transform.handler as h, polars; print(callable(h.handler), polars.thread_pool_size())"
    )

    told = subprocess.check_output([sys.executable, "-c", program], env=environment, cwd=PROJECT, text=True)

    assert told.split() == ["True", str(threads)]
