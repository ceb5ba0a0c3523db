"""A mergeable histogram with logarithmic buckets, for percentiles of item milliseconds at any number of items."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

# Bucket i holds (GROWTH**(i-1), GROWTH**i]; answering its geometric middle is at most 1 % off.
GROWTH = 1.02
_LOG_GROWTH = math.log(GROWTH)
# A microsecond: below it a measurement says nothing. Keeps the number of buckets bounded (about 1,200 up to an hour).
_SMALLEST = 0.001


class Histogram:
    """Counts of positive numbers by logarithmic bucket; merging is associative and commutative.

    The exact largest value is kept beside the buckets.
    """

    def __init__(self, buckets: Mapping[int, int] | None = None, largest: float = 0.0) -> None:
        self.buckets: Counter[int] = Counter(buckets or {})
        self.largest = largest

    def add(self, value: float) -> None:
        """Count one value; what lies below a microsecond counts as one."""
        self.buckets[math.ceil(math.log(max(value, _SMALLEST)) / _LOG_GROWTH)] += 1
        self.largest = max(self.largest, value)

    def merge(self, other: Histogram) -> None:
        """Add another histogram's counts to this one."""
        self.buckets.update(other.buckets)
        self.largest = max(self.largest, other.largest)

    def quantile(self, share: float) -> float:
        """Return the value below which ``share`` (0 to 1) of the values lie, within 1 %; 0.0 when empty."""
        rank = share * self.buckets.total()
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return min(math.pow(GROWTH, bucket - 0.5), self.largest)
        return 0.0

    def to_json(self) -> dict[str, Any]:
        """Return ``{"buckets": {"index": count}, "largest": milliseconds}``."""
        return {
            "buckets": {str(index): count for index, count in sorted(self.buckets.items())},
            "largest": self.largest,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Histogram:
        """Read what ``to_json`` wrote."""
        return cls({int(index): count for index, count in value["buckets"].items()}, value["largest"])
