"""Manifests: may the native reader take one as it is, or must it be rewritten to JSON lines first?

Step Functions reads CSV with a header row, commas and UTF-8, and drops lone backslashes; whatever else people have
(other delimiters, no header row, a byte order mark, UTF-16, cp1252, backslashes in keys, JSON arrays) is rewritten,
streaming. Pure: bytes in, rows out.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Any

from itemkit import InvalidJob

HEAD_BYTES = 64 * 1024
# A manifest up to this size (unpacked) is read whole to prove it is safe for the native reader; a larger one is judged
# by its head.
SCAN_BYTES = 256 * 1024 * 1024
# The largest JSON array, which has to be in memory at once.
JSON_BYTES = 64 * 1024 * 1024
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DELIMITERS = (",", ";", "\t", "|")
_NAMES = ("uri", "key", "bucket", "output")


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


def unpacked(stream: Any, uri: str) -> IO[bytes]:
    """Return the stream's bytes, unpacked when the name says gzip (as the native reader decides it)."""
    return gzip.GzipFile(fileobj=stream) if uri.endswith(".gz") else stream


def examine(stream: IO[bytes], uri: str, delimiter: str | None) -> Manifest:
    """Find out what the manifest at ``uri`` is, reading at most SCAN_BYTES of its unpacked ``stream``.

    Raises:
        InvalidJob: it is no manifest: no row names an object.
    """
    head = stream.read(HEAD_BYTES)
    kind = uri.removesuffix(".gz").rsplit(".", 1)[-1]
    encoding = next((codec for bom, codec in _BOMS if head.startswith(bom)), "")
    if kind == "json":
        return Manifest("json", encoding or "utf-8", native=False)
    bom, (text_encoding, has_backslash) = bool(encoding), _scan(head, stream, encoding)
    if kind == "jsonl":
        return Manifest("jsonl", text_encoding, native=not bom and text_encoding == "utf-8")
    found = _csv(head.decode(text_encoding, "ignore"), uri, delimiter)
    native = found.native and found.delimiter == "," and text_encoding == "utf-8" and not bom and not has_backslash
    return replace(found, encoding=text_encoding, native=native)


def rows(stream: IO[bytes], manifest: Manifest, uri: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a manifest that is not native, as objects with ``uri``, ``key``, ``bucket``, ``output``, ...

    A short row's missing columns are empty and a long row's extra cells are dropped, as the native reader has it.

    Raises:
        InvalidJob: a row cannot be read; the message names it.
    """
    if manifest.kind == "json":
        yield from _json_rows(stream, manifest, uri)
        return
    text = io.TextIOWrapper(stream, encoding=manifest.encoding, newline="")
    try:
        yield from _jsonl_rows(text) if manifest.kind == "jsonl" else _csv_rows(text, manifest)
    except UnicodeDecodeError as error:
        raise InvalidJob(f"{uri} is not {manifest.encoding} text: {error}; save it as UTF-8") from error
    except (csv.Error, json.JSONDecodeError) as error:
        raise InvalidJob(f"{uri}: {error}; correct the row") from error


def _scan(head: bytes, stream: IO[bytes], encoding: str) -> tuple[str, bool]:
    """Return the encoding, and whether a backslash occurs, of the head and what follows."""
    decoder = codecs.getincrementaldecoder(encoding or "utf-8")()
    seen, chunk, backslash = 0, head, False
    while chunk:
        try:
            backslash = backslash or "\\" in decoder.decode(chunk)
        except UnicodeDecodeError:
            return "cp1252", True
        seen += len(chunk)
        chunk = stream.read(1 << 20) if seen < SCAN_BYTES else b""
    return encoding or "utf-8", backslash


def _csv(text: str, uri: str, delimiter: str | None) -> Manifest:
    """Find delimiter and header in the first row."""
    preferred = ("\t",) if uri.removesuffix(".gz").endswith(".tsv") else ()
    candidates = (delimiter,) if delimiter else (*preferred, *_DELIMITERS)
    for candidate in candidates:
        first = _first_row(text, candidate)
        names = tuple(_normal(cell) for cell in first)
        if "uri" in names or "key" in names:
            _refuse_duplicates(names, uri)
            return Manifest("csv", delimiter=candidate, header=names, native=names == tuple(first))
    best = max(candidates, key=text[:HEAD_BYTES].count)
    header = _guessed(_first_row(text, best), uri)
    return Manifest("csv", delimiter=best, header=header, has_header=False, native=False)


def _guessed(first: list[str], uri: str) -> tuple[str, ...]:
    """Name the columns of a manifest without a header row: ``uri, ...`` or ``bucket, key, ...``.

    The second form is that of S3 Batch Operations; its keys are taken as they are.
    """
    if first and first[0].startswith("s3://"):
        names = ["uri"]
    elif len(first) >= 2 and all(first[:2]):
        names = ["bucket", "key"]
    else:
        raise InvalidJob(
            f"{uri}: no column 'uri' or 'key' in its first row {first!r}: give it a header row that names one"
        )
    return (*names, *(f"column_{place}" for place in range(len(names) + 1, len(first) + 1)))


def _first_row(text: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


def _normal(cell: str) -> str:
    """Return a header cell; the columns we read are known in any case and spacing."""
    name = cell.strip().lower()
    return name if name in _NAMES else cell


def _refuse_duplicates(names: tuple[str, ...], uri: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidJob(f"{uri}: the header names {twice[0]!r} twice: rename one of the columns")


def _csv_rows(text: IO[str], manifest: Manifest) -> Iterator[dict[str, Any]]:
    reader = csv.reader(text, delimiter=manifest.delimiter)
    header = manifest.header or ()
    if manifest.has_header:
        next(reader)
    for cells in reader:
        if cells:
            padded = cells + [""] * (len(header) - len(cells))
            yield dict(zip(header, padded, strict=False))


def _jsonl_rows(text: IO[str]) -> Iterator[dict[str, Any]]:
    for line in text:
        if line.strip():
            yield json.loads(line)


def _json_rows(stream: IO[bytes], manifest: Manifest, uri: str) -> Iterator[dict[str, Any]]:
    body = stream.read(JSON_BYTES + 1)
    if len(body) > JSON_BYTES:
        raise InvalidJob(f"{uri} is a JSON array of more than {JSON_BYTES:,} bytes: write it as JSON lines (.jsonl)")
    try:
        value = json.loads(body.decode(manifest.encoding))
    except ValueError as error:
        raise InvalidJob(f"{uri} is not JSON: {error}") from error
    if not isinstance(value, list):
        raise InvalidJob(f"{uri} holds a JSON {type(value).__name__}: write an array of objects with 'uri' or 'key'")
    yield from value
