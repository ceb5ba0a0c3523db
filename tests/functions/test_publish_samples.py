"""Samples of outputs: which are taken, what is read of them, and that none can spoil a page."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from functions.publish.preview import LONGEST_CELL, MOST_COLUMNS, MOST_ROWS, Unreadable, preview
from functions.publish.report import Column, Picture, Preview, Table, Unshown
from functions.publish.samples import (
    ALL_PICTURES_BYTES,
    MOST_SAMPLES,
    MOST_TABLES,
    PICTURE_BYTES,
    TABLE_BYTES,
    Sampler,
    picture_type,
)
from itemkit.event import write_records
from itemkit.record import Record, Status
from itemkit.store import S3Store
from tests.functions.tabular import parquet

PNG = b"\x89PNG\r\n\x1a\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


@pytest.fixture
def sampler(store: S3Store) -> Sampler:
    return Sampler(store)


def made(*outputs: str, **fields: Any) -> Record:
    return Record("s3://photos/a", Status.SUCCEEDED, outputs=outputs, **fields)


def put(s3: Any, key: str, body: bytes) -> str:
    s3.put_object(Bucket="output", Key=key, Body=body)
    return f"s3://output/{key}"


def encoded(form: str) -> bytes:
    body = io.BytesIO()
    Image.new("RGB", (8, 8)).save(body, form)
    return body.getvalue()


# --- which records


def test_samples_are_taken_from_all_files_in_turn(sampler: Sampler, s3: Any) -> None:
    failed = Record("s3://photos/b", Status.FAILED)
    files = [
        put(s3, f"{file}.gz", write_records([failed, *(made(f"s3://output/{file}{i}") for i in range(100))]))
        for file in "ab"
    ]

    assert [record.outputs[0].removeprefix("s3://output/") for record in sampler.records(files)] == [
        "a0", "b0", "a9", "b9", "a18", "b18", "a27", "b27", "a36", "b36", "a45", "b45",
    ]  # fmt: skip
    assert MOST_SAMPLES == 12


@pytest.mark.parametrize(
    ("body", "kept", "fault"),
    [
        (b"no gzip", 0, "BadGzipFile"),
        (gzip.compress(b"{}\n", mtime=0), 0, "KeyError"),
        (gzip.compress(b"[]\n", mtime=0), 0, "TypeError"),
        (gzip.compress(json.dumps(made("s3://output/a").to_json()).encode() + b"\n{"), 1, "JSONDecodeError"),
        (gzip.compress(b'"' + b"x" * (1 << 20)), 0, "JSONDecodeError"),
        (write_records([made("s3://output/a")])[:-8], 0, "EOFError"),
    ],
    ids=["no gzip", "no record", "a list", "a line cut off", "one long line", "cut off"],
)
def test_a_damaged_records_file_is_a_gap(sampler: Sampler, s3: Any, body: bytes, kept: int, fault: str) -> None:
    good = put(s3, "good.gz", write_records([made("s3://output/b")]))

    records = sampler.records([put(s3, "bad.gz", body), good])

    assert [record.outputs for record in records].count(("s3://output/b",)) == 1
    assert len(sampler.gaps) == 1
    assert sampler.gaps[0].startswith(f"s3://output/bad.gz is unreadable: {fault}")
    assert kept <= len(records) - 1


def test_a_records_file_that_vanished_is_a_gap(sampler: Sampler) -> None:
    assert sampler.records(["s3://output/gone.gz"]) == []
    assert sampler.gaps == [
        "s3://output/gone.gz is unreadable: ObjectNotFound: cannot read s3://output/gone.gz: it does not exist; "
        "check the bucket and the key"
    ]


# --- pictures


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (encoded("JPEG"), "image/jpeg"),
        (encoded("PNG"), "image/png"),
        (encoded("WEBP"), "image/webp"),
        (encoded("AVIF"), "image/avif"),
        (encoded("GIF"), "image/gif"),
        (encoded("TIFF"), None),
        (SVG, None),
        (b"<!doctype html>", None),
        (b"", None),
    ],
)
def test_pictures_are_known_by_their_bytes(body: bytes, kind: str | None) -> None:
    assert picture_type(body) == kind


def test_a_picture_is_embedded_with_its_size(sampler: Sampler, s3: Any) -> None:
    uri = put(s3, "a.png", PNG)

    assert sampler.sample(made(uri, facts={"width": 3, "height": 4})) == Picture(
        uri, "s3://photos/a", "image/png", PNG, (3, 4)
    )


def test_of_several_sizes_the_smallest_is_shown(sampler: Sampler, s3: Any) -> None:
    large, small = put(s3, "large.png", PNG + b"large"), put(s3, "small.png", PNG)
    facts = {"width": 900, "height": 600, "widths": [900, 90], "heights": [600, 60]}

    assert sampler.sample(made(large, small, facts=facts)) == Picture(
        small, "s3://photos/a", "image/png", PNG, (90, 60)
    )


@pytest.mark.parametrize("facts", [{}, {"width": "3", "height": 4}, {"widths": 1}, {"widths": [], "heights": []}])
def test_facts_without_sizes_show_the_first_output(sampler: Sampler, s3: Any, facts: dict[str, Any]) -> None:
    uri = put(s3, "a.png", PNG)

    assert sampler.sample(made(uri, facts=facts)) == Picture(uri, "s3://photos/a", "image/png", PNG)


@pytest.mark.parametrize(
    ("key", "body", "reason"),
    [
        ("a.svg", SVG, "is of a kind that is not shown"),
        ("a.png", SVG, "is of a kind that is not shown"),
        ("a.jpg", PNG + bytes(PICTURE_BYTES), "is larger than 300\N{NO-BREAK SPACE}kB"),
        ("a.parquet", b"nothing of the kind", "has no preview: "),
        ("a.parquet", bytes(TABLE_BYTES[".parquet"] + 1), "is larger than 8\N{NO-BREAK SPACE}MB"),
        ("a.csv", b"", "has no preview: it is empty"),
        ("a.jsonl", b"{", "has no preview: "),
    ],
)
def test_what_cannot_be_shown_is_named(sampler: Sampler, s3: Any, key: str, body: bytes, reason: str) -> None:
    uri = put(s3, key, body)

    sample = sampler.sample(made(uri))

    assert isinstance(sample, Unshown)
    assert sample.uri == uri
    assert sample.reason.startswith(reason)


@pytest.mark.parametrize("uri", ["s3://output/gone.png", "s3://output/gone.parquet", "no uri"])
def test_an_output_that_vanished_is_named(sampler: Sampler, uri: str) -> None:
    sample = sampler.sample(made(uri))

    assert isinstance(sample, Unshown)
    assert sample.reason.startswith("cannot be read: ")


def test_all_pictures_together_are_bounded(sampler: Sampler, s3: Any) -> None:
    uri = put(s3, "a.png", PNG + bytes(PICTURE_BYTES - len(PNG)))

    samples = [sampler.sample(made(uri)) for _ in range(MOST_SAMPLES)]

    shown = [sample for sample in samples if isinstance(sample, Picture)]
    assert len(shown) == ALL_PICTURES_BYTES // PICTURE_BYTES
    assert samples[-1] == Unshown(
        uri, "s3://photos/a", "no room: all together may have 2\N{NO-BREAK SPACE}MB"
    )  # fmt: skip


# --- tables


def test_tables_are_shown_by_their_first_rows_and_bounded(sampler: Sampler, s3: Any) -> None:
    body = parquet(pl.DataFrame({"a": [1, None]}))
    uri = put(s3, "a.parquet", body)

    samples = [sampler.sample(made(uri, rows_out=2)) for _ in range(MOST_TABLES + 1)]

    table = Preview([Column("a", "Int64", True)], [("1",), (None,)], 0)
    shown = Table(uri, "s3://photos/a", len(body), table, 2)
    assert samples[:-1] == [shown] * MOST_TABLES
    assert isinstance(samples[-1], Unshown)


def test_a_preview_has_bounded_rows_columns_and_cells() -> None:
    frame = pl.DataFrame({f"{i}{'n' * 100}": ["c" * 1_000] * 50 for i in range(30)})

    shown = preview("s3://b/a.parquet", parquet(frame), whole=True)

    assert (len(shown.rows), len(shown.columns), shown.more_columns) == (MOST_ROWS, MOST_COLUMNS, 30 - MOST_COLUMNS)
    texts = [column.name for column in shown.columns] + [cell or "" for row in shown.rows for cell in row]
    assert {len(text) for text in texts} == {LONGEST_CELL}


@pytest.mark.parametrize(
    ("uri", "body", "columns", "rows"),
    [
        ("a.csv", b"a,b\n007,-1.50\n1,\n", [("a", False), ("b", True)], [("007", "-1.50"), ("1", None)]),
        ("a.tsv", b"a\tb\n1\t\xff\n", [("a", True), ("b", False)], [("1", "\ufffd")]),
        ("a.CSV", b"a\n", [("a", False)], []),
        ("a.jsonl", b'{"a":1,"b":["x"]}\n{"a":null}\n', [("a", True), ("b", False)], None),
    ],
)
def test_text_is_previewed_as_it_is_written(uri: str, body: bytes, columns: Any, rows: Any) -> None:
    shown = preview(uri, body, whole=True)

    assert [(column.name, column.numeric) for column in shown.columns] == columns
    assert rows is None or list(shown.rows) == rows


def test_the_beginning_of_a_text_is_enough() -> None:
    shown = preview("a.csv", b"a,b\n1,2\n3,4", whole=False)

    assert list(shown.rows) == [("1", "2")]


def test_bytes_in_a_cell_are_counted() -> None:
    shown = preview("a.parquet", parquet(pl.DataFrame({"a": [b"12345"]})), whole=True)

    assert list(shown.rows) == [("5 bytes",)]


@pytest.mark.parametrize("cut", [4, 100, -9, -1])
def test_a_damaged_parquet_file_is_unreadable(cut: int) -> None:
    with pytest.raises(Unreadable):
        preview("a.parquet", parquet(pl.DataFrame({"a": range(1_000)}))[:cut], whole=True)


def test_polars_is_imported_for_tables_only() -> None:
    code = "import sys, functions.publish.handler; print('polars' in sys.modules)"
    root = Path(__file__).parents[2]
    told = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)

    assert told.stdout == "False\n"
