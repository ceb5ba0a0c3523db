"""The functions all contestants run: the endpoint and the emulators as Lambda, the process pool by a plain call."""

from __future__ import annotations

import time
from typing import Any

BUSY_SECONDS = 0.025


def busy(event: dict[str, Any], context: object = None) -> dict[str, int]:
    """Spend 25 ms of CPU on each item of a batch, one after the other.

    CPU and not wall time: an item then costs the same however many others want the processor, so that what an engine
    burns beside its functions shows in the items a second.
    """
    for _ in event["Items"]:
        end = time.thread_time() + BUSY_SECONDS
        while time.thread_time() < end:
            sum(range(500))  # a few microseconds of work, so that not all of it is asking for the time
    return {"done": len(event["Items"])}


def noop(event: object, context: object = None) -> dict[str, int]:
    """Answer at once."""
    return {"ok": 1}
