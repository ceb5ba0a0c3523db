"""Fold a map run's results into a ledger and the list of failures."""

from __future__ import annotations

import itertools
import json
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


def fold(results: Results, store: S3Store) -> tuple[Ledger, Failures]:
    """Add up all results.

    A child that failed because all its items did carries its batch result in its Cause; the items of every other
    child without a result are lost, and named.
    """
    ledger, failures = Ledger(), Failures()
    _add(results.succeeded(), ledger, failures, store)
    _add(_told_by_cause(results.failed()), ledger, failures, store)
    for record in itertools.chain(results.failed(), results.pending()):
        if record.get("Error") != ALL_ITEMS_FAILED and not ledger.has(record.get("Name")):
            _lose(record, ledger, failures)
    return ledger, failures


def _add(outputs: Iterable[Mapping[str, Any]], ledger: Ledger, failures: Failures, store: S3Store) -> None:
    """Count batch results and name their failed items from their records, a window of batches at a time."""
    fresh = (result for result in _parsed(outputs, ledger) if ledger.add(result))
    open_batches = (result for result in fresh if result.tally.counts["failed"] or result.tally.counts["deferred"])
    with ThreadPoolExecutor(READERS) as readers:
        while window := list(itertools.islice(open_batches, READERS)):
            for result, records in zip(
                window, readers.map(lambda each: _unsuccessful(each, store), window), strict=True
            ):
                _name(result, records, ledger, failures)


def _parsed(outputs: Iterable[Mapping[str, Any]], ledger: Ledger) -> Iterator[BatchResult]:
    for output in outputs:
        try:
            yield BatchResult.from_json(output)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            ledger.fault(f"a child answered what is no batch result ({error!r}): {str(output)[:200]}")


def _name(result: BatchResult, records: list[Record] | str, ledger: Ledger, failures: Failures) -> None:
    if isinstance(records, str):
        ledger.fault(f"the failed items of batch {result.batch} cannot be named: {records}")
        records = [Record.from_json(shown) for shown in result.failures]
    for record in records:
        failures.add(record)


def _unsuccessful(result: BatchResult, store: S3Store) -> list[Record] | str:
    """Return the failed and deferred records of a batch, or why they cannot be read."""
    if result.records is None:
        return "it wrote no records"
    try:
        with store.open(result.records) as (_, stream):
            return [record for record in read_records(stream.read()) if record.failure]
    except TransientError:
        raise
    except (ItemError, OSError, EOFError, ValueError, KeyError, TypeError) as error:
        return f"{result.records} is unreadable: {type(error).__name__}: {error}"


def _told_by_cause(failed: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the batch results that failed children carry in their Cause."""
    for record in failed:
        if record.get("Error") == ALL_ITEMS_FAILED:
            yield json.loads(record["Cause"])


def _lose(record: Mapping[str, Any], ledger: Ledger, failures: Failures) -> None:
    event = Event.parse(json.loads(record["Input"]))
    ledger.lost += len(event.entries)
    error = str(record.get("Error") or record["Status"].title())
    message = str(record.get("Cause") or "the batch was not started")[:LONGEST_MESSAGE]
    for item in event.items():
        lost = Failure(error, message, retryable=True)
        failures.add(_as_record(item, lost))
        ledger.tally.count_error(error, 1, item.uri)


def _as_record(item: Item | Record, lost: Failure) -> Record:
    if isinstance(item, Record):
        return replace(item, failure=lost)
    return Record(item.uri, Status.DEFERRED, output=item.output, columns=dict(item.columns), failure=lost)
