"""Any program as the work of an operation: text on its stdin, rows from its stdout, and bounds on both.

Nothing here knows what the program does. It gets no credentials: of the function's environment only the PATH is passed
on.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from log_hits.errors import ProgramFailed, ProgramKilled, ProgramMissing, ProgramTooSlow, TooMuchOutput

_PIPE = 1 << 16
_STDERR_KEPT = 4096


@dataclass(frozen=True)
class Limits:
    """What a program may take for one object: seconds of time, and bytes of output."""

    seconds: float
    output: int


def is_installed(name: str) -> bool:
    """Tell whether a program is on the PATH."""
    return shutil.which(name) is not None


def run_program(uri: str, command: Sequence[str], text: Iterator[bytes], limits: Limits) -> bytes:
    """Run ``command`` with ``text`` on its stdin and return what it wrote to stdout.

    What ``text`` raises ends the program, and is raised here. ``uri`` is the object the messages are about.

    Raises:
        ProgramMissing: there is no such program.
        ProgramFailed: its exit code was not 0; the message has the last line of its stderr.
        ProgramKilled: a signal ended it.
        ProgramTooSlow: it took longer than it may.
        TooMuchOutput: it wrote more than it may.
    """
    name = os.path.basename(command[0])
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)  # noqa: S603
    except FileNotFoundError as error:
        raise ProgramMissing(f"{uri}: there is no program {name} here: install it in the function's image") from error
    with process:
        try:
            exchange = _Exchange(process, text, time.monotonic() + limits.seconds, limits.output)
            exchange.run()
            process.wait(exchange.seconds_left)
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise ProgramTooSlow(f"{uri}: {name} was ended after {limits.seconds:g} s: raise 'seconds'") from error
        except OverflowError as error:
            raise TooMuchOutput(f"{uri}: {name} wrote more than {limits.output:,} bytes, and was ended") from error
        finally:
            process.kill()  # nothing happens to one that has ended
    if process.returncode < 0:
        raise ProgramKilled(f"{uri}: {name} was ended by signal {-process.returncode}: it is tried again")
    if process.returncode > 0:
        last = exchange.last_line or "nothing on stderr"
        raise ProgramFailed(f"{uri}: {name} ended with exit code {process.returncode}: {last}")
    return bytes(exchange.output)


class _Exchange:
    """The three pipes of a program, served by turns, so that neither side waits for the other for ever."""

    def __init__(self, process: subprocess.Popen[bytes], text: Iterator[bytes], deadline: float, most: int) -> None:
        assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - all three are pipes
        self.output = bytearray()
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._text = text
        self._pending = memoryview(b"")
        self._deadline = deadline
        self._most = most
        self._told = bytearray()

    @property
    def seconds_left(self) -> float:
        """The time until the deadline."""
        return max(0.0, self._deadline - time.monotonic())

    @property
    def last_line(self) -> str:
        """The last line of stderr that is not empty."""
        lines = self._told.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def run(self) -> None:
        """Pass everything on until the program has closed its output; raises TimeoutError and OverflowError."""
        turns = (
            (self._stdin, selectors.EVENT_WRITE, self._write),
            (self._stdout, selectors.EVENT_READ, self._read_output),
            (self._stderr, selectors.EVENT_READ, self._read_told),
        )
        with selectors.DefaultSelector() as selector:
            for pipe, event, turn in turns:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, event, (pipe, turn))
            while selector.get_map():
                ready = selector.select(self.seconds_left)
                if not self.seconds_left:
                    raise TimeoutError
                for key, _ in ready:
                    pipe, turn = key.data
                    if not turn():
                        selector.unregister(pipe)
                        pipe.close()

    def _write(self) -> bool:
        """Write once; false: there is no more, or nobody reads it."""
        if not self._pending:
            self._pending = memoryview(next(self._text, b""))
        try:
            written = os.write(self._stdin.fileno(), self._pending[:_PIPE])
        except BrokenPipeError:
            return False  # it reads no further, which is its right
        self._pending = self._pending[written:]
        return bool(written)

    def _read_output(self) -> bool:
        """Read once; false: there is no more."""
        data = os.read(self._stdout.fileno(), _PIPE)
        self.output += data
        if len(self.output) > self._most:
            raise OverflowError
        return bool(data)

    def _read_told(self) -> bool:
        """Read once, and keep the end; false: there is no more."""
        data = os.read(self._stderr.fileno(), _PIPE)
        self._told = (self._told + data)[-_STDERR_KEPT:]
        return bool(data)
