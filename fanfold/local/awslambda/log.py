"""Function logs: one file a function, and of each invocation the last 4 KB, as Lambda reports them."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

_TAIL_BYTES = 4096


class FunctionLog:
    """The log file all environments of one function append to."""

    def __init__(self, path: Path, *, verbose: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._verbose = verbose

    def write(self, text: bytes) -> None:
        """Append ``text`` in one piece; to stderr as well when verbose."""
        os.write(self._descriptor, text)
        if self._verbose:
            sys.stderr.write(text.decode(errors="replace"))
            sys.stderr.flush()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


@dataclass(frozen=True)
class Report:
    """The numbers of a REPORT line: milliseconds and MB; ``init`` only after a cold start."""

    duration: float
    memory: int
    used: int
    init: float | None
    error: str | None = None

    def line(self, request_id: str) -> str:
        """Write the line as CloudWatch shows it."""
        parts = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {self.duration:.2f} ms",
            f"Billed Duration: {math.ceil(self.duration + (self.init or 0.0))} ms",
            f"Memory Size: {self.memory} MB",
            f"Max Memory Used: {min(self.used, self.memory)} MB",
        ]
        if self.init is not None:
            parts.append(f"Init Duration: {self.init:.2f} ms")
        if self.error == "Sandbox.Timedout":
            parts.append("Status: timeout")
        elif self.error:
            parts.append(f"Status: error\tError Type: {self.error}")
        return "\t".join(parts) + "\t\n"


class InvocationLog:
    """What one invocation logs: written through to the function's file line by line, its end kept."""

    def __init__(self, log: FunctionLog, request_id: str) -> None:
        self._log = log
        self._request_id = request_id
        self._pending = f"START RequestId: {request_id} Version: $LATEST\n".encode()
        self._tail = bytearray()

    def write(self, output: bytes) -> None:
        """Add output of the process; whole lines go to the file at once. The runtime's tracebacks have CR for LF."""
        output = output.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines, newline, rest = output.rpartition(b"\n")
        if newline:
            self._flush(self._pending + lines + newline)
            self._pending = rest
        else:
            self._pending += rest

    def end(self, report: Report) -> bytes:
        """Write END and REPORT, and return the last 4 KB of the invocation's log."""
        separator = b"" if not self._pending or self._pending.endswith(b"\n") else b"\n"
        end = f"END RequestId: {self._request_id}\n" + report.line(self._request_id)
        self._flush(self._pending + separator + end.encode())
        return bytes(self._tail)

    def _flush(self, text: bytes) -> None:
        self._log.write(text)
        self._tail += text[-_TAIL_BYTES:]
        del self._tail[:-_TAIL_BYTES]
