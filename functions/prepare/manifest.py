"""Manifests: may the native reader take one as it is, or must it be rewritten to JSON lines first?

Step Functions reads CSV with a header row, commas and UTF-8, and drops lone backslashes; whatever else people have
(other delimiters, no header row, a byte order mark, UTF-16, cp1252, backslashes in keys, lines that end in CR alone,
JSON arrays) is rewritten, streaming. Pure: bytes in, rows out.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any, cast

from itemkit import InvalidJob
from itemkit.item import NAMING_COLUMNS

HEAD_BYTES = 64 * 1024
# The largest JSON array, which has to be in memory at once.
JSON_BYTES = 64 * 1024 * 1024
# Characters of a cell; a key has 1,024 bytes at most, so more is a quote that was not closed.
LONGEST_CELL = 128 * 1024
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DELIMITERS = (",", ";", "\t", "|")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class Manifest:
    """What a manifest turned out to be.

    Attributes:
        kind: ``csv``, ``jsonl`` or ``json``.
        encoding: a Python codec.
        header: the column names, ``None`` for JSON; those of a headerless CSV are given by us.
        has_header: whether the first row is the header.
        native: whether the native reader of its kind takes it unchanged.
    """

    kind: str
    encoding: str = "utf-8"
    delimiter: str = ","
    header: tuple[str, ...] | None = None
    has_header: bool = True
    native: bool = True


def unpacked(stream: IO[bytes], uri: str) -> IO[bytes]:
    """Return the stream's bytes, unpacked when the name says gzip (as the native reader decides it)."""
    return cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if uri.endswith(".gz") else stream


def examine(stream: IO[bytes], uri: str, delimiter: str | None) -> Manifest:
    """Find out what the manifest at ``uri`` is, reading its unpacked ``stream`` to the end.

    Only the whole proves that the native reader gets every row right; the largest one it takes (10 GB) needs two
    minutes.

    Raises:
        InvalidJob: it is no manifest: it is damaged or no text, or its columns name no object.
    """
    with _reading(uri):
        return _examine(stream, uri, delimiter)


def _examine(stream: IO[bytes], uri: str, delimiter: str | None) -> Manifest:
    head = stream.read(HEAD_BYTES)
    kind = uri.removesuffix(".gz").rsplit(".", 1)[-1]
    encoding = next((codec for bom, codec in _BOMS if head.startswith(bom)), "")
    if "\0" in head.decode(encoding or "latin-1", "ignore"):
        raise InvalidJob(f"{uri} is no text, or UTF-16 without a byte order mark: save it as UTF-8")
    if kind == "json":
        return Manifest("json", encoding or "utf-8", native=False)
    text_encoding, plain = _scan(head, stream, encoding)
    if kind == "jsonl":
        return Manifest("jsonl", text_encoding, native=text_encoding == "utf-8")
    found = _csv(head.decode(text_encoding, "ignore"), uri, delimiter)
    native = found.native and found.delimiter == "," and text_encoding == "utf-8" and plain
    return replace(found, encoding=text_encoding, native=native)


def rows(stream: IO[bytes], manifest: Manifest, uri: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a manifest that is not native, as objects with ``uri``, ``key``, ``bucket``, ``output``, ...

    A short row's missing columns are empty and a long row's extra cells are dropped, as the native reader has it.

    Raises:
        InvalidJob: a row cannot be read; the message names it.
    """
    readers = {"json": _json_rows, "jsonl": _jsonl_rows, "csv": _csv_rows}
    with _reading(uri):
        yield from readers[manifest.kind](stream, manifest, uri)


@contextmanager
def _reading(uri: str) -> Iterator[None]:
    """Turn what reading raises over damaged bytes into InvalidJob."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise InvalidJob(f"{uri} is no text ({error.encoding}: {error.reason}): save it as UTF-8") from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InvalidJob(f"{uri} is no gzip file, or a damaged one: {error}; write it again") from error


def _scan(head: bytes, stream: IO[bytes], encoding: str) -> tuple[str, bool]:
    """Return the encoding of the head and what follows, and whether it is plain.

    Plain is what the native CSV reader takes for what it is: without a backslash or a line that ends in CR alone.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding or "utf-8")(), translate=False)
    chunk, backslash = head, False
    try:
        while chunk:
            backslash = "\\" in decoder.decode(chunk) or backslash
            chunk = stream.read(1 << 20)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        if encoding:
            raise
        return "cp1252", False
    endings = decoder.newlines if isinstance(decoder.newlines, tuple) else (decoder.newlines,)
    return encoding or "utf-8", not backslash and "\r" not in endings


def _csv(text: str, uri: str, delimiter: str | None) -> Manifest:
    """Find delimiter and header in the first row."""
    preferred = ("\t",) if uri.removesuffix(".gz").endswith(".tsv") else ()
    candidates = (delimiter,) if delimiter else (*preferred, *_DELIMITERS)
    for candidate in candidates:
        first = _first_row(text, candidate)
        names = tuple(_normal(cell, first) for cell in first)
        if "uri" in names or "key" in names:
            _refuse_duplicates(names, uri)
            return Manifest("csv", delimiter=candidate, header=names, native=names == tuple(first))
    best = max(candidates, key=text.count)
    header = _guessed(_first_row(text, best), uri)
    return Manifest("csv", delimiter=best, header=header, has_header=False, native=False)


def _guessed(first: list[str], uri: str) -> tuple[str, ...]:
    """Name the columns of a manifest without a header row: ``uri, ...`` or ``bucket, key, ...``.

    The second form is that of S3 Batch Operations; its keys are taken as they are.
    """
    if first and first[0].startswith("s3://"):
        names = ["uri"]
    elif len(first) >= 2 and _BUCKET.fullmatch(first[0]) and first[1]:
        names = ["bucket", "key"]
    else:
        raise InvalidJob(
            f"{uri}: no column 'uri' or 'key' in its first row {first!r}: give it a header row that names one"
        )
    return (*names, *(f"column_{place}" for place in range(len(names) + 1, len(first) + 1)))


def _first_row(text: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def _normal(cell: str, header: list[str]) -> str:
    """Return a header cell; the columns we read are known in any case and spacing, unless one is written exactly."""
    name = cell.strip().lower()
    return name if name in NAMING_COLUMNS and name not in header else cell


def _refuse_duplicates(names: tuple[str, ...], uri: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidJob(f"{uri}: the header names {twice[0]!r} twice: rename one of the columns")


def _csv_rows(stream: IO[bytes], manifest: Manifest, uri: str) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(_text(stream, manifest), delimiter=manifest.delimiter)
    header = manifest.header or ()
    try:
        if manifest.has_header:
            next(reader)
        for cells in reader:
            if cells:
                padded = cells + [""] * (len(header) - len(cells))
                yield dict(zip(header, padded, strict=False))
    except csv.Error as error:
        raise InvalidJob(f"{uri}: the row that ends in line {reader.line_num}: {error}; correct it") from error


def _jsonl_rows(stream: IO[bytes], manifest: Manifest, uri: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_text(stream, manifest), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise InvalidJob(f"{uri}: line {number} is not JSON: {error}; correct it") from error


def _json_rows(stream: IO[bytes], manifest: Manifest, uri: str) -> Iterator[dict[str, Any]]:
    body = stream.read(JSON_BYTES + 1)
    if len(body) > JSON_BYTES:
        raise InvalidJob(f"{uri} is a JSON array of more than {JSON_BYTES:,} bytes: write it as JSON lines (.jsonl)")
    text = body.decode(manifest.encoding)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidJob(f"{uri} is not JSON: {error}; correct it") from error
    if not isinstance(value, list):
        raise InvalidJob(f"{uri} holds a JSON {type(value).__name__}: write an array of objects with 'uri' or 'key'")
    yield from value


def _text(stream: IO[bytes], manifest: Manifest) -> IO[str]:
    return io.TextIOWrapper(stream, encoding=manifest.encoding, newline="")
