"""What to do where a ledger does not add up: count batches from their records, and name the items nobody tells of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from functions.summarize.account import Pass
from functions.summarize.evidence import recovered, seen_uris, unaccounted
from functions.summarize.failures import Failures
from functions.summarize.fold import Fold, as_record
from functions.summarize.listing import listing
from itemkit.errors import PermanentError
from itemkit.item import Item
from itemkit.record import Failure
from itemkit.store import S3Store

UNTOLD = Failure("Unaccounted", "neither a result nor a record tells what became of it", retryable=True)


def repair(folded: Fold, listed: int, current: Pass, plan: Mapping[str, Any], store: S3Store) -> None:
    """Complete a fold whose difference is final; what stays unknown becomes a fault of its ledger.

    Raises TransientError where S3 does not answer.
    """
    try:
        if folded.ledger.accounted < listed:
            _recover(folded, listed, current, store)
        if folded.ledger.difference(listed) and folded.ledger.accounted <= listed:
            _name(folded, listed, current, plan["max_items"], store)
    except PermanentError as error:
        folded.ledger.faults.add(f"which items are missing cannot be said: {error}")


def _recover(folded: Fold, listed: int, current: Pass, store: S3Store) -> None:
    """Count the batches whose result is missing from the records they wrote."""
    ledger, found = folded.ledger, Fold()
    results = recovered(store, current.records, ledger.has, number=current.number, fault=ledger.gaps.add)
    found.add(results, store)
    batches = found.ledger.work.invocations
    if not batches:
        return
    if ledger.accounted + found.ledger.accounted > listed:
        ledger.faults.add(
            f"{batches} batches with records and without a result are more than what is missing: "
            "an earlier map run of this pass wrote some"
        )
        return
    ledger.gaps.add(f"{batches} batches without a result are counted from their records")
    folded.merge(found)


def _name(folded: Fold, listed: int, current: Pass, max_items: int, store: S3Store) -> None:
    """Name the items that are neither in a record nor lost."""
    if folded.unrecorded:
        folded.ledger.faults.add(
            f"the missing items cannot be named, because {folded.unrecorded} items are in batches that write no records"
        )
        return

    def seen() -> Iterator[str]:
        rows = itertools.chain(folded.lost.rows(), folded.failed.rows(), folded.deferred.rows())
        return itertools.chain(seen_uris(store, current.records, folded.ledger.gaps.add), (row["uri"] for row in rows))

    missing = unaccounted(lambda: listing(store, current.source, max_items), seen, listed)
    untold = Failures()
    for item in missing:
        if isinstance(item, Item):
            untold.add(as_record(item, UNTOLD))
    if untold.count:
        folded.failed.resume(untold.lines())
        folded.ledger.faults.add(f"{untold.count} items are named in failures.csv as {UNTOLD.type}")
