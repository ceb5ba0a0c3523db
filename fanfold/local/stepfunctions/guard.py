"""Bounds on one evaluation of a JSONata expression, so that none can take the endpoint down."""

from __future__ import annotations

import time
from typing import Any, Final

from jsonata import Jsonata
from jsonata.functions import Functions

SECONDS: Final = 10.0  # of processor time, so that a busy machine fails no expression that would have ended
LONGEST: Final = 8 * 1024**2  # characters of a string, elements of an array
_STEPS: Final = 512  # between two looks at the clock
_TOO_LARGE: Final = "Expression evaluation memory limit exceeded: Check for excessive memory usage"


class Runaway(Exception):
    """An expression ran too long or made too much."""


class Guard:
    """Watches one evaluation, in its thread; bind ``entry`` and ``exit`` under the names the engine calls."""

    __slots__ = ("_end", "_steps")

    def __init__(self) -> None:
        self._steps = 0
        self._end = 0.0

    def bindings(self) -> dict[str, Any]:
        """Return the bindings that make the engine report its steps."""
        return {"__evaluate_entry": self.entry, "__evaluate_exit": self.exit}

    def entry(self, expression: Any, value: Any, environment: Any) -> None:
        """Count a step; raises Runaway when the time is up."""
        self._steps += 1
        if self._steps % _STEPS == 0:
            now = time.thread_time()
            self._end = self._end or now + SECONDS
            if now > self._end:
                raise Runaway("Expression evaluation took too long: check for endless recursion")

    def exit(self, expression: Any, value: Any, environment: Any, result: Any) -> None:
        """Look at the result of a step; raises Runaway when it is too large."""
        if isinstance(result, str | list) and len(result) > LONGEST:
            raise Runaway(_TOO_LARGE)


class _Bounded:
    """The functions of JSONata that make much of little, refusing to."""

    @staticmethod
    def pad(text: Any, width: Any, filling: Any) -> Any:
        if isinstance(width, int | float) and abs(width) > LONGEST:
            raise Runaway(_TOO_LARGE)
        return Functions.pad(text, width, filling)

    @staticmethod
    def replace(text: Any, pattern: Any, replacement: Any, limit: Any) -> Any:
        plain = isinstance(text, str) and isinstance(pattern, str) and isinstance(replacement, str)
        if plain and pattern and text.count(pattern) * len(replacement) > LONGEST:
            raise Runaway(_TOO_LARGE)
        return Functions.replace(text, pattern, replacement, limit)


BOUNDED: Final = {
    name: Jsonata.JNativeFunction(name, signature, _Bounded, name)
    for name, signature in (("pad", "<s-ns?:s>"), ("replace", "<s-(sf)(sf)n?:s>"))
}
