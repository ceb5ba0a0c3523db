"""Reading what a manifest names, as the workflow's own reader does, and asking S3 where that is wanted."""

from __future__ import annotations

import gzip

import pytest

from fanfold.planning import Census, Finding, Sorter
from fanfold.rows import Rows
from itemkit.errors import ObjectNotFound, PermanentError
from itemkit.item import Item
from itemkit.select import Select
from tests.memory_store import MemoryStore


def rows(body: bytes, key: str = "m.csv", asks=lambda item: False, **objects: bytes) -> Rows:
    store = MemoryStore({f"s3://b/{key}": body} | {f"s3://b/{name}": each for name, each in objects.items()})
    kind = "jsonl" if ".jsonl" in key else "csv"
    return Rows(store, {"kind": kind, "bucket": "b", "key": key}, asks)


def survey(given: Rows, select: Select = Select(), most: int | None = None) -> Census:  # noqa: B008
    return given.survey(Sorter(select), lambda more: None, most)


CSV = b'uri,key,output,album\r\ns3://o/a.jpg,,,"x, y"\r\n\r\n,b.jpg,out.jpg\r\n,c.png,,z,extra\r\n'
LINES = b"""{"uri": "s3://o/a.jpg", "album": "x, y"}

{"key": "b.jpg", "output": "out.jpg"}
{"key": "c.png", "album": "z"}
"""


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (CSV, "m.csv"),
        (gzip.compress(CSV, mtime=0), "m.csv.gz"),
        (LINES, "m.jsonl"),
        (gzip.compress(LINES, mtime=0), "m.jsonl.gz"),
    ],
)
def test_rows_are_read_as_the_workflow_reads_them(body, key):
    first, second, third = rows(body, key).items()

    assert (first.uri, dict(first.columns)["album"]) == ("s3://o/a.jpg", "x, y")
    assert (second.uri, second.output) == ("s3://b/b.jpg", "out.jpg")
    assert (third.uri, dict(third.columns)["album"]) == ("s3://b/c.png", "z")


def test_what_a_manifest_names_is_sorted_and_its_sizes_are_not_known():
    census = survey(rows(CSV), Select(suffix=(".jpg",)))

    assert (census.listed, census.to_run, census.unsized, census.bytes) == (3, 2, 2, 0)
    assert census.excluded["suffix"].example == "s3://b/c.png"


def test_a_row_that_names_nothing_will_fail():
    census = survey(rows(b"uri,album\n,x\n"))

    assert (census.listed, census.to_run, census.failures) == (1, 0, 1)
    assert "names no object" in census.failing["InvalidItem"].reason


def test_sizes_are_asked_for_where_that_is_wanted_and_what_is_not_there_will_fail():
    given = rows(b"key\nlarge\nsmall\ngone\n", asks=lambda item: True, large=b"1234567", small=b"1")

    census = survey(given, Select(min_bytes=2))

    assert (census.to_run, census.bytes, census.unsized, given.store.requests["head"]) == (1, 7, 0, 3)
    assert census.excluded == {"min_bytes": Finding(1, "s3://b/small", "1 bytes are less than 2")}
    assert list(census.failing) == [ObjectNotFound.__name__]


def test_the_size_of_a_part_is_in_its_row():
    row = b'{"uri": "s3://o/a.csv", "byte_range": "100-149", "source_etag": "e"}\n'

    given = rows(row, "m.jsonl", asks=lambda item: True)

    assert (survey(given).bytes, given.store.requests["head"]) == (50, 0)


def test_only_the_first_rows_are_read_where_the_job_takes_no_more():
    assert survey(rows(b"key\n" + b"x\n" * 5000), most=1500).listed == 1500


@pytest.mark.parametrize(
    ("body", "key"), [(b'{"key": "a"}\n{"key": \n', "m.jsonl"), (b'key\na\n"' + b"x" * 200_000, "m.csv")]
)
def test_a_row_that_cannot_be_read_is_told_with_its_place(body, key):
    with pytest.raises(PermanentError, match=rf"s3://b/{key}: what follows row 1 cannot be read"):
        survey(rows(body, key))


def test_items_come_as_they_are_read():
    found = rows(b"key\n" + b"x\n" * 1000 + b'"' + b"x" * 200_000).items()

    assert isinstance(next(found), Item)
