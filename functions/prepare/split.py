"""Large tables as parts: each object that is worth it becomes several rows of the manifest, each whole rows of it."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

from functions.prepare.parity import Unsplittable, find_header, proven_text, row_ends
from itemkit import InvalidJob
from itemkit.errors import PermanentError, TransientError
from itemkit.item import NAMING_COLUMNS, Item, Part, manifest_item
from itemkit.job import Split
from itemkit.select import Select
from itemkit.store import ChangedUnderneath, Store, with_head

DELIMITED = (".csv", ".tsv", ".txt")
LINES = (".jsonl", ".ndjson")
# Of a source that is split; each costs a question to S3 where the source does not say its size.
MOST_LISTED = 100_000
# Of an object.
MOST_PARTS = 10_000
# Bytes of delimited text, of all objects together. It is read once and in order: at the 50 to 85 MB a second that a
# function was seen to get from S3 (AWS names no figure) that is at most six of the fifteen minutes Prepare has. Going
# through it takes 1.5 s of CPU a GB, 6 s where every field is in quotes.
MOST_SCANNED = 16 * 1024**3
# As JSON; it travels in the row of each part, which has 256 KiB with everything else a child gets.
LONGEST_HEADER = 64 * 1024
# Bytes of JSON lines in which one has to end.
LONGEST_LINE = 16 * 1024 * 1024
# Bytes of a request, and requests at once: 32 MB in memory.
_PIECE = 4 * 1024 * 1024
_AHEAD = 8
_FIRST_WINDOW = 64 * 1024
_Given = TypeVar("_Given")
_Got = TypeVar("_Got")


@dataclass
class Splitter:
    """Splits the objects of one job.

    Attributes:
        scanned: bytes of delimited text read for their quotes so far.
    """

    store: Store
    split: Split
    select: Select = field(default_factory=Select)
    scanned: int = 0

    def rows(self, listed: Iterable[tuple[Any, Item | None]]) -> Iterator[Any]:
        """Yield the manifest's rows: those given, and for an object that is split a row a part.

        What is not wanted, not a large table, or cannot be read keeps its row: what becomes of it is its batch's to
        say.

        Args:
            listed: rows, each with the item it names; see ``named``.

        Raises:
            InvalidJob: an object's rows have no certain ends, or there are too many of them.
            TransientError: S3 does not answer, or an object changed meanwhile.
        """
        # All of them first: reading tables takes minutes, in which a stream that waits would break off.
        for row, item in ahead(self._asked, list(_bounded(listed))):
            parts = self._parts_of(item) if item else []
            if item and len(parts) > 1:
                yield from _part_rows(row, item, parts)
            else:
                yield row

    def parts(self, uri: str, size: int, etag: str) -> list[Part]:
        """Return the parts of an object, about ``split.bytes`` each; fewer than two where it cannot be divided.

        Raises:
            InvalidJob, TransientError: as ``rows`` does.
            PermanentError: the object cannot be read.
        """
        count = math.ceil(size / self.split.bytes)
        with _refusing(uri):
            if count > MOST_PARTS:
                least = math.ceil(size / MOST_PARTS)
                raise Unsplittable(
                    f"it would be {count:,} parts, {MOST_PARTS:,} at most: set 'split.bytes' to {least} or more"
                )
            if count < 2:
                return [Part(0, size - 1, etag, "")]
            source = _Source(self.store, uri, size, etag)
            if uri.lower().endswith(LINES):
                return source.lines(count)
            self.scanned += size
            if self.scanned > MOST_SCANNED:
                raise Unsplittable(
                    f"with it {self.scanned:,} bytes would be read for their quotes, and Prepare has time for "
                    f"{MOST_SCANNED:,}: give fewer objects a run or smaller ones, or JSON lines, which have none"
                )
            return source.table(count, self.split.delimiter)

    def _asked(self, listed: tuple[Any, Item | None]) -> tuple[Any, Item | None]:
        """Return a row, and its item with size and ETag where it is to be split."""
        row, item = listed
        if item is None or item.part or not item.uri.lower().endswith(DELIMITED + LINES):
            return row, None
        with suppress(PermanentError):
            item = with_head(self.store, item) if item.size is None else item
            if self.select.refusal(item) is None and (item.size or 0) > self.split.above:
                return row, item
        return row, None

    def _parts_of(self, item: Item) -> list[Part]:
        with suppress(PermanentError):
            return self.parts(item.uri, item.size or 0, item.etag or "")
        return []


def named(rows: Iterable[Any], bucket: str) -> Iterator[tuple[Any, Item | None]]:
    """Yield a manifest's rows, each with the item it names, if it does; ``bucket`` is the manifest's own."""
    for row in rows:
        try:
            yield row, manifest_item(row, bucket)
        except PermanentError:
            yield row, None


def ahead(function: Callable[[_Given], _Got], values: Iterable[_Given]) -> Iterator[_Got]:
    """Yield the function's value for each of ``values``, in order, computing some ahead in threads."""
    waiting: deque[Future[_Got]] = deque()
    with ThreadPoolExecutor(_AHEAD) as threads:
        for value in values:
            waiting.append(threads.submit(function, value))
            if len(waiting) == _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True)
class _Source:
    """An object that is split, as it was when it was listed."""

    store: Store
    uri: str
    size: int
    etag: str

    def table(self, count: int, delimiter: str | None) -> list[Part]:
        """Return about ``count`` parts of a delimited text, each with the header."""
        header = find_header(self._read((0, min(self.size, LONGEST_HEADER))), delimiter)
        row = b"".join(proven_text([header.row])).decode()
        if len(json.dumps(row)) > LONGEST_HEADER:
            raise Unsplittable(f"its header has {len(row):,} characters, too many to go with each part: shorten it")
        pieces = ahead(self._read, _spans(header.first, self.size, _PIECE))
        ends = row_ends(pieces, header.first, _targets(header.end, self.size, count), header.delimiter)
        return self._cut(header.end, ends, row)

    def lines(self, count: int) -> list[Part]:
        """Return about ``count`` parts of JSON lines; only the text around the cuts is read."""
        list(proven_text([self._read((0, min(self.size, _FIRST_WINDOW)))], whole=False))
        targets = _targets(0, self.size, count)
        ends = ahead(self._line_end, zip(targets, [*targets[1:], self.size], strict=True))
        return self._cut(0, (end for end in ends if end is not None), "")

    def _cut(self, first: int, ends: Iterable[int], header: str) -> list[Part]:
        edges = [first, *(end for end in ends if end < self.size), self.size]
        return [Part(start, end - 1, self.etag, header) for start, end in pairwise(edges) if start < end]

    def _line_end(self, span: tuple[int, int]) -> int | None:
        """Return the offset behind the first line that ends in a span, ``None``: it holds part of one line."""
        first, end = span
        start, window = first, _FIRST_WINDOW
        while start < end:
            if start - first > LONGEST_LINE:
                raise Unsplittable(f"no line ends in {LONGEST_LINE:,} bytes from byte {first:,}: is it JSON lines?")
            piece = self._read((start, min(start + window, end)))
            if (found := piece.find(b"\n")) >= 0:
                return start + found + 1
            start, window = start + len(piece), min(4 * window, _PIECE)
        return None

    def _read(self, span: tuple[int, int]) -> bytes:
        """Return the bytes from one offset to before another; raises TransientError when the object changed."""
        try:
            with self.store.open(self.uri, Part(span[0], span[1] - 1, self.etag, "")) as (_, stream):
                return bytes(stream.read())
        except ChangedUnderneath as error:
            raise TransientError(f"{self.uri} changed while it was split into parts; it is split anew") from error


@contextmanager
def _refusing(uri: str) -> Iterator[None]:
    try:
        yield
    except Unsplittable as error:
        raise InvalidJob(f"{uri} cannot be split: {error}; or leave 'split' out, or exclude it by 'select'") from error


def _bounded(listed: Iterable[_Given]) -> Iterator[_Given]:
    for number, each in enumerate(listed):
        if number == MOST_LISTED:
            raise InvalidJob(f"the source has more than {MOST_LISTED:,} rows, too many to be split: name fewer")
        yield each


def _part_rows(row: Any, item: Item, parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
    own = {name: value for name, value in row.items() if name not in NAMING_COLUMNS}
    for number, part in enumerate(parts):
        output = {"output": numbered(item.output, number)} if item.output else {}
        header = {"header_row": part.header} if part.header else {}
        cut = {"byte_range": f"{part.first}-{part.last}", "source_etag": part.etag, **header}
        yield {"uri": item.uri, "item_name": numbered(item.name, number), **output, **own, **cut}


def numbered(name: str, number: int) -> str:
    """Name a part: ``a/big.csv`` becomes ``a/big.part-00003.csv``."""
    folder, slash, last = name.rpartition("/")
    stem, dot, extension = last.rpartition(".")
    if not stem:
        stem, dot, extension = last, "", ""
    return f"{folder}{slash}{stem}.part-{number:05}{dot}{extension}"


def _targets(first: int, end: int, count: int) -> list[int]:
    """Return the last byte of each of ``count`` equal parts of a span, but of the last."""
    return [first + (end - first) * place // count - 1 for place in range(1, count)]


def _spans(first: int, end: int, length: int) -> Iterator[tuple[int, int]]:
    return ((start, min(start + length, end)) for start in range(first, end, length))
