"""A program on a pseudo-terminal, as a person has it in front of them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.conftest import PROJECT


class Terminal:
    """A program whose stdin, stdout and stderr are one terminal; ``shown`` is all that it wrote so far."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=PROJECT,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            # Only the controlling terminal turns Ctrl-C into a signal.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(theirs)
        self.shown = ""
        self._matched = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def wait_for(self, pattern: str, seconds: float = 60.0) -> re.Match[str]:
        """Read on until what is shown after the last match matches."""
        begin = self._matched
        deadline = time.monotonic() + seconds
        while not (found := re.compile(pattern).search(self.shown, begin)):
            assert time.monotonic() < deadline, f"no {pattern!r} within {seconds} s: {self.shown[begin:][-2000:]!r}"
            assert self._read(0.1), f"the program ended without {pattern!r}: {self.shown[begin:][-2000:]!r}"
        self._matched = found.end()
        return found

    def end(self, seconds: float = 60.0) -> int:
        """Read to the end of the program and return its exit code."""
        deadline = time.monotonic() + seconds
        while self._read(0.1):
            assert time.monotonic() < deadline, f"no end within {seconds} s: {self.shown[-2000:]!r}"
        return self._process.wait(timeout=10)

    def _read(self, seconds: float) -> bool:
        """Read what there is, or comes within some seconds; ``False`` when there will be no more."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return True
        try:
            read = os.read(self._ours, 1 << 16)
        except OSError:  # of a terminal that nobody has open any more
            return False
        self.shown += read.decode(errors="replace").replace("\r\n", "\n")
        return bool(read)
