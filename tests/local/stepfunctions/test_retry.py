"""Delays and error names of Retry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.local.stepfunctions.failure import Failure
from fanfold.local.stepfunctions.program import Retrier
from fanfold.local.stepfunctions.retry import Attempts, delay, matches


def retrier(jitter: bool = False, longest: float | None = None, attempts: int = 3) -> Retrier:
    return Retrier(frozenset({"E"}), 2, 3.0, attempts, longest, jitter)


def test_the_interval_grows_up_to_its_cap() -> None:
    """IntervalSeconds times BackoffRate to the power of the attempts before, at most MaxDelaySeconds."""
    assert [delay(retrier(longest=10), attempt) for attempt in (1, 2, 3, 400)] == [2, 6, 10, 10]


@given(st.integers(1, 20))
def test_full_jitter_stays_below_the_delay(attempt: int) -> None:
    """FULL takes any moment up to the delay without jitter."""
    assert 0 <= delay(retrier(jitter=True, longest=30), attempt) <= delay(retrier(longest=30), attempt)


def test_attempts_are_counted_for_each_retrier() -> None:
    """After MaxAttempts the failure stands, though another retrier would match."""
    attempts = Attempts([retrier(attempts=1), Retrier(frozenset({"States.ALL"}), 1, 1, 2, None, False)], "Task")

    assert [attempts.delay(Failure(error)) for error in ("E", "E", "F", "F", "F")] == [2, None, 1, 1, None]


@pytest.mark.parametrize(
    ("names", "error", "kind", "covered"),
    [
        ({"States.ALL"}, "Any", "Task", True),
        ({"States.ALL"}, None, "Map", True),
        ({"States.ALL"}, "States.Runtime", "Task", False),
        ({"States.ALL"}, "States.DataLimitExceeded", "Task", True),
        ({"States.ALL"}, "States.DataLimitExceeded", "Map", False),
        ({"States.DataLimitExceeded"}, "States.DataLimitExceeded", "Map", True),
        ({"States.TaskFailed"}, "Any", "Task", True),
        ({"States.TaskFailed"}, "States.Timeout", "Task", False),
        ({"States.Timeout"}, "States.HeartbeatTimeout", "Task", True),
        ({"A", "B"}, "C", "Task", False),
    ],
)
def test_error_names(names: set[str], error: str | None, kind: str, covered: bool) -> None:
    """Which names cover which errors."""
    assert matches(names, Failure(error), kind) is covered
