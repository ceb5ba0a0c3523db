"""How often an object was put off: one that is never done must not be tried for ever, in the way of those behind it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from itemkit.errors import ObjectNotFound
from itemkit.item import Item
from itemkit.record import Failure, Record, Status, shortened
from itemkit.store import S3Store

# Turns in which an object may be put off, each with all the passes of its run.
MOST_TURNS = 5


@dataclass(frozen=True)
class PutOff:
    """An object that runs could not finish: ``turns`` of them, the last one for this reason."""

    etag: str
    turns: int
    reason: str


@dataclass
class Patience:
    """The objects that were put off, by URI; ``run`` is the last run that was counted."""

    run: str | None = None
    objects: dict[str, PutOff] = field(default_factory=dict)

    @classmethod
    def read(cls, store: S3Store, uri: str) -> Patience:
        """Read what ``write`` wrote; nothing was put off where there is none."""
        try:
            with store.open(uri) as (_, stream):
                told = json.loads(stream.read())
        except ObjectNotFound:
            return cls()
        return cls(told["run"], {name: PutOff(**each) for name, each in told["objects"].items()})

    def write(self, store: S3Store, uri: str) -> None:
        """Write it, in the place of what is there: the holder of the lease alone does."""
        told = {"run": self.run, "objects": {name: vars(each) for name, each in self.objects.items()}}
        store.write(uri, json.dumps(told).encode(), "application/json")

    def count(self, run: str, failures: Iterable[Mapping[str, str]]) -> None:
        """Count the turn of a run by the rows of its failures.csv; a run that was counted is not counted again.

        What failed for good is among them: most of it does not wait any more, but what could not be moved does.
        """
        if run == self.run:
            return
        self.run = run
        for row in failures:
            before = self.objects.get(row["uri"])
            turns = before.turns + 1 if before and before.etag == row["etag"] else 1
            self.objects[row["uri"]] = PutOff(row["etag"], turns, f"{row['error']}: {row['message']}")

    def forget_all_but(self, waiting: Iterable[Item]) -> None:
        """Forget what does not wait any more, or is another object by now."""
        self.objects = {item.uri: each for item in waiting if (each := self.of(item))}

    def of(self, item: Item) -> PutOff | None:
        """Return what is known of an item as it is now."""
        known = self.objects.get(item.uri)
        return known if known and known.etag == item.etag else None

    def is_out(self, item: Item) -> bool:
        """Tell whether an item was put off too often."""
        known = self.of(item)
        return known is not None and known.turns >= MOST_TURNS

    def verdict(self, item: Item) -> Record:
        """Return the record of an item that is given up."""
        known = self.objects[item.uri]
        message = (
            f"{item.uri} was put off in {known.turns} turns of the drain: put it into incoming/ again to have it tried "
            f"anew. The last time: {known.reason}"
        )
        failure = Failure("GaveUp", shortened(message), retryable=False)
        return Record(item.uri, Status.FAILED, name=item.name, failure=failure, etag=item.etag)


def failures(store: S3Store, uri: str) -> list[dict[str, str]]:
    """Return the rows of a run's failures.csv; none where the run ended before it was written."""
    try:
        with store.open(uri) as (_, stream):
            return list(csv.DictReader(stream.read().decode().splitlines(keepends=True)))
    except ObjectNotFound:
        return []
