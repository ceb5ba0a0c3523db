"""The execution environments of all functions: so many at work at once, and the last used kept warm."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from fanfold.local.awslambda.environment import Environment, Function
from fanfold.local.protocol import ServiceError

# Idle environments cost memory and no time; a workflow's few functions stay warm beside each other.
KEPT = 8


class Pool:
    """At most ``concurrency`` environments at work, and ``kept`` idle ones; requests beyond that wait their turn."""

    def __init__(
        self, concurrency: int, start: Callable[[Function], Environment] = Environment, kept: int = KEPT
    ) -> None:
        self._free = concurrency
        self._start = start
        self._kept = kept
        self._lock = threading.Lock()
        self._idle: list[Environment] = []  # the longest idle first
        self._busy: set[Environment] = set()
        self._queue: deque[threading.Event] = deque()
        self._settled = threading.Condition(self._lock)
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._queue)

    def lease(self, function: Function) -> Environment:
        """Return an environment of ``function`` for the caller alone, once it is its turn; release() takes it back."""
        self._wait_for_turn()
        try:
            environment = self._warm(function) or self._start(function)
        except BaseException:
            self._give_turn()
            raise
        with self._lock:
            closed = self._closed
            if not closed:
                self._busy.add(environment)
        if closed:
            environment.kill()
            raise _closing()
        return environment

    def release(self, environment: Environment) -> None:
        """Take an environment back: to rest, or to its end when it cannot go on; the next in line takes its turn."""
        ended = self._rest(environment) if environment.alive else [environment]
        for each in ended:
            each.kill()
        self._give_turn()
        with self._lock:
            self._busy.discard(environment)
            self._settled.notify_all()

    def retire(self, function: Function) -> None:
        """End the environments of a function that was replaced or deleted; those at work end with their invocation."""
        function.retired = True
        with self._lock:
            ended = [environment for environment in self._idle if environment.function is function]
            self._idle = [environment for environment in self._idle if environment.function is not function]
        for environment in ended:
            environment.kill()

    def close(self) -> None:
        """End every environment; who waits or is at work gets an error. Returns when nobody is at work any more."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
            waiting, self._queue = list(self._queue), deque()
        for turn in waiting:
            turn.set()
        for environment in busy:
            environment.abort()
        for environment in idle:
            environment.kill()
        with self._lock:
            self._settled.wait_for(lambda: not self._busy)

    def _wait_for_turn(self) -> None:
        with self._lock:
            if self._closed:
                raise _closing()
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._queue.append(turn)
        turn.wait()
        if self._closed:
            raise _closing()

    def _give_turn(self) -> None:
        """Let the longest waiting go on, without letting anybody come in between."""
        with self._lock:
            turn = self._queue.popleft() if self._queue else None
            if turn is None:
                self._free += 1
        if turn is not None:
            turn.set()

    def _warm(self, function: Function) -> Environment | None:
        """Take the last used living environment of ``function``."""
        while True:
            with self._lock:
                chosen = next((idle for idle in reversed(self._idle) if idle.function is function), None)
                if chosen is not None:
                    self._idle.remove(chosen)
            if chosen is None or chosen.alive:
                return chosen
            chosen.kill()

    def _rest(self, environment: Environment) -> list[Environment]:
        """Let an environment rest, and return those that have to end for it."""
        with self._lock:
            if self._closed:
                return [environment]
            self._idle.append(environment)
            surplus = max(len(self._idle) - self._kept, 0)
            ended, self._idle = self._idle[:surplus], self._idle[surplus:]
            return ended


def _closing() -> ServiceError:
    return ServiceError("ServiceException", "The local endpoint is shutting down.", 500)
