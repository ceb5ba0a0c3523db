"""Large tables as parts: together they are the whole, or the job is refused and says why."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from functions.prepare import parity, split
from functions.prepare.parity import DELIMITERS, Unsplittable, find_header, row_ends
from functions.prepare.plan import Place, Planner
from functions.prepare.preflight import Aws
from functions.prepare.split import Splitter, named, numbered
from itemkit import InvalidJob, TransientError
from itemkit.batch import body_of
from itemkit.errors import ObjectArchived
from itemkit.item import Item, Part, listed_item, manifest_item
from itemkit.job import Split
from itemkit.select import Select
from itemkit.store import S3Store
from tests.memory_store import MemoryStore

BIG = "s3://photos/in/big.csv"


def tiny(size: int, delimiter: str | None = None) -> Split:
    """Parts smaller than a job may ask for, so that small texts have many."""
    return Split.model_construct(bytes=size, above=0, delimiter=delimiter)


def rows_of(
    objects: dict[str, bytes], wanted: Split, rows: Iterable[Any] | None = None, select: Select | None = None
) -> list[Any]:
    """Return the manifest's rows over objects in memory; without ``rows``, one an object."""
    given_rows = [{"uri": uri} for uri in objects] if rows is None else rows
    return list(Splitter(MemoryStore(objects), wanted, select or Select()).rows(named(given_rows, "photos")))


def bodies(objects: dict[str, bytes], rows: Iterable[Any]) -> Iterator[bytes]:
    """Yield what an operation gets of each row, as a batch reads it."""
    store = MemoryStore(objects)
    for item in (manifest_item(row, "photos") for row in rows):
        with store.open(item.uri, item.part) as (_, stream):
            yield body_of(item, stream, on_disk=False)


def divided(body: bytes, wanted: Split, name: str = "big.csv") -> list[bytes]:
    """Return the bodies that an operation gets of one object."""
    objects = {f"s3://photos/{name}": body}
    return list(bodies(objects, rows_of(objects, wanted)))


def parsed(body: bytes, delimiter: str) -> list[list[str]]:
    text = io.StringIO(body.decode("utf-8-sig"), newline="")
    return list(csv.reader(text, delimiter=delimiter, strict=True))


def put_together(parts: Iterable[bytes], delimiter: str) -> list[list[str]]:
    """Return the rows of all parts under the one header they have."""
    tables = [parsed(part, delimiter) for part in parts]
    assert len({tuple(table[0]) for table in tables}) == 1
    return [tables[0][0], *(row for table in tables for row in table[1:])]


def refusal(body: bytes, wanted: Split, name: str = "big.csv") -> str:
    with pytest.raises(InvalidJob) as refused:
        divided(body, wanted, name)
    return str(refused.value)


# --- together they are the whole

SPECIAL = '"\r\n' + "".join(DELIMITERS)
CELLS = st.text(st.sampled_from(SPECIAL + "ab é€😀\ufeff"), max_size=8)


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, str]:
    """Delimited text as it should be, in every outward form, and its delimiter."""
    delimiter, ending = draw(st.sampled_from(DELIMITERS)), draw(st.sampled_from(["\n", "\r\n"]))
    width = draw(st.integers(1, 4))

    def cell(text: str) -> str:
        quoted = set(text) & set(SPECIAL) or draw(st.booleans())
        return '"' + text.replace('"', '""') + '"' if quoted else text

    header = [f"c{draw(CELLS)}" for _ in range(width)]
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=12))
    lines = [delimiter.join(map(cell, row)) for row in (header, *rows)]
    text = ending.join(lines) + draw(st.sampled_from(["", ending]))
    return draw(st.sampled_from([b"", codecs.BOM_UTF8])) + text.encode(), delimiter


@given(table=tables(), size=st.integers(1, 200))
@settings(max_examples=400, deadline=None)
def test_the_parts_of_a_table_together_equal_the_whole(table: tuple[bytes, str], size: int) -> None:
    body, delimiter = table

    assert put_together(divided(body, tiny(size)), delimiter) == parsed(body, delimiter)


@given(table=tables(), pieces=st.lists(st.integers(1, 9), min_size=1), targets=st.sets(st.integers(0, 300)))
@settings(deadline=None)
def test_how_the_text_arrives_does_not_matter(table: tuple[bytes, str], pieces: list[int], targets: set[int]) -> None:
    body, delimiter = table
    body = body.removeprefix(codecs.BOM_UTF8)
    chunks, start = [], 0
    while start < len(body):
        length = pieces[len(chunks) % len(pieces)]
        chunks.append(body[start : start + length])
        start += length

    ends = list(row_ends(chunks, 0, sorted(targets), delimiter))

    assert ends == list(row_ends([body], 0, sorted(targets), delimiter))
    assert ends == sorted(set(ends))


ODDS = st.lists(
    st.sampled_from([b'"', b'"', b'"', b",", b",", b";", b"\n", b"\n", b"\r", b"a", b" ", b"\\", b"'", b"\xc3\xa9"]),
    max_size=60,
).map(b"".join)


@given(body=ODDS, size=st.integers(1, 40), delimiter=st.sampled_from([None, *DELIMITERS]))
@example(body=b'a;b\nx","y\nz";"w\nu;v\nu;v\n', size=5, delimiter=None)
@example(body=b'a\n1,"x\ny"\n2\n', size=4, delimiter=None)
@example(body=b'a,b\n"x"\ry\nz,w\n', size=4, delimiter=None)
@example(body=b'a,b\n"x\\",\n",y\nz,w\n', size=4, delimiter=None)
@settings(max_examples=3000, deadline=None)
def test_any_text_is_split_exactly_or_refused(body: bytes, size: int, delimiter: str | None) -> None:
    try:
        parts = divided(body, tiny(size, delimiter))
    except InvalidJob:
        return
    if len(parts) < 2:
        assert parts == [body]
        return
    found = find_header(body, delimiter).delimiter
    # A single column has no delimiter, whatever its reader takes for one.
    for each in [found] if found else DELIMITERS:
        assert put_together(parts, each) == parsed(body, each)


@given(body=st.binary(max_size=120), size=st.integers(1, 40), name=st.sampled_from(["big.csv", "big.jsonl"]))
@settings(max_examples=1000, deadline=None)
def test_any_bytes_are_split_exactly_or_refused(body: bytes, size: int, name: str) -> None:
    try:
        parts = divided(body, tiny(size), name)
    except InvalidJob:
        return
    if name.endswith(".jsonl"):
        assert b"".join(parts) == body
        assert all(part.endswith(b"\n") for part in parts[:-1])
    elif len(parts) > 1:
        delimiter = find_header(body, None).delimiter or ","
        assert put_together(parts, delimiter) == parsed(body, delimiter)


@given(
    values=st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20)), min_size=1, max_size=20),
    size=st.integers(1, 200),
    ending=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_the_parts_of_json_lines_together_equal_the_whole(
    values: list[dict[str, str]], size: int, ending: str, last: bool
) -> None:
    body = ending.join(json.dumps(value) for value in values).encode() + ending.encode() * last

    parts = divided(body, tiny(size), "big.ndjson")

    assert b"".join(parts) == body
    assert [json.loads(line) for part in parts for line in part.splitlines()] == values


def test_parts_are_about_as_large_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "_PIECE", 1000)
    body = b"id,note\n" + b"".join(b'%06d,"two\nlines, ""%d"""\n' % (row, row) for row in range(10_000))
    objects = {BIG: body}

    rows = rows_of(objects, Split(bytes=10_000, above=100_000))

    sizes = [manifest_item(row, "").size for row in rows]
    assert len(rows) == -(-len(body) // 10_000)
    assert (max(sizes) - min(sizes), sum(sizes)) == (pytest.approx(0, abs=100), len(body) - len(b"id,note\n"))
    assert put_together(bodies(objects, rows), ",") == parsed(body, ",")


def test_json_lines_longer_than_a_part_are_parts_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "_FIRST_WINDOW", 8)
    long = json.dumps({"a": "x" * 500}).encode()

    assert divided(b"1\n2\n" + long + b"\n3\n4\n", tiny(50), "big.jsonl") == [b"1\n2\n" + long + b"\n", b"3\n4\n"]


# --- rows


def test_what_a_part_is_told() -> None:
    body = b'"a\r\nb",c\r\n1,2\r\n3,4\r\n'
    store = MemoryStore({BIG: body})
    etag = store.objects[BIG].head.etag
    given_row = {"key": "in/big.csv", "item_name": "x/big.csv", "output": "y", "shop": "7", "weight": 3}

    rows = list(Splitter(store, tiny(11)).rows(named([given_row], "photos")))

    known = {"uri": BIG, "shop": "7", "weight": 3, "source_etag": etag, "header_row": '"a\r\nb",c\r'}
    assert rows == [
        {**known, "item_name": "x/big.part-00000.csv", "output": "y.part-00000", "byte_range": "10-14"},
        {**known, "item_name": "x/big.part-00001.csv", "output": "y.part-00001", "byte_range": "15-19"},
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.b/big.csv", "a.b/big.part-00012.csv"), ("a.b/big", "a.b/big.part-00012"), (".csv", ".csv.part-00012")],
)
def test_the_name_of_a_part(name: str, expected: str) -> None:
    assert numbered(name, 12) == expected


TABLE = b"a,b\n" + b"1,2\n" * 1000
WHOLE = [
    {"uri": "s3://photos/in/small.csv"},
    {"uri": "s3://photos/in/big.parquet"},
    {"uri": "s3://photos/in/big.csv.gz"},
    {"uri": "s3://photos/in/missing.csv"},
    {"uri": BIG, "byte_range": "4-7", "source_etag": "etag", "header_row": "a,b"},
    {"note": "names nothing"},
    "no object",
]


def test_what_is_no_large_table_keeps_its_row() -> None:
    objects = {f"s3://photos/in/{name}": TABLE for name in ("big.csv", "big.parquet", "big.csv.gz")}
    objects["s3://photos/in/small.csv"] = TABLE[:2048]

    assert rows_of(objects, Split(bytes=1024, above=2048), WHOLE) == WHOLE


@pytest.mark.parametrize("body", [b"a,b\n", b"a,b\n1,2", b"a,b\n1,2\n", b'a,b\n"1\n\n\n\n",2'])
def test_a_table_that_cannot_be_divided_keeps_its_row(body: bytes) -> None:
    assert rows_of({BIG: body}, tiny(2)) == [{"uri": BIG}]


@pytest.mark.parametrize(
    ("select", "parts"),
    [
        (Select(glob="in/big.csv", suffix=(".csv",), min_bytes=4000, modified_after="2020-01-01"), 4),
        (Select(max_bytes=2000), 1),
        (Select(modified_after="2999-01-01"), 1),
        (Select(glob="*.tsv"), 1),
    ],
)
def test_select_is_asked_of_the_object_and_not_of_its_parts(select: Select, parts: int) -> None:
    rows = rows_of({BIG: TABLE}, Split(bytes=1024, above=2048), select=select)

    items = [manifest_item(row, "") for row in rows]
    assert len(items) == parts
    # The batch asks again: parts are wanted; it asks S3 for the size and date of the others.
    assert [select.refusal(item) for item in items if item.part] == [None] * (parts if parts > 1 else 0)


def test_a_source_may_not_have_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "MOST_LISTED", 2)
    rows = [{"uri": BIG}] * 2

    assert rows_of({}, Split(), rows) == rows
    with pytest.raises(InvalidJob, match=r"^the source has more than 2 rows, too many to be split: name fewer$"):
        rows_of({}, Split(), [*rows, {"uri": BIG}])


# --- refusals

ELSE = "; or leave 'split' out, or exclude it by 'select'"
STRAY = (
    "is neither around a whole field nor doubled within one, so where its row ends is not certain: "
    "put the field in quotes and double the quotes in it"
)
NO_TEXT = "it is UTF-16 or no text: save it as UTF-8"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'a,b\n5" pipe,x\n1,2\n', f"the quote at byte 5 {STRAY}"),
        (b'a,b\n"5" pipe",x\n1,2\n', f"the quote at byte 6 {STRAY}"),
        (b'a,b\n1, "x\ny"\n1,2\n', f"the quote at byte 7 {STRAY}"),
        (b'a,b\n1,"x"\r2,"y"\n1,2\n', f"the quote at byte 8 {STRAY}"),
        (b'a,b\n"say \\"hi\\"",x\n1,2\n', f"the quote at byte 10 {STRAY}"),
        (b'a;b\n1;"x"\n"y",2\n1;2\n', f"the quote at byte 12 {STRAY}"),
        (b'a\n1,"x\ny"\n1,2\n', f"the quote at byte 4 {STRAY}"),
        (b'a,b\n1,"x\ny\nz\n', "the quote at byte 6 is never closed: close it"),
        (b"a,b\r1,2\r3,4\n5,6\n", "its lines end in CR alone: end them in LF or CRLF"),
        (b"\r\na,b\n1,2\n3,4\n", "its first line is blank, where its header should be: remove it"),
        (
            b"a,b\r1,2\r3,4\r5,6\r",
            "no line ends in its first 16 bytes, where its header should: end lines in LF or CRLF, close its quotes, "
            "or give it a shorter header",
        ),
        (
            "größe,b\n1,2\n3,4\n".encode("latin-1"),
            "it is not UTF-8 at byte 2, and each part would be taken for an encoding of its own: save it as UTF-8",
        ),
        (
            b"\xef\xbb\xbfa,b\n1,2\n3,\xc3\xa9\n5,\xc3\n",
            "it is not UTF-8 at byte 18, and each part would be taken for an encoding of its own: save it as UTF-8",
        ),
        (
            b"a,b\n1,2\n3,\xe2\x82",
            "it is not UTF-8 at byte 10, and each part would be taken for an encoding of its own: save it as UTF-8",
        ),
        ("a,b\n1,2\n3,4\n".encode("utf-16-le"), NO_TEXT),
        (b"a,b\n1,2\n3,\0\n", NO_TEXT),
    ],
)
def test_a_text_whose_rows_are_not_certain_is_refused(body: bytes, reason: str) -> None:
    assert refusal(body, tiny(5)) == f"s3://photos/big.csv cannot be split: {reason}{ELSE}"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_wide_json_lines_are_refused(encoding: str) -> None:
    assert NO_TEXT in refusal('{"a": 1}\n{"a": 2}\n'.encode(encoding), tiny(5), "big.jsonl")


def test_a_delimiter_the_header_does_not_tell_can_be_given() -> None:
    body = b'a, b, c;d\n"x\n1";2\n3;4\n'

    assert f"the quote at byte 14 {STRAY}" in refusal(body, tiny(8))
    assert divided(body, tiny(8, ";")) == [b'a, b, c;d\n"x\n1";2\n', b"a, b, c;d\n3;4\n"]


def test_the_bounds_of_a_part_and_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "LONGEST_HEADER", 20)
    monkeypatch.setattr(split, "MOST_PARTS", 5)

    assert "it would be 6 parts, 5 at most: set 'split.bytes' to 6 or more" in refusal(b"a,b\n" * 7, tiny(5))
    assert "no line ends in its first 20 bytes" in refusal(b"a" * 30 + b"\n1\n", tiny(10))
    assert "its header has 6 characters, too many to go with each part: shorten it" in refusal(
        "éééé,é\n1,2\n3,4\n".encode(), tiny(9)
    )


def test_a_field_or_a_line_without_an_end_is_not_sought_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parity, "LONGEST_FIELD", 20)
    monkeypatch.setattr(split, "LONGEST_LINE", 20)
    monkeypatch.setattr(split, "_PIECE", 10)
    monkeypatch.setattr(split, "_FIRST_WINDOW", 10)

    assert "the quote at byte 6 is not closed within 20 bytes: close it" in refusal(
        b'a,b\n1,"' + b"x" * 30 + b'"\n3,4\n', tiny(5)
    )
    assert "no line ends in 20 bytes from byte 50: is it JSON lines?" in refusal(
        b"1" * 100 + b"\n2", tiny(60), "x.jsonl"
    )


def test_what_is_read_for_its_quotes_is_bounded_over_the_whole_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(split, "MOST_SCANNED", 8000)
    objects = {"s3://photos/a.csv": TABLE, "s3://photos/b.jsonl": TABLE, "s3://photos/c.csv": TABLE}

    with pytest.raises(InvalidJob) as refused:
        rows_of(objects, Split(bytes=1024, above=0))

    assert str(refused.value) == (
        "s3://photos/c.csv cannot be split: with it 8,008 bytes would be read for their quotes, and Prepare has time "
        f"for 8,000: give fewer objects a run or smaller ones, or JSON lines, which have none{ELSE}"
    )


# --- objects that change, or cannot be read


@pytest.mark.parametrize("uri", [BIG, "s3://photos/in/big.jsonl"])
def test_an_object_that_changes_while_it_is_split_is_asked_again(uri: str) -> None:
    splitter = Splitter(MemoryStore({uri: TABLE}), Split(bytes=1024, above=0))

    with pytest.raises(TransientError, match="changed while it was split into parts; it is split anew") as raised:
        splitter.parts(uri, len(TABLE), "an older etag")
    assert type(raised.value) is TransientError


def test_an_object_that_cannot_be_read_is_a_fault_of_the_item() -> None:
    class Archive(MemoryStore):
        @contextmanager
        def open(self, uri: str, part: Part | None = None) -> Iterator[Any]:
            raise ObjectArchived(f"cannot read {uri}: it is archived; restore it first")
            yield

    splitter = Splitter(Archive({BIG: TABLE}), Split(bytes=1024, above=0))

    assert list(splitter.rows(named([{"uri": BIG}], ""))) == [{"uri": BIG}]


def test_an_s3_that_does_not_answer_is_asked_again() -> None:
    store = MemoryStore({BIG: TABLE})
    store.unreadable.add(BIG)

    with pytest.raises(TransientError):
        list(Splitter(store, Split(bytes=1024, above=0)).rows(named([{"uri": BIG}], "")))


def test_json_lines_are_read_only_around_their_cuts() -> None:
    store = MemoryStore({"s3://photos/big.jsonl": b'{"a": 1}\n' * 1_000_000})
    read: list[int] = []

    class Counting(MemoryStore):
        @contextmanager
        def open(self, uri: str, part: Part | None = None) -> Iterator[Any]:
            with store.open(uri, part) as (head, stream):
                read.append(head.size)
                yield head, stream

    head = store.objects["s3://photos/big.jsonl"].head
    parts = Splitter(Counting(), Split(bytes=1024**2)).parts("s3://photos/big.jsonl", head.size, head.etag)

    assert (len(parts), len(read), max(read)) == (9, 9, 64 * 1024)


# --- in a plan


@pytest.fixture
def planner(s3: Any) -> Planner:
    absent = type("ResourceNotFoundException", (Exception,), {})
    functions = SimpleNamespace(
        get_function_configuration=lambda **_: {}, exceptions=SimpleNamespace(ResourceNotFoundException=absent)
    )
    return Planner(Aws(s3, functions, "us-east-1"), S3Store(s3), Place("photos", "output", "fanfold-op-"))


@pytest.fixture
def listed(s3: Any) -> dict[str, Item]:
    """Objects below ``s3://photos/in/``, as they are listed, by name."""
    for name, body in {"a.csv": b"a,b\n1,2\n", "big.csv": TABLE, "z/": b""}.items():
        s3.put_object(Bucket="photos", Key=f"in/{name}", Body=body)
    items = [listed_item(entry, "photos", "in/") for entry in S3Store(s3).list("s3://photos/in/")]
    return {item.name: item for item in items}


def planned(planner: Planner, s3: Any, source: Any, **fields: Any) -> tuple[dict[str, Any], list[Any]]:
    """Return the plan's source, and the rows of its manifest."""
    job = {"operation": "table-transform", "source": source, "split": {"bytes": 2048, "above": 2048}, **fields}
    plan = planner.plan(job, "r1")
    body = s3.get_object(Bucket=plan["source"]["bucket"], Key=plan["source"]["key"])["Body"].read()
    return plan, [json.loads(line) for line in body.splitlines()]


def source_over(uri: str) -> dict[str, str]:
    return {"kind": "jsonl", "uri": uri, "bucket": "output", "key": "runs/r1/manifest.jsonl"}


def parts_of(item: Item) -> list[dict[str, str]]:
    known = {"source_etag": str(item.etag), "header_row": "a,b", "uri": item.uri}
    stem = item.name.removesuffix(".csv")
    return [
        {**known, "item_name": f"{stem}.part-00000.csv", "byte_range": "4-2003"},
        {**known, "item_name": f"{stem}.part-00001.csv", "byte_range": "2004-4003"},
    ]


def test_a_prefix_is_listed_and_its_large_tables_are_split(planner: Planner, s3: Any, listed: dict[str, Item]) -> None:
    plan, rows = planned(planner, s3, "s3://photos/in/")

    assert (plan["source"], plan["sample"]) == (source_over("s3://photos/in/"), "s3://photos/in/a.csv")
    assert rows == [
        {"uri": "s3://photos/in/a.csv", "item_name": "a.csv"},
        *parts_of(listed["big.csv"]),
        {"uri": "s3://photos/in/z/", "item_name": "z/"},
    ]


def test_excluded_objects_of_a_prefix_stay_in_the_ledger(planner: Planner, s3: Any, listed: dict[str, Item]) -> None:
    plan, rows = planned(planner, s3, "s3://photos/in/", select={"max_bytes": 1000})

    select = Select.from_json(plan["select"])
    assert [row["item_name"] for row in rows] == list(listed)
    assert [select.refusal(listed[row["item_name"]]) is None for row in rows] == [True, False, False]


def test_named_objects_are_split(planner: Planner, s3: Any, listed: dict[str, Item]) -> None:
    uris = [listed["big.csv"].uri, listed["a.csv"].uri]
    plan, rows = planned(planner, s3, {"objects": uris})

    named_parts = [{**row, "item_name": f"in/{row['item_name']}"} for row in parts_of(listed["big.csv"])]
    assert plan["source"] == source_over("s3://output/runs/r1/manifest.jsonl")
    assert rows == [*named_parts, {"uri": uris[1]}]


@pytest.mark.parametrize("body", [b"key,shop\nin/a.csv,1\nin/big.csv,2\n", b"key;shop\nin/a.csv;1\nin/big.csv;2\n"])
def test_the_objects_of_a_manifest_are_split(planner: Planner, s3: Any, listed: dict[str, Item], body: bytes) -> None:
    s3.put_object(Bucket="photos", Key="m.csv", Body=body)

    plan, rows = planned(planner, s3, "s3://photos/m.csv")

    named_parts = [{**row, "item_name": f"in/{row['item_name']}"} for row in parts_of(listed["big.csv"])]
    assert plan["source"] == source_over("s3://photos/m.csv")
    assert rows == [{"key": "in/a.csv", "shop": "1", "bucket": "photos"}, *[{**r, "shop": "2"} for r in named_parts]]


def test_a_table_that_is_refused_leaves_nothing_behind(planner: Planner, s3: Any, listed: dict[str, Item]) -> None:
    s3.put_object(Bucket="photos", Key="in/bad.csv", Body=b'a,b\n5",x\n' * 1000)

    with pytest.raises(InvalidJob, match=r"^s3://photos/in/bad.csv cannot be split: the quote at byte 5 is neither"):
        planned(planner, s3, "s3://photos/in/")
    assert "Contents" not in s3.list_objects_v2(Bucket="output")


def test_a_scan_says_what_is_wrong_and_not_where_the_text_came_from() -> None:
    with pytest.raises(Unsplittable, match=r"^the quote at byte 107 is neither"):
        list(row_ends([b'a,b\n1,2x"'], 99, [100], ","))
