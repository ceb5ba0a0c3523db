"""One batch: select -> skip what is done -> read -> process -> write -> record.

Reading and writing overlap in threads with one computing thread, because an item function has one vCPU and waits for
S3 most of the time. Memory is bounded in bytes and does not grow with the number of items: a body waits for a place in
the byte budget, a processed item for a place in the line of writes. Items are processed in the order their bytes
arrive, so a large one never holds up the rest.
"""

from __future__ import annotations

import logging
import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal, overload

from itemkit.destination import Destination, Mark, fingerprint, is_done
from itemkit.errors import ItemError, ObjectChanged, ObjectTooLarge, OperationFailed, PermanentError, TransientError
from itemkit.item import Item
from itemkit.operation import Operation, Result
from itemkit.record import Failure, Record, Status
from itemkit.select import Select
from itemkit.store import ChangedUnderneath, Head, Store, with_head

READERS = 4
WRITERS = 4
# Bodies read and not yet processed, together; a larger object is read when it is alone.
BYTES_AHEAD = 64 * 1024 * 1024
# As few bodies may wait: each counts as at least this share of the bytes. More gain nothing, and cost memory.
ITEMS_AHEAD = 4
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
        resolved: what the operation gets in the place of the options; ``None``: the options as they are.
        references: the ETags of the objects that were put into ``resolved``.
    """

    operation: Operation[Any]
    options: Any
    destination: Destination
    select: Select = field(default_factory=Select)
    deadline: float = float("inf")
    reserve: float = 5.0
    resolved: Any = None
    references: Sequence[str] = ()

    def fingerprint(self, version: str) -> str:
        """Return the fingerprint of an output made from this version of its source."""
        return fingerprint(version, self.operation, self.options, self.references)

    def check_deadline(self, slowest: float) -> None:
        """Raise DeadlineNear when what took at most ``slowest`` seconds so far may not be done in time again."""
        if self.deadline - time.monotonic() - self.reserve < SAFETY * slowest:
            raise DeadlineNear("the function's time runs out: the item was not begun")

    def selected(self, item: Item, store: Store) -> tuple[Item, str | None]:
        """Return the item, with its size and date where these are asked for, and why it is excluded, if it is."""
        if item.size is None and self.select.needs_head:
            item = with_head(store, item)
        return item, self.select.refusal(item)


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
    body: bytes | Path = b""
    bytes_in: int = 0
    held: int = 0
    version: str | None = None
    etag: str | None = None
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
            self.record = unsuccessful(self.item, error)
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
            self._task.check_deadline(self._slowest)
            work.record = self._excluded(work)
            if work.record is None:
                work.uris = self._task.destination.output_uris(work.item, self._task.operation, self._task.options)
                work.record = self._skipped(work)
            if work.record is None:
                self._fetch(work)
        if work.record and work.record.status is Status.FAILED and not (work.etag or work.item.etag):
            self._look(work)
        self._arrived.put(work)

    def _look(self, work: _Work) -> None:
        """Find out which object failed before it was read, as one does whose output's name is taken."""
        with suppress(ItemError):
            head = self._store.head(work.item.uri)
            work.etag = head.etag if head else None

    def _excluded(self, work: _Work) -> Record | None:
        work.item, reason = self._task.selected(work.item, self._store)
        return Record(work.item.uri, Status.EXCLUDED, reason=reason) if reason else None

    def _skipped(self, work: _Work) -> Record | None:
        destination = self._task.destination
        existing = destination.existing(self._store, work.uris[0], work.item)
        work.replaces = existing.etag if existing else None
        if existing is None or (destination.overwrite and not destination.wrote(existing)):
            return None
        if work.item.version is None:
            work.item = with_head(self._store, work.item)
        if not is_done(self._store, work.item, existing, self._task.fingerprint):
            return None
        if destination.wrote(existing):
            reason = "done by an earlier attempt of this run"
            known = Record(work.item.uri, Status.SUCCEEDED, work.uris, reason=reason)
            return replace(known, bytes_in=work.item.size or 0, bytes_out=existing.size)
        return Record(work.item.uri, Status.SKIPPED, work.uris, reason="already done")

    def _fetch(self, work: _Work) -> None:
        spool_above = self._task.operation.spool_above
        with opened(self._store, work.item) as (head, stream):
            work.etag = head.etag
            require_small(work.item, head, self._task.operation)
            work.held = max(head.size, BYTES_AHEAD // ITEMS_AHEAD)
            self._budget.take(work.held)
            work.bytes_in = head.size
            work.version = work.item.version if work.item.part else head.etag
            work.body = body_of(work.item, stream, on_disk=spool_above is not None and head.size > spool_above)

    def _process(self, work: _Work) -> None:
        """Compute, in the one computing thread, and let go of the bytes."""
        task = self._task
        if work.record is None:
            with work.timed():
                task.check_deadline(self._slowest)
                resolved = task.options if task.resolved is None else task.resolved
                work.result = task.operation.process(work.item, work.body, resolved)
        if isinstance(work.body, Path):
            work.body.unlink(missing_ok=True)
        work.body = b""
        self._budget.give_back(work.held)
        self._slowest = max(self._slowest, work.seconds)

    def _write(self, work: _Work) -> None:
        try:
            if work.record is None and work.result is not None:
                with work.timed():
                    mark = Mark(work.item, self._task.fingerprint(work.version or ""), work.replaces)
                    work.uris = self._task.destination.write(self._store, work.uris, work.result.outputs, mark)
                    work.record = _succeeded(work, work.result)
            for output in work.result.outputs if work.result else ():
                output.discard()
            work.result = None
        finally:
            self._line.release()


@contextmanager
def opened(store: Store, item: Item) -> Iterator[tuple[Head, BinaryIO]]:
    """Open an item's object, or its part of one, for reading.

    Raises ObjectChanged where it is not the one any more that was split.
    """
    try:
        with store.open(item.uri, item.part) as (head, stream):
            yield head, stream
    except ChangedUnderneath as error:
        raise ObjectChanged(f"{item.uri} changed since it was split into parts: start the run again") from error


def require_small(item: Item, head: Head, operation: Operation[Any]) -> None:
    """Raise ObjectTooLarge for more bytes than the operation takes."""
    if head.size > operation.most_bytes:
        raise ObjectTooLarge(
            f"{item.uri} has {head.size:,} bytes; {operation.name} takes {operation.most_bytes:,} at most"
        )


@overload
def body_of(item: Item, stream: BinaryIO, *, on_disk: Literal[False]) -> bytes: ...
@overload
def body_of(item: Item, stream: BinaryIO, *, on_disk: bool) -> bytes | Path: ...
def body_of(item: Item, stream: BinaryIO, *, on_disk: bool) -> bytes | Path:
    """Return an item's bytes, those of a part behind its header row, in memory once or in a temporary file."""
    header = item.part.header.encode() + b"\n" if item.part and item.part.header else b""
    if not on_disk and not header:
        return stream.read()
    with tempfile.NamedTemporaryFile(prefix="fanfold-", delete=False) if on_disk else BytesIO() as whole:
        whole.write(header)
        shutil.copyfileobj(stream, whole, 1 << 20)
        return whole.getvalue() if isinstance(whole, BytesIO) else Path(whole.name)


def _succeeded(work: _Work, result: Result) -> Record:
    return Record(
        work.item.uri,
        Status.SUCCEEDED,
        work.uris,
        bytes_out=sum(output.size for output in result.outputs),
        rows_in=result.rows_in,
        rows_out=result.rows_out,
        facts=result.facts,
    )


def unsuccessful(item: Item, error: Exception) -> Record:
    """Tell permanent from transient by type; what an operation does not declare is a fault of its code, and logged."""
    if isinstance(error, TransientError):
        return Record(item.uri, Status.DEFERRED, failure=Failure.of(error, retryable=True))
    if not isinstance(error, PermanentError):
        _log.exception("the operation raised an undeclared error", extra={"object": item.uri})
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
        etag=work.etag or item.etag,
        name=item.name if work.record.failure else None,
        output=item.output,
        columns=dict(item.columns),
    )
