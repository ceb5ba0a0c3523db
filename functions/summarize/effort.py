"""What the batches of a run took, and when: for the bill, the charts and the samples of the report. Pure."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from itemkit.event import BatchResult, Effort
from itemkit.histogram import add_counts
from itemkit.tally import Tally

# Batches whose records are looked into for sample outputs.
SAMPLES = 12
# Milliseconds that EXPRESS children are billed in.
BILLED_STEP = 100


@dataclass
class Work:
    """The sum of the batches' efforts, in whole numbers, so that merging is associative and commutative.

    Attributes:
        invocations: batches that reported.
        milliseconds: of their functions.
        megabyte_milliseconds: memory times milliseconds.
        billed_steps: milliseconds of each batch in steps of ``BILLED_STEP``, rounded up.
        requests: S3 requests by kind.
        timeline: items finished by epoch second; a batch's items count as finished evenly over its time.
        samples: (number, records URI) of batches with outputs: those of the smallest numbers, which are random.
    """

    invocations: int = 0
    milliseconds: int = 0
    megabyte_milliseconds: int = 0
    billed_steps: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    timeline: Counter[int] = field(default_factory=Counter)
    samples: list[tuple[int, str]] = field(default_factory=list)

    def add(self, result: BatchResult, tally: Tally) -> None:
        """Count a batch."""
        effort = result.effort
        self.invocations += 1
        milliseconds = round(effort.seconds * 1000)
        self.milliseconds += milliseconds
        self.megabyte_milliseconds += milliseconds * effort.memory
        self.billed_steps += -(-milliseconds // BILLED_STEP)
        add_counts(self.requests, effort.requests)
        if effort.started:
            _spread(self.timeline, effort, tally.items)
        if result.records and tally.counts["succeeded"]:
            self._keep_samples([(zlib.crc32(result.batch.encode()), result.records)])

    def merge(self, other: Work) -> None:
        """Add another sum to this one."""
        self.invocations += other.invocations
        self.milliseconds += other.milliseconds
        self.megabyte_milliseconds += other.megabyte_milliseconds
        self.billed_steps += other.billed_steps
        add_counts(self.requests, other.requests)
        add_counts(self.timeline, other.timeline)
        self._keep_samples(other.samples)

    def _keep_samples(self, more: list[tuple[int, str]]) -> None:
        if len(self.samples) < SAMPLES or (more and min(more) < self.samples[-1]):
            self.samples = sorted([*self.samples, *more])[:SAMPLES]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            **vars(self),
            "requests": dict(self.requests),
            "timeline": {str(second): count for second, count in sorted(self.timeline.items())},
            "samples": [list(each) for each in self.samples],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Work:
        """Read what ``to_json`` wrote."""
        return cls(
            **{
                **value,
                "requests": Counter(value["requests"]),
                "timeline": Counter({int(second): count for second, count in value["timeline"].items()}),
                "samples": [(number, uri) for number, uri in value["samples"]],
            }
        )


def _spread(timeline: Counter[int], effort: Effort, items: int) -> None:
    """Count whole items, so that sums stay exact in any order: the k-th of n is done k/n through the batch's time."""
    first = int(effort.started)
    whole = int(effort.started + effort.seconds) - first
    if not whole:
        timeline[first] += items
        return
    before = 0
    for second in range(whole + 1):
        share = min((first + second + 1 - effort.started) / effort.seconds, 1.0)
        done = int(share * items + 1e-9)
        if done > before:
            timeline[first + second] += done - before
            before = done
