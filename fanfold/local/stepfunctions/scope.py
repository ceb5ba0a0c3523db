"""Stopping what runs: a scope is asked to stop from outside, and the states within notice."""

from __future__ import annotations

import threading
import time

from fanfold.local.stepfunctions.failure import Stopped


class Scope:
    """The life of an execution, a branch or a map run; stopping it stops the scopes opened within it."""

    def __init__(self, parent: Scope | None = None) -> None:
        self._parent = parent
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._within: set[Scope] = set()
        if parent is not None:
            parent._enter(self)

    def _enter(self, scope: Scope) -> None:
        with self._lock:
            self._within.add(scope)
            stopped = self._event.is_set()
        if stopped:
            scope.stop()

    def stop(self) -> None:
        """Stop this scope and everything within it."""
        with self._lock:
            self._event.set()
            within = list(self._within)
        for scope in within:
            scope.stop()

    def close(self) -> None:
        """Leave the scope around this one: what ran here is over."""
        if self._parent is not None:
            with self._parent._lock:
                self._parent._within.discard(self)

    @property
    def stopped(self) -> bool:
        """Whether the scope was told to stop."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Stopped once the scope was told to stop."""
        if self._event.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Sleep, or raise Stopped as soon as the scope is told to stop."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if self._event.wait(max(0.0, min(left, threading.TIMEOUT_MAX))):
                raise Stopped
            if left <= threading.TIMEOUT_MAX:
                return
