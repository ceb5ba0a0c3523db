"""Fold a map run's results into a ledger and the list of failures."""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from functions.summarize.failures import Failures
from functions.summarize.ledger import Ledger
from functions.summarize.results import Results
from itemkit.errors import ItemError, TransientError
from itemkit.event import BatchResult, Event, read_records
from itemkit.item import Item
from itemkit.record import LONGEST_MESSAGE, Failure, Record, Status
from itemkit.store import S3Store

ALL_ITEMS_FAILED = "AllItemsFailed"
# Records files read at once; their bodies are what is in memory.
READERS = 16
# What reading JSON of another shape than ours raises.
_NO_RESULT = (KeyError, TypeError, ValueError, AttributeError)


def fold(results: Results, store: S3Store) -> tuple[Ledger, Failures]:
    """Add up all results.

    A child that failed because all its items did carries its batch result in its Cause; the items of every other
    child without a result are lost, and named.
    """
    ledger, failures = Ledger(), Failures()
    _add(_answered(results.succeeded(ledger.fault), ledger), ledger, failures, store)
    _add(filter(None, map(_told_by_cause, results.failed(ledger.fault))), ledger, failures, store)
    for record in itertools.chain(results.failed(ledger.fault), results.pending(ledger.fault)):
        if not ledger.has(_batch_of(record)):
            _lose(record, ledger, failures)
    return ledger, failures


def _answered(outputs: Iterable[Mapping[str, Any]], ledger: Ledger) -> Iterator[BatchResult]:
    for output in outputs:
        try:
            yield _parsed(output)
        except _NO_RESULT as error:
            ledger.fault(f"a child answered what is no batch result ({error!r}): {str(output)[:200]}")


def _told_by_cause(record: Mapping[str, Any]) -> BatchResult | None:
    """Return the batch result that a failed child carries in its Cause; ``None``: it has none, its items are lost."""
    if record.get("Error") != ALL_ITEMS_FAILED:
        return None
    try:
        return _parsed(json.loads(record["Cause"]))
    except _NO_RESULT:
        return None


def _parsed(output: Mapping[str, Any]) -> BatchResult:
    result = BatchResult.from_json(output)
    if result.tally.items != output["items"]:
        raise ValueError(f"its counts add up to {result.tally.items} and not to its items")
    return result


def _batch_of(record: Mapping[str, Any]) -> str | None:
    told = _told_by_cause(record)
    return told.batch if told else record.get("Name")


def _add(fresh: Iterable[BatchResult], ledger: Ledger, failures: Failures, store: S3Store) -> None:
    """Count batch results and name their failed items from their records, a window of batches at a time."""
    counted = (result for result in fresh if ledger.add(result))
    open_batches = (result for result in counted if _unsuccessful(result))
    with ThreadPoolExecutor(READERS) as readers:
        while window := list(itertools.islice(open_batches, READERS)):
            found = readers.map(lambda result: _read(result, store), window)
            for result, (records, fault) in zip(window, found, strict=True):
                if fault:
                    ledger.fault(f"the failed items of batch {result.batch} cannot all be named: {fault}")
                for record in records:
                    failures.add(record)


def _unsuccessful(result: BatchResult) -> int:
    return result.tally.counts["failed"] + result.tally.counts["deferred"]


def _read(result: BatchResult, store: S3Store) -> tuple[list[Record], str | None]:
    """Return the failed and deferred records of a batch, and what is wrong with them."""
    shown = [Record.from_json(record) for record in result.failures]
    if result.records is None:
        return shown, "it wrote no records"
    try:
        with store.open(result.records) as (_, stream):
            body = stream.read()
        # Outside, where damage is not taken for S3's trouble.
        records = [record for record in read_records(body) if record.failure]
    except TransientError:
        raise
    except (ItemError, OSError, EOFError, ValueError, KeyError, TypeError, zlib.error) as error:
        return shown, f"{result.records} is unreadable: {type(error).__name__}: {error}"
    if len(records) != _unsuccessful(result):
        return records, f"{result.records} names {len(records)} of {_unsuccessful(result)}"
    return records, None


def _lose(record: Mapping[str, Any], ledger: Ledger, failures: Failures) -> None:
    try:
        items = list(Event.parse(json.loads(record["Input"])).items())
    except _NO_RESULT as error:
        ledger.fault(f"the items of child {record.get('Name', 'without a name')} cannot be named: {error!r}")
        return
    ledger.lose(record.get("Name"), len(items))
    kind = str(record.get("Error") or record["Status"].title())
    message = str(record.get("Cause") or "the batch was not started")[:LONGEST_MESSAGE]
    for item in items:
        failures.add(_as_record(item, Failure(kind, message, retryable=True)))
        ledger.tally.count_error(kind, 1, item.uri)


def _as_record(item: Item | Record, lost: Failure) -> Record:
    if isinstance(item, Record):
        return replace(item, failure=lost)
    return Record(
        item.uri, Status.DEFERRED, name=item.name, output=item.output, columns=dict(item.columns), failure=lost
    )
