"""How fast the local endpoint runs Distributed Maps: against bare process pools, and with ``--peer`` against emulators.

Every map goes the whole way: StartExecution over HTTP, a JSONL manifest in S3, ItemBatcher, lambda:invoke into real
function processes, results written to S3. The peer is ``concurrent.futures.ProcessPoolExecutor`` with as many
processes, called with the same handler and the same batches, and nothing else.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from peers import contest, handler
from peers.fanfold_process import Fanfold
from peers.memory import megabytes
from peers.site import BUCKET, MapFailed, Site
from rows import Row, Target, arguments, facts, finish, interleave, rows_table, spread

CORES = os.cpu_count() or 1
PACKAGES = ("fanfold", "boto3", "moto", "jsonata-python", "awslambdaric")
POOL = "process pool"
# Published figures of the best emulator on two cores, one by one and grouped by hand into hundreds (LocalStack 4.14
# and ministack 1.5.33; `--peer` measures them again).
EMULATOR_CHILDREN, EMULATOR_ITEMS = 600, 12_700


@dataclass(frozen=True)
class Sizes:
    """How many items each case has, and how often it runs.

    Attributes:
        busy: items of the 25 ms handler.
        single: items of the no-op handler, a child each.
        batched: items of the no-op handler in batches of 100.
        growth: the steps of the growth case.
    """

    busy: int = 2_000
    single: int = 10_000
    batched: int = 200_000
    growth: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    busy_repeats: int = 5
    repeats: int = 5

    def scaled(self, factor: float) -> Sizes:
        """Return smaller sizes that run once."""
        busy, single, batched, *growth = (
            max(int(count * factor), 1) for count in (self.busy, self.single, self.batched, *self.growth)
        )
        return Sizes(busy, single, batched, tuple(growth), busy_repeats=1, repeats=1)


@dataclass(frozen=True)
class Case:
    """One map: ``items`` through the function ``name`` of the handler module, ``batch`` a child."""

    name: str
    items: int
    batch: int

    def batches(self) -> list[dict[str, Any]]:
        """Return the events the function gets."""
        items = [{"key": _key(number), "size": number} for number in range(self.items)]
        return [{"Items": items[start : start + self.batch]} for start in range(0, self.items, self.batch)]


class Ours:
    """The endpoint with its functions warm."""

    def __init__(self, endpoint: Fanfold, *functions: str) -> None:
        self._site = Site(endpoint.url)
        for name in functions:
            self._site.deploy(name)
            self.prepare(Case(name, items=4 * CORES, batch=1))()

    def prepare(self, case: Case) -> Callable[[], float]:
        """Upload the case's manifest and create its machine; return what runs it and tells the items a second."""
        key = self._site.upload(f"{case.name}-{case.items}.jsonl", _lines(case.items))
        machine = self._site.machine(_definition(case, key))
        return lambda: case.items / self._seconds(case, machine)

    def _seconds(self, case: Case, machine: str) -> float:
        execution = self._site.run(machine)
        if (succeeded := self._site.succeeded(execution)) != case.items:
            raise MapFailed(f"{succeeded} of {case.items} items succeeded")
        return execution.seconds


def main() -> int:
    """Run what the command line asks for."""
    parser = arguments(__doc__)
    parser.add_argument("--peer", action="store_true", help="run ministack and LocalStack from PyPI instead")
    parser.add_argument("--scale", type=float, default=None, help="multiply all sizes with this, run each case once")
    options = parser.parse_args()
    scale = options.scale or (0.1 if options.quick else None)
    about = facts(PACKAGES)
    if options.peer:
        rows, about["skipped"] = contest.run(scale or 1, CORES)
    else:
        rows = measure(Sizes().scaled(scale) if scale else Sizes())
    return finish(rows, about, options.json)


def measure(sizes: Sizes) -> list[Row]:
    """Run all cases, print their rows as one table, and return them."""
    rows = [*overhead_and_dispatch(sizes), *growth(sizes)]
    print(rows_table(rows))
    return rows


def overhead_and_dispatch(sizes: Sizes) -> Iterator[Row]:
    """Compare the endpoint and a process pool on the same functions and batches, in turn."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(CORES, mp_context=spawn) as pool, Fanfold(CORES) as endpoint:
        list(pool.map(handler.noop, range(4 * CORES)))
        ours = Ours(endpoint, "busy", "noop")
        yield against_pool(ours, pool, Case("busy", sizes.busy, 50), sizes.busy_repeats, Target("at least", 0.85))
        for batch, items, least, emulator in (
            (1, sizes.single, 1_200, EMULATOR_CHILDREN),
            (100, sizes.batched, 40_000, EMULATOR_ITEMS),
        ):
            target = Target("at least", least, of="ours")
            note = f"the best emulator's published figure is {emulator:,} (run --peer to measure)"
            yield against_pool(ours, pool, Case("noop", items, batch), sizes.repeats, target, note)


def against_pool(  # noqa: PLR0913, PLR0917 - a comparison has its two sides, its case and its target
    ours: Ours, pool: ProcessPoolExecutor, case: Case, repeats: int, target: Target, note: str = ""
) -> Row:
    """Run one case on both sides in turn and compare the medians."""
    rates = interleave({"ours": ours.prepare(case), "peer": _pooled(pool, case)}, repeats)
    what = {"busy": "overhead: 25 ms of CPU an item", "noop": "dispatch: no-op"}[case.name]
    return Row(
        f"{what}, {case.items:,} items, batch {case.batch}",
        "items/s",
        statistics.median(rates["ours"]),
        statistics.median(rates["peer"]),
        f"{POOL} of {CORES}",
        target,
        "; ".join(filter(None, [*(spread(*each) for each in rates.items()), note])),
    )


def growth(sizes: Sizes) -> list[Row]:
    """Run ever larger manifests, a fresh endpoint a round: time an item must not grow, nor memory past 300 MB."""
    rounds = [_growth_round(sizes.growth) for _ in range(sizes.repeats)]
    micros = {items: statistics.median(each.micros[items] for each in rounds) for items in sizes.growth}
    rows = [
        Row(
            f"growth: no-op, batch 100, {fewer:,} -> {more:,} items",
            "us/item",
            micros[more],
            micros[fewer],
            f"at {fewer:,}",
            Target("at most", 1.15),
            spread("ours", [each.micros[more] for each in rounds]),
        )
        for fewer, more in pairwise(sizes.growth)
    ]
    return [*rows, _memory_row(sizes.growth[-1], rounds)]


@dataclass(frozen=True)
class _Round:
    """One growth round: microseconds an item by size, and the endpoint's memory in MB where it can be told."""

    micros: dict[int, float]
    before: float | None
    peak: float | None


def _growth_round(steps: tuple[int, ...]) -> _Round:
    with Fanfold(CORES) as endpoint:
        ours = Ours(endpoint, "noop")
        runs = {items: ours.prepare(Case("noop", items, 100)) for items in steps}
        before = megabytes(endpoint.pid, "VmRSS")
        micros = {items: 1e6 / run() for items, run in runs.items()}
        return _Round(micros, before, megabytes(endpoint.pid, "VmHWM"))


def _memory_row(items: int, rounds: list[_Round]) -> Row:
    peaks = [each.peak for each in rounds if each.peak is not None]
    befores = [each.before for each in rounds if each.before is not None]
    what = f"growth: peak RSS of the endpoint process, {items:,} items"
    if not peaks:
        return Row(what, "MB", float("nan"), note="SKIPPED: a process tells its peak in /proc, which is not here")
    note = f"the highest of {len(peaks)} rounds, moto's S3 and the upload of the manifests included"
    return Row(what, "MB", max(peaks), max(befores), "before the runs", Target("at most", 300, of="ours"), note)


def _pooled(pool: ProcessPoolExecutor, case: Case) -> Callable[[], float]:
    batches, function = case.batches(), getattr(handler, case.name)

    def run() -> float:
        began = time.perf_counter()
        for _ in pool.map(function, batches):
            pass
        return case.items / (time.perf_counter() - began)

    return run


def _key(number: int) -> str:
    return f"photos/2026/image-{number:07d}.jpg"


def _lines(items: int) -> Iterator[str]:
    return (f'{{"key":"{_key(number)}","size":{number}}}' for number in range(items))


def _definition(case: Case, key: str) -> dict[str, Any]:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": case.name, "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
        "End": True,
    }
    items = {
        "Type": "Map",
        "Label": "Items",
        "MaxConcurrency": 1000,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Arguments": {"Bucket": BUCKET, "Key": key},
        },
        "ItemBatcher": {"MaxItemsPerBatch": case.batch},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "Work",
            "States": {"Work": task},
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Arguments": {"Bucket": BUCKET, "Prefix": "results"},
            "WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSONL"},
        },
        "End": True,
    }
    return {"QueryLanguage": "JSONata", "StartAt": "Items", "States": {"Items": items}}


if __name__ == "__main__":
    sys.exit(main())
