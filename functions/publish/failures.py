"""The failures of a run by their kind, each with some of its rows of failures.csv. Pure."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_KINDS = 8
MOST_ROWS = 5


@dataclass(frozen=True)
class FailedItem:
    """One row of failures.csv."""

    uri: str
    message: str
    retryable: bool


@dataclass(frozen=True)
class Kind:
    """A kind of failure: how often, an example's URI, and the first rows that name it."""

    type: str
    count: int
    example: str
    items: Sequence[FailedItem]


def failure_kinds(errors: Sequence[Mapping[str, Any]], table: bytes) -> list[Kind]:
    """Return the most frequent kinds, at most ``MOST_KINDS`` with ``MOST_ROWS`` rows each.

    Args:
        errors: the summary's, most frequent first.
        table: what failures.csv begins with; its last row may be cut off.
    """
    rows: dict[str, list[FailedItem]] = defaultdict(list)
    for row in _whole_rows(table):
        known = rows[row["error"]]
        if len(known) < MOST_ROWS:
            known.append(FailedItem(row["uri"], row["message"], row["retryable"] == "true"))
    return [
        Kind(each["type"], each["count"], each["example"], rows[each["type"]]) for each in errors[:MOST_KINDS]
    ]  # fmt: skip


def _whole_rows(table: bytes) -> Iterator[dict[str, str]]:
    """Yield the rows up to the last line feed; what a cut left within quotes is no row."""
    text = table[: table.rfind(b"\n") + 1].decode("utf-8", "replace")
    reader = csv.DictReader(io.StringIO(text, newline=""), restval="")
    before = None
    try:
        for row in reader:
            if before:
                yield before
            before = row
    except csv.Error:
        # A cell longer than the csv module takes ends what can be shown.
        return
    if before and not _is_open(text):
        yield before


def _is_open(text: str) -> bool:
    """Tell whether a text of CSV ends within quotes: quotes in a cell are doubled, so their number is even."""
    return text.count('"') % 2 == 1
