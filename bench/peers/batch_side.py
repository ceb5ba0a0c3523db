"""Runs one batch of image-resize over a store that waits as S3 does, and tells the seconds and the memory it took.

Run as ``batch_side.py pipeline|sequential ITEMS WIDTH FILE...``: through ``run_batch``, or one item after the other in
a loop of GET, resize and PUT. The store makes a new copy of the bytes for each GET and keeps none of what is PUT.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from memory import megabytes

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from functions.image_resize.operation import OPERATION
from itemkit import Item
from itemkit.batch import Task, run_batch
from itemkit.destination import Destination
from itemkit.item import Part
from itemkit.record import Status
from itemkit.store import Head, Put

# Seconds; a HEAD waits as long as a GET.
GET, PUT = 0.030, 0.040
DESTINATION = Destination("s3://bench/out/")


class WaitingStore:
    """Objects in memory, each call after its wait."""

    def __init__(self, bodies: Sequence[bytes]) -> None:
        self.requests: Counter[str] = Counter()
        self._bodies = bodies
        self._etags = [hashlib.md5(body).hexdigest() for body in bodies]

    def items(self, count: int) -> list[Item]:
        """Return so many items, which have the bodies in turn."""
        names = [f"{number}.jpg" for number in range(count)]
        return [Item(f"s3://bench/in/{name}", name, len(self._body(name)), self._etag(name)) for name in names]

    def head(self, uri: str) -> Head | None:
        """Find nothing: all outputs are new."""
        time.sleep(GET)
        return None

    @contextmanager
    def open(self, uri: str, part: Part | None = None) -> Iterator[tuple[Head, io.BytesIO]]:
        """Open an item for reading; its bytes arrive with the wait. Parts are not asked for."""
        time.sleep(GET)
        body = bytes(memoryview(self._body(uri)))
        yield Head(len(body), self._etag(uri)), io.BytesIO(body)

    def put(self, put: Put) -> None:
        """Take an object and forget it."""
        time.sleep(PUT)

    def write(self, uri: str, body: bytes, content_type: str) -> None:
        """Take an object and forget it."""
        time.sleep(PUT)

    def _body(self, uri: str) -> bytes:
        return self._bodies[self._place(uri)]

    def _etag(self, uri: str) -> str:
        return self._etags[self._place(uri)]

    def _place(self, uri: str) -> int:
        return int(Path(uri).stem) % len(self._bodies)


def pipeline(items: Sequence[Item], store: WaitingStore, width: int) -> None:
    """Run the items as the function does."""
    records = run_batch(items, Task(OPERATION, OPERATION.parse({"width": width}), DESTINATION), store)
    if failed := [record for record in records if record.status is not Status.SUCCEEDED]:
        raise SystemExit(f"{len(failed)} items did not succeed, the first: {failed[0]}")


def sequential(items: Sequence[Item], store: WaitingStore, width: int) -> None:
    """Run the items one after the other."""
    options = OPERATION.parse({"width": width})
    for item in items:
        with store.open(item.uri) as (_, stream):
            body = stream.read()
        [output] = OPERATION.process(item, body, options).outputs
        store.put(Put(f"{DESTINATION.uri}{item.name}", output.body, output.content_type))


def main() -> None:
    """Run what the command line asks for, after one item that warms up."""
    way, count, width, *files = sys.argv[1:]
    run = {"pipeline": pipeline, "sequential": sequential}[way]
    store = WaitingStore([Path(file).read_bytes() for file in files])
    run(store.items(1), store, int(width))
    began, queued = time.perf_counter(), _queued()
    run(store.items(int(count)), store, int(width))
    told = {"seconds": time.perf_counter() - began, "queued": _queued() - queued}
    print(json.dumps({**told, "megabytes": megabytes(os.getpid(), "VmHWM")}))


def _queued() -> float:
    """Return the seconds this thread, which computes, has been ready and had no core; 0 where Linux does not tell."""
    told = Path("/proc/thread-self/schedstat")
    return int(told.read_text().split()[1]) / 1e9 if told.exists() else 0.0


if __name__ == "__main__":
    main()
