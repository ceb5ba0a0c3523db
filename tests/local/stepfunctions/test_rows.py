"""CSV in the reading of Step Functions."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.local.stepfunctions.failure import Failure
from fanfold.local.stepfunctions.rows import items, records

FIELDS = st.text(st.characters(codec="utf-8", exclude_characters="\\\r\x00"), max_size=6)
TABLES = st.lists(st.lists(FIELDS, min_size=2, max_size=4), min_size=1, max_size=6)


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True) if "\n" not in text else [f"{line}\n" for line in text.split("\n")[:-1]]


@given(TABLES, st.sampled_from(",;|\t"), st.sampled_from(["\n", "\r\n"]))
def test_what_csv_writers_write_is_read_back(table: list[list[str]], delimiter: str, end: str) -> None:
    """Quoted delimiters, quotes and newlines of any table come back as they were."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(table)

    assert list(records(lines(buffer.getvalue()), delimiter)) == table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n\n1,2\n", [["a", "b"], ["1", "2"]]),
        (" \n,\n", [[" "], ["", ""]]),
        ('"a\\"b",c\n', [['a"b', "c"]]),
        ("a\\,b\n", [["a,b"]]),
        ("'a,b'\n", [["'a", "b'"]]),
        ('a"b,c\n', [['a"b', "c"]]),
        ('"open\n1,2\n', [["open\n1,2\n"]]),
    ],
)
def test_records(text: str, expected: list[list[str]]) -> None:
    """Blank lines, escapes, single quotes, quotes within a field and one that is never closed."""
    assert list(records(lines(text), ",")) == expected


@given(st.lists(st.lists(FIELDS, max_size=5), max_size=5), st.integers(1, 4))
def test_rows_are_made_to_fit_the_header(rows: list[list[str]], width: int) -> None:
    """Every item has exactly the columns of the header, missing ones empty."""
    names = [f"c{number}" for number in range(width)]
    expected = [{name: row[i] if i < len(row) else "" for i, name in enumerate(names)} for row in rows]

    assert list(items([list(row) for row in rows], names)) == expected


def test_a_quote_left_open_does_not_eat_the_memory() -> None:
    """A row has an end at 8 MB, and getting there is quick."""
    with pytest.raises(Failure, match="is a quote left open"):
        list(records(['"a\n', *["x" * 99 + "\n"] * 100_000], ","))
