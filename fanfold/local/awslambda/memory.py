"""How much memory a function's process takes, read from /proc; nothing is known of it on other systems."""

from __future__ import annotations

import time
from pathlib import Path

_INTERVAL = 0.05
_KB_PER_MB = 1024


class Memory:
    """The peak of one process, and whether it outgrew the memory of its function."""

    def __init__(self, pid: int, limit: int) -> None:
        self.peak = 0
        self._status = Path(f"/proc/{pid}/status")
        self._limit = limit
        self._looked = time.monotonic()

    def measure(self) -> None:
        """Read the peak in MB; a process that is gone keeps what was read before."""
        self.peak = max(self.peak, self._read("VmHWM"))

    def exceeded(self) -> bool:
        """Tell whether the process' own pages, mapped files not counted, are over the limit; looks every 50 ms."""
        now = time.monotonic()
        if now - self._looked < _INTERVAL:
            return False
        self._looked = now
        own = self._read("RssAnon")
        self.peak = max(self.peak, own)
        return own > self._limit

    def _read(self, name: str) -> int:
        try:
            status = self._status.read_text()
        except OSError:
            return 0
        for line in status.splitlines():
            if line.startswith(name):
                return -(-int(line.split()[1]) // _KB_PER_MB)
        return 0
