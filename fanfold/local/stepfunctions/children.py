"""The finished and the pending children of all map runs, on disk: a run of a million keeps the endpoint small."""

from __future__ import annotations

import operator
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final

SUCCEEDED: Final = "SUCCEEDED"
FAILED: Final = "FAILED"
TIMED_OUT: Final = "TIMED_OUT"
ABORTED: Final = "ABORTED"
PENDING: Final = "PENDING"
RUNNING: Final = "RUNNING"

UNSUCCESSFUL: Final = (FAILED, TIMED_OUT, ABORTED)
_PAGE: Final = 500


@dataclass(slots=True)
class Child:
    """One child execution; input, output and history are JSON texts, dates epoch seconds.

    Attributes:
        items: how many items its input holds.
        redrives: how often the child itself was run again.
        attempt: the redrive of the map run, from 0, that brought it to its status.
    """

    run: int
    index: int
    status: str
    items: int
    redrives: int
    started: float
    stopped: float
    name: str
    input: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    history: str | None = None
    attempt: int = 0
    redriven: float | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which children are wanted; ``redriven`` is ``None`` for all."""

    statuses: Sequence[str]
    redriven: bool | None = None


_row: Final = operator.attrgetter(*(each.name for each in fields(Child)))
_COLUMNS: Final = ", ".join(f'"{each.name}"' for each in fields(Child))
_INSERT: Final = f"INSERT OR REPLACE INTO child ({_COLUMNS}) VALUES ({', '.join('?' * len(fields(Child)))})"  # noqa: S608 - made of our own column names
_SELECT: Final = f"SELECT {_COLUMNS} FROM child"  # noqa: S608 - made of our own column names


class Children:
    """A table of children in a private temporary database, which the operating system removes with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA cache_size = -8192",  # KiB
            f'CREATE TABLE child ({_COLUMNS}, PRIMARY KEY (run, "index"))',
            "BEGIN",  # nobody else reads it: nothing is ever committed
        ):
            self._database.execute(statement)

    def put(self, child: Child) -> None:
        """Keep a child, in the place of what was known of it."""
        row = _row(child)
        with self._lock:
            self._database.execute(_INSERT, row)

    def each(self, run: int, *statuses: str) -> Iterator[Child]:
        """Yield the children of a map run with one of some statuses, in the order of their items."""
        last = -1
        while page := self._page('"index" > ?', '"index" ASC', (run, last, Choice(statuses), _PAGE)):
            yield from page
            last = page[-1].index

    def before(self, run: int, choice: Choice, index: int, limit: int) -> list[Child]:
        """Return up to ``limit`` children downward from the one before ``index``."""
        return self._page('"index" < ?', '"index" DESC', (run, index, choice, limit))

    def _page(self, bound: str, order: str, wanted: tuple[int, int, Choice, int]) -> list[Child]:
        run, edge, choice, limit = wanted
        marks = ", ".join("?" * len(choice.statuses))
        redriven = "" if choice.redriven is None else f"AND redrives {'>' if choice.redriven else '='} 0"
        query = f"{_SELECT} WHERE run = ? AND {bound} AND status IN ({marks}) {redriven} ORDER BY {order} LIMIT ?"
        with self._lock:
            rows = self._database.execute(query, (run, edge, *choice.statuses, limit)).fetchall()
        return [Child(*row) for row in rows]

    def tally(self, run: int) -> dict[str, tuple[int, int]]:
        """Return for each status how many items and how many children of a map run have it."""
        query = "SELECT status, sum(items), count(*) FROM child WHERE run = ? GROUP BY status"
        with self._lock:
            return {status: (items, number) for status, items, number in self._database.execute(query, (run,))}

    def find(self, run: int, name: str) -> Child | None:
        """Return a child by its name."""
        with self._lock:
            row = self._database.execute(f"{_SELECT} WHERE run = ? AND name = ?", (run, name)).fetchone()
        return Child(*row) if row else None

    def forget(self, run: int) -> None:
        """Drop the children of a map run."""
        with self._lock:
            self._database.execute("DELETE FROM child WHERE run = ?", (run,))
