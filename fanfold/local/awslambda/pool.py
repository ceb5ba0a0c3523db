"""The execution environments of all functions: started when needed, kept warm, never more than the concurrency."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fanfold.local.awslambda.environment import Environment, Function
from fanfold.local.protocol import ServiceError

_PATIENCE = 1.0  # seconds another function's request may wait before a warm environment is given up for it


@dataclass
class _Waiter:
    function: Function
    since: float
    granted: threading.Event = field(default_factory=threading.Event)
    place: Environment | None = None


class Pool:
    """At most ``concurrency`` places for environments; a request that finds no place waits in the queue."""

    def __init__(self, concurrency: int, start: Callable[[Function], Environment] = Environment) -> None:
        self._free = concurrency
        self._start = start
        self._lock = threading.Lock()
        self._idle: list[Environment] = []  # the longest idle first
        self._busy: set[Environment] = set()
        self._queue: deque[_Waiter] = deque()
        self._settled = threading.Condition(self._lock)
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many requests wait for a place."""
        return len(self._queue)

    def lease(self, function: Function) -> Environment:
        """Return an environment of ``function`` for the caller alone, once there is one; release() takes it back."""
        held = self._place(function)
        if held is None or held.function is not function or not held.alive:
            held = self._replace(held, function)
        with self._lock:
            closed = self._closed
            if not closed:
                self._busy.add(held)
        if closed:
            held.kill()
            raise _closing()
        return held

    def release(self, environment: Environment) -> None:
        """Take an environment back: to the next in the queue, to rest, or to its end when it cannot go on."""
        if environment.alive:
            self._hand_on(environment)
        else:
            environment.kill()
            self._hand_on(None)
        with self._lock:
            self._busy.discard(environment)
            self._settled.notify_all()

    def retire(self, function: Function) -> None:
        """End the environments of a function that was replaced or deleted; those at work end with their invocation."""
        function.retired = True
        with self._lock:
            ended = [environment for environment in self._idle if environment.function is function]
            self._idle = [environment for environment in self._idle if environment.function is not function]
            self._free += len(ended)
        for environment in ended:
            environment.kill()

    def close(self) -> None:
        """End every environment; who waits or is at work gets an error. Returns when nobody is at work any more."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
            waiting, self._queue = list(self._queue), deque()
        for waiter in waiting:
            waiter.granted.set()
        for environment in busy:
            environment.abort()
        for environment in idle:
            environment.kill()
        with self._lock:
            self._settled.wait_for(lambda: not self._busy)

    def _place(self, function: Function) -> Environment | None:
        """Return what stands in the place won for ``function``: its own warm environment, another's, or nothing."""
        with self._lock:
            if self._closed:
                raise _closing()
            own = next((idle for idle in reversed(self._idle) if idle.function is function), None)
            if own is None and self._free:
                self._free -= 1
                return None
            if self._idle:
                chosen = own or self._idle[0]
                self._idle.remove(chosen)
                return chosen
            waiter = _Waiter(function, time.monotonic())
            self._queue.append(waiter)
        waiter.granted.wait()
        if self._closed:
            raise _closing()
        return waiter.place

    def _replace(self, held: Environment | None, function: Function) -> Environment:
        try:
            if held is not None:
                held.kill()
            return self._start(function)
        except BaseException:
            self._hand_on(None)
            raise

    def _hand_on(self, place: Environment | None) -> None:
        with self._lock:
            if waiter := self._next_waiter(place):
                waiter.place = place
            elif place is not None and not self._closed:
                self._idle.append(place)
            else:
                self._free += 1
        if waiter is not None:
            waiter.granted.set()
        elif self._closed and place is not None:
            place.kill()

    def _next_waiter(self, place: Environment | None) -> _Waiter | None:
        """Take who is next; a warm place may go to the next of its own function, so that two do not evict in turns."""
        if not self._queue:
            return None
        chosen = self._queue[0]
        if place is not None and time.monotonic() - chosen.since < _PATIENCE:
            chosen = next((waiter for waiter in self._queue if waiter.function is place.function), chosen)
        self._queue.remove(chosen)
        return chosen


def _closing() -> ServiceError:
    return ServiceError("ServiceException", "The local endpoint is shutting down.", 500)
