"""Some outputs of a run: found in some of its records, read within bounds.

What cannot be read is part of the answer and never an error: an output may have been moved since.
"""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from functions.publish import quantities
from functions.publish.report import Picture, Sample, Table, Unshown
from itemkit.errors import ItemError
from itemkit.record import Record
from itemkit.store import Store

MOST_SAMPLES = 12
MOST_TABLES = 2
PICTURE_BYTES = 300_000
ALL_PICTURES_BYTES = 2_000_000
MOST_FILES = 12
# Of a table, by the suffix of its key. Of text, the beginning is enough; Parquet has its directory at its end.
TABLE_BYTES = {".parquet": 8_000_000, ".csv": 1_000_000, ".tsv": 1_000_000, ".jsonl": 1_000_000, ".ndjson": 1_000_000}
# Of one records file, and of one line in it: a record carries its manifest row, which Step Functions bounds at 256 KiB.
_MOST_RECORDS = 200
_LONGEST_RECORD = 1 << 19
# What reading damaged records raises.
_DAMAGE = (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError, AttributeError)


@dataclass
class Sampler:
    """Reads samples; one a page, because the page bounds what all pictures together may weigh.

    Attributes:
        gaps: the records files that could not be read, in sentences.
    """

    store: Store
    gaps: list[str] = field(default_factory=list)
    _pictures: int = 0
    _tables: int = 0

    def records(self, uris: Sequence[str]) -> list[Record]:
        """Return at most ``MOST_SAMPLES`` records with outputs, from all the files in turn."""
        files = [_spread(self._with_outputs(uri), MOST_SAMPLES) for uri in uris[:MOST_FILES]]
        in_turn = itertools.chain.from_iterable(itertools.zip_longest(*files))
        return list(itertools.islice(filter(None, in_turn), MOST_SAMPLES))

    def sample(self, record: Record) -> Sample:
        """Return an output of a record as far as the page can show it; of several sizes, the smallest."""
        uri, pixels = _smallest(record)
        try:
            with self.store.open(uri) as (head, stream):
                if PurePosixPath(uri).suffix.lower() in TABLE_BYTES:
                    return self._table(uri, record, head.size, stream)
                return self._picture(uri, record, pixels, stream)
        except ItemError as error:
            return Unshown(uri, record.uri, f"cannot be read: {error}")

    def _with_outputs(self, uri: str) -> list[Record]:
        found: list[Record] = []
        try:
            with self.store.open(uri) as (_, stream), gzip.open(stream) as lines:
                # One after the other: what was read before the damage is kept.
                for record in itertools.islice(_read(lines), _MOST_RECORDS):
                    found += [record] * bool(record.outputs)
        except (ItemError, *_DAMAGE) as error:
            self.gaps.append(f"{uri} is unreadable: {type(error).__name__}: {error}")
        return found

    def _picture(self, uri: str, record: Record, pixels: tuple[int, int] | None, stream: Any) -> Sample:
        body = stream.read(PICTURE_BYTES + 1)
        kind = picture_type(body)
        if kind is None:
            return Unshown(uri, record.uri, "is of a kind that is not shown")
        if len(body) > PICTURE_BYTES:
            return Unshown(uri, record.uri, f"is larger than {quantities.size(PICTURE_BYTES)}")
        if self._pictures + len(body) > ALL_PICTURES_BYTES:
            return Unshown(uri, record.uri, f"no room: all together may have {quantities.size(ALL_PICTURES_BYTES)}")
        self._pictures += len(body)
        return Picture(uri, record.uri, kind, body, pixels)

    def _table(self, uri: str, record: Record, size: int, stream: Any) -> Sample:
        if self._tables == MOST_TABLES:
            return Unshown(uri, record.uri, quantities.size(size))
        # Most runs have no tables, and polars takes longer to import than all else.
        from functions.publish.preview import Unreadable, preview  # noqa: PLC0415

        suffix = PurePosixPath(uri).suffix.lower()
        most = TABLE_BYTES[suffix]
        body = stream.read(most + 1)
        if suffix == ".parquet" and len(body) > most:
            return Unshown(uri, record.uri, f"is larger than {quantities.size(most)}")
        try:
            table = preview(uri, body[:most], whole=len(body) <= most)
        except Unreadable as error:
            return Unshown(uri, record.uri, f"has no preview: {error}")
        self._tables += 1
        return Table(uri, record.uri, size, table, record.rows_out if len(record.outputs) == 1 else None)


def picture_type(body: bytes) -> str | None:
    """Return the MIME type of an image that may be embedded, by its first bytes; ``None``: it is none.

    SVG is none of them: it is a document that can hold scripts.
    """
    if body.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if body.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    if body[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return None


def _read(lines: Any) -> Iterator[Record]:
    while line := lines.readline(_LONGEST_RECORD):
        yield Record.from_json(json.loads(line))


def _spread(records: Sequence[Record], most: int) -> list[Record]:
    """Return at most ``most`` records at even distances."""
    step = max(1, -(-len(records) // most))
    return list(records[::step])


def _smallest(record: Record) -> tuple[str, tuple[int, int] | None]:
    """Return the output with the fewest pixels and its size, where the facts tell; else the first."""
    widths = record.facts.get("widths", [record.facts.get("width")])
    heights = record.facts.get("heights", [record.facts.get("height")])
    if not _are_sizes(widths) or not _are_sizes(heights):
        return record.outputs[0], None
    sizes = zip(record.outputs, zip(widths, heights, strict=False), strict=False)
    return min(sizes, key=lambda each: each[1][0] * each[1][1])


def _are_sizes(fact: Any) -> bool:
    """Tell whether a fact of an operation, which may be anything, is sizes as image operations tell them."""
    return isinstance(fact, list) and bool(fact) and all(isinstance(each, int) for each in fact)
