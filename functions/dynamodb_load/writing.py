"""Writing items: a bounded number of calls at once, each tried again until it is through or time is up.

What a table does not take yet is tried again after a pause of random length, below a bound that doubles (exponential
backoff with full jitter). A pause keeps its place among the calls, so a table that is throttled gets fewer of them.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from functions.dynamodb_load.conflict import Guard
from functions.dynamodb_load.errors import InvalidRow, Throttled, Unavailable, Unfinished, WriteRefused
from functions.dynamodb_load.faults import told_apart
from functions.dynamodb_load.mapping import Entry
from functions.dynamodb_load.table import Client, Table
from itemkit.errors import ItemError

# API reference, BatchWriteItem.
MOST_ITEMS = 25
MOST_REQUEST_BYTES = 16 * 1024 * 1024
# As JSON an item takes up to eight times the bytes it is counted with: escapes, and the names of types.
MOST_BATCH_BYTES = MOST_REQUEST_BYTES // 8
# Of other faults than throttling, one after another.
MOST_FAULTS = 8
_LONGEST_PAUSE = 5.0
OUT_OF_TIME = "the function's time ran out: load it again, or split it into smaller tables"


@dataclass(frozen=True)
class Pace:
    """How fast and how long to write.

    Attributes:
        concurrency: calls at once, 1 or more.
        seconds_left: tells the seconds until no call may be begun.
        pause: the bound of the first pause, in seconds.
    """

    concurrency: int
    seconds_left: Callable[[], float]
    pause: float = 0.05


@dataclass(frozen=True)
class Loaded:
    """What became of items.

    Attributes:
        written: into the table.
        unchanged: there already, from the same load.
        kept: there from elsewhere, and not replaced.
    """

    written: int = 0
    unchanged: int = 0
    kept: int = 0

    def __add__(self, other: Loaded) -> Loaded:
        """Add up."""
        return Loaded(self.written + other.written, self.unchanged + other.unchanged, self.kept + other.kept)


def load_rows(client: Client, table: Table, entries: Iterable[Entry], pace: Pace, guard: Guard | None = None) -> Loaded:
    """Write items whose keys differ into a table; with a guard each under its condition, which takes a call an item.

    Raises:
        InvalidRow: DynamoDB refuses an item; the message has its place.
        TableNotFound, TableForbidden, TableRefused: DynamoDB refuses the calls.
        Throttled, Unavailable, Unfinished: the time is up, or DynamoDB does not answer.
        Whatever it is, the message says how many items were written before.
    """
    attempt = _Guarded(client, table, guard, pace.seconds_left) if guard else _Batches(client, table)
    return _Load(attempt, table, pace).run(entries)


@dataclass(frozen=True)
class _Attempted:
    """What an attempt came to: what is done, what is to be tried again, and whether because the table is too slow."""

    loaded: Loaded
    again: Sequence[Entry] = ()
    throttled: bool = False


_Attempt = Callable[[Sequence[Entry]], _Attempted]


class _Over(Exception):
    """Another call failed for good: nothing more is written."""


class _Load:
    """The threads, the line of batches, and the first fault of one load."""

    def __init__(self, attempt: _Attempt, table: Table, pace: Pace) -> None:
        self._attempt = attempt
        self._table = table
        self._pace = pace
        self._room = threading.BoundedSemaphore(2 * pace.concurrency)
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._fault: Exception | None = None
        self._loaded = Loaded()

    def run(self, entries: Iterable[Entry]) -> Loaded:
        try:
            with ThreadPoolExecutor(self._pace.concurrency) as pool:
                for batch in _batches(entries):
                    self._room.acquire()
                    if self._over.is_set():
                        break
                    pool.submit(self._write, batch)
        except ItemError as error:
            # The rows themselves: nothing that was begun is left off.
            self._end(error)
        if self._fault is None:
            return self._loaded
        if isinstance(self._fault, ItemError):
            raise self._told(self._fault) from self._fault
        raise self._fault

    def _told(self, fault: ItemError) -> ItemError:
        return type(fault)(f"{fault}; {self._loaded.written:,} rows are in table {self._table.name} already")

    def _write(self, batch: Sequence[Entry]) -> None:
        try:
            self._persist(batch)
        except _Over:
            pass
        except Exception as error:
            self._end(error)
        finally:
            self._room.release()

    def _end(self, fault: Exception) -> None:
        with self._lock:
            self._fault = self._fault or fault
        self._over.set()

    def _persist(self, waiting: Sequence[Entry]) -> None:
        """Write a batch, however often it takes."""
        faults, throttled = 0, False
        for number in itertools.count():
            self._check(throttled)
            try:
                attempted = self._attempt(waiting)
            except Throttled:
                faults, throttled = 0, True
            except Unavailable:
                faults += 1
                if faults == MOST_FAULTS:
                    raise
            else:
                waiting, throttled, faults = attempted.again, attempted.throttled, 0
                with self._lock:
                    self._loaded += attempted.loaded
            if not waiting:
                return
            bound = min(_LONGEST_PAUSE, self._pace.pause * 2 ** min(number, 10))
            self._over.wait(min(random.uniform(0, bound), max(0.0, self._pace.seconds_left())))  # noqa: S311 - no secret

    def _check(self, throttled: bool) -> None:
        """Raise what ends the writing: a fault elsewhere, or the time."""
        if self._over.is_set():
            raise _Over
        if self._pace.seconds_left() > 0:
            return
        if throttled:
            raise Throttled(f"table {self._table.name} takes no more for now, and the function's time ran out")
        raise Unfinished(OUT_OF_TIME)


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield the entries in groups that fit into a call."""
    batch: list[Entry] = []
    batch_bytes = 0
    for entry in entries:
        if len(batch) == MOST_ITEMS or (batch and batch_bytes + entry.size > MOST_BATCH_BYTES):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(entry)
        batch_bytes += entry.size
    if batch:
        yield batch


@dataclass(frozen=True)
class _Batches:
    """Writes without a condition: many items a call, and a table may take some of them."""

    client: Client
    table: Table

    def __call__(self, entries: Sequence[Entry]) -> _Attempted:
        try:
            return self._put(entries)
        except WriteRefused as error:
            if len(entries) == 1:
                raise InvalidRow(f"{entries[0].place}: {error}") from error
        # DynamoDB does not say which, and wrote none.
        halves = entries[: len(entries) // 2], entries[len(entries) // 2 :]
        first = self(halves[0])
        return _Attempted(first.loaded, [*first.again, *halves[1]])

    def _put(self, entries: Sequence[Entry]) -> _Attempted:
        requests = [{"PutRequest": {"Item": entry.item}} for entry in entries]
        with told_apart(self.table.name):
            answer = self.client.batch_write_item(RequestItems={self.table.name: requests})
        unprocessed = answer.get("UnprocessedItems", {}).get(self.table.name, [])
        if not unprocessed:
            return _Attempted(Loaded(len(entries)))
        keys = [self._key(request["PutRequest"]["Item"]) for request in unprocessed]
        again = [entry for entry in entries if self._key(entry.item) in keys]
        return _Attempted(Loaded(len(entries) - len(again)), again, throttled=True)

    def _key(self, item: Mapping[str, Any]) -> list[Any]:
        return [item[name] for name in self.table.key]


@dataclass(frozen=True)
class _Guarded:
    """Writes under a condition, an item a call: BatchWriteItem knows no conditions."""

    client: Client
    table: Table
    guard: Guard
    seconds_left: Callable[[], float]

    def __call__(self, entries: Sequence[Entry]) -> _Attempted:
        loaded = Loaded()
        for number, entry in enumerate(entries):
            # A call that hangs would hang up to 25 times over.
            if number and self.seconds_left() <= 0:
                return _Attempted(loaded, entries[number:])
            try:
                loaded += self._put(entry)
            except WriteRefused as error:
                if not number:
                    raise InvalidRow(f"{entry.place}: {error}") from error
                return _Attempted(loaded, entries[number:])
            except (Throttled, Unavailable) as error:
                if not number:
                    raise
                return _Attempted(loaded, entries[number:], isinstance(error, Throttled))
        return _Attempted(loaded)

    def _put(self, entry: Entry) -> Loaded:
        try:
            with told_apart(self.table.name):
                self.client.put_item(
                    TableName=self.table.name,
                    Item=entry.item,
                    ConditionExpression=self.guard.condition,
                    ExpressionAttributeNames=self.guard.names,
                    ExpressionAttributeValues=self.guard.values,
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            there: Any = error.response.get("Item", {})
            return Loaded(unchanged=1) if self.guard.is_own(there) else Loaded(kept=1)
        return Loaded(written=1)
