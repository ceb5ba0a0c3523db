"""From one pass to the next: what is kept in S3 between them, and what the next one is."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.summarize.account import Account, Pass
from functions.summarize.failures import Failures
from functions.summarize.fold import Fold
from functions.summarize.summary import tolerable
from itemkit.item import split_uri
from itemkit.store import S3Store

# Batches of a pass are so many times smaller than those before, down to single items.
SMALLER = 8


@dataclass(frozen=True)
class Passes:
    """The passes of one run, kept below the ``runs`` of its plan."""

    store: S3Store
    plan: Mapping[str, Any]

    def before(self, number: int) -> tuple[Account, Failures]:
        """Return what the passes before this one came to, and the items that failed in them for good."""
        account, failures = Account(), Failures()
        if number > 1:
            with self.store.open(self._uri(number - 1, ".json")) as (_, stream):
                account = Account.from_json(json.load(stream))
            with self.store.open(self._uri(number - 1, "-failures.jsonl")) as (_, stream):
                failures.resume(stream)
        return account, failures

    def go_on(self, current: Pass, account: Account, failures: Failures, folded: Fold) -> Pass:
        """Hand the open items of a pass to the next one, and keep the rest.

        The account holds the pass already; its open items are taken out of it.
        """
        account.carry(folded.deferred.count, folded.lost.count)
        manifest = self._uri(current.number + 1, ".jsonl")
        open_items = itertools.chain(folded.deferred.next_manifest(), folded.lost.next_manifest())
        self.store.upload_chunks(manifest, open_items, "application/jsonlines")
        self.store.upload_chunks(
            self._uri(current.number, "-failures.jsonl"), failures.lines(), "application/jsonlines"
        )
        self.store.write(self._uri(current.number, ".json"), json.dumps(account.to_json()).encode(), "application/json")
        bucket, key = split_uri(manifest)
        number = current.number + 1
        return Pass(
            number=number,
            source={"kind": "jsonl", "uri": manifest, "bucket": bucket, "key": key},
            batch_items=-(-current.batch_items // SMALLER),
            tolerated_percent=_still_tolerated(account, self.plan["tolerated_percent"]),
            records=f"{self.plan['runs']}records/pass-{number}/",
            started=account.passes[-1]["finished"],
        )

    def _uri(self, number: int, ending: str) -> str:
        return f"{self.plan['runs']}passes/{number}{ending}"


def _still_tolerated(account: Account, percent: float) -> float:
    """Return the share of the carried items that may fail before the whole run has failed too many."""
    left = tolerable(account.listed, percent) - account.unsuccessful
    return round(min(max(left, 0) / account.carried, 1) * 100, 6)
