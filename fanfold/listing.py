"""What lies below a prefix, asked of S3: cut into parts at its sub-prefixes, several of which are listed at a time."""

from __future__ import annotations

import math
import random
import statistics
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from fanfold.planning import Census, Sorter
from itemkit.item import Item, listed_item, split_uri

# Parts of a prefix, and how many are listed at a time.
PARTS = 64
THREADS = 16
# Pages of sub-prefixes asked for below one prefix.
_FOLDER_PAGES = 10

# Is told how many more there are, from any thread.
Tell = Callable[[int], None]


@dataclass(frozen=True)
class Span:
    """The keys of a prefix after one key, and up to another; ``None``: to the end."""

    after: str = ""
    upto: str | None = None


WHOLE = Span()


@dataclass(frozen=True)
class Sample:
    """How much of a prefix was listed.

    Attributes:
        keys: that were listed.
        parts, listed: of the prefix, in all and of those that were listed.
        cut: whether one was not listed to its end, so that the prefix holds more than it seems.
        error: of an estimate of the whole, in percent of it: one standard error; ``None``: fewer than two parts.
    """

    keys: int
    parts: int
    listed: int
    cut: bool
    error: float | None

    @property
    def factor(self) -> float:
        """What the whole is a multiple of what was listed."""
        return self.parts / self.listed


@dataclass(frozen=True)
class _Part:
    """What one part holds, and whether it holds more."""

    census: Census
    cut: bool = False


class Listing:
    """Lists the objects below a prefix; counts the LIST requests it makes as ``requests``."""

    def __init__(self, s3: Any, uri: str) -> None:
        self._s3 = s3
        self._bucket, self._prefix = split_uri(uri)
        self._lock = threading.Lock()
        self.requests = 0

    def spans(self) -> list[Span]:
        """Cut the prefix into parts at its sub-prefixes, as deep as it takes to have enough of them."""
        cuts, level = [self._prefix], [self._prefix]
        with ThreadPoolExecutor(THREADS) as threads:
            while level and len(cuts) < PARTS:
                found = dict(zip(level, threads.map(self._folders, level), strict=True))
                # Each gives way to what is below it, where there is something.
                cuts = [cut for each in cuts for cut in (found.get(each) or [each])]
                level = list(chain.from_iterable(found.values()))
        # What lies before the second cut belongs to the first part.
        edges = cuts[:: -(-len(cuts) // PARTS)][1:]
        return [Span(after, upto) for after, upto in zip(["", *edges], [*edges, None], strict=True)]

    def _folders(self, prefix: str) -> list[str]:
        """Return the sub-prefixes; no more are asked for once a page has none."""
        found: list[str] = []
        asked = {"Bucket": self._bucket, "Prefix": prefix, "Delimiter": "/"}
        for _ in range(_FOLDER_PAGES):
            answer = self._ask(asked)
            here = [each["Prefix"] for each in answer.get("CommonPrefixes", ())]
            found += here
            if not here or not answer["IsTruncated"]:
                break
            asked["ContinuationToken"] = answer["NextContinuationToken"]
        return found

    def pages(self, span: Span = WHOLE) -> Iterator[list[dict[str, Any]]]:
        """Yield the entries of a part, a thousand at a time, in the order of their keys."""
        asked = {"Bucket": self._bucket, "Prefix": self._prefix, "StartAfter": span.after}
        while True:
            answer = self._ask(asked)
            entries = answer.get("Contents", [])
            inside = [each for each in entries if span.upto is None or each["Key"] <= span.upto]
            yield inside
            if not answer["IsTruncated"] or len(inside) < len(entries):
                return
            asked["ContinuationToken"] = answer["NextContinuationToken"]

    def items(self, span: Span = WHOLE) -> Iterator[Item]:
        """Yield the items of a part that the workflow would make of it, in its order."""
        return chain.from_iterable(map(self.items_of, self.pages(span)))

    def items_of(self, page: Iterable[Mapping[str, Any]]) -> Iterator[Item]:
        """Yield the items of a page."""
        for found in page:
            entry = {**found, "Etag": found["ETag"], "LastModified": found["LastModified"].timestamp()}
            yield listed_item(entry, self._bucket, self._prefix)

    def _ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            self.requests += 1
        return cast(dict[str, Any], self._s3.list_objects_v2(**asked))


class _Over(Exception):
    """Nobody waits for the other parts any more."""


def survey(listing: Listing, sorter: Sorter, tell: Tell) -> Census:
    """Sort all that lies below a prefix, several parts at a time."""
    over = threading.Event()

    def told(keys: int) -> None:
        if over.is_set():
            raise _Over
        tell(keys)

    with ThreadPoolExecutor(THREADS) as threads:
        try:
            return _together(threads.map(lambda span: _part(listing, sorter, told, span), listing.spans()))
        except BaseException:
            # Threads cannot be interrupted: they look after each page.
            over.set()
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def survey_first(listing: Listing, sorter: Sorter, tell: Tell, most: int) -> Census:
    """Sort the first keys below a prefix, so many at most."""
    return _part(listing, sorter, tell, WHOLE, most).census


def survey_sample(listing: Listing, sorter: Sorter, tell: Tell, keys: int) -> tuple[Census, Sample]:
    """Sort parts of a prefix in random order, one after the other, until so many keys were listed.

    A part that has more than that by itself is cut.
    """
    spans = listing.spans()
    count = len(spans)
    # The same order each time, so that two plans of one prefix agree.
    random.Random(0).shuffle(spans)  # noqa: S311
    parts: list[_Part] = []
    while spans and sum(part.census.listed for part in parts) < keys:
        parts.append(_part(listing, sorter, tell, spans.pop(), keys))
    whole, cut = _together(parts), any(part.cut for part in parts)
    return whole, Sample(whole.listed, count, len(parts), cut, _error([part.census.listed for part in parts], count))


def _part(listing: Listing, sorter: Sorter, tell: Tell, span: Span, most: int | None = None) -> _Part:
    """Sort the items of a part, ``most`` at most."""
    census = Census()
    for page in listing.pages(span):
        left = len(page) if most is None else min(most - census.listed, len(page))
        for item in listing.items_of(page[:left]):
            sorter.sort(item, census)
        tell(left)
        if left < len(page):
            return _Part(census, cut=True)
    return _Part(census)


def _together(parts: Iterable[_Part]) -> Census:
    whole = Census()
    for part in parts:
        whole.merge(part.census)
    return whole


def _error(sizes: Sequence[int], count: int) -> float | None:
    """Return the standard error of a mean over some of ``count`` parts, drawn without replacement, in percent."""
    mean = sum(sizes) / len(sizes) if sizes else 0
    if len(sizes) < 2 or not mean:
        return None
    spread = statistics.stdev(sizes) * math.sqrt((1 - len(sizes) / count) / len(sizes))
    return round(100 * spread / mean, 1)
