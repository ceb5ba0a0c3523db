"""The memory of a process, on Linux and elsewhere."""

from __future__ import annotations

import os
import sys

import pytest

from fanfold.local.awslambda import memory


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_the_memory_of_a_process_is_measured(system: str) -> None:
    if system == "linux" and sys.platform != "linux":
        pytest.skip("there is no /proc here")
    watched = memory.watch(os.getpid(), limit=1 << 20, system=system)

    watched.measure()

    assert 10 < watched.peak < 10_000
    assert not watched.exceeded()


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_a_process_that_is_gone_keeps_what_was_measured(system: str) -> None:
    watched = memory.watch(2**30, limit=128, system=system)

    watched.measure()

    assert [watched.peak, watched.exceeded()] == [0, False]
