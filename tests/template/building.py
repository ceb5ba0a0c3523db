"""How ``sam build`` can be run here: with a Python 3.13 that has pip, or with SAM's image."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.template.application import ROOT

_SETTINGS = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}


class NoWay(Exception):
    """There is no way to build here; the message says what is missing."""


def _answers(*command: str | Path) -> bool:
    """Tell whether a command is there and does its work: a version manager's shim is often only there."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    except OSError:
        return False
    return done.returncode == 0 and bool(done.stdout)


def folder_of_python() -> Path | None:
    """Find a folder with a Python 3.13 that has pip, on the PATH or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [*map(Path, filter(None, os.get_exec_path())), *sorted(pyenv.glob("3.13*/bin"))]
    return next((each for each in folders if _answers(each / "python3.13", "-m", "pip", "--version")), None)


def _way() -> tuple[list[str], list[str]]:
    """Return the folders to put first on the PATH and the options of ``sam build``; raises NoWay."""
    if folder := folder_of_python():
        return [str(folder)], []
    # An image that would first have to be fetched is a gigabyte too much for a test.
    if _answers("docker", "image", "ls", "--quiet", "--filter", "reference=*/sam/build-python3.13"):
        return [], ["--use-container", "--skip-pull-image"]
    raise NoWay("no 3.13 interpreter with pip, and no container engine with SAM's image for python3.13")


def sam_build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the template into ``folder/build``; raises NoWay.

    What SAM keeps beside its build goes where it is called, so nothing is left in the repository.
    """
    first, options = _way()
    bin_folder = Path(sys.executable).parent
    places = {"template": "template.yaml", "base-dir": "", "config-file": "samconfig.toml"}
    command = [
        bin_folder / "sam",
        "build",
        *options,
        *(f"--{option}={ROOT / place}" for option, place in places.items()),
        *("--build-dir", folder / "build", "--cache-dir", folder / "cache"),
    ]
    path = os.pathsep.join([*first, str(bin_folder), *os.get_exec_path()])
    env = {**os.environ, **_SETTINGS, "PATH": path}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False)
