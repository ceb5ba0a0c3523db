"""Fold a map run's results into a ledger and the items without an output."""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from functions.summarize.failures import Failures
from functions.summarize.ledger import Ledger
from functions.summarize.results import Results
from itemkit.errors import ItemError, TransientError
from itemkit.event import BatchResult, Event, read_records, read_unsuccessful
from itemkit.item import Item
from itemkit.record import LONGEST_MESSAGE, Failure, Record, Status
from itemkit.store import S3Store
from itemkit.tally import Tally

ALL_ITEMS_FAILED = "AllItemsFailed"
# Records files read at once; their bodies are what is in memory.
READERS = 16
# What reading JSON of another shape than ours raises.
_NO_RESULT = (KeyError, TypeError, ValueError, AttributeError)
# What decoding bytes raises that are no records, or no longer.
_DAMAGE = (OSError, EOFError, ValueError, KeyError, TypeError, zlib.error)


@dataclass
class Fold:
    """What a map run came to.

    Attributes:
        failed: the items that failed for good.
        deferred: those put off.
        lost: those of batches that ended without a result.
        unrecorded: items in batches that wrote no records, as functions brought from outside may.
    """

    ledger: Ledger = field(default_factory=Ledger)
    failed: Failures = field(default_factory=Failures)
    deferred: Failures = field(default_factory=Failures)
    lost: Failures = field(default_factory=Failures)
    unrecorded: int = 0

    def add(self, results: Iterable[BatchResult], store: S3Store) -> None:
        """Count batch results, each batch once, and name their items without an output.

        The records of batches with such items are read, a window of batches at a time.
        """
        fresh = (result for result in results if self.ledger.claim(result.batch))
        unsuccessful = (result for result in fresh if not self._add_successful(result))
        with ThreadPoolExecutor(READERS) as readers:
            while window := list(itertools.islice(unsuccessful, READERS)):
                for result, evidence in zip(window, readers.map(lambda each: _read(each, store), window), strict=True):
                    self._add_unsuccessful(result, evidence)

    def _add_successful(self, result: BatchResult) -> bool:
        self.unrecorded += result.tally.items if result.records is None else 0
        if unsuccessful(result.tally):
            return False
        self.ledger.add(result, result.tally)
        return True

    def _add_unsuccessful(self, result: BatchResult, evidence: _Evidence) -> None:
        if evidence.fault:
            fault = f"the failed items of batch {result.batch} cannot all be named: {evidence.fault}"
            self.ledger.faults.add(fault)
        self.ledger.add(result, evidence.tally)
        for record in evidence.unsuccessful:
            (self.deferred if record.status is Status.DEFERRED else self.failed).add(record)

    def merge(self, other: Fold) -> None:
        """Add the fold of other batches to this one."""
        self.ledger.merge(other.ledger)
        for mine, others in ((self.failed, other.failed), (self.deferred, other.deferred), (self.lost, other.lost)):
            mine.resume(others.lines())
        self.unrecorded += other.unrecorded

    def lose(self, child: Mapping[str, Any]) -> None:
        """Count the items of a child that ended without a result, or never began, and name them."""
        try:
            items = list(Event.parse(json.loads(child["Input"])).items())
        except _NO_RESULT as error:
            sentence = f"the items of child {child.get('Name', 'without a name')} cannot be named: {error!r}"
            self.ledger.faults.add(sentence)
            return
        # A child that never began has no name.
        if child.get("Name") is not None and not self.ledger.claim(child["Name"]):
            return
        kind = str(child.get("Error") or child["Status"].title())
        message = str(child.get("Cause") or "the batch was not started")[:LONGEST_MESSAGE]
        for item in items:
            if isinstance(item, Item):
                self.ledger.lose(1, kind, item.uri)
                self.lost.add(as_record(item, Failure(kind, message, retryable=True)))
            else:
                # It named no object and would fail in any batch.
                self.ledger.tally.add(item)
                self.failed.add(item)


def fold(results: Results, store: S3Store, records: str) -> Fold:
    """Add up all results of a map run whose batches write their records below ``records``.

    A child that failed because all its items did carries its batch result in its Cause. A batch that wrote its records
    and all its outputs was done when it died. The items of every other child without a result are lost, and named.
    """
    folded = Fold()
    gap = folded.ledger.gaps.add
    folded.add(_answered(results.succeeded(gap), folded.ledger), store)
    folded.add(filter(None, map(_told_by_cause, results.failed(gap))), store)
    for child in itertools.chain(results.failed(gap), results.pending(gap)):
        if not folded.ledger.has(_batch_of(child)):
            proof = _proof(child, store, records)
            folded.add([proof], store) if proof else folded.lose(child)
    return folded


def _proof(child: Mapping[str, Any], store: S3Store, records: str) -> BatchResult | None:
    """Return what the records of a batch without a result prove, ``None`` when it was not done.

    Records are written when all outputs are, but for outputs that items share: these bear the batch's name and follow.
    """
    batch = child.get("Name")
    if batch is None:
        return None
    uri = f"{records}{batch}.jsonl.gz"
    try:
        with store.open(uri) as (_, stream):
            body = stream.read()
        found = list(read_records(body))
    except TransientError:
        raise
    except (ItemError, *_DAMAGE):
        return None
    shared = {output for record in found for output in record.outputs if f"/{batch}" in output}
    if not all(store.head(output) for output in shared):
        return None
    return BatchResult(batch, 0, _tally(found), uri)


def unsuccessful(tally: Tally) -> int:
    """Return how many items have no output and should have one."""
    return tally.counts["failed"] + tally.counts["deferred"]


def _answered(outputs: Iterable[Mapping[str, Any]], ledger: Ledger) -> Iterator[BatchResult]:
    for output in outputs:
        try:
            yield _parsed(output)
        except _NO_RESULT as error:
            ledger.gaps.add(f"a child answered what is no batch result ({error!r}): {str(output)[:200]}")


def _told_by_cause(child: Mapping[str, Any]) -> BatchResult | None:
    """Return the batch result that a failed child carries in its Cause; ``None``: it has none, its items are lost."""
    if child.get("Error") != ALL_ITEMS_FAILED:
        return None
    try:
        return _parsed(json.loads(child["Cause"]))
    except _NO_RESULT:
        return None


def _parsed(output: Mapping[str, Any]) -> BatchResult:
    result = BatchResult.from_json(output)
    if result.tally.items != output["items"]:
        raise ValueError(f"its counts add up to {result.tally.items} and not to its items")
    return result


def _batch_of(child: Mapping[str, Any]) -> str | None:
    told = _told_by_cause(child)
    return told.batch if told else child.get("Name")


@dataclass(frozen=True)
class _Evidence:
    """What a batch's records tell.

    Attributes:
        unsuccessful: the failed and deferred ones; those of the batch result where there are no readable records.
        tally: what counts for the batch.
        fault: why not all can be named.
    """

    unsuccessful: list[Record]
    tally: Tally
    fault: str | None = None


def _read(result: BatchResult, store: S3Store) -> _Evidence:
    """Read a batch's records.

    They count where they differ from the result: a second attempt of the batch, which the map took for dead, may have
    written them since, and what it did is what is.
    """
    shown = [Record.from_json(record) for record in result.failures]
    if result.records is None:
        named = len(shown) == unsuccessful(result.tally)
        return _Evidence(shown, result.tally, None if named else "it wrote no records")
    try:
        with store.open(result.records) as (_, stream):
            body = stream.read()
        # Outside, where damage is not taken for S3's trouble.
        items, records = read_unsuccessful(body)
        if items != result.tally.items:
            return _Evidence(shown, result.tally, f"{result.records} has {items} of {result.tally.items} items")
        return _Evidence(records, result.tally if _agree(records, result.tally) else _tally(read_records(body)))
    except TransientError:
        raise
    except (ItemError, *_DAMAGE) as error:
        return _Evidence(shown, result.tally, f"{result.records} is unreadable: {type(error).__name__}: {error}")


def _agree(records: list[Record], tally: Tally) -> bool:
    found = _tally(records).counts
    return (found["failed"], found["deferred"]) == (tally.counts["failed"], tally.counts["deferred"])


def _tally(records: Iterable[Record]) -> Tally:
    tally = Tally()
    for record in records:
        tally.add(record)
    return tally


def as_record(item: Item, failure: Failure) -> Record:
    """Return the record of an item that no batch told of."""
    return Record(
        item.uri, Status.DEFERRED, name=item.name, output=item.output, columns=dict(item.columns), failure=failure
    )
