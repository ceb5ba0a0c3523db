"""The ledger of a pass: what its map listed, and what became of every item of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from functions.summarize.effort import Work
from itemkit.event import BatchResult
from itemkit.tally import Errors, Tally, count_error

FAULTS_SHOWN = 5
STATUSES = ("excluded", "skipped", "succeeded", "failed", "deferred")


@dataclass
class Faults:
    """Sentences on what is wrong: the first ones, and how many more."""

    sentences: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, sentence: str) -> None:
        """Note a sentence, once."""
        if sentence in self.sentences:
            return
        if len(self.sentences) < FAULTS_SHOWN:
            self.sentences.append(sentence)
        else:
            self.more += 1

    def all(self) -> list[str]:
        """Return the sentences, and one on the others."""
        return self.sentences + [f"{self.more} more of this kind"] * bool(self.more)


@dataclass
class Ledger:
    """Adds up the batch results of a pass, each batch once however often it reports, and the items of those without.

    Attributes:
        lost: items of batches that ended without a result.
        losses: how these batches ended.
        gaps: result files and answers that could not be read; what was in them is missing, or known from elsewhere.
        faults: what else keeps the ledger from being complete.
        work: what the batches took.
    """

    tally: Tally = field(default_factory=Tally)
    lost: int = 0
    losses: Errors = field(default_factory=dict)
    gaps: Faults = field(default_factory=Faults)
    faults: Faults = field(default_factory=Faults)
    work: Work = field(default_factory=Work)
    _batches: set[str] = field(default_factory=set)

    def claim(self, batch: str) -> bool:
        """Tell whether this batch reports for the first time, and remember it."""
        if batch in self._batches:
            return False
        self._batches.add(batch)
        return True

    def add(self, result: BatchResult, tally: Tally) -> None:
        """Count a batch that has been claimed; ``tally`` is what its records say, or its own."""
        self.tally.merge(tally)
        self.work.add(result, tally)

    def merge(self, other: Ledger) -> None:
        """Add the ledger of other batches to this one."""
        self.tally.merge(other.tally)
        self.work.merge(other.work)
        self.lost += other.lost
        for kind, (count, example) in other.losses.items():
            count_error(self.losses, kind, count, example)
        for sentence in other.gaps.all():
            self.gaps.add(sentence)
        for sentence in other.faults.all():
            self.faults.add(sentence)

    def lose(self, items: int, kind: str, example: str) -> None:
        """Count items of a batch that ended without a result."""
        self.lost += items
        count_error(self.losses, kind, items, example)

    def has(self, batch: str | None) -> bool:
        """Tell whether this batch has reported."""
        return batch in self._batches

    @property
    def accounted(self) -> int:
        """The items of which the ledger knows what became."""
        return self.tally.items + self.lost

    def difference(self, listed: int) -> str | None:
        """Explain why the ledger does not add up to ``listed``; ``None`` when it does."""
        sentences = self.faults.all()
        missing = listed - self.accounted
        if missing:
            sentences += self.gaps.all()
            verb = "are missing from" if missing > 0 else "are too many in"
            sentences.append(f"{abs(missing)} of {listed} listed items {verb} the results")
        return "; ".join(sentences) or None
