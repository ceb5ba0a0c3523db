"""What it costs to sum up a run of ten million items: folding batch results against scanning the records as JSON lines.

Ours is the fold of ``functions/summarize`` over the result files of a map run, from a folder instead of S3: JSON is
parsed, batches are deduplicated, tallies merged, percentiles taken. The peer is polars, streaming over the very records
that the batch results sum up, one JSON line an item, asked for the same numbers. Each runs in a process of its own; CPU
seconds are those of all its threads.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import IO, Any

from peers.memory import megabytes
from rows import Row, Target, arguments, facts, finish, interleave, rows_table, spread

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from functions.summarize.fold import fold  # noqa: E402
from functions.summarize.results import Results  # noqa: E402
from itemkit.errors import ObjectNotFound  # noqa: E402
from itemkit.event import BatchResult, Effort, write_records  # noqa: E402
from itemkit.record import Failure, Record, Status  # noqa: E402
from itemkit.store import Head  # noqa: E402
from itemkit.tally import Tally  # noqa: E402

ITEMS = 10_000_000
REPEATS = 3
# Batches drawn by chance; the others repeat them under names of their own.
DRAWN = 200
PARTS = 10
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
PEER = "polars over JSON lines"


@dataclass(frozen=True)
class Case:
    """A run: ``items`` in batches of ``batch``, one in ``failing`` failed (0: none)."""

    items: int
    batch: int
    failing: int = 0

    def __str__(self) -> str:
        """Return the case in words."""
        failed = f", 1 in {self.failing:,} failed" if self.failing else ""
        return f"{self.items:,} items, batches of {self.batch:,}{failed}"


@dataclass(frozen=True)
class Measured:
    """What a process told of itself: CPU seconds, peak RSS in MB, and the percentiles it found."""

    seconds: float
    megabytes: float
    percentiles: dict[str, float]


class FolderStore:
    """Objects as files of a folder, for reading."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def open(self, uri: str) -> Iterator[tuple[Head, IO[bytes]]]:
        """Open a file as the store of the kit opens an object."""
        path = self._folder / uri.removeprefix("s3://bench/")
        if not path.exists():
            raise ObjectNotFound(f"cannot read {uri}: it does not exist")
        with path.open("rb") as stream:
            yield Head(path.stat().st_size, "etag"), stream


def main() -> int:
    """Run what the command line asks for."""
    parser = arguments(__doc__)
    parser.add_argument("--items", type=int, default=None, help=f"items of the run ({ITEMS:,})")
    parser.add_argument("--inside", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return _inside(*options.inside)
    items = options.items or (ITEMS // 10 if options.quick else ITEMS)
    repeats = 1 if options.quick or options.items else REPEATS
    rows = [*against_scan(Case(items, 1000), repeats), *alone(Case(items, 50)), *alone(Case(items, 1000, failing=1000))]
    print(rows_table(rows))
    return finish(rows, facts(("fanfold", "polars")), options.json)


def against_scan(case: Case, repeats: int) -> Iterator[Row]:
    """Compare the fold and the scan of one run, in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_run(case, folder, lines=True)
        found: dict[str, list[Measured]] = {"fold": [], "scan": []}
        seconds = interleave({side: _measuring(side, folder, found[side]) for side in found}, repeats)
    note = "; ".join(spread(side, values) for side, values in seconds.items())
    ours, peer = (median(seconds[side]) for side in found)
    yield Row(f"fold: {case}", "CPU s", ours, peer, PEER, Target("at most", 1 / 9), note)
    memory = (median(each.megabytes for each in found[side]) for side in found)
    yield Row("peak RSS", "MB", *memory, PEER, Target("at most", 300, of="ours"))
    for which in PERCENTILES:
        one, exact = (found[side][0].percentiles[which] for side in found)
        note = f"{abs(one / exact - 1):.2%} off the exact one"
        bound = Target("at most", 1.02) if one > exact else Target("at least", 0.98)
        yield Row(f"{which} of item milliseconds", "ms", one, exact, "exact", bound, note)


def alone(case: Case) -> Iterator[Row]:
    """Measure the fold of one run by itself."""
    with tempfile.TemporaryDirectory() as name:
        write_run(case, Path(name), lines=False)
        found: list[Measured] = []
        seconds = _measuring("fold", Path(name), found)()
    yield Row(f"fold: {case}", "CPU s", seconds, note=f"peak RSS {found[0].megabytes:.0f} MB")


def _measuring(side: str, folder: Path, found: list[Measured]) -> Callable[[], float]:
    def run() -> float:
        command = [sys.executable, __file__, "--inside", side, str(folder)]
        found.append(Measured(**json.loads(subprocess.run(command, capture_output=True, check=True).stdout)))
        return found[-1].seconds

    return run


def _inside(side: str, folder: str) -> int:
    """Run one side in this process and print what it took; imports and start-up are not in it."""
    run = {"fold": fold_folder, "scan": scan_folder}[side]()
    before = time.process_time()
    percentiles = run(Path(folder))
    # Not ru_maxrss, which a process inherits from the one that started it.
    told = Measured(time.process_time() - before, megabytes(os.getpid(), "VmHWM") or 0, percentiles)
    print(json.dumps(vars(told)))
    return 0


def fold_folder() -> Callable[[Path], dict[str, float]]:
    """Return our side."""

    def run(folder: Path) -> dict[str, float]:
        parts = {"SUCCEEDED": sorted(path.name for path in folder.glob("SUCCEEDED_*.jsonl"))}
        store: Any = FolderStore(folder)
        folded = fold(Results(store, "bench", parts), store, "s3://bench/records/")
        expected = json.loads((folder / "expected.json").read_text())
        told = {"items": folded.ledger.accounted, "failed": folded.failed.count}
        if told != expected or folded.ledger.difference(expected["items"]):
            raise SystemExit(f"the fold came to {told} and not to {expected}: {folded.ledger.faults.all()}")
        times = folded.ledger.tally.milliseconds
        return {name: times.quantile(share) for name, share in PERCENTILES.items()}

    return run


def scan_folder() -> Callable[[Path], dict[str, float]]:
    """Return the peer's side."""
    import polars as pl  # noqa: PLC0415 - the fold does not have it in memory

    schema = {
        "uri": pl.String, "status": pl.String, "milliseconds": pl.Float64, "bytes_in": pl.Int64, "bytes_out": pl.Int64,
        "rows_in": pl.Int64, "rows_out": pl.Int64, "failure": pl.Struct({"type": pl.String}),
    }  # fmt: skip

    def run(folder: Path) -> dict[str, float]:
        records = pl.scan_ndjson(sorted(folder.glob("records_*.jsonl")), schema=schema)
        wanted = [
            pl.len().alias("items"),
            pl.col("bytes_in", "bytes_out", "rows_in", "rows_out").sum(),
            *(pl.col("milliseconds").quantile(share, "lower").alias(name) for name, share in PERCENTILES.items()),
            *((pl.col("status") == status.value).sum().alias(status.value) for status in Status),
            pl.col("failure").struct.field("type").drop_nulls().value_counts().implode().alias("errors"),
            pl.struct("milliseconds", "uri").top_k_by("milliseconds", 5).implode().alias("slowest"),
        ]
        [row] = records.select(wanted).collect(engine="streaming").to_dicts()
        expected = json.loads((folder / "expected.json").read_text())
        if row["items"] != expected["items"]:
            raise SystemExit(f"the scan found {row['items']} items and not {expected['items']}")
        return {name: row[name] for name in PERCENTILES}

    return run


def write_run(case: Case, folder: Path, *, lines: bool) -> None:
    """Write the result files of a run, and with ``lines`` its records as JSON lines."""
    chance = random.Random(1)
    batches = case.items // case.batch
    drawn = [_records(case, number, chance) for number in range(min(DRAWN, batches))]
    results = [_result(f"drawn-{number}", records, folder) for number, records in enumerate(drawn)]
    texts = ["".join(json.dumps(record.to_json()) + "\n" for record in records) for records in drawn] if lines else []
    for part in range(PARTS):
        mine = range(part, batches, PARTS)
        with (folder / f"SUCCEEDED_{part}.jsonl").open("w") as stream:
            for number in mine:
                named = replace(results[number % len(drawn)], batch=f"8f6e1c52-{number:08x}")
                stream.write(json.dumps(named.to_json(), separators=(",", ":")) + "\n")
        if lines:
            with (folder / f"records_{part}.jsonl").open("w") as stream:
                stream.writelines(texts[number % len(drawn)] for number in mine)
    failed = sum(results[number % len(drawn)].tally.counts["failed"] for number in range(batches))
    (folder / "expected.json").write_text(json.dumps({"items": batches * case.batch, "failed": failed}))


def _records(case: Case, batch: int, chance: random.Random) -> list[Record]:
    """Draw a batch: milliseconds around 50 with a long tail, sizes around 100 kB."""
    made = []
    for place in range(case.batch):
        uri = f"s3://bench/photos/2026/{batch:05d}/{place:06d}.jpg"
        milliseconds = round(math.exp(chance.gauss(4, 0.5)), 3)
        size = int(math.exp(chance.gauss(11.5, 1)))
        if case.failing and chance.randrange(case.failing) == 0:
            failure = Failure("UnreadableImage", f"{uri} is no image", retryable=False)
            made.append(Record(uri, Status.FAILED, (), milliseconds, size, failure=failure))
        else:
            output = f"s3://bench/out/image-resize/2026/{batch:05d}/{place:06d}.jpg"
            made.append(Record(uri, Status.SUCCEEDED, (output,), milliseconds, size, size // 5))
    return made


def _result(name: str, records: list[Record], folder: Path) -> BatchResult:
    (folder / f"{name}.jsonl.gz").write_bytes(write_records(records))
    tally = Tally()
    for record in records:
        tally.add(record)
    requests = {"head": len(records), "get": len(records), "put": len(records) + 1}
    effort = Effort(1_790_000_000.125, round(sum(record.milliseconds for record in records) / 1000, 3), 1769, requests)
    failures = [record.to_json() for record in records if record.failure][:3]
    return BatchResult(name, 1, tally, f"s3://bench/{name}.jsonl.gz", failures, effort)


if __name__ == "__main__":
    sys.exit(main())
