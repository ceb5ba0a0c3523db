"""What a map read, read again: the objects below a prefix or the rows of a manifest, as items.

It is the source as it is now: what was added since the map read it is among the items, what was removed is not.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any, cast

from itemkit.errors import PermanentError
from itemkit.event import Event
from itemkit.item import Item, join_uri
from itemkit.record import Record
from itemkit.store import S3Store

# Characters of a row that the native reader takes (AWS documents 8 MB for an item).
LONGEST_ROW = 8 * 1024 * 1024
_WINDOW = 1000
# What reading raises over a manifest that is damaged, or another one than Prepare examined.
_DAMAGE = (OSError, EOFError, ValueError, RecursionError, csv.Error, zlib.error)


def listing(store: S3Store, source: Mapping[str, Any], max_items: int) -> Iterator[Item | Record]:
    """Yield the first ``max_items`` (0: all) of a source as item functions see them; memory does not grow with it.

    Args:
        store: where the source lies.
        source: the plan's: ``{"kind": "prefix", "bucket", "prefix"}``, or ``{"kind": "csv" | "jsonl", "bucket",
            "key"}`` for a manifest that Prepare leaves to the native reader.
        max_items: of the run.

    Raises:
        TransientError: S3 does not answer.
        PermanentError: the source is gone, forbidden or damaged; the message names it.
    """
    entries = itertools.islice(_entries(store, source), max_items or None)
    while window := list(itertools.islice(entries, _WINDOW)):
        yield from Event(window, {"source": source}, "").items()


def _entries(store: S3Store, source: Mapping[str, Any]) -> Iterator[Any]:
    if source["kind"] == "prefix":
        return store.list(join_uri(source["bucket"], source["prefix"]))
    rows = {"csv": _csv_rows, "jsonl": _jsonl_rows}[source["kind"]]
    return _manifest(store, join_uri(source["bucket"], source["key"]), rows)


def _manifest(store: S3Store, uri: str, rows: Any) -> Iterator[Any]:
    with store.open(uri) as (_, stream):
        try:
            yield from rows(_unpacked(stream, uri))
        except _DAMAGE as error:
            raise PermanentError(f"the manifest {uri} cannot be read again: {error}") from error


def _unpacked(stream: IO[bytes], uri: str) -> IO[bytes]:
    return cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if uri.endswith(".gz") else stream


def _csv_rows(stream: IO[bytes]) -> Iterator[dict[str, str]]:
    """Yield rows under the header: short ones filled with empty cells, long ones cut, blank lines left out.

    Prepare leaves no file with backslashes or lines that end in CR alone to the native reader, which reads these as
    nobody else does.
    """
    csv.field_size_limit(LONGEST_ROW)
    cells = filter(None, csv.reader(io.TextIOWrapper(stream, encoding="utf-8", newline="")))
    header = next(cells, [])
    for row in cells:
        yield dict(zip(header, row + [""] * (len(header) - len(row)), strict=False))


def _jsonl_rows(stream: IO[bytes]) -> Iterator[Any]:
    return (json.loads(line) for line in stream if not line.isspace())
