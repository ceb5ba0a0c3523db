"""What each size of memory would make of image-resize and table-transform: milliseconds an item, dollars a million.

Measured is processor time, here: the shipped handlers, in a process as the local runtime starts it, over files. The
rest is derived by the one figure that AWS documents, one vCPU at 1,769 MB, and shares in proportion: an item takes the
time of all threads divided by the share of vCPUs, of which no more count than threads compute, and no less than waiting
for S3 takes. ``docs/right-sizing.md`` has the output and what to make of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from orders import write_small
from rows import arguments, facts, table
from scenes import SCENES, Size, encoded

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from itemkit.batch import READERS, WRITERS
from itemkit.cost import Usage, bill, load_prices

SIDE = Path(__file__).with_name("peers") / "batch_cpu.py"
VCPU = 1769
MEMORIES = (512, 1024, 1769, 2048, 3008, 3538)
# Milliseconds that a HEAD or GET, and a PUT, of S3 are taken to wait for.
READ, WRITE = 30.0, 40.0
BATCH = 50
MILLION = 1_000_000
SQL = "SELECT order_id, region, quantity, price, quantity * price AS amount FROM self WHERE status <> 'cancelled'"


@dataclass(frozen=True)
class Work:
    """Milliseconds of processor time of one item, and how many threads compute."""

    milliseconds: float
    computing: int

    def took(self, memory: int) -> float:
        """Return the milliseconds an item takes in a function of so many MB."""
        waiting = max(2 * READ / READERS, WRITE / WRITERS)
        return max(self.milliseconds / min(memory / VCPU, self.computing), waiting)

    def dollars(self, memory: int) -> float:
        """Return what Lambda takes for a million items, in us-east-1 on arm64."""
        seconds = self.took(memory) / 1000 * MILLION
        usage = Usage(items=MILLION, invocations=MILLION // BATCH, megabyte_seconds=seconds * memory)
        lines = bill(usage, load_prices(), "us-east-1").lines
        return sum(line.dollars for line in lines if line.what.startswith("Lambda"))


@dataclass(frozen=True)
class Case:
    """An operation, by its folder, with its files; ``threads``: memory decides how many of them compute."""

    folder: str
    files: Path
    pattern: str
    options: str
    threads: bool

    def measure(self, computing: int, batches: int, repeats: int) -> Work:
        """Return the median of processes of their own, with the memory that gives them so many threads."""
        command = [sys.executable, str(SIDE), self.folder, self.pattern, self.options, str(batches)]
        environment = os.environ | {
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(VCPU * computing), "FANFOLD_FILES": str(self.files),
            "AWS_DEFAULT_REGION": "us-east-1", "POWERTOOLS_TRACE_DISABLED": "1",
        }  # fmt: skip
        told = [
            float(subprocess.run(command, cwd=self.files, env=environment, capture_output=True, check=True).stdout)
            for _ in range(repeats)
        ]
        return Work(1000 * median(told), computing)

    def lines(self, batches: int, repeats: int) -> Iterator[tuple[str, ...]]:
        """Yield a line for each memory; measured anew where another number of threads computes."""
        measured: dict[int, Work] = {}
        for memory in MEMORIES:
            computing = max(1, memory // VCPU) if self.threads else 1
            if computing not in measured:
                measured[computing] = self.measure(computing, batches, repeats)
            yield line(memory, measured[computing])


def line(memory: int, work: Work) -> tuple[str, ...]:
    """Return what the table says of one memory."""
    took = work.took(memory)
    return (
        f"{memory:,}", f"{memory / VCPU:.2f}", str(work.computing), f"{work.milliseconds:.1f}", f"{took:.1f}",
        f"{work.dollars(memory):.2f}", f"{BATCH * took / 1000:.1f}",
    )  # fmt: skip


HEADINGS = ("MB", "vCPU", "computing threads", "CPU ms", "ms an item", "dollars a million", f"s a batch of {BATCH}")


def prepare(place: Path, size: Size, table_bytes: int) -> Sequence[tuple[str, Case]]:
    """Write the files of both cases and return these by name."""
    images, tables = place / "images", place / "tables"
    images.mkdir()
    tables.mkdir()
    for scene in SCENES:
        (images / f"{scene.name}.jpg").write_bytes(encoded(scene.draw(size), "JPEG", quality=90))
    write_small(tables, 3, table_bytes)
    megapixels = size[0] * size[1] / 1e6
    return (
        (f"image-resize: JPEG of {megapixels:.3g} MP to 512 pixels",
         Case("image_resize", images, "*.jpg", '{"width": 512}', threads=False)),
        (f"table-transform: CSV of {table_bytes / 1e6:.3g} MB to Parquet",
         Case("table_transform", tables, "*.csv", json.dumps({"sql": SQL}), threads=True)),
    )  # fmt: skip


def main() -> int:
    """Measure, and print a table for each operation."""
    given = arguments(__doc__).parse_args()
    about = facts(("pillow", "polars"))
    size, table_bytes, batches, repeats = ((400, 300), 50_000, 1, 1) if given.quick else ((4000, 3000), 5_000_000, 4, 5)
    tables = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, case in prepare(Path(folder), size, table_bytes):
            tables[name] = list(case.lines(batches, repeats))
            print(f"{name}\n\n{table([HEADINGS, *tables[name]])}\n")
    for what, value in about.items():
        print(f"{what}: {value}")
    if given.json:
        given.json.write_text(json.dumps({"about": about, "headings": HEADINGS, "tables": tables}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
