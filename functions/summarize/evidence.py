"""What the records prove: results of batches that never arrived, and which items nobody accounts for.

A batch writes the records of all its items before it answers, so a run's records can stand in for its result files.
(A function brought from outside may write none: its items are not among the seen.) A records file that is damaged
proves nothing: it is told to ``fault`` and passed over as a whole.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from functions.summarize.results import Fault
from itemkit.errors import PermanentError
from itemkit.event import BatchResult, read_records
from itemkit.item import Item, join_uri, split_uri
from itemkit.record import Record
from itemkit.store import S3Store
from itemkit.tally import Tally

# Records files read at once; twice as many lie in memory, packed.
READERS = 16
# URIs counted at a time: they took 380 MB (CPython 3.11; 2 million took 182 MB). Each further part lists the source,
# 1,000 keys a request, and reads all records once more, which is dearer than memory.
PARTITION = 5_000_000
_SUFFIX = ".jsonl.gz"
# What decoding bytes raises that are no records, or no longer.
_DAMAGE = (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error)


def recovered(
    store: S3Store, prefix: str, known: Callable[[str], bool], *, number: int, fault: Fault
) -> Iterator[BatchResult]:
    """Yield the results of the batches whose records lie below ``prefix`` and whose names are not ``known``.

    They are made from the records alone: exact in their tallies, without shown failures and without effort. After a
    redrive that began a new map run, the records of the one before are still there and its batches are not known.

    Args:
        store: where the records lie.
        prefix: ``s3://bucket/.../`` of the pass's records.
        known: tells whether the batch of a name has reported.
        number: of the pass.
        fault: is told which file cannot be read, and why.

    Raises:
        TransientError: S3 does not answer.
        PermanentError: the prefix cannot be listed.
    """
    unknown = (uri for uri in _files(store, prefix) if not known(_batch(uri)))
    for uri, records in _read(store, unknown, fault):
        tally = Tally()
        for record in records:
            tally.add(record)
        yield BatchResult(_batch(uri), number, tally, uri)


def seen_uris(store: S3Store, prefix: str, fault: Fault) -> Iterator[str]:
    """Yield the URI of every record below ``prefix``; raises as ``recovered`` does."""
    for _, records in read_all(store, prefix, fault):
        for record in records:
            yield record.uri


def read_all(store: S3Store, prefix: str, fault: Fault) -> Iterator[tuple[str, list[Record]]]:
    """Yield the URI and the records of each records file below ``prefix``; raises as ``recovered`` does."""
    return _read(store, _files(store, prefix), fault)


def unaccounted(
    listed: Callable[[], Iterable[Item | Record]],
    seen: Callable[[], Iterable[str]],
    size: int,
    partition: int = PARTITION,
) -> Iterator[Item | Record]:
    """Yield what is listed and not seen; what is listed n times and seen m times, n - m times.

    The URIs are split by their hash into as many parts as it takes for one to have about ``partition`` of them; for
    each part, both are read once. Of several rows that name one object, the last ones count as not seen.

    A hash has 64 bits. Of two listed URIs with the same one, the wrong one may be named; how many are named stays
    right. The odds are 1 to 2**64 / (not seen x seen): with a million of 100 million not seen, 1 to 180,000.

    Args:
        listed: begins to read the source.
        seen: begins to read the URIs of the records.
        size: how many are listed, or about.
        partition: URIs of a part; memory grows with it.
    """
    parts = max(1, math.ceil(size / partition))
    for part in range(parts):
        yield from _missing(listed(), seen(), part, parts)


def _missing(listed: Iterable[Item | Record], seen: Iterable[str], part: int, parts: int) -> Iterator[Item | Record]:
    # Python's own hash of a string: SipHash under a key of this process, in which both are read.
    left = Counter(code for code in map(hash, seen) if code % parts == part)
    for item in listed:
        code = hash(item.uri)
        if left[code]:
            left[code] -= 1
        elif code % parts == part:
            yield item


def _files(store: S3Store, prefix: str) -> Iterator[str]:
    bucket, _ = split_uri(prefix)
    uris = (join_uri(bucket, entry["Key"]) for entry in store.list(prefix))
    return (uri for uri in uris if uri.endswith(_SUFFIX))


def _batch(uri: str) -> str:
    return uri.rpartition("/")[2].removesuffix(_SUFFIX)


def _read(store: S3Store, uris: Iterable[str], fault: Fault) -> Iterator[tuple[str, list[Record]]]:
    """Yield the URI and the records of each file, in order; a damaged file is told to ``fault`` and left out."""
    for uri, body in _bodies(store, uris):
        try:
            records = list(read_records(body.result()))
        except (PermanentError, *_DAMAGE) as error:
            fault(f"the records {uri} cannot be read: {type(error).__name__}: {error}")
            continue
        if records:
            yield uri, records
        else:
            fault(f"the records {uri} are empty")


def _bodies(store: S3Store, uris: Iterable[str]) -> Iterator[tuple[str, Future[bytes]]]:
    """Read objects, some ahead of what is asked for."""
    ahead: deque[tuple[str, Future[bytes]]] = deque()
    with ThreadPoolExecutor(READERS) as readers:
        for uri in uris:
            ahead.append((uri, readers.submit(_body, store, uri)))
            if len(ahead) == 2 * READERS:
                yield ahead.popleft()
        yield from ahead


def _body(store: S3Store, uri: str) -> bytes:
    with store.open(uri) as (_, stream):
        return bytes(stream.read())
