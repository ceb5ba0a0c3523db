"""Map runs: their limits, their counts, and the book of all of them."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from fanfold.local.stepfunctions import arns
from fanfold.local.stepfunctions.children import ABORTED, FAILED, PENDING, RUNNING, SUCCEEDED, TIMED_OUT, Child
from fanfold.local.stepfunctions.history import History
from fanfold.local.stepfunctions.scope import Scope

if TYPE_CHECKING:
    from fanfold.local.stepfunctions.interpreter import Checkpoint
    from fanfold.local.stepfunctions.program import Flow

_COUNTED: Final = {
    "pending": PENDING,
    "running": RUNNING,
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "timedOut": TIMED_OUT,
    "aborted": ABORTED,
}


@dataclass(slots=True)
class Tolerance:
    """How many failed items a map run bears; what is ``None`` was not set."""

    count: int | None
    percentage: float | None


@dataclass(slots=True)
class Live:
    """What is needed of a STANDARD child while it runs; error and cause are those it was stopped with."""

    history: History
    scope: Scope
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What a map run was started by and for; ``machine_arn`` is that of the children.

    Attributes:
        root: the ARN of the execution that a user started.
    """

    execution_arn: str
    root: str
    machine_arn: str
    label: str
    role: str
    express: bool
    processor: Flow


class MapRun:
    """One run of a distributed Map state.

    Attributes:
        number: the key of its children on disk.
        event: the id of the event before MapRunStarted.
        running: the children under way, by index.
        live: histories and scopes of the STANDARD ones among them.
        read: whether all items were read.
        restartable: whether a redrive goes on with this run; otherwise it starts another one.
        checkpoints: where STANDARD children ended that a redrive may take up, by index.
        wake: called when the limits change, while children are dispatched.
    """

    def __init__(self, number: int, arn: str, origin: Origin, max_concurrency: int, tolerance: Tolerance) -> None:
        self.number = number
        self.arn = arn
        self.origin = origin
        self.max_concurrency = max_concurrency
        self.tolerance = tolerance
        self.status = RUNNING
        self.started = time.time()
        self.stopped: float | None = None
        self.redrives = 0
        self.redriven: float | None = None
        self.event = 0
        self.read = False
        self.running: dict[int, Child] = {}
        self.live: dict[int, Live] = {}
        self.checkpoints: dict[int, Checkpoint] = {}
        self.written: list[dict[str, Any]] = []
        self.restartable = True
        self.wake: Callable[[], None] = lambda: None
        self._again: dict[int, Child] = {}
        self._items: Counter[str] = Counter()
        self._executions: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """The UUID its ARN ends with."""
        return self.arn.rsplit(":", 1)[1]

    def read_one(self, items: int) -> None:
        """Count a child whose input was read."""
        with self._lock:
            self._items[PENDING] += items
            self._executions[PENDING] += 1

    def moved(self, items: int, source: str, target: str) -> None:
        """Count a child that went from one status to another."""
        with self._lock:
            self._items[source] -= items
            self._executions[source] -= 1
            self._items[target] += items
            self._executions[target] += 1

    def again(self, child: Child) -> None:
        """Count a child that a redrive is to run again, or to run at last."""
        if child.status != PENDING:
            self._again[child.index] = child
        self.moved(child.items, child.status, PENDING)

    def earlier(self, index: int) -> Child | None:
        """Return, once, how a child ended that is now to run again."""
        return self._again.pop(index, None)

    def started_child(self, child: Child) -> None:
        """Note that a child runs."""
        self.running[child.index] = child
        self.moved(child.items, PENDING, RUNNING)

    def ended_child(self, child: Child) -> None:
        """Note that a child is over."""
        self.running.pop(child.index, None)
        self.moved(child.items, RUNNING, child.status)

    @property
    def total(self) -> int:
        """How many items were read so far."""
        with self._lock:
            return self._items.total()

    def breached(self, total: Callable[[], int]) -> bool:
        """Tell whether more items failed than are tolerated; ``total`` is asked for all items of the run."""
        with self._lock:
            failed = self._items[FAILED] + self._items[TIMED_OUT]
        count, percentage = self.tolerance.count, self.tolerance.percentage
        if not failed:
            return False
        if count is None and percentage is None:
            return True
        if count is not None and failed > count:
            return True
        return percentage is not None and failed * 100 > percentage * total()

    def counts(self, items: bool) -> dict[str, int]:
        """Return ``itemCounts`` or ``executionCounts`` as DescribeMapRun has them."""
        with self._lock:
            now = dict(self._items if items else self._executions)
        counts = {name: now.get(status, 0) for name, status in _COUNTED.items()}
        finished = sum(counts[name] for name in ("succeeded", "failed", "timedOut", "aborted"))
        return {
            **counts,
            "total": sum(now.values()),
            "resultsWritten": finished if self.status != RUNNING else 0,
            "failuresNotRedrivable": 0,
            "pendingRedrive": 0,
        }

    def end(self, status: str) -> None:
        """Note that the run is over."""
        self.stopped = time.time()
        self.status = status

    def end_if_running(self, status: str) -> None:
        """Note that the run is over, if nobody else could."""
        if self.status == RUNNING:
            self.end(status)

    def recount(self, tally: Mapping[str, tuple[int, int]]) -> None:
        """Take the counts from what is kept of the children: status to items and executions."""
        with self._lock:
            self._items = Counter({status: items for status, (items, _) in tally.items()})
            self._executions = Counter({status: executions for status, (_, executions) in tally.items()})

    def redrive(self) -> None:
        """Begin again with what did not succeed, or with everything where the items were not read to the end."""
        if not self.read:
            self._items.clear()
            self._executions.clear()
            self.written.clear()
        self.redrives += 1
        self.redriven = time.time()
        self.stopped = None
        self.status = RUNNING


def child_arn(run: MapRun, child: Child) -> str:
    """Return the ARN of a child."""
    if run.origin.express:
        return arns.express(run.origin.machine_arn, child.name, arns.derived_id(run.id, child.name))
    return arns.execution(run.origin.machine_arn, child.name)


class MapRuns:
    """The book of map runs."""

    def __init__(self) -> None:
        self._by_arn: dict[str, MapRun] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def start(self, parent_machine: str, run_id: str, origin: Origin, limits: tuple[int, Tolerance]) -> MapRun:
        """Enter a new map run; ``limits`` are its MaxConcurrency and its tolerance."""
        arn = arns.map_run(parent_machine, origin.label, run_id)
        with self._lock:
            run = MapRun(next(self._numbers), arn, origin, *limits)
            self._by_arn[arn] = run
        return run

    def get(self, arn: str) -> MapRun | None:
        """Return a map run by its ARN."""
        return self._by_arn.get(arn)

    def of(self, execution_arn: str) -> list[MapRun]:
        """Return the map runs of an execution, newest first."""
        with self._lock:
            runs = list(self._by_arn.values())
        return [run for run in reversed(runs) if run.origin.execution_arn == execution_arn]

    def of_machine(self, machine_arn: str) -> list[MapRun]:
        """Return the map runs whose children are executions of ``machine_arn``."""
        with self._lock:
            runs = list(self._by_arn.values())
        return [run for run in runs if run.origin.machine_arn == machine_arn]

    def forget(self, root: str) -> list[MapRun]:
        """Drop the map runs of an execution and of its descendants, and return them."""
        with self._lock:
            dropped = [run for run in self._by_arn.values() if run.origin.root == root]
            for run in dropped:
                del self._by_arn[run.arn]
        return dropped
