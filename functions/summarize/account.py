"""The account of a run: the ledgers of its passes put together, kept in S3 from one pass to the next. Pure.

An item that a pass left open (deferred, or lost with its batch) and that the next pass takes up is out of the earlier
ledger, so that it counts once, as what it came to last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from functions.summarize.effort import Work
from functions.summarize.ledger import Ledger
from itemkit.tally import Errors, Tally, count_error

# Error types kept from one pass to the next.
_ERROR_TYPES = 200


@dataclass(frozen=True)
class Pass:
    """One mapping of items.

    Attributes:
        number: from 1 on.
        source: what its map reads, as in the plan.
        batch_items: items a batch.
        tolerated_percent: share of its items that may fail before the map stops.
        records: where its batches write their records; ends in ``/``.
        started: ISO 8601 instant.
    """

    number: int
    source: Mapping[str, Any]
    batch_items: int
    tolerated_percent: float
    records: str
    started: str


@dataclass
class Account:
    """What became of a run's items so far.

    Attributes:
        listed: items that the first pass listed.
        tally: the items that are decided, and the open ones of the last pass.
        lost: items lost in batches of the last pass, or lost before and without a name.
        losses: how these batches ended.
        work: what all batches took.
        differences: why a ledger did not add up, in sentences.
        notes: what had to be repaired, in sentences.
        carried: items that the next pass takes up.
        passes: what each pass came to, for the summary.
        map_runs: the ARNs of the map runs that are in here.
    """

    listed: int = 0
    tally: Tally = field(default_factory=Tally)
    lost: int = 0
    losses: Errors = field(default_factory=dict)
    work: Work = field(default_factory=Work)
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    carried: int = 0
    passes: list[dict[str, Any]] = field(default_factory=list)
    map_runs: list[str] = field(default_factory=list)

    @property
    def unsuccessful(self) -> int:
        """The items that have no output and should have one."""
        return self.tally.counts["failed"] + self.tally.counts["deferred"] + self.lost

    @property
    def accounted(self) -> int:
        """The items of which the account knows what became."""
        return self.tally.items + self.lost

    def close(self, ledger: Ledger, listed: int, told: dict[str, Any]) -> None:
        """Take in the ledger of a pass that is over; ``told`` is what the summary says of it."""
        if not self.passes:
            self.listed = listed
        elif listed != self.carried:
            self.differences.append(f"the pass took up {listed} of the {self.carried} items left open before it")
        if difference := ledger.difference(listed):
            self.differences.append(difference)
        else:
            self.notes += ledger.gaps.all()
        self.carried = 0
        self.tally.merge(ledger.tally)
        self.lost += ledger.lost
        for kind, (count, example) in ledger.losses.items():
            count_error(self.losses, kind, count, example)
        self.work.merge(ledger.work)
        self.passes.append(told)
        self.map_runs += [told["map_run"]] if told["map_run"] else []

    def carry(self, deferred: int, lost: int) -> None:
        """Take items out that the next pass takes up."""
        self.carried = deferred + lost
        self.tally.counts["deferred"] -= deferred
        self.tally.deferrals.clear()
        self.lost -= lost
        self.losses.clear()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        kept = {"tally": self.tally.to_json(_ERROR_TYPES), "work": self.work.to_json()}
        return {**vars(self), **kept}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Account:
        """Read what ``to_json`` wrote."""
        losses = {kind: (count, example) for kind, (count, example) in value["losses"].items()}
        read = {"tally": Tally.from_json(value["tally"]), "work": Work.from_json(value["work"]), "losses": losses}
        return cls(**{**value, **read})
