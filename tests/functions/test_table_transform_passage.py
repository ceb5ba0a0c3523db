"""table-transform proves and types delimited text in passing, and comes to the same as with patience."""

from __future__ import annotations

import csv
import gc
import io
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.table_transform import passage
from functions.table_transform.delimited import Delimited, Wanted, recognised
from functions.table_transform.errors import POLARS_FAULTS, InvalidRows
from functions.table_transform.passage import Layout
from functions.table_transform.spool import Content, Scratch
from functions.table_transform.table import Table, over_table, read_table
from functions.table_transform.text import as_utf8
from itemkit import PermanentError
from tests.functions.tabular import rows, transform

MANY = 60_000
CELLS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", "0", "00", "007", "+49", "-0", "-5", "1", "12", "0.5", "2.50", "1e3", ".5", "-00", "inf", "nan"]
    ),
    st.sampled_from(["9007199254740993", "1234567890123456", "99999999999999999999", "true", "False", "TRUE", "tRuE"]),
    st.sampled_from(["x", "2026-01-31", " 1", "é", 'a "b"', "c\nd", "e\r\nf", "g,h", "1;2"]),
)


def opened(body: bytes) -> Delimited:
    scratch = Scratch.without_disk()
    return recognised(as_utf8(Content(body), scratch), Wanted(), scratch)


def outcome(read: Any) -> Any:
    try:
        found = read()
        return found.frame.collect(), found.count, found.untyped
    except (PermanentError, *POLARS_FAULTS) as error:
        # The rows are read once more than they are proven, by polars' own parser of types, and it is stricter with
        # what stands behind a closing quote.
        return type(error), str(error)


def written(cells: list[list[str | None]], newline: str, *, quoted: bool) -> bytes:
    text = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator=newline, quoting=quoting).writerows(cells)
    return text.getvalue().encode()


def collected(table: Table) -> pl.DataFrame:
    return table.frame.collect(engine="streaming")


class TestPassing:
    """Whatever passes is what the patient reading would have made of it."""

    @given(
        st.integers(1, 4).flatmap(
            lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=30)
        ),
        st.sampled_from(["\n", "\r\n"]),
        st.booleans(),
        st.data(),
    )
    @settings(deadline=None, max_examples=300)
    def test_comes_to_the_same(
        self, cells: list[list[str | None]], newline: str, quoted: bool, data: st.DataObject
    ) -> None:
        names: list[str | None] = [f"c{number}" for number in range(len(cells[0]))]
        body = bytearray(written([names, *cells], newline, quoted=quoted))
        if data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(body)))
            body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.sampled_from([b"", b'"', b",", b"\n"]))
        try:
            found = opened(bytes(body))
        except PermanentError:
            return
        quick, patient = outcome(found.rows), outcome(found.doubtful_rows)

        if isinstance(patient[0], pl.DataFrame) and isinstance(quick[0], pl.DataFrame):
            assert (quick[0].schema, quick[1:]) == (patient[0].schema, patient[1:])
            assert quick[0].equals(patient[0])
        else:
            assert quick == patient

    @pytest.mark.parametrize(
        ("usual", "odd", "expected"),
        [
            ("1", "007", pl.String),
            ("1", "+1", pl.String),
            ("1", "0.5", pl.Float64),
            ("1", "", pl.Int64),
            ("1", "-0", pl.Int64),
            ("0.5", "00.5", pl.String),
            ("0.5", "1234567890123456", pl.String),
            ("0.5", "123456789012345", pl.Float64),
            ("true", "FALSE", pl.Boolean),
            ("true", "1", pl.String),
            ("", "5", pl.Int64),
            ("", "x", pl.String),
        ],
    )
    @pytest.mark.parametrize("place", [1500, 20_000, MANY - 1])
    def test_one_cell_far_below_decides(self, usual: str, odd: str, expected: Any, place: int) -> None:
        cells = [usual] * MANY
        cells[place] = odd
        body = ("key,cell\n" + "".join(f"some key,{cell}\n" for cell in cells)).encode()

        frame = over_table(body, Wanted(), collected)[0]

        assert frame.schema["cell"] == expected
        assert frame["cell"].cast(pl.String)[place] == (odd.lower() if expected == pl.Boolean else _said(odd, expected))

    def test_good_rows_are_run_once_and_others_again(self) -> None:
        runs: list[pl.Schema] = []

        def work(table: Table) -> int:
            runs.append(table.schema)
            return collected(table).height

        good = b"a,b\n" + b"1,x\n" * 5000
        assert over_table(good, Wanted(), work)[1].rows == 5000
        assert len(runs) == 1

        assert over_table(good + b"2.5,y\n", Wanted(), work)[1].rows == 5001
        assert [schema["a"] for schema in runs[1:]] == [pl.Int64, pl.Float64]

    @pytest.mark.parametrize(
        ("sql", "count"),
        [("SELECT a FROM self LIMIT 3", 3), ("SELECT COUNT(*) AS n FROM self", 1), ("SELECT b FROM self", 9001)],
    )
    def test_rows_that_a_query_leaves_out_are_proven_too(self, sql: str, count: int) -> None:
        good = b"a,b\n" + b"1,x\n" * 9000
        assert transform(good + b"2,y\n", sql=sql).rows_out == count
        assert transform(good + b"2,y\n", sql=sql).rows_in == 9001

        with pytest.raises(InvalidRows, match=r"row 9001 below the header \(line 9002\) has 1 fields"):
            transform(good + b"2\n", sql=sql)
        with pytest.raises(InvalidRows, match=r"row 9001 below the header \(line 9002\) has 3 fields"):
            transform(good + b"2,y,z\n", sql=sql)

    @pytest.mark.parametrize("blank_line", [b"", b"\n"], ids=["in passing", "with patience"])
    @pytest.mark.parametrize(
        "options",
        [
            {"select": ["b"]},
            {"sql": "SELECT b, COUNT(*) AS n FROM self GROUP BY b"},
            {"sql": "SELECT b FROM self WHERE b <> 'z'", "drop_duplicates": True},
            {"sql": "SELECT b, 1 AS part FROM self", "partition_by": ["part"]},
            {"select": ["b"], "schema": {"b": {"enum": ["x", "y"]}}},
        ],
    )
    def test_what_is_in_a_column_that_nothing_uses_does_not_matter(
        self, options: dict[str, Any], blank_line: bytes
    ) -> None:
        odd = b"a,b\n" + b"1,x\n" * 9000 + blank_line + b"oops,y\n"

        assert transform(odd, **options).rows_in == 9001

    @pytest.mark.parametrize("blank_line", [b"", b"\n"], ids=["in passing", "with patience"])
    @pytest.mark.parametrize(
        "options",
        [
            {"sql": "SELECT a FROM self LIMIT 3"},
            {"sql": "SELECT b FROM self WHERE a > 0"},
            {"rename": {"a": "c"}, "select": ["b", "c"]},
            {"filter": "a > 0", "drop_duplicates": ["b"]},
            {"computed": {"twice": "2 * a"}, "partition_by": ["b"]},
            {"sql": "SELECT b FROM self", "schema": {"b": {"enum": ["x"]}}},
        ],
    )
    def test_a_cell_of_another_type_is_refused_where_it_is_used(
        self, options: dict[str, Any], blank_line: bytes
    ) -> None:
        odd = b"a,b\n" + b"1,x\n" * 9000 + blank_line + b"oops,y\n"

        with pytest.raises(InvalidRows, match="row 9001 below the header, column 'a': 'oops' is no number"):
            transform(odd, **options)

    def test_a_frame_can_be_run_several_times(self) -> None:
        body = b"a,b\n" + b"1,x\n" * 5000

        (first, second), table = over_table(body, Wanted(), lambda table: (collected(table), collected(table)))

        assert first.equals(second)
        assert table.rows == 5000

    def test_the_error_is_that_of_the_table_as_it_is(self) -> None:
        """Taken for whole numbers, the column would have been refused by another name."""
        body = b"a,b\n" + b"1,x\n" * 5000 + b"007,y\n"

        with pytest.raises(PermanentError, match=r"a \(String\)"):
            transform(body, sql="SELECT SUM(c) FROM self")

    def test_columns_tell_their_types_by_name(self) -> None:
        table = read_table(b"id,b\n1,2\n", Wanted(types=lambda names: dict.fromkeys(names[:1], "text")))

        assert table.schema == {"id": pl.String, "b": pl.Int64}


def _said(odd: str, expected: Any) -> str | None:
    if odd == "" or expected == pl.String:
        return odd or None
    return str(float(odd)) if expected == pl.Float64 else str(int(odd))


class TestCounting:
    """The rows there should be are known from what stands outside of quotes."""

    @given(
        st.integers(1, 4).flatmap(
            lambda width: st.lists(
                st.lists(st.text('a",\n\ré', min_size=1, max_size=4), min_size=width, max_size=width), min_size=1
            )
        ),
        st.sampled_from(["\n", "\r\n"]),
        st.booleans(),
        st.integers(40, 90),
    )
    @settings(deadline=None, max_examples=200)
    def test_in_memory_and_by_pieces_of_a_file(
        self, cells: list[list[str | None]], newline: str, quoted: bool, piece: int
    ) -> None:
        width = len(cells[0])
        names: list[str | None] = ["h"] * width
        body = written([names, *cells], newline, quoted=quoted)
        counted = Layout(Content(body), ",").rows(width)
        with Scratch(in_memory=0) as scratch, pytest.MonkeyPatch.context() as patch:
            patch.setattr(passage, "_COUNTED_AT_ONCE", piece)
            by_pieces = Layout(scratch.keep([body], "it"), ",").rows(width)

        assert counted == len(cells)
        # Nothing but one cell in a piece is taken for a row that is too long.
        assert by_pieces in (len(cells), None)


class TestFiles:
    """A table in a file is read as one in memory, without being held there."""

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    @pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
    def test_of_any_encoding(self, tmp_path: Path, encoding: str, newline: str) -> None:
        path = tmp_path / "a[1]*.csv"
        path.write_bytes(newline.join(["name,n", "Müller,1", "Orléans,2", ""]).encode(encoding))

        assert rows(path) == [{"name": "Müller", "n": 1}, {"name": "Orléans", "n": 2}]

    @pytest.mark.parametrize(
        "body",
        [
            b'{"a":1,"b":"x"}\n{"a":2,"b":"y"}\n',
            b'[{"a":1,"b":"x"},{"a":2,"b":"y"}]',
            b"\n\na,b\n1,x\n\n2,y\n\n",
            b"<r><e><a>1</a><b>x</b></e><e><a>2</a><b>y</b></e></r>",
        ],
    )
    def test_of_any_kind(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
        """With nothing kept in memory all of what is made on the way lies in files too."""
        path = tmp_path / "table"
        path.write_bytes(body)
        monkeypatch.setattr(Scratch.__init__, "__defaults__", (0, 1_000_000))

        assert rows(path) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]

    @pytest.mark.parametrize("options", [{}, {"drop_duplicates": True}, {"partition_by": ["a"]}])
    @pytest.mark.parametrize("last", [b"y\n", b"\n\nx,1\n", b"2\n2\n"])
    def test_only_outputs_are_left(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], last: bytes
    ) -> None:
        """Also where the rows turn out otherwise than they began, and are written once more."""
        path = tmp_path / "table"
        path.write_bytes(b"a,b\n" + b"1,x\n" * 200_000 + b"2," + last)
        left = tmp_path / "left"
        left.mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(left))

        try:
            outputs = transform(path, **options).outputs
        except InvalidRows:
            outputs = []

        assert set(left.iterdir()) == {output.body for output in outputs if isinstance(output.body, Path)}

    def test_with_a_fault(self, tmp_path: Path) -> None:
        path = tmp_path / "table"
        path.write_bytes(b"a,b\n" + b"1,x\n" * 5000 + b"2\n")

        with pytest.raises(InvalidRows, match=r"row 5001 below the header \(line 5002\) has 1 fields"):
            transform(path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"drop_duplicates": True},
        {"schema": {"a": {"type": "integer"}}},
        {"partition_by": ["b"]},
        {"sql": "SELECT a FROM self LIMIT 3"},
        {"sql": "SELECT SUM(a) AS a FROM self"},
    ],
)
@pytest.mark.parametrize("odd", [b"", b"\n", b"2,y,z\n"], ids=["in passing", "with patience", "refused"])
def test_a_table_is_let_go_of(options: dict[str, Any], odd: bytes) -> None:
    """A function lives on from batch to batch: what it kept of each table would fill its memory."""
    body = b"a,b\n" + b"1,x\n" * 50_000 + odd + b"3,y\n"
    holders = sys.getrefcount(body)

    with suppress(InvalidRows):
        transform(body, **options)

    gc.collect()
    assert sys.getrefcount(body) == holders
