"""The memory of other processes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def megabytes(pid: int, field: Literal["VmRSS", "VmHWM"]) -> float | None:
    """Return the resident memory of a process now, or its peak so far, in MB; ``None`` where there is no /proc."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(lines[field].split()[0]) / 1024


def family_megabytes(pid: int) -> float:
    """Return the resident memory of a process and of all it started, in MB; pages they share count for each of them."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        own = megabytes(pid, "VmRSS") or 0.0
    except (OSError, KeyError):  # it ended meanwhile
        return 0.0
    return own + sum(map(family_megabytes, children))
