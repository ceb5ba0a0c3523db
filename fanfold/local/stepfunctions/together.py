"""Running several lines of states at once: the branches of a Parallel, the iterations of an inline Map."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from fanfold.local.stepfunctions.document import Document
from fanfold.local.stepfunctions.failure import RUNTIME, Failure, Stopped
from fanfold.local.stepfunctions.scope import Scope

Job = Callable[[int, Scope], Document]
Spawn = Callable[[Callable[[], None]], bool]


class Together:
    """Jobs 0 to ``number - 1``, done by the calling thread and those ``spawn`` gives; the first failure stops all.

    Attributes:
        progress: for each job its document, its checkpoint where it did not get that far, ``None`` if never begun.
    """

    def __init__(self, number: int, job: Job, around: Scope) -> None:
        self.progress: list[Any] = [None] * number
        self._number = number
        self._job = job
        self._scope = Scope(around)
        self._next = 0
        self._active = 0
        self._failure: Failure | None = None
        self._lock = threading.Condition()

    def run(self, spawn: Spawn, limit: int) -> list[Document]:
        """Return the documents in order; raises the first Failure, or Stopped, with the progress as checkpoint."""
        helpers = min(limit, self._number) - 1
        with self._lock:
            self._active = 1
        for _ in range(helpers):
            with self._lock:
                self._active += 1
            if not spawn(self._work):
                self._leave()
                break
        self._work()
        with self._lock:
            self._lock.wait_for(lambda: self._active == 0)
        self._scope.close()
        return self._outcome()

    def _outcome(self) -> list[Document]:
        if self._failure is not None:
            self._failure.checkpoint = self.progress
            raise self._failure
        if any(not isinstance(each, Document) for each in self.progress):
            stopped = Stopped()
            stopped.checkpoint = self.progress
            raise stopped
        return self.progress

    def _work(self) -> None:
        try:
            while (index := self._take()) is not None:
                self._do(index)
        finally:
            self._leave()

    def _do(self, index: int) -> None:
        try:
            self.progress[index] = self._job(index, self._scope)
        except Stopped as problem:
            self.progress[index] = problem.checkpoint
        except Failure as problem:
            self.progress[index] = problem.checkpoint
            self._fail(problem)
        except Exception as problem:  # a defect of the endpoint must not leave the others waiting
            self._fail(Failure(RUNTIME, f"{type(problem).__name__}: {problem}"))

    def _fail(self, failure: Failure) -> None:
        with self._lock:
            self._failure = self._failure or failure
        self._scope.stop()

    def _take(self) -> int | None:
        with self._lock:
            if self._next >= self._number or self._scope.stopped:
                return None
            self._next += 1
            return self._next - 1

    def _leave(self) -> None:
        with self._lock:
            self._active -= 1
            self._lock.notify_all()


def in_thread(work: Callable[[], None]) -> bool:
    """Do ``work`` in a thread of its own: for branches, which may wait for each other."""
    threading.Thread(target=work, daemon=True).start()
    return True


def array(documents: Sequence[Document]) -> Document:
    """Return the array of some documents."""
    return Document(f"[{','.join([each.text for each in documents])}]", [each.value for each in documents])
