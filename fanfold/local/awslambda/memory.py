"""How much memory a function's process takes: from /proc on Linux, elsewhere from `ps`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

_LOOK_SECONDS = 0.05
_PS_SECONDS = 1.0  # between two runs of `ps`, which take milliseconds each
_KB_PER_MB = 1024


class ProcMemory:
    """The peak of one process in MB, and whether it outgrew the memory of its function."""

    def __init__(self, pid: int, limit: int) -> None:
        self.peak = 0
        self._status = Path(f"/proc/{pid}/status")
        self._limit = limit
        self._looked = time.monotonic()

    def measure(self) -> None:
        """Read the peak; a process that is gone keeps what was read before."""
        self.peak = max(self.peak, self._read("VmHWM"))

    def exceeded(self) -> bool:
        """Tell whether the process' own pages, mapped files not counted, are over the limit; looks every 50 ms."""
        now = time.monotonic()
        if now - self._looked < _LOOK_SECONDS:
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
                return _megabytes(line.split()[1])
        return 0


class PsMemory:
    """The largest resident size of one process seen so far, in MB.

    It is told, not limited: it counts mapped libraries, which Lambda does not count against a function, and `ps` tells
    no other.
    """

    def __init__(self, pid: int, _limit: int) -> None:
        self.peak = 0
        self._command = ["ps", "-o", "rss=", "-p", str(pid)]
        self._due = 0.0

    def measure(self) -> None:
        """Ask for the size, once a second at most; a process that is gone keeps what was read before."""
        if time.monotonic() >= self._due:
            size = subprocess.run(self._command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603
            self.peak = max(self.peak, _megabytes(size or "0"))
            self._due = time.monotonic() + _PS_SECONDS

    def exceeded(self) -> bool:
        """Tell that the limit is not watched here."""
        return False


def watch(pid: int, limit: int, system: str = sys.platform) -> ProcMemory | PsMemory:
    """Return the memory of process ``pid``, of a function with ``limit`` MB, as this system lets it be read."""
    return ProcMemory(pid, limit) if system == "linux" else PsMemory(pid, limit)


def _megabytes(kilobytes: str) -> int:
    return -(-int(kilobytes) // _KB_PER_MB)
