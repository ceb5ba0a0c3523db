"""What a run left that tells of its sources: its records, and failures.csv where it came to write one."""

from __future__ import annotations

import csv
import io
import itertools
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from itemkit.errors import ObjectNotFound, PermanentError
from itemkit.event import read_records
from itemkit.item import join_uri, split_uri
from itemkit.record import Record
from itemkit.store import S3Store

# Records files read at once; as many lie in memory, packed.
READERS = 16
# Bytes of packed records of a share: about 100,000 records, which were seen to take 37 bytes each.
SHARE_BYTES = 4_000_000
# Characters of a cell: of a row that the map's reader takes.
_LONGEST_CELL = 8 * 1024 * 1024
_NUMBER = re.compile(r"/pass-(\d+)/")
_DAMAGE = (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error)


@dataclass(frozen=True)
class Evidence:
    """The files of a run.

    Attributes:
        place: ``s3://bucket/runs/RUN/``.
        faults: sentences on records that cannot be read; what they tell of stays where it is.
    """

    store: S3Store
    place: str
    faults: list[str]

    def shares(self) -> int:
        """Return how many shares the run's objects are to be settled in, so that one fits into memory."""
        size = sum(int(entry["Size"]) for entry in self.store.list(f"{self.place}records/"))
        return max(1, -(-size // SHARE_BYTES))

    def records(self) -> Iterator[tuple[int, Record]]:
        """Yield every record with the number of its pass; raises TransientError where S3 does not answer."""
        bucket, _ = split_uri(self.place)
        uris = (join_uri(bucket, entry["Key"]) for entry in self.store.list(f"{self.place}records/"))
        with ThreadPoolExecutor(READERS) as readers:
            while window := list(itertools.islice(uris, READERS)):
                for uri, records in zip(window, readers.map(self._read, window), strict=True):
                    found = _NUMBER.search(uri)
                    for record in records:
                        yield int(found[1]) if found else 0, record

    def still_open(self) -> Iterator[str]:
        """Yield the URIs of objects that were deferred or lost; none where the run was ended before its summary."""
        csv.field_size_limit(_LONGEST_CELL)
        try:
            with self.store.open(f"{self.place}failures.csv") as (_, stream):
                rows = csv.DictReader(io.TextIOWrapper(stream, "utf-8", newline=""))
                yield from (row["uri"] for row in rows if row["retryable"] == "true")
        except ObjectNotFound:
            return

    def _read(self, uri: str) -> list[Record]:
        try:
            with self.store.open(uri) as (_, stream):
                body = stream.read()
            return list(read_records(body))
        except (PermanentError, *_DAMAGE) as error:
            self.faults.append(f"the records {uri} cannot be read: {error}")
            return []
