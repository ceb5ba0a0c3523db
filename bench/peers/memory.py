"""The memory of another process."""

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
