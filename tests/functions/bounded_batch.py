"""Runs image-resize over a folder in a process of its own that dies, as a function in Lambda does, of too much memory.

``python -m tests.functions.bounded_batch MEGABYTES FOLDER`` prints what came of it as one JSON object.
"""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from functions.image_resize.operation import image_resize
from itemkit import Item, Operation, Result
from itemkit.batch import Task, run_batch
from itemkit.destination import Destination
from itemkit.item import Part
from itemkit.store import Head
from tests.memory_store import MemoryStore, Stored

MEGABYTE = 1024 * 1024
OUT_OF_MEMORY = 137
_LOOK_EVERY = 0.002


class FolderStore(MemoryStore):
    """Sources are files, so that none is in memory before it is read; outputs are kept."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    @contextmanager
    def open(self, uri: str, part: Part | None = None) -> Iterator[tuple[Head, io.BytesIO]]:
        assert part is None
        body = (self._folder / uri.rpartition("/")[2]).read_bytes()
        yield Stored(body).head, io.BytesIO(body)


def memory(kind: str) -> int:
    """Return a figure of this process in bytes: VmRSS (now), VmHWM (at its peak)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(f"{kind}:"))


def timed(operation: Operation[Any], seconds: dict[str, float]) -> Operation[Any]:
    """Have the operation write down its CPU time, and name each item before it begins, for the case that it kills."""

    def process(item: Item, body: bytes, options: Any) -> Result:
        print(f"at {item.name}, {memory('VmHWM') // MEGABYTE} MB at the most before", file=sys.stderr, flush=True)
        started = time.thread_time()
        try:
            return operation.process(item, body, options)
        finally:
            seconds[item.name] = time.thread_time() - started

    return replace(operation, process=process)


def die_over(most: int) -> None:
    """End the process when it has more than ``most`` bytes."""
    while True:
        if (now := memory("VmRSS")) > most:
            print(f"killed at {now // MEGABYTE} MB", file=sys.stderr, flush=True)
            os._exit(OUT_OF_MEMORY)
        time.sleep(_LOOK_EVERY)


def main(megabytes: int, folder: Path) -> None:
    """Run the batch and print its records, the CPU time of each item and the peak of memory in megabytes."""
    threading.Thread(target=die_over, args=(megabytes * MEGABYTE,), daemon=True).start()
    seconds: dict[str, float] = {}
    operation = timed(image_resize(megabytes), seconds)
    items = [Item(f"s3://photos/{path.name}", path.name) for path in sorted(folder.iterdir())]
    task = Task(operation, operation.parse({}), Destination("s3://out/"))
    records = [record.to_json() for record in run_batch(items, task, FolderStore(folder))]
    print(json.dumps({"records": records, "seconds": seconds, "peak": memory("VmHWM") // MEGABYTE}))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
