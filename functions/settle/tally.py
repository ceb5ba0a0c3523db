"""What became of the sources of a run: how many moved where, how many stay, and why. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kept(StrEnum):
    """Why an object stays where it is.

    Attributes:
        REPLACED: another one lies there than the one that was processed; it is for the next run.
        UNFINISHED: it, or a part of it, was deferred or lost, or was not among what the run took.
        NOT_DURABLE: an output of it is not there.
        NOT_LOADED: its outputs were to be loaded and are not.
        FAILED: it failed for good, and the job does not say where to put such objects.
        UNKNOWN: the record does not say which object it is about.
        GONE: it is neither here nor where it was to go; somebody removed it.
        REFUSED: S3 does not let it be moved.
    """

    REPLACED = "replaced"
    UNFINISHED = "unfinished"
    NOT_DURABLE = "not_durable"
    NOT_LOADED = "not_loaded"
    FAILED = "failed"
    UNKNOWN = "unknown"
    GONE = "gone"
    REFUSED = "refused"


NOTES_KEPT = 5


@dataclass
class Tally:
    """Counts objects.

    Attributes:
        processed, failed: moved there, in this attempt or before.
        kept: those that stay, by reason.
        examples: one object a reason, or what S3 said of it.
        notes: sentences on what else is wrong, the first ones.
    """

    processed: int = 0
    failed: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def keep(self, reason: Kept, example: str) -> None:
        """Count an object that stays."""
        self.kept[reason.value] += 1
        self.examples.setdefault(reason.value, example)

    def note(self, sentences: Iterable[str]) -> None:
        """Take sentences, each once."""
        self.notes = list(dict.fromkeys([*self.notes, *sentences]))[:NOTES_KEPT]

    def merge(self, other: Tally) -> None:
        """Add other objects."""
        self.processed += other.processed
        self.failed += other.failed
        self.kept += other.kept
        self.examples = {**other.examples, **self.examples}
        self.note(other.notes)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "processed": self.processed,
            "failed": self.failed,
            "kept": dict(sorted(self.kept.items())),
            "examples": dict(sorted(self.examples.items())),
            "notes": self.notes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tally:
        """Read what ``to_json`` wrote."""
        kept, notes = Counter(value["kept"]), list(value["notes"])
        return cls(value["processed"], value["failed"], kept, dict(value["examples"]), notes)
