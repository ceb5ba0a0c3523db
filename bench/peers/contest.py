"""The same maps on our endpoint and on the emulators that can be had, each as a server of its own.

What all of them have in common decides the case: a Distributed Map of STANDARD children over a JSON array in S3, no
ItemBatcher and no ResultWriter. Batches are grouped by hand, in the array. Ours runs it in JSONata, the emulators in
JSONPath. A run counts only when every child's answer is in its output.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rows import Row, figure, table

from . import handler
from .emulator import LOCALSTACK, MINISTACK, CannotRun, Running
from .fanfold_process import Fanfold
from .memory import megabytes
from .site import BUCKET, MapFailed, Site

OURS = "Fanfold"
ANSWER = handler.noop({})
SIZES = (100, 1_000, 10_000)
# More makes LocalStack start a thread an item and, at 10,000, hang.
WORKERS = 40
# Children of an untimed first map, so that no figure is of cold starts.
WARM_UP = 4 * WORKERS
_REASON_LENGTH = 240
# LocalStack now and then says SUCCEEDED before the output is there.
_SETTLE_SECONDS = 5

Start = Callable[[], AbstractContextManager[Fanfold | Running]]


@dataclass(frozen=True)
class Series:
    """One case over its sizes.

    Attributes:
        child: what a child of the map does: "Lambda" calls a no-op function, "Pass" nothing at all.
        group: items a child.
        sizes: how many items.
        patience: seconds one map may take.
    """

    child: str
    group: int
    sizes: tuple[int, ...]
    patience: float = 120

    def __str__(self) -> str:
        """Return the case in words."""
        return f"{self.child} child, {'one item' if self.group == 1 else f'{self.group} items'} each"


@dataclass(frozen=True)
class Score:
    """What a contestant came to in a series: items a second by size, peak RSS in MB, and why the rest is missing."""

    rates: dict[int, float]
    peak: float | None
    reason: str


Scores = dict[Series, dict[str, Score]]


def run(scale: float, cores: int) -> tuple[list[Row], list[str]]:
    """Run all series, the contestants in turn, print the table, and return the rows and who was skipped and why."""
    sizes = tuple(max(int(size * scale), 1) for size in SIZES)
    series = [Series("Lambda", 1, sizes), Series("Lambda", 100, sizes), Series("Pass", 1, sizes)]
    with tempfile.TemporaryDirectory(prefix="fanfold-peers-", ignore_cleanup_errors=True) as folder:
        contestants, skipped = _contestants(Path(folder), cores)
        scores = {each: {name: _score(each, name, start) for name, start in contestants.items()} for each in series}
    print(_table(scores, sizes), *_reasons(scores), *(f"SKIPPED: {reason}" for reason in skipped), sep="\n")
    return list(_rows(scores)), skipped


def _contestants(folder: Path, cores: int) -> tuple[dict[str, Start], list[str]]:
    contestants: dict[str, Start] = {OURS: partial(Fanfold, cores)}
    skipped = []
    for emulator in (MINISTACK, LOCALSTACK):
        print(f"installing {emulator.name} into a throw-away environment", file=sys.stderr)
        try:
            start = partial(Running, emulator, emulator.install(folder / emulator.name), folder)
            with start():
                contestants[emulator.name] = start
        except CannotRun as error:
            skipped.append(str(error))
    return contestants, skipped


def _score(series: Series, name: str, start: Start) -> Score:
    """Run a series in a fresh server, up to the first size it cannot."""
    print(f"{name}: {series}", file=sys.stderr)
    rates: dict[int, float] = {}
    with start() as server:
        try:
            site = Site(server.url)
            if series.child == "Lambda":
                site.deploy("noop")
            _seconds(site, series, WARM_UP * series.group, jsonata=name == OURS)
            for items in series.sizes:
                rates[items] = items / _seconds(site, series, items, jsonata=name == OURS)
        except (MapFailed, BotoCoreError, ClientError) as error:
            reason = f"{error}"[:_REASON_LENGTH]
            return Score(rates, megabytes(server.pid, "VmHWM"), reason)
        return Score(rates, megabytes(server.pid, "VmHWM"), "")


def _seconds(site: Site, series: Series, items: int, *, jsonata: bool) -> float:
    groups = [list(range(start, min(start + series.group, items))) for start in range(0, items, series.group)]
    key = site.upload(f"{items}.json", [json.dumps([{"Items": group} for group in groups])])
    execution = site.run(site.machine(_definition(series.child, key, jsonata=jsonata)), series.patience)
    deadline = time.monotonic() + _SETTLE_SECONDS
    while json.loads(output := site.output(execution)) != [ANSWER] * len(groups):
        if time.monotonic() > deadline:
            raise MapFailed(f"it ends SUCCEEDED, with a wrong result: {output}")
        time.sleep(_SETTLE_SECONDS / 50)
    return execution.seconds


def _table(scores: Scores, sizes: tuple[int, ...]) -> str:
    heading = ["items a second", "", *(f"{size:,} items" for size in sizes), "peak RSS, MB"]
    lines = [
        [str(series), name, *(figure(score.rates[size]) if size in score.rates else "cannot" for size in sizes),
         figure(score.peak)]
        for series, by_name in scores.items()
        for name, score in by_name.items()
    ]  # fmt: skip
    return table([heading, *lines])


def _reasons(scores: Scores) -> Iterator[str]:
    for series, by_name in scores.items():
        yield from (f"{name}, {series}: cannot: {score.reason}" for name, score in by_name.items() if score.reason)


def _rows(scores: Scores) -> Iterator[Row]:
    for series, by_name in scores.items():
        ours = by_name[OURS]
        if ours.reason:
            raise MapFailed(f"{OURS} itself failed, {series}: {ours.reason}")
        for name, score in by_name.items():
            if name != OURS:
                for size, rate in ours.rates.items():
                    reason = "" if size in score.rates else f"cannot: {score.reason}"
                    yield Row(f"{series}, {size:,} items", "items/s", rate, score.rates.get(size), name, note=reason)


def _definition(child: str, key: str, *, jsonata: bool) -> dict[str, Any]:
    given = "Arguments" if jsonata else "Parameters"
    items = {
        "Type": "Map",
        "MaxConcurrency": WORKERS,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            given: {"Bucket": BUCKET, "Key": key},
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Work",
            "States": {"Work": {**(_lambda(jsonata) if child == "Lambda" else _pass(jsonata)), "End": True}},
        },
        "End": True,
    }
    language = "JSONata" if jsonata else "JSONPath"
    return {"QueryLanguage": language, "StartAt": "Items", "States": {"Items": items}}


def _lambda(jsonata: bool) -> dict[str, Any]:
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke"}
    if jsonata:
        arguments = {"FunctionName": "noop", "Payload": "{% $states.input %}"}
        return task | {"Arguments": arguments, "Output": "{% $states.result.Payload %}"}
    return task | {"Parameters": {"FunctionName": "noop", "Payload.$": "$"}, "OutputPath": "$.Payload"}


def _pass(jsonata: bool) -> dict[str, Any]:
    return {"Type": "Pass", "Output" if jsonata else "Result": ANSWER}
