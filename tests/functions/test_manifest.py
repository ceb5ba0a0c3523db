"""Manifests: which ones the native reader may take, and what the others are rewritten to."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from functions.prepare.manifest import JSON_BYTES, Manifest, examine, rows, unpacked
from itemkit import InvalidJob
from itemkit.store import Chunks

A = "s3://photos/a.jpg"


def examined(body: bytes, name: str = "m.csv", delimiter: str | None = None) -> Manifest:
    uri = f"s3://photos/{name}"
    return examine(unpacked(io.BytesIO(body), uri), uri, delimiter)


def read(body: bytes, name: str = "m.csv", delimiter: str | None = None) -> list[dict[str, Any]]:
    uri = f"s3://photos/{name}"
    manifest = examined(body, name, delimiter)
    return list(rows(unpacked(io.BytesIO(body), uri), manifest, uri))


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b"uri\ns3://photos/a.jpg\n", "m.csv"),
        (b"uri,label\r\ns3://photos/a.jpg,x\r\n", "m.csv"),
        (b"key,label\na.jpg,x", "m.csv"),
        ("uri,größe\ns3://photos/ä.jpg,1\n".encode(), "m.csv"),
        (b'uri,note\ns3://photos/a.jpg,"two\nlines, ""quoted"""\n', "m.csv"),
        (b"uri\n", "m.csv"),
        (b"uri,URI\ns3://photos/a.jpg,x\n", "m.csv"),
        (b'{"uri": "s3://photos/a.jpg", "path": "C:\\\\x"}\n', "m.jsonl"),
        (b"", "m.jsonl"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_the_native_reader_takes_what_is_plain(body: bytes, name: str, packed: bool) -> None:
    manifest = examined(gzip.compress(body) if packed else body, name + (".gz" if packed else ""))

    assert (manifest.native, manifest.encoding, manifest.delimiter) == (True, "utf-8", ",")


ROW = {"uri": A, "label": "x"}
BATCH_OPERATIONS = {"bucket": "photos", "key": "a b.jpg", "column_3": "v1"}


@pytest.mark.parametrize(
    ("body", "name", "expected"),
    [
        ("\ufeffuri,label\ns3://photos/a.jpg,x\n".encode(), "m.csv", ROW),
        (b"uri;label\ns3://photos/a.jpg;x\n", "m.csv", ROW),
        (b"uri\tlabel\ns3://photos/a.jpg\tx\n", "m.csv", ROW),
        (b"uri\tlabel\ns3://photos/a.jpg\tx\n", "m.tsv", ROW),
        (b"uri|label\ns3://photos/a.jpg|x\n", "m.csv", ROW),
        ("uri,label\ns3://photos/a.jpg,x\n".encode("utf-16"), "m.csv", ROW),
        ("\ufeffuri,label\ns3://photos/a.jpg,x\n".encode("utf-16-be"), "m.csv", ROW),
        ("uri,label\ns3://photos/a.jpg,é\n".encode("cp1252"), "m.csv", {"uri": A, "label": "é"}),
        ("uri,label\ns3://photos/a.jpg,é".encode("cp1252"), "m.csv", {"uri": A, "label": "é"}),
        (b"s3://photos/a.jpg,x\n", "m.csv", {"uri": A, "column_2": "x"}),
        (b"photos,a b.jpg,v1\n", "m.csv", BATCH_OPERATIONS),
        (b"photos;a b.jpg;v1\n", "m.csv", BATCH_OPERATIONS),
        (b"URI ,label\ns3://photos/a.jpg,x\n", "m.csv", ROW),
        (b"Key,Bucket\na.jpg,photos\n", "m.csv", {"key": "a.jpg", "bucket": "photos"}),
        (b"uri,label\ns3://photos/a\\b.jpg,x\n", "m.csv", {"uri": "s3://photos/a\\b.jpg", "label": "x"}),
        (b"uri,label\rs3://photos/a.jpg,x\r", "m.csv", ROW),
        (b'uri,label\ns3://photos/a.jpg,"x\ry"\n', "m.csv", {"uri": A, "label": "x\ry"}),
        (b"uri;label;more\ns3://photos/a.jpg\n", "m.csv", {"uri": A, "label": "", "more": ""}),
        (b"uri;label\ns3://photos/a.jpg;x;too;many\n", "m.csv", ROW),
        (b'[{"uri": "s3://photos/a.jpg", "label": "x"}]', "m.json", ROW),
        ('[{"uri": "s3://photos/a.jpg", "label": "é"}]'.encode("utf-8-sig"), "m.json", {"uri": A, "label": "é"}),
        (b'\xef\xbb\xbf{"uri": "s3://photos/a.jpg", "label": "x"}\n\n', "m.jsonl", ROW),
        ('{"uri": "s3://photos/a.jpg", "label": "é"}\n'.encode("utf-16"), "m.jsonl", {"uri": A, "label": "é"}),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_everything_else_is_rewritten_to_its_rows(
    body: bytes, name: str, expected: dict[str, str], packed: bool
) -> None:
    body, name = (gzip.compress(body), f"{name}.gz") if packed else (body, name)

    assert not examined(body, name).native
    assert read(body, name) == [expected]


def test_a_backslash_far_behind_the_head_is_found() -> None:
    body = b"uri\n" + b"s3://photos/a.jpg\n" * 200_000 + b"s3://photos/a\\b.jpg\n"

    assert not examined(body).native


@pytest.mark.parametrize("border", [2**16, 2**16 - 1])
def test_a_character_and_a_line_end_on_the_border_of_the_head_are_whole(border: int) -> None:
    lead = b"uri,note\ns3://photos/a.jpg,"
    fill = b"x" * (border - len(lead) - 1)

    assert examined(lead + fill + "é\n".encode()).native
    assert examined(lead + fill + b"\r\n" + b"s3://photos/b.jpg,\r\n").native


def test_a_delimiter_that_the_job_names_is_believed() -> None:
    body = b"uri:key,label\nphotos:x\n"

    assert read(body, delimiter=":") == [{"uri": "photos", "key,label": "x"}]


def test_rows_of_delimiters_alone_stay_and_empty_lines_go() -> None:
    assert read(b"uri;label\n;\n\ns3://photos/a.jpg;x\n") == [{"uri": "", "label": ""}, ROW]


@pytest.mark.parametrize(
    ("body", "name", "message"),
    [
        (
            b"Path,Title\nx,y\n",
            "m.csv",
            "s3://photos/m.csv: no column 'uri' or 'key' in its first row ['Path', 'Title']: "
            "give it a header row that names one",
        ),
        (
            b"",
            "m.csv",
            "s3://photos/m.csv: no column 'uri' or 'key' in its first row []: give it a header row that names one",
        ),
        (
            b"uri,label,label\n",
            "m.csv",
            "s3://photos/m.csv: the header names 'label' twice: rename one of the columns",
        ),
        (b"Uri, uri \n", "m.csv", "s3://photos/m.csv: the header names 'uri' twice: rename one of the columns"),
        (
            "uri,label\n".encode("utf-16-le"),
            "m.csv",
            "s3://photos/m.csv is no text, or UTF-16 without a byte order mark: save it as UTF-8",
        ),
        (
            b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00",
            "m.csv",
            "s3://photos/m.csv is no text, or UTF-16 without a byte order mark: save it as UTF-8",
        ),
        (
            b"uri;label\ns3://photos/a.jpg;\x81\n",
            "m.csv",
            "s3://photos/m.csv is no text (charmap: character maps to <undefined>): save it as UTF-8",
        ),
        (
            "uri,label\n".encode("utf-16")[:-1],
            "m.csv",
            "s3://photos/m.csv is no text (utf-16-le: truncated data): save it as UTF-8",
        ),
        (
            b'\xef\xbb\xbf{"uri": "s3://photos/a.jpg"}\nnonsense\n',
            "m.jsonl",
            "s3://photos/m.jsonl: line 2 is not JSON: Expecting value: line 1 column 1 (char 0); correct it",
        ),
        (
            b"uri;label\ns3://photos/a.jpg;x\ns3://photos/b.jpg;" + b"x" * 140_000,
            "m.csv",
            "s3://photos/m.csv: the row that ends in line 3: field larger than field limit (131072); correct it",
        ),
        (
            b"{",
            "m.json",
            "s3://photos/m.json is not JSON: Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1); correct it",
        ),
        (
            b'{"uri": "x"}',
            "m.json",
            "s3://photos/m.json holds a JSON dict: write an array of objects with 'uri' or 'key'",
        ),
        (
            b"uri\ns3://photos/a.jpg\n",
            "m.csv.gz",
            "s3://photos/m.csv.gz is no gzip file, or a damaged one: Not a gzipped file (b'ur'); write it again",
        ),
        (
            gzip.compress(b"uri\ns3://photos/a.jpg\n", mtime=0)[:-9],
            "m.csv.gz",
            "s3://photos/m.csv.gz is no gzip file, or a damaged one: "
            "Compressed file ended before the end-of-stream marker was reached; write it again",
        ),
    ],
)
def test_what_is_no_manifest_is_refused(body: bytes, name: str, message: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        read(body, name)

    assert str(refused.value) == message


def test_a_json_array_too_large_for_memory_is_refused() -> None:
    with pytest.raises(InvalidJob) as refused:
        read(b"[" + b" " * JSON_BYTES + b"]", "m.json")

    assert str(refused.value) == (
        "s3://photos/m.json is a JSON array of more than 67,108,864 bytes: write it as JSON lines (.jsonl)"
    )


@pytest.mark.parametrize("name", ["m.json", "m.jsonl"])
def test_json_too_deep_to_read_is_refused(name: str) -> None:
    with pytest.raises(InvalidJob, match=r"is not JSON: .*; correct it"):
        read(b"\xef\xbb\xbf" + b"[" * 100_000, name)


def test_a_header_that_could_be_a_bucket_and_a_key_is_taken_for_them() -> None:
    """The plan asks S3 whether there is such an object."""
    assert examined(b"path,title\nx,y\n") == Manifest("csv", header=("bucket", "key"), has_header=False, native=False)


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
LATIN = st.text(st.characters(codec="cp1252", exclude_characters="\0"), max_size=12)
NAMES = st.lists(
    st.text("abcxyz_", min_size=1, max_size=6).filter(lambda name: name not in ("key", "uri", "bucket", "output")),
    max_size=4,
    unique=True,
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, str, list[dict[str, str]]]:
    """Random rows, written as CSV in a random dialect and encoding: bytes, delimiter, the rows."""
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]))
    names = ["uri", *draw(NAMES)]
    cells = LATIN if encoding == "cp1252" else CELLS
    table = draw(st.lists(st.tuples(*[cells] * len(names)), max_size=8))
    delimiter = draw(st.sampled_from([",", ";", "\t", "|", ":"]))
    text = io.StringIO()
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        quoting=draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
    )
    writer.writerows([names, *table])
    body = text.getvalue().encode(encoding)
    # Where all is UTF-8 as well, nothing tells that another encoding was meant.
    assume(encoding != "cp1252" or body.isascii() or not is_utf8(body))
    return body, delimiter, [dict(zip(names, row, strict=True)) for row in table]


def is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(tables(), st.booleans())
def test_rows_are_read_back_from_any_dialect_and_encoding(
    table: tuple[bytes, str, list[dict[str, str]]], packed: bool
) -> None:
    body, delimiter, expected = table
    name = "m.csv.gz" if packed else "m.csv"

    assert read(gzip.compress(body, 1) if packed else body, name, delimiter) == expected


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.dictionaries(CELLS, CELLS | st.none() | st.integers()), max_size=6),
    st.sampled_from(["utf-8-sig", "utf-16"]),
)
def test_json_rows_are_read_back(table: list[dict[str, Any]], encoding: str) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table)

    assert read(lines.encode(encoding), "m.jsonl") == table
    assert read(json.dumps(table).encode("utf-8"), "m.json") == table


def repeated(head: bytes, line: bytes, times: int) -> Chunks:
    """A stream of a head and then ever the same line, which is nowhere in memory as a whole."""
    return Chunks(iter([head, *[line * 1000] * (times // 1000)]))


def test_a_long_manifest_is_examined_and_rewritten_in_little_memory() -> None:
    """8 MB; the bound has room for a chunk of 1 MB, its text, and what the decoders hold."""
    line, times = b"s3://photos/2026/11/" + b"x" * 100 + b".jpg;a label\n", 60_000
    tracemalloc.start()
    manifest = examine(io.BufferedReader(repeated(b"uri;label\n", line, times)), "s3://photos/m.csv", None)
    table = rows(io.BufferedReader(repeated(b"uri;label\n", line, times)), manifest, "s3://photos/m.csv")
    count = sum(1 for _ in table)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == times
    assert peak < 4_000_000
