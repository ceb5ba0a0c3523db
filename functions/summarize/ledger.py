"""The ledger: what was listed, and what became of every item of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from itemkit.event import BatchResult
from itemkit.tally import Tally

FAULTS_SHOWN = 5
STATUSES = ("excluded", "skipped", "succeeded", "failed", "deferred")


@dataclass
class Ledger:
    """Adds up batch results, each batch once however often it reports, and the items of batches that never did.

    Attributes:
        lost: items of batches that ended without a result.
        faults: what keeps the ledger from being complete, in sentences; the first ones, and how many more.
    """

    tally: Tally = field(default_factory=Tally)
    lost: int = 0
    faults: list[str] = field(default_factory=list)
    more_faults: int = 0
    _batches: set[str] = field(default_factory=set)

    def add(self, result: BatchResult) -> bool:
        """Count a batch result; False when its batch has been counted before."""
        if result.batch in self._batches:
            return False
        self._batches.add(result.batch)
        self.tally.merge(result.tally)
        return True

    def lose(self, batch: str | None, items: int) -> None:
        """Count the items of a batch that ended without a result; ``None``: it never began and has no name."""
        self.lost += items
        if batch is not None:
            self._batches.add(batch)

    def fault(self, sentence: str) -> None:
        """Note something that keeps the ledger from being complete, once."""
        if sentence in self.faults:
            return
        if len(self.faults) < FAULTS_SHOWN:
            self.faults.append(sentence)
        else:
            self.more_faults += 1

    def has(self, batch: str | None) -> bool:
        """Tell whether this batch has reported."""
        return batch in self._batches

    @property
    def accounted(self) -> int:
        """The items of which the ledger knows what became."""
        return self.tally.items + self.lost

    @property
    def unsuccessful(self) -> int:
        """The items that have no output and should have one."""
        return self.tally.counts["failed"] + self.tally.counts["deferred"] + self.lost

    def items(self, listed: int) -> dict[str, int]:
        """Return the counts of the summary; listed = excluded + skipped + succeeded + failed + deferred + lost."""
        return {"listed": listed, **{name: self.tally.counts[name] for name in STATUSES}, "lost": self.lost}

    def difference(self, listed: int) -> str | None:
        """Explain why the ledger does not add up to ``listed``; ``None`` when it does."""
        sentences = self.faults + [f"{self.more_faults} more of this kind"] * bool(self.more_faults)
        missing = listed - self.accounted
        if missing:
            verb = "are missing from" if missing > 0 else "are too many in"
            sentences.append(f"{abs(missing)} of {listed} listed items {verb} the results")
        return "; ".join(sentences) or None
