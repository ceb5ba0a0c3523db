"""Giving the children of a map run to whoever can run them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from fanfold.local.stepfunctions.batching import Batch
from fanfold.local.stepfunctions.failure import RUNTIME, Failure
from fanfold.local.stepfunctions.mapruns import MapRun
from fanfold.local.stepfunctions.services import Workers

_AHEAD_CHILDREN: Final = 1_000
_AHEAD_CHARACTERS: Final = 1_048_576


class Dispatch:
    """Hands out batches, a few read ahead, to the thread of the Map state and to the workers that help it.

    Attributes:
        failure: why the run has to end before its time.
    """

    def __init__(
        self, run: MapRun, batches: Iterator[Batch], perform: Callable[[Batch], None], halted: Callable[[], bool]
    ) -> None:
        self.failure: Failure | None = None
        self._run = run
        self._batches = batches
        self._perform = perform
        self._halted = halted
        self._ahead: deque[Batch] = deque()
        self._characters = 0
        self._exhausted = False
        self._active = 0
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._workers: Workers | None = None

    def run(self, workers: Workers) -> None:
        """Run children until there are no more or the run is halted; every child started is over on return."""
        self._workers = workers
        self._active = 1
        try:
            self._work(helping=False)
        finally:
            with self._idle:
                self._idle.wait_for(lambda: self._active == 0)

    def rest(self) -> Iterator[Batch]:
        """Yield what was not handed out; a reading that fails again ends it."""
        with self._lock:
            self._refill()
            while self._ahead:
                yield self._pop()
                self._refill()

    def grow(self) -> None:
        """Ask for helpers as long as there is work for them and MaxConcurrency allows."""
        workers = self._workers
        while workers is not None:
            with self._lock:
                if not self._ahead or self._active >= (self._run.max_concurrency or self._active + 1):
                    return
                self._active += 1
            if not workers.offer(self._help):
                with self._idle:
                    self._active -= 1
                    self._idle.notify_all()
                return

    def _help(self) -> None:
        self._work(helping=True)

    def _work(self, helping: bool) -> None:
        try:
            while (batch := self._take(helping)) is not None:
                self.grow()
                self._perform(batch)
        except Exception as problem:  # a defect of the endpoint ends the run, and is not lost with its thread
            self.failure = self.failure or Failure(RUNTIME, f"{type(problem).__name__}: {problem}")
        finally:
            with self._idle:
                self._active -= 1
                self._idle.notify_all()

    def _take(self, helping: bool) -> Batch | None:
        with self._lock:
            if self._halted() or (helping and 0 < self._run.max_concurrency < self._active):
                return None
            self._refill()
            return self._pop() if self._ahead and self.failure is None else None

    def _pop(self) -> Batch:
        batch = self._ahead.popleft()
        self._characters -= len(batch.document.text)
        return batch

    def _refill(self) -> None:
        """Read ahead, so that the counts show what is pending; the size of it stays bounded."""
        while not self._exhausted and len(self._ahead) < _AHEAD_CHILDREN and self._characters < _AHEAD_CHARACTERS:
            try:
                batch = next(self._batches, None)
            except Failure as problem:
                self.failure = problem
                batch = None
            if batch is None:
                self._exhausted = True
                self._run.read = self.failure is None
                return
            self._ahead.append(batch)
            self._characters += len(batch.document.text)
