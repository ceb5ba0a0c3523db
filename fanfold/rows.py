"""What a manifest names: read as the workflow's own reader would, row by row, as it comes.

Prepare has rewritten what that reader cannot read: what is left is JSON lines, or CSV with a header row, commas and
UTF-8.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any, cast

from fanfold.listing import THREADS, Tell
from fanfold.planning import Census, Sorter
from itemkit.errors import InvalidItem, PermanentError
from itemkit.item import Item, join_uri, manifest_item
from itemkit.store import Store, with_head

# Rows that are looked at together.
_TOGETHER = 1000
# Characters of a cell: more is a quote that was not closed.
LONGEST_CELL = 128 * 1024


@dataclass(frozen=True)
class Unusable:
    """A row that names no object, or one that is not there: what tells which, and why."""

    uri: str
    error: PermanentError


@dataclass(frozen=True)
class Rows:
    """The rows of a manifest.

    Attributes:
        source: of a plan: ``kind`` (``csv`` or ``jsonl``), ``bucket`` and ``key``.
        asks: whether S3 is asked for an item's size, date and ETag.
    """

    store: Store
    source: Mapping[str, Any]
    asks: Callable[[Item], bool]

    def survey(self, sorter: Sorter, tell: Tell, most: int | None = None) -> Census:
        """Sort what the manifest names, its first rows where ``most`` says how many; raises as ``items`` does."""
        census = Census()
        for found in islice(self.items(), most):
            if isinstance(found, Item):
                sorter.sort(found, census)
            else:
                census.fail(type(found.error).__name__, found.uri, str(found.error))
            if census.listed % _TOGETHER == 0:
                tell(_TOGETHER)
        return census

    def items(self) -> Iterator[Item | Unusable]:
        """Yield what the rows name, in their order.

        Raises:
            PermanentError, TransientError: the manifest cannot be read.
        """
        with self._opened() as text, ThreadPoolExecutor(THREADS) as threads:
            rows = self._read(text)
            while together := list(islice(rows, _TOGETHER)):
                named = [self._item(row) for row in together]
                asking = any(self._is_asked(found) for found in named)
                yield from threads.map(self._asked, named) if asking else named

    def _read(self, text: IO[str]) -> Iterator[Any]:
        number = 0
        try:
            for number, row in enumerate(_READERS[self.source["kind"]](text), 1):  # noqa: B007
                yield row
        except (ValueError, csv.Error) as error:
            raise PermanentError(
                f"{self._uri}: what follows row {number} cannot be read: {error}; correct it"
            ) from error

    @property
    def _uri(self) -> str:
        return join_uri(self.source["bucket"], self.source["key"])

    def _item(self, row: Any) -> Item | Unusable:
        try:
            return manifest_item(row, self.source["bucket"])
        except InvalidItem as error:
            return Unusable(json.dumps(row, ensure_ascii=False), error)

    def _is_asked(self, found: Item | Unusable) -> bool:
        return isinstance(found, Item) and found.size is None and self.asks(found)

    def _asked(self, found: Item | Unusable) -> Item | Unusable:
        if isinstance(found, Unusable) or not self._is_asked(found):
            return found
        try:
            return with_head(self.store, found)
        except PermanentError as error:
            return Unusable(found.uri, error)

    @contextmanager
    def _opened(self) -> Iterator[IO[str]]:
        with self.store.open(self._uri) as (_, stream):
            unpacked = cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if self._uri.endswith(".gz") else stream
            yield io.TextIOWrapper(unpacked, "utf-8", newline="")


def _csv(text: IO[str]) -> Iterator[dict[str, str]]:
    """Yield a row's cells by column: missing ones are empty, further ones are dropped."""
    # The module's own, which others in this process may have moved: a key has 1,024 bytes at most.
    csv.field_size_limit(LONGEST_CELL)
    rows = csv.reader(text)
    header = next(rows, [])
    for cells in rows:
        if cells:
            yield dict(zip(header, cells + [""] * (len(header) - len(cells)), strict=False))


def _jsonl(text: IO[str]) -> Iterator[Any]:
    for line in text:
        if line.strip():
            yield json.loads(line)


_READERS: dict[str, Callable[[IO[str]], Iterable[Any]]] = {"csv": _csv, "jsonl": _jsonl}
