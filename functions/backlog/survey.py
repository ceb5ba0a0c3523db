"""What waits below ``incoming/``: how much, since when, and the oldest of it. Pure: a listing in, a backlog out."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from functions.backlog.patience import Patience
from itemkit.item import Item
from itemkit.select import Select


@dataclass
class Backlog:
    """What waits.

    Attributes:
        items: objects that a drain is to process.
        ignored: folder markers, and what the job's ``select`` does not want.
        oldest: epoch seconds at which the oldest of the items was put there; ``None`` when there are none.
        first: the oldest items that are to be tried, at most as many as a turn takes, the oldest first.
        put_off: items that were put off before.
        given_up: those of them that are not tried any more.
    """

    items: int = 0
    ignored: int = 0
    oldest: float | None = None
    first: list[Item] = field(default_factory=list)
    put_off: list[Item] = field(default_factory=list)
    given_up: list[Item] = field(default_factory=list)

    def age(self, now: float) -> float:
        """Return the seconds that the oldest item has waited, 0 when none does."""
        return max(0.0, now - self.oldest) if self.oldest is not None else 0.0


def survey(listed: Iterable[Item], select: Select, most: int, patience: Patience) -> Backlog:
    """Count what is listed and pick the oldest ``most`` items; memory grows with these and what was put off.

    Args:
        listed: the objects below ``incoming/``, with size, ETag and date.
        select: the job's.
        most: items of a turn.
        patience: what was put off before.
    """
    backlog = Backlog()

    def wanted() -> Iterable[Item]:
        for item in listed:
            if select.refusal(item):
                backlog.ignored += 1
                continue
            backlog.items += 1
            backlog.oldest = _put(item) if backlog.oldest is None else min(backlog.oldest, _put(item))
            if patience.of(item):
                backlog.put_off.append(item)
            if patience.is_out(item):
                backlog.given_up.append(item)
            else:
                yield item

    backlog.first = heapq.nsmallest(most, wanted(), key=lambda item: (_put(item), item.uri))
    return backlog


def _put(item: Item) -> float:
    return item.modified or 0.0
