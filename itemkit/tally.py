"""The mergeable sum of records: what a batch answers and what the fold adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from itemkit.histogram import Histogram
from itemkit.record import Record, Status

# More kinds of error than these are counted under OTHER, so that a batch result stays far below 256 KiB.
MOST_ERROR_TYPES = 8
OTHER_ERRORS = "(other)"
_SUMS = ("bytes_in", "bytes_out", "rows_in", "rows_out")


@dataclass
class Tally:
    """Counts by status, sums, item milliseconds and errors by type of any number of items.

    Merging is associative and commutative; an error's example is the smallest URI of its kind, for the same reason.

    Attributes:
        counts: items by status name.
        sums: ``bytes_in``, ``bytes_out``, ``rows_in``, ``rows_out``.
        milliseconds: of the items that were worked on (succeeded or failed).
        errors: error type to (count, URI of an example).
    """

    counts: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    milliseconds: Histogram = field(default_factory=Histogram)
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def items(self) -> int:
        """The number of items counted."""
        return self.counts.total()

    def add(self, record: Record) -> None:
        """Count one record."""
        self.counts[record.status.value] += 1
        self.sums.update({name: getattr(record, name) for name in _SUMS})
        if record.status in (Status.SUCCEEDED, Status.FAILED) and record.milliseconds:
            self.milliseconds.add(record.milliseconds)
        if record.failure:
            self.count_error(record.failure.type, 1, record.uri)

    def merge(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.counts.update(other.counts)
        self.sums.update(other.sums)
        self.milliseconds.merge(other.milliseconds)
        for kind, (count, example) in other.errors.items():
            self.count_error(kind, count, example)

    def count_error(self, kind: str, count: int, example: str) -> None:
        """Count ``count`` errors of one type, with the URI of an example."""
        known, first = self.errors.get(kind, (0, example))
        self.errors[kind] = (known + count, min(first, example))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object of bounded size (the most frequent error types, the rest as one)."""
        errors = self._bounded_errors()
        return {
            "counts": dict(self.counts),
            "sums": dict(self.sums),
            "milliseconds": self.milliseconds.to_json(),
            "errors": {kind: {"count": count, "example": example} for kind, (count, example) in errors.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tally:
        """Read what ``to_json`` wrote."""
        return cls(
            Counter(value["counts"]),
            Counter(value["sums"]),
            Histogram.from_json(value["milliseconds"]),
            {kind: (entry["count"], entry["example"]) for kind, entry in value["errors"].items()},
        )

    def _bounded_errors(self) -> dict[str, tuple[int, str]]:
        ranked = sorted(self.errors.items(), key=lambda entry: (-entry[1][0], entry[0]))
        bounded = Tally(errors=dict(ranked[:MOST_ERROR_TYPES]))
        for _, (count, example) in ranked[MOST_ERROR_TYPES:]:
            bounded.count_error(OTHER_ERRORS, count, example)
        return bounded.errors
