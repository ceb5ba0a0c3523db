"""The batch event, as ItemBatcher delivers it, and the batch result a function answers with."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from itemkit.errors import InvalidItem, InvalidJob
from itemkit.item import NAMING_COLUMNS, Item, listed_item, manifest_item
from itemkit.record import LONGEST_MESSAGE, Failure, Record, Status
from itemkit.tally import Tally

# The Cause of a Fail state, in which the result of a batch of failures travels, takes 32,768 characters.
LONGEST_RESULT = 30_000


@dataclass(frozen=True)
class Event:
    """One batch to process.

    Attributes:
        entries: the items as the reader delivered them: listing entries or manifest rows.
        settings: the event's ``BatchInput``: ``destination`` is required; ``options``, ``select``, ``overwrite``,
            ``source``, ``records``, ``run`` and ``pass`` may be left out when a function is tried by hand.
        batch: the child execution's name; the digest of the entries when there is none.
    """

    entries: Sequence[Any]
    settings: Mapping[str, Any]
    batch: str

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> Event:
        """Read a Lambda event: ``{"BatchInput", "Items", "Batch"}``, or a single item beside its ``BatchInput``.

        Raises:
            InvalidJob: there is no ``BatchInput`` with a ``destination``.
        """
        settings = event.get("BatchInput")
        if not isinstance(settings, Mapping) or "destination" not in settings:
            raise InvalidJob('the event has no "BatchInput" with a "destination": see the events of sample_data/')
        single = {name: value for name, value in event.items() if name not in ("BatchInput", "Batch")}
        entries = event.get("Items", [single])
        digest = hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()[:32]
        return cls(entries, settings, str(event.get("Batch", digest)))

    @property
    def source(self) -> Mapping[str, Any]:
        """The job's source: ``bucket``, and ``prefix`` where it is a listing."""
        source: Mapping[str, Any] = self.settings.get("source", {})
        return source

    def items(self) -> Iterator[Item | Record]:
        """Read the entries; one that names no object is at once a failed record."""
        for entry in self.entries:
            try:
                yield self._item(entry)
            except InvalidItem as error:
                yield _invalid(entry, error)

    def _item(self, entry: Any) -> Item:
        bucket = str(self.source.get("bucket", ""))
        if self.source.get("kind") == "prefix":
            return listed_item(entry, bucket, str(self.source["prefix"]))
        return manifest_item(entry, bucket)


@dataclass(frozen=True)
class Effort:
    """What a batch took; all zero where a function brought from outside does not tell.

    Attributes:
        started: epoch seconds at which the function began.
        seconds: until it answered.
        memory: the function's size in MB.
        requests: S3 requests by kind: ``head``, ``get``, ``put``, ``list``.
    """

    started: float = 0.0
    seconds: float = 0.0
    memory: int = 0
    requests: Mapping[str, int] = field(default_factory=dict)


@dataclass
class BatchResult:
    """What a function answers for a batch: small, mergeable, and where its records lie.

    Attributes:
        number: of the pass.
        records: the URI of the batch's records; ``None`` when the event named no place for them.
        failures: the first records that did not succeed, for people who read one batch.
    """

    batch: str
    number: int
    tally: Tally
    records: str | None = None
    failures: list[dict[str, Any]] = field(default_factory=list)
    effort: Effort = Effort()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form, of at most ``LONGEST_RESULT`` characters.

        Where keys are so long that it would be more, the failures and the slowest items are left out.
        """
        whole = {
            "batch": self.batch,
            "pass": self.number,
            "items": self.tally.items,
            **self.tally.to_json(),
            "effort": asdict(self.effort),
            "records": self.records,
            "failures": self.failures,
        }
        fits = len(json.dumps(whole)) <= LONGEST_RESULT
        return whole if fits else {**whole, "failures": [], "slowest": []}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> BatchResult:
        """Read what ``to_json`` wrote; raises KeyError, TypeError or ValueError when it is something else."""
        effort = Effort(**value.get("effort", {}))
        return cls(value["batch"], value["pass"], Tally.from_json(value), value["records"], value["failures"], effort)


def write_records(records: Sequence[Record]) -> bytes:
    """Encode records as gzipped JSON lines; the same records give the same bytes."""
    lines = "".join(json.dumps(record.to_json()) + "\n" for record in records)
    return gzip.compress(lines.encode("ascii"), compresslevel=6, mtime=0)


def read_records(body: bytes) -> Iterator[Record]:
    """Decode what ``write_records`` wrote; raises OSError, EOFError or ValueError when it is damaged."""
    for line in gzip.decompress(body).decode().splitlines():
        yield Record.from_json(json.loads(line))


def read_unsuccessful(body: bytes) -> tuple[int, list[Record]]:
    """Return how many records there are, and those with a failure; raises as ``read_records`` does.

    Most records have none, so only lines that hold the word are decoded: a tenth of the time.
    """
    lines = gzip.decompress(body).splitlines()
    suspects = (Record.from_json(json.loads(line)) for line in lines if b'"failure"' in line)
    return len(lines), [record for record in suspects if record.failure]


def _invalid(entry: Any, error: InvalidItem) -> Record:
    row = entry if isinstance(entry, Mapping) else {}
    columns = {name: str(value) for name, value in row.items() if name not in NAMING_COLUMNS}
    uri = str(row.get("uri") or row.get("key") or json.dumps(entry, ensure_ascii=False)[:LONGEST_MESSAGE])
    return Record(uri, Status.FAILED, columns=columns, failure=Failure.of(error, retryable=False))
