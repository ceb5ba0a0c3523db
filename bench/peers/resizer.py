"""The ways to resize a picture that are compared, each a process that does one job at a time and tells its CPU time.

A job goes all the way from the bytes of a file in memory to the bytes of the outputs. Every side writes JPEG of quality
80 with 4:2:0 chroma, the rest as its defaults have it: sharp optimises the Huffman tables, Pillow does not.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from .emulator import CannotRun

SHARP_VERSION = "0.35.5"
SHARP = f"sharp {SHARP_VERSION}"
_INSTALL_SECONDS = 300


@dataclass(frozen=True)
class Made:
    """What a job took and made: CPU milliseconds of all its threads, and bytes of all its outputs."""

    milliseconds: float
    bytes: int


class Resizer:
    """A side's process while the ``with`` block lasts. It has the cores its parent has."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @classmethod
    def of_pillow(cls, side: str) -> Self:
        """Start ``ours``, ``naive`` or ``thumbnail``."""
        return cls([sys.executable, str(Path(__file__).with_name("pillow_side.py")), side])

    @classmethod
    def of_sharp(cls, folder: Path) -> Self:
        """Install sharp below ``folder`` and start it; raises CannotRun."""
        install = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", f"sharp@{SHARP_VERSION}"]
        try:
            subprocess.run(install, capture_output=True, text=True, check=True, timeout=_INSTALL_SECONDS)
            return cls(["node", str(Path(__file__).with_name("sharp_side.mjs")), str(folder)])
        except FileNotFoundError as error:
            raise CannotRun(f"{SHARP} needs {error.filename}, which is not on the PATH") from error
        except subprocess.SubprocessError as error:
            told = str(getattr(error, "stderr", "") or error).strip().splitlines()
            raise CannotRun(f"{SHARP} cannot be installed: {told[-1]}") from error

    def make(self, path: Path, widths: Sequence[int], format_: str = "jpeg", outputs: Sequence[Path] = ()) -> Made:
        """Resize a file to each width, as ``jpeg`` or ``png``, and write the outputs where paths for them are given."""
        job = {"path": str(path), "widths": list(widths), "format": format_, "outputs": [*map(str, outputs)]}
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("started with pipes")
        print(json.dumps(job), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args} ended over {job}: see its error above")
        return Made(**json.loads(answer))

    def __enter__(self) -> Self:
        """Use the process that runs since it was made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process: it ends with its input."""
        self._process.communicate()
