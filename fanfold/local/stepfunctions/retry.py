"""Which errors a Retry or Catch entry names, and how long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Sequence, Set
from typing import Final

from fanfold.local.stepfunctions.failure import DATA_LIMIT_EXCEEDED, RUNTIME, TASK_FAILED, TIMEOUT, Failure
from fanfold.local.stepfunctions.program import Catcher, Retrier

_ALL: Final = "States.ALL"
_HEARTBEAT_TIMEOUT: Final = "States.HeartbeatTimeout"


class Attempts:
    """The attempts of one visit to a state, counted for each retrier."""

    def __init__(self, retriers: Sequence[Retrier], kind: str) -> None:
        self._retriers = retriers
        self._kind = kind
        self._counts = [0] * len(retriers)

    def delay(self, failure: Failure) -> float | None:
        """Return the seconds to wait before trying again, ``None`` if the failure is to stand."""
        for index, retrier in enumerate(self._retriers):
            if matches(retrier.errors, failure, self._kind):
                if self._counts[index] >= retrier.attempts:
                    return None
                self._counts[index] += 1
                return delay(retrier, self._counts[index])
        return None


def delay(retrier: Retrier, attempt: int) -> float:
    """Return the seconds before retry number ``attempt`` (from 1): a growing interval, capped, then jittered."""
    seconds = min(retrier.interval * retrier.backoff ** min(attempt - 1, 1_000), retrier.longest or float("inf"))
    return random.uniform(0, seconds) if retrier.jitter else seconds  # noqa: S311 - spreads load, hides nothing


def catcher_for(catchers: Sequence[Catcher], failure: Failure, kind: str) -> Catcher | None:
    """Return the first catcher that names the failure."""
    return next((catcher for catcher in catchers if matches(catcher.errors, failure, kind)), None)


def matches(errors: Set[str], failure: Failure, kind: str) -> bool:
    """Tell whether a set of error names covers a failure of a state of type ``kind``.

    States.ALL covers neither States.Runtime nor, except on a Task, States.DataLimitExceeded.
    """
    error = failure.error
    if error is not None and error in errors:
        return True
    if error == _HEARTBEAT_TIMEOUT and TIMEOUT in errors:
        return True
    if error == RUNTIME or (error == DATA_LIMIT_EXCEEDED and kind != "Task"):
        return False
    return _ALL in errors or (TASK_FAILED in errors and error is not None and error != TIMEOUT)
