"""The pool of environments: warm ones again, never more at work than allowed, the longest waiting first."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from fanfold.local.awslambda.environment import Function
from fanfold.local.awslambda.pool import Pool
from fanfold.local.protocol import ServiceError
from tests.waiting import until


@dataclass(eq=False)
class FakeEnvironment:
    """An environment without a process."""

    function: Any
    dead: bool = False
    killed: bool = False

    @property
    def alive(self) -> bool:
        return not (self.dead or self.killed or self.function.retired)

    def kill(self) -> None:
        self.killed = True

    def abort(self) -> None:
        self.dead = True


@dataclass(eq=False)
class FakeFunction:
    """A function that is but a name."""

    name: str
    retired: bool = False


@dataclass
class Bench:
    """A pool of fakes, and everything it started."""

    concurrency: int
    kept: int = 8
    started: list[FakeEnvironment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pool = Pool(self.concurrency, start=self._start, kept=self.kept)

    def _start(self, function: Function) -> Any:
        self.started.append(FakeEnvironment(function))
        return self.started[-1]

    def lease(self, function: Any) -> Any:
        return self.pool.lease(function)

    def queue(self, functions: list[Any]) -> tuple[list[str], list[threading.Thread]]:
        """Let requests wait one after the other; each notes its name when it gets its turn and gives it back."""
        turns: list[str] = []
        threads = []
        for function in functions:
            threads.append(threading.Thread(target=self._take_turn, args=(function, turns)))
            threads[-1].start()
            until(lambda: self.pool.waiting == len(threads), "the request waits")
        return turns, threads

    def _take_turn(self, function: Any, turns: list[str]) -> None:
        environment = self.lease(function)
        turns.append(function.name)
        self.pool.release(environment)


A, B = FakeFunction("a"), FakeFunction("b")


def test_an_idle_environment_is_used_again() -> None:
    bench = Bench(2)
    first = bench.lease(A)
    bench.pool.release(first)

    assert bench.lease(A) is first
    assert len(bench.started) == 1


def test_a_dead_environment_is_not_used_again() -> None:
    bench = Bench(1)
    first = bench.lease(A)
    first.dead = True
    bench.pool.release(first)

    assert bench.lease(A) is not first
    assert first.killed


def test_functions_stay_warm_beside_each_other() -> None:
    bench = Bench(1)
    for function in (A, B, A, B):
        bench.pool.release(bench.lease(function))

    assert [each.function for each in bench.started] == [A, B]


def test_of_too_many_idle_environments_the_longest_idle_one_ends() -> None:
    bench = Bench(3, kept=2)
    oldest, old, young = bench.lease(A), bench.lease(A), bench.lease(B)
    for environment in (oldest, old, young):
        bench.pool.release(environment)

    assert [oldest.killed, old.killed, young.killed] == [True, False, False]


def test_an_environment_that_died_at_rest_is_not_used_again() -> None:
    bench = Bench(1)
    first = bench.lease(A)
    bench.pool.release(first)
    first.dead = True

    assert bench.lease(A) is not first
    assert first.killed


def test_who_waits_gets_the_next_place_in_order() -> None:
    bench = Bench(1)
    held = bench.lease(A)
    turns, threads = bench.queue([FakeFunction(name) for name in "zyx"])

    bench.pool.release(held)
    for thread in threads:
        thread.join(10)

    assert turns == ["z", "y", "x"]


def test_a_place_is_not_lost_when_an_environment_does_not_start() -> None:
    attempts = []

    def start(function: Function) -> Any:
        attempts.append(function)
        if len(attempts) == 1:
            raise OSError("no process can be started")
        return FakeEnvironment(function)

    pool = Pool(1, start=start)
    with pytest.raises(OSError, match="no process"):
        pool.lease(A)

    assert pool.lease(A).function is A


def test_environments_of_a_retired_function_end() -> None:
    function = FakeFunction("replaced")
    bench = Bench(2)
    idle, busy = bench.lease(function), bench.lease(function)
    bench.pool.release(idle)

    bench.pool.retire(function)
    assert [idle.killed, busy.killed] == [True, False]

    bench.pool.release(busy)
    assert busy.killed


def test_closing_turns_away_who_waits_and_who_comes() -> None:
    bench = Bench(1)
    held = bench.lease(A)
    turned_away: list[str] = []

    def wait() -> None:
        with pytest.raises(ServiceError) as refused:
            bench.lease(A)
        turned_away.append(refused.value.code)

    waiting = threading.Thread(target=wait)
    waiting.start()
    until(lambda: bench.pool.waiting == 1, "the request waits")
    closing = threading.Thread(target=bench.pool.close)
    closing.start()
    until(lambda: held.dead, "the environment at work is aborted")
    bench.pool.release(held)
    waiting.join(10)
    closing.join(10)

    assert turned_away == ["ServiceException"]
    assert held.killed
    with pytest.raises(ServiceError):
        bench.lease(A)


def test_there_are_never_more_environments_at_work_than_allowed_nor_idle_than_kept() -> None:
    bench = Bench(3, kept=2)
    most, at_work, lock = [0], [0], threading.Lock()
    functions = [FakeFunction(str(number)) for number in range(5)]

    def work(number: int) -> None:
        for turn in range(200):
            environment = bench.lease(functions[(number + turn) % 5])
            with lock:
                at_work[0] += 1
                most[0] = max(most[0], at_work[0])
            with lock:
                at_work[0] -= 1
            bench.pool.release(environment)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert most[0] <= 3
    assert sum(not each.killed for each in bench.started) <= 2
