"""The listing that Summarize reads again is what the map read."""

from __future__ import annotations

import gzip
import io
import itertools
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fanfold.local.stepfunctions import readers
from functions.prepare.manifest import examine
from functions.summarize.listing import listing
from itemkit import InvalidJob
from itemkit.errors import ObjectNotFound, PermanentError
from itemkit.event import Event
from itemkit.item import Item
from itemkit.record import Record
from itemkit.store import S3Store
from tests.memory_store import MemoryStore

PREFIX_SOURCE = {"kind": "prefix", "uri": "s3://photos/in/", "bucket": "photos", "prefix": "in/"}
ODD_KEYS = [
    "in/",
    "in/a b+c%20.jpg",
    "in/Größe/日本.png",
    "in/quo\"te,'s & <x>",
    "in/new\nline",
    "in//",
    "in/\U0001f600",
]
CONFIGS = {
    "prefix": {},
    "csv": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
    "jsonl": {"InputType": "JSONL"},
}


def as_the_map_read(s3: Any, source: dict[str, Any], most: int = 0) -> list[Item | Record]:
    """Return the items that the batches of a map get from the local engine's reader."""
    is_prefix = source["kind"] == "prefix"
    place = {"Prefix": source["prefix"]} if is_prefix else {"Key": source["key"]}
    reader = readers.Source(is_prefix, {"Bucket": source["bucket"], **place}, CONFIGS[source["kind"]], most or None)
    entries = [json.loads(json.dumps(entry.value)) for entry in readers.read(reader, s3)]
    return list(Event(entries, {"source": source}, "b").items())


def manifest(name: str) -> dict[str, Any]:
    return {"kind": name.split(".")[1], "uri": f"s3://photos/{name}", "bucket": "photos", "key": name}


@pytest.mark.parametrize("most", [0, 3, 100])
def test_a_prefix_is_listed_as_the_map_lists_it(most: int, s3: Any, store: S3Store) -> None:
    for key in [*ODD_KEYS, "inner/not-below"]:
        s3.put_object(Bucket="photos", Key=key, Body=key.encode())

    found = list(listing(store, PREFIX_SOURCE, most))

    assert found == as_the_map_read(s3, PREFIX_SOURCE, most)
    assert [item.uri for item in found] == [f"s3://photos/{key}" for key in sorted(ODD_KEYS)][: most or None]


def test_a_whole_bucket_is_listed(s3: Any, store: S3Store) -> None:
    s3.put_object(Bucket="photos", Key="top", Body=b"")
    source = {"kind": "prefix", "uri": "s3://photos", "bucket": "photos", "prefix": ""}

    assert [(item.uri, item.name) for item in listing(store, source, 0) if isinstance(item, Item)] == [
        ("s3://photos/top", "top")
    ]


CSV = (
    "key,bucket,label,output,item_name\r\n"
    'a b,,"two\nlines, ""quoted""",out/x,own name\n'
    "\n"
    "Größe\n"
    " ,,,\n"
    "c,other,1,2,3,4,5\n"
    '"a b",,again\n'
    ",,no object,,\n"
    'd,,"open to the end\n'
)
JSONL = (
    '{"uri": "s3://photos/a b", "label": {"deep": [1, 2.50]}}\n'
    "\n"
    ' \t\r\n{"key": "Größe", "bucket": null}\r\n'
    '{"key": "half \\ud800"}\n[1]\n"text"\nnull\n{"label": "none"}\n'
    '{"uri": "https://photos/a"}\n'
    '{"key": "last", "item_name": "own"}'
)


@pytest.mark.parametrize("name", ["m.csv", "m.csv.gz", "m.jsonl", "m.jsonl.gz"])
@pytest.mark.parametrize("most", [0, 1, 4, 100])
def test_a_manifest_is_read_as_the_map_reads_it(name: str, most: int, s3: Any, store: S3Store) -> None:
    body = (CSV if ".csv" in name else JSONL).encode()
    s3.put_object(Bucket="photos", Key=name, Body=gzip.compress(body) if name.endswith(".gz") else body)

    found = list(listing(store, manifest(name), most))

    assert found == as_the_map_read(s3, manifest(name), most)
    assert len(found) == min(most or 100, 7 if ".csv" in name else 9)


def of_body(name: str, body: bytes) -> tuple[Any, Any]:
    """Return a boto3 client and a store that both hold a manifest."""
    client = SimpleNamespace(get_object=lambda **_: {"Body": io.BytesIO(body)})
    return client, MemoryStore({f"s3://photos/{name}": body})


PIECES = st.sampled_from(["a", "ß", " ", ",", '"', '""', "\n", "\r\n", "'", ";", "\t", "x,y", '"q,\nr"'])


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["uri", "key,label", "a,key,bucket,output"]), st.lists(PIECES, max_size=30).map("".join))
@example("key,label", 'a"b,"c"d"e,""f\n"","",""\n')
@example("key,label", '"""a""",b"c"\n"a\r\nb"x\r\ny,"z')
def test_any_csv_that_prepare_leaves_as_it_is_reads_alike(header: str, text: str) -> None:
    body = f"{header}\n{text}".encode()
    try:
        native = examine(io.BytesIO(body), "s3://photos/m.csv", None).native
    except InvalidJob:
        native = False
    assume(native)
    s3, store = of_body("m.csv", body)

    assert list(listing(store, manifest("m.csv"), 0)) == as_the_map_read(s3, manifest("m.csv"))


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=3)
ROWS = st.dictionaries(st.sampled_from(["uri", "key", "bucket", "label"]), JSON) | JSON


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, max_size=6), st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans())
def test_any_json_lines_read_alike(rows: list[Any], end: str, ascii_only: bool) -> None:
    text = "".join(json.dumps(row, ensure_ascii=ascii_only) + end for row in rows)
    assume(text.encode("utf-8", "replace").decode() == text)
    s3, store = of_body("m.jsonl", text.encode())

    assert list(listing(store, manifest("m.jsonl"), 0)) == as_the_map_read(s3, manifest("m.jsonl"))


def test_a_cell_may_be_longer_than_the_csv_module_likes() -> None:
    body = b"key,label\na," + b"x" * 200_000 + b"\n"
    s3, store = of_body("m.csv", body)

    assert list(listing(store, manifest("m.csv"), 0)) == as_the_map_read(s3, manifest("m.csv"))


GOOD = b"key\n" + b"".join(b"%d\n" % number for number in range(5_000))
DAMAGED = {
    "cut short": ("m.csv.gz", gzip.compress(GOOD)[:-20]),
    "no gzip file": ("m.csv.gz", GOOD),
    "its checksum wrong": ("m.csv.gz", gzip.compress(GOOD)[:-8] + bytes(8)),
    "no UTF-8": ("m.csv", GOOD + b"\xff\n"),
    "a quote left open": ("m.csv", b'key\n"' + b"x" * 9_000_000),
    "no JSON": ("m.jsonl", b'{"key": "a"}\n{"key"\n'),
    "JSON too deep": ("m.jsonl", b"[" * 200_000),
}


@pytest.mark.parametrize(("name", "body"), DAMAGED.values(), ids=DAMAGED)
def test_a_manifest_damaged_meanwhile_is_an_error_that_names_it(name: str, body: bytes) -> None:
    _, store = of_body(name, body)

    with pytest.raises(PermanentError, match=f"the manifest s3://photos/{name} cannot be read again: ."):
        list(listing(store, manifest(name), 0))


def test_a_source_that_is_gone_is_an_error(store: S3Store) -> None:
    with pytest.raises(ObjectNotFound, match=r"cannot read s3://photos/m\.csv"):
        list(listing(store, manifest("m.csv"), 0))
    with pytest.raises(ObjectNotFound, match="cannot list s3://nowhere/in/"):
        list(listing(store, {**PREFIX_SOURCE, "bucket": "nowhere"}, 0))


def test_no_more_is_read_than_is_asked_for() -> None:
    """What comes behind the last item may be anything, and is not waited for."""

    class Endless(MemoryStore):
        listed = 0

        def list(self, uri: str) -> Any:
            for number in itertools.count():
                self.listed += 1
                yield {"Key": f"in/{number}", "Size": 1, "Etag": '"e"', "LastModified": 1.0}

    store: Any = Endless()

    assert sum(1 for _ in listing(store, PREFIX_SOURCE, 2_500)) == 2_500
    assert store.listed == 2_500
