"""One batch: select -> skip what is done -> read -> process -> write -> record.

Reading and writing overlap in threads with one computing thread, because an item function has one vCPU and waits for
S3 most of the time. Memory is bounded in bytes and does not grow with the number of items: a body waits for a place in
the byte budget, a processed item for a place in the line of writes. Items are processed in the order their bytes
arrive, so a large one never holds up the rest.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from itemkit.destination import Destination, Mark, fingerprint, is_done
from itemkit.errors import ObjectTooLarge, OperationFailed, PermanentError, TransientError
from itemkit.item import Item
from itemkit.operation import Operation, Result
from itemkit.record import Failure, Record, Status
from itemkit.select import Select
from itemkit.store import Store, with_head

READERS = 4
WRITERS = 4
# Bodies read and not yet processed, together; a larger object is read when it is alone.
BYTES_AHEAD = 64 * 1024 * 1024
# An item is begun only when this many times the slowest one so far is left.
SAFETY = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What is to be done with every item of a batch.

    Attributes:
        options: the operation's own, parsed.
        deadline: the ``time.monotonic()`` by which everything must be over.
        reserve: seconds before the deadline kept for what is in flight and for the records.
    """

    operation: Operation[Any]
    options: Any
    destination: Destination
    select: Select = field(default_factory=Select)
    deadline: float = float("inf")
    reserve: float = 5.0


class DeadlineNear(TransientError):
    """The function's time runs out: the item was not begun and is for the next pass."""


class Budget:
    """Bytes that readers share; whoever comes when nobody has any gets what it asks for."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._taken = 0
        self._changed = threading.Condition()

    def take(self, amount: int) -> None:
        """Wait until ``amount`` bytes are free, or all are."""
        with self._changed:
            self._changed.wait_for(lambda: self._taken == 0 or self._taken + amount <= self._total)
            self._taken += amount

    def give_back(self, amount: int) -> None:
        """Return bytes taken before."""
        with self._changed:
            self._taken -= amount
            self._changed.notify_all()


@dataclass
class _Work:
    """An item on its way; ``record`` is set once it is decided."""

    place: int
    item: Item
    uris: tuple[str, ...] = ()
    body: bytes = b""
    bytes_in: int = 0
    etag: str = ""
    replaces: str | None = None
    seconds: float = 0.0
    result: Result | None = None
    record: Record | None = None

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time of a step; an exception in it decides the item."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            self.record = _unsuccessful(self.item, error)
        self.seconds += time.monotonic() - started


def run_batch(items: Sequence[Item], task: Task, store: Store) -> list[Record]:
    """Run the task over ``items`` and return one record each, in their order.

    Never raises for what an item does: a permanent error is a failed record; a transient error or the coming deadline
    is a deferred one.
    """
    return _Batch(task, store).run(items)


class _Batch:
    """The threads, the line of arrivals and the bounds of one batch."""

    def __init__(self, task: Task, store: Store) -> None:
        self._task = task
        self._store = store
        self._budget = Budget(BYTES_AHEAD)
        self._arrived: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._line = threading.BoundedSemaphore(2 * WRITERS)
        self._slowest = 0.0

    def run(self, items: Sequence[Item]) -> list[Record]:
        works = [_Work(place, item) for place, item in enumerate(items)]
        with ThreadPoolExecutor(READERS) as readers, ThreadPoolExecutor(WRITERS) as writers:
            for work in works:
                readers.submit(self._read, work)
            for _ in works:
                work = self._arrived.get()
                self._process(work)
                self._line.acquire()
                writers.submit(self._write, work)
        return [_finished(work) for work in works]

    def _read(self, work: _Work) -> None:
        """Decide what can be decided without the bytes, else read them; whatever happens, the item arrives."""
        with work.timed():
            self._check_deadline()
            work.record = self._excluded(work)
            if work.record is None:
                work.uris = self._task.destination.output_uris(work.item, self._task.operation, self._task.options)
                work.record = self._skipped(work)
            if work.record is None:
                self._fetch(work)
        self._arrived.put(work)

    def _excluded(self, work: _Work) -> Record | None:
        if work.item.size is None and self._task.select.needs_head:
            work.item = with_head(self._store, work.item)
        reason = self._task.select.refusal(work.item)
        return Record(work.item.uri, Status.EXCLUDED, reason=reason) if reason else None

    def _skipped(self, work: _Work) -> Record | None:
        destination = self._task.destination
        existing = destination.existing(self._store, work.uris[0], work.item)
        work.replaces = existing.etag if existing else None
        if existing is None or (destination.overwrite and not destination.wrote(existing)):
            return None
        if not is_done(self._store, work.item, existing, self._fingerprint):
            return None
        if destination.wrote(existing):
            reason = "done by an earlier attempt of this run"
            known = Record(work.item.uri, Status.SUCCEEDED, work.uris, reason=reason)
            return replace(known, bytes_in=work.item.size or 0, bytes_out=existing.size)
        return Record(work.item.uri, Status.SKIPPED, work.uris, reason="already done")

    def _fetch(self, work: _Work) -> None:
        limit = self._task.operation.most_bytes
        with self._store.open(work.item.uri) as (head, stream):
            if head.size > limit:
                raise ObjectTooLarge(
                    f"{work.item.uri} has {head.size:,} bytes; {self._task.operation.name} takes {limit:,} at most"
                )
            self._budget.take(head.size)
            work.bytes_in, work.etag = head.size, head.etag
            work.body = stream.read()

    def _process(self, work: _Work) -> None:
        """Compute, in the one computing thread, and let go of the bytes."""
        if work.record is None:
            with work.timed():
                self._check_deadline()
                work.result = self._task.operation.process(work.item, work.body, self._task.options)
        work.body = b""
        self._budget.give_back(work.bytes_in)
        self._slowest = max(self._slowest, work.seconds)

    def _write(self, work: _Work) -> None:
        try:
            if work.record is None and work.result is not None:
                with work.timed():
                    mark = Mark(work.item, self._fingerprint(work.etag), work.replaces)
                    self._task.destination.write(self._store, work.uris, work.result.outputs, mark)
                    work.record = _succeeded(work, work.result)
            work.result = None
        finally:
            self._line.release()

    def _fingerprint(self, etag: str) -> str:
        return fingerprint(etag, self._task.operation, self._task.options)

    def _check_deadline(self) -> None:
        left = self._task.deadline - time.monotonic() - self._task.reserve
        if left < SAFETY * self._slowest:
            raise DeadlineNear("the function's time runs out: the item was not begun")


def _succeeded(work: _Work, result: Result) -> Record:
    return Record(
        work.item.uri,
        Status.SUCCEEDED,
        work.uris,
        bytes_out=sum(len(output.body) for output in result.outputs),
        rows_in=result.rows_in,
        rows_out=result.rows_out,
        facts=result.facts,
    )


def _unsuccessful(item: Item, error: Exception) -> Record:
    """Tell permanent from transient by type; what an operation does not declare is a fault of its code, and logged."""
    if isinstance(error, TransientError):
        return Record(item.uri, Status.DEFERRED, failure=Failure.of(error, retryable=True))
    if not isinstance(error, PermanentError):
        _log.exception("the operation raised an undeclared error over %s", item.uri)
        error = OperationFailed(f"{type(error).__name__}: {error}")
    return Record(item.uri, Status.FAILED, failure=Failure.of(error, retryable=False))


def _finished(work: _Work) -> Record:
    if work.record is None:
        raise AssertionError(f"{work.item.uri} was never decided")
    item = work.item
    return replace(
        work.record,
        milliseconds=round(work.seconds * 1000, 3),
        bytes_in=work.bytes_in or work.record.bytes_in,
        name=item.name if work.record.failure else None,
        output=item.output,
        columns=dict(item.columns),
    )
