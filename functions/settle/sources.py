"""The sources of a run: what its records say of each object, put together. Pure.

An object can have several records: of several passes, of which the last one counts; of its parts; of several rows of a
manifest that name it. It is done when all of these are, and failed when one of them is and none is still open.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from itemkit.item import Item, Part
from itemkit.record import Record, Status

# Of records in the same pass, the one that says less of an end counts.
_RANK = {Status.SKIPPED: 0, Status.SUCCEEDED: 1, Status.FAILED: 2, Status.DEFERRED: 3}
# Bytes between a CSV's header row and its first part: a byte order mark and CRLF.
_MOST_BETWEEN = 5


@dataclass
class Source:
    """An object, and the last record of each of its parts and rows.

    Attributes:
        rows: pass and record by the part's bytes and the output that the manifest asks for.
        open: whether failures.csv names it as still to be done.
    """

    uri: str
    rows: dict[tuple[str, str], tuple[int, Record]] = field(default_factory=dict)
    open: bool = False

    def add(self, number: int, record: Record) -> None:
        """Take a record of a pass."""
        key = (record.columns.get("byte_range", ""), record.output or "")
        before = self.rows.get(key)
        if before is None or (before[0], _RANK[before[1].status]) <= (number, _RANK[record.status]):
            self.rows[key] = number, record

    @property
    def records(self) -> list[Record]:
        """The records that count."""
        return [record for _, record in self.rows.values()]

    @property
    def unfinished(self) -> bool:
        """Tell whether some of it was deferred or lost."""
        return self.open or any(record.status is Status.DEFERRED for record in self.records)

    @property
    def failure(self) -> Record | None:
        """The record with which it failed for good, if it did."""
        return next((record for record in self.records if record.status is Status.FAILED), None)

    @property
    def etags(self) -> set[str | None]:
        """The objects that the records are about: one, unless it was replaced during the run."""
        return {record.etag for record in self.records}

    @property
    def outputs(self) -> list[str]:
        """The URIs of its outputs, each once."""
        return list(dict.fromkeys(output for record in self.records for output in record.outputs))

    @property
    def parts(self) -> list[Part]:
        """Its parts in their order; none where it was taken whole."""
        found = (Item(self.uri, "", columns=record.columns).part for record in self.records)
        return sorted((part for part in found if part), key=lambda part: part.first)

    def is_covered(self, size: int) -> bool:
        """Tell whether its parts are all of its ``size`` bytes, but for the header row."""
        parts = self.parts
        edges = [(part.first, part.last + 1) for part in parts]
        begins = parts[0].first <= len(parts[0].header.encode()) + _MOST_BETWEEN
        joined = all(before[1] == after[0] for before, after in pairwise(edges))
        return begins and joined and edges[-1][1] == size


@dataclass(frozen=True)
class Share:
    """One of ``shares`` shares of a run's objects, of which one at a time is in memory."""

    place: str
    share: int = 0
    shares: int = 1

    def holds(self, uri: str) -> bool:
        """Tell whether an object may be moved and is in this share."""
        inside = uri.startswith(self.place) and not uri.endswith("/")
        return inside and zlib.crc32(uri.encode(errors="surrogatepass")) % self.shares == self.share


def gather(records: Iterable[tuple[int, Record]], still_open: Iterable[str], share: Share) -> list[Source]:
    """Put the records of a share together, object by object.

    Args:
        records: with their passes.
        still_open: URIs of objects that were deferred or lost, whether or not a record says so.
        share: of the objects.
    """
    sources: dict[str, Source] = {}
    for number, record in records:
        if record.status in _RANK and share.holds(record.uri):
            sources.setdefault(record.uri, Source(record.uri)).add(number, record)
    for uri in still_open:
        if share.holds(uri):
            sources.setdefault(uri, Source(uri)).open = True
    return list(sources.values())
