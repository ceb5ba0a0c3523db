"""The emulators, each installed into a throw-away environment and run from there as a server of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_INSTALL_SECONDS = 600
_START_SECONDS = 120
_END_SECONDS = 10
_HOMES = ("HOME", "TMPDIR")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class CannotRun(Exception):
    """A peer that cannot be installed or started here, and why."""


@dataclass(frozen=True)
class Emulator:
    """How to install and start one emulator.

    Attributes:
        name: in the table.
        requirements: for pip, pinned, so that figures are of what they say they are.
        pythons: names of interpreters it runs with, the best first; none means the one running this.
        command: below the environment's ``bin/``; the arguments follow.
        variables: of its process; ``{port}`` and ``{home}`` are filled in.
        health: the path that answers 200 once it serves.
    """

    name: str
    requirements: tuple[str, ...]
    command: tuple[str, ...]
    health: str
    pythons: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def install(self, folder: Path) -> Path:
        """Make the environment below ``folder`` and return its ``bin/``; raises CannotRun."""
        python = self._python()
        _do([python, "-m", "venv", str(folder)], f"{self.name}: no environment")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _do([*pip, *self.requirements], f"{self.name}: pip cannot install it")
        return folder / "bin"

    def _python(self) -> str:
        """Return the first interpreter that is there and runs: a version manager's stub may be there and not run."""
        if not self.pythons:
            return sys.executable
        for path in filter(None, map(shutil.which, self.pythons)):
            if subprocess.run([path, "--version"], capture_output=True, check=False).returncode == 0:
                return path
        raise CannotRun(f"{self.name} needs {' or '.join(self.pythons)}, and none on the PATH runs")


MINISTACK = Emulator(
    "ministack 1.5.33",
    ("ministack==1.5.33",),
    ("ministack",),
    "/_ministack/health",
    variables={"GATEWAY_PORT": "{port}", "BIND_HOST": "127.0.0.1", "LOG_LEVEL": "WARNING"},
)
# The last version on PyPI that starts without an account. Its own requirements have no upper bounds: with later
# releases of these three it does not start.
LOCALSTACK = Emulator(
    "LocalStack 4.14.0",
    ("localstack-core[runtime]==4.14.0", "cbor2<6", "pyopenssl<25.2", "service_identity"),
    ("python", "-m", "localstack.runtime.main"),
    "/_localstack/health",
    pythons=("python3.13", "python3.12", "python3.11"),
    variables={
        "GATEWAY_LISTEN": "127.0.0.1:{port}",
        "FILESYSTEM_ROOT": "{home}",
        "DISABLE_EVENTS": "1",
        "DNS_ADDRESS": "0",
        "LS_LOG": "error",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
    },
)


class Running:
    """An installed emulator while the ``with`` block lasts.

    Attributes:
        url: where it listens.
        pid: of its process, which leads a group of its own.
    """

    def __init__(self, emulator: Emulator, binaries: Path, folder: Path) -> None:
        self._emulator = emulator
        port, home = _free_port(), Path(tempfile.mkdtemp(dir=folder))
        self.url = f"http://127.0.0.1:{port}"
        given = {name: value.format(port=port, home=home) for name, value in emulator.variables.items()}
        program, *rest = emulator.command
        self._log = home / "server.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(binaries / program), *rest],
                cwd=home,
                env=given | {"PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"} | dict.fromkeys(_HOMES, str(home)),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        """Wait until it serves; raises CannotRun."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._serves():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._end()
                raise CannotRun(f"{self._emulator.name} does not start: {_last_line(self._log.read_text())}")
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the server and all it started."""
        self._end()

    def _serves(self) -> bool:
        try:
            with _DIRECT.open(self.url + self._emulator.health, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:  # not yet listening, or not yet answering
            return False

    def _end(self) -> None:
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, sign)
                self._process.wait(_END_SECONDS)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def _do(command: list[str], what: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise CannotRun(f"{what}: not done after {_INSTALL_SECONDS} s") from None
    if done.returncode:
        raise CannotRun(f"{what}: {_last_line(done.stderr)}")


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
