"""Rules about what ``sam build`` makes: sizes and contents, and that Python 3.13 imports each handler from it.

The artefacts hold libraries for arm64. So that any machine can import them, the same requirements are installed for it
and put first; the artefact's own list of packages must be the same, so that nothing else can have helped.
"""

from __future__ import annotations

import functools
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.cloud.tools import INSTALLED, Missing
from tests.template.application import ROOT, template
from tests.template.artefacts import LAYER, findings
from tests.template.building import NoWay, folder_of_python, sam_build

_RUNTIME = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
# Nothing but what is named: no site-packages, no PYTHONPATH, no working directory.
_IMPORT = "import importlib, sys; sys.path[1:1] = sys.argv[2:]; importlib.import_module(sys.argv[1]).handler"


def artefacts() -> list[str]:
    """Find what is wrong with the artefacts: missing or stale modules, wrong libraries, sizes over the budget."""
    return findings(_built())


def imports() -> list[str]:
    """Find handlers that cannot be imported from their artefact and the layer, beside the runtime's own boto3."""
    build, python = _built(), _python()
    layer, runtime = _native(python, ROOT / "itemkit"), _runtime(python)
    found = []
    for name, each in template()["Resources"].items():
        if each["Type"] == "AWS::Serverless::Function":
            properties = each["Properties"]
            own = _native(python, ROOT / properties["CodeUri"])
            found += [f"{name}: {fault}" for fault in _strangers(build / name, own)]
            places = [own, build / name, layer, build / LAYER / "python", runtime]
            found += [f"{name}: {fault}" for fault in _import(python, properties["Handler"], places)]
    return found


def _import(python: Path, handler: str, places: list[Path]) -> Iterator[str]:
    module = handler.rpartition(".")[0]
    env = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "PATH": os.defpath}
    done = subprocess.run(
        [python, "-I", "-S", "-B", "-c", _IMPORT, module, *places],
        capture_output=True, text=True, timeout=60, env=env, check=False,
    )  # fmt: skip
    if done.returncode:
        yield f"{module} cannot be imported: {done.stderr.strip().splitlines()[-1]}"


def _strangers(artefact: Path, native: Path) -> Iterator[str]:
    ours, theirs = ({each.name for each in place.glob("*.dist-info")} for place in (artefact, native))
    yield from (f"{name} is in one of the artefact and its requirements alone" for name in sorted(ours ^ theirs))


@functools.cache
def _built() -> Path:
    folder = INSTALLED / "sam"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        done = sam_build(folder)
    except NoWay as reason:
        raise Missing(str(reason)) from None
    if done.returncode:
        raise RuntimeError(f"sam build failed: {done.stderr}")
    return folder / "build"


def _python() -> Path:
    folder = folder_of_python()
    if folder is None:
        raise Missing("no 3.13 interpreter to import the handlers with")
    return folder / "python3.13"


def _native(python: Path, folder: Path) -> Path:
    """Install a folder's requirements for this machine and return where."""
    place = INSTALLED / f"native-{platform.machine()}" / folder.name
    return _installed(python, place, ["--no-deps", "--require-hashes", "--requirement", folder / "requirements.txt"])


def _runtime(python: Path) -> Path:
    """Install what Lambda's own runtime brings along."""
    place = INSTALLED / f"native-{platform.machine()}" / "runtime"
    return _installed(python, place, ["--no-deps", "--constraint", ROOT / "requirements-dev.txt", *_RUNTIME])


def _installed(python: Path, place: Path, what: list[str | Path]) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "--target", place, *what], check=True)
    return place
