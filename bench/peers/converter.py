"""The sides that convert tables, each job in a process of its own with one thread, the peers from an environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .emulator import CannotRun

PANDAS_VERSION, DUCKDB_VERSION, PYARROW_VERSION = "3.1.1", "2.0.0", "26.0.1"
_REQUIREMENTS = (f"pandas=={PANDAS_VERSION}", f"duckdb=={DUCKDB_VERSION}", f"pyarrow=={PYARROW_VERSION}")
_THREADS = ("POLARS_MAX_THREADS", "OMP_NUM_THREADS")
_INSTALL_SECONDS = 600


@dataclass(frozen=True)
class Took:
    """What a job took: CPU seconds of all its threads, system time included, and the process's peak RSS in MB."""

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Converter:
    """A side of ``table_side.py`` and the interpreter it runs with."""

    side: str
    python: str = sys.executable

    def convert(self, paths: Sequence[Path], folder: Path, *, distinct: bool = False) -> Took:
        """Convert CSVs to Parquet below ``folder``; raises CannotRun."""
        script = str(Path(__file__).with_name("table_side.py"))
        flags = ["--distinct"] if distinct else []
        done = subprocess.run(
            [self.python, script, self.side, str(folder), *map(str, paths), *flags],
            env=os.environ | dict.fromkeys(_THREADS, "1"), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise CannotRun(f"{self.side} ended with {done.returncode}: {_last_line(done.stderr)}")
        return Took(**json.loads(done.stdout))

    def missing(self) -> str:
        """Return why the side's library cannot be imported, nothing where it can."""
        told = subprocess.run([self.python, "-c", f"import {self.side}"], capture_output=True, text=True, check=False)
        return _last_line(told.stderr) if told.returncode else ""


def install(folder: Path) -> str:
    """Install pandas and duckdb into a new environment below ``folder`` and return its Python; raises CannotRun."""
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True, check=True)
        subprocess.run([*pip, *_REQUIREMENTS], capture_output=True, text=True, check=True, timeout=_INSTALL_SECONDS)
    except subprocess.SubprocessError as error:
        told = str(getattr(error, "stderr", "") or error)
        raise CannotRun(f"pandas and duckdb cannot be installed: {_last_line(told)}") from error
    return python


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
