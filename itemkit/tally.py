"""The mergeable sum of records: what a batch answers and what the fold adds up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from itemkit.histogram import COARSE, Histogram, add_counts
from itemkit.record import Record, Status

# More types than these are counted under OTHER_ERRORS, so that a batch result stays far below 256 KiB.
MOST_ERROR_TYPES = 8
OTHER_ERRORS = "(other)"
# Slowest items kept; the same number everywhere, so that merging gives the slowest of all.
SLOWEST = 5
_SUMS = ("bytes_in", "bytes_out", "rows_in", "rows_out")
# Error type to (count, URI of an example).
Errors = dict[str, tuple[int, str]]


@dataclass
class Tally:
    """Counts by status, sums, item milliseconds and sizes, and errors by type of any number of items.

    What a deferred item cost or met does not count until it is decided, in this pass or another: its error stands
    apart. Merging is associative and commutative; an error's example is the smallest URI of its kind, for that reason.

    Attributes:
        counts: items by status name.
        sums: ``bytes_in``, ``bytes_out``, ``rows_in``, ``rows_out`` of the items that are decided.
        milliseconds: of the items that were worked on (succeeded or failed).
        sizes: bytes of the same items.
        slowest: (milliseconds, URI) of the slowest of them, slowest first.
        errors: of the failed items.
        deferrals: of the deferred items.
    """

    counts: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    milliseconds: Histogram = field(default_factory=Histogram)
    sizes: Histogram = field(default_factory=lambda: Histogram(COARSE))
    slowest: list[tuple[float, str]] = field(default_factory=list)
    errors: Errors = field(default_factory=dict)
    deferrals: Errors = field(default_factory=dict)

    @property
    def items(self) -> int:
        """The number of items counted."""
        return self.counts.total()

    def add(self, record: Record) -> None:
        """Count one record."""
        self.counts[record.status.value] += 1
        if record.failure:
            errors = self.deferrals if record.status is Status.DEFERRED else self.errors
            count_error(errors, record.failure.type, 1, record.uri)
        if record.status is Status.DEFERRED:
            return
        self.sums.update({name: getattr(record, name) for name in _SUMS})
        # A reason tells that an earlier attempt did the work.
        if record.status in (Status.SUCCEEDED, Status.FAILED) and record.milliseconds and not record.reason:
            self.milliseconds.add(record.milliseconds)
            self.sizes.add(max(record.bytes_in, 1))
            self._keep_slowest([(record.milliseconds, record.uri)])

    def merge(self, other: Tally) -> None:
        """Add another tally to this one."""
        add_counts(self.counts, other.counts)
        add_counts(self.sums, other.sums)
        self.milliseconds.merge(other.milliseconds)
        self.sizes.merge(other.sizes)
        self._keep_slowest(other.slowest)
        for mine, others in ((self.errors, other.errors), (self.deferrals, other.deferrals)):
            for kind, (count, example) in others.items():
                count_error(mine, kind, count, example)

    def _keep_slowest(self, more: list[tuple[float, str]]) -> None:
        if more and (len(self.slowest) < SLOWEST or more[0] > self.slowest[-1]):
            self.slowest = sorted([*self.slowest, *more], reverse=True)[:SLOWEST]

    def to_json(self, most_errors: int = MOST_ERROR_TYPES) -> dict[str, Any]:
        """Return a JSON object of bounded size (the ``most_errors`` most frequent error types, the rest as one)."""
        return {
            "counts": dict(self.counts),
            "sums": dict(self.sums),
            "milliseconds": self.milliseconds.to_json(),
            "sizes": self.sizes.to_json(),
            "slowest": [list(each) for each in self.slowest],
            "errors": _errors_to_json(self.errors, most_errors),
            "deferrals": _errors_to_json(self.deferrals, most_errors),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tally:
        """Read what ``to_json`` wrote; a function brought from outside may leave out sizes, slowest and deferrals."""
        return cls(
            _counter(value["counts"]),
            _counter(value["sums"]),
            Histogram.from_json(value["milliseconds"]),
            Histogram.from_json(value["sizes"], COARSE) if "sizes" in value else Histogram(COARSE),
            [(milliseconds, uri) for milliseconds, uri in value.get("slowest", [])],
            _errors_from_json(value["errors"]),
            _errors_from_json(value.get("deferrals", {})),
        )


def count_error(errors: Errors, kind: str, count: int, example: str) -> None:
    """Count ``count`` errors of one type, with the URI of an example."""
    known, first = errors.get(kind, (0, example))
    errors[kind] = (known + count, min(first, example))


def _counter(value: Mapping[str, int]) -> Counter[str]:
    # Past Counter's own update, which looks at every key.
    counter: Counter[str] = Counter()
    dict.update(counter, value)
    return counter


def _errors_to_json(errors: Errors, most: int) -> dict[str, Any]:
    ranked = sorted(errors.items(), key=lambda entry: (-entry[1][0], entry[0]))
    bounded = dict(ranked[:most])
    for _, (count, example) in ranked[most:]:
        count_error(bounded, OTHER_ERRORS, count, example)
    return {kind: {"count": count, "example": example} for kind, (count, example) in bounded.items()}


def _errors_from_json(value: Mapping[str, Any]) -> Errors:
    return {kind: (entry["count"], entry["example"]) for kind, entry in value.items()}
