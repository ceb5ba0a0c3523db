"""What states reach outside the interpreter for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fanfold.local.protocol import Clients, Invoke
from fanfold.local.stepfunctions.scope import Scope

if TYPE_CHECKING:
    from fanfold.local.stepfunctions.children import Children
    from fanfold.local.stepfunctions.interpreter import Runner
    from fanfold.local.stepfunctions.mapruns import MapRuns
    from fanfold.local.stepfunctions.nested import Api
    from fanfold.local.stepfunctions.readers import Lister


class Workers:
    """A fixed number of threads that help along the threads of the executions.

    A map run is worked on by the thread that reached it, so it always gets on; helpers join while there are any.
    That is why maps within maps cannot wait for each other, however few helpers there are.
    """

    def __init__(self, number: int) -> None:
        self._free = threading.Semaphore(number)
        self._pool = ThreadPoolExecutor(max_workers=max(1, number), thread_name_prefix="states")

    def offer(self, work: Callable[[], None]) -> bool:
        """Have ``work`` done by a free helper; tell whether there was one."""
        if not self._free.acquire(blocking=False):
            return False
        try:
            self._pool.submit(self._run, work)
        except RuntimeError:  # the endpoint is closing
            self._free.release()
            return False
        return True

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            self._free.release()

    def close(self) -> None:
        """Take no more work; do not wait for what runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Services:
    """What a running state may use; ``scope`` is around everything that runs."""

    region: str
    account: str
    invoke: Invoke
    clients: Clients
    scope: Scope
    workers: Workers
    children: Children
    map_runs: MapRuns
    runners: Mapping[str, Runner]
    api: Api
    directories: Lister | None = None
