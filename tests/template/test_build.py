"""``sam build`` makes what Lambda can import and will take."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.template.application import ROOT
from tests.template.artefacts import findings, packages

SETTINGS = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}
LIBRARY = Path("ItemkitLayer/python/wrapt/wrappers.so")


def answers(*command):
    """Tell whether a command is there and does its work: a version manager's shim is often only there."""
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    except OSError:
        return False
    return done.returncode == 0 and bool(done.stdout)


def folder_of_python():
    """Find a folder with a Python 3.13 that has pip, on the PATH or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders = [*map(Path, filter(None, os.get_exec_path())), *sorted(pyenv.glob("3.13*/bin"))]
    return next((each for each in folders if answers(each / "python3.13", "-m", "pip", "--version")), None)


def way_to_build():
    """Return the folders to put first on the PATH and the options of `sam build`; skip where there is no way."""
    if folder := folder_of_python():
        return [str(folder)], []
    # An image that would first have to be fetched is a gigabyte too much for a test.
    if answers("docker", "image", "ls", "--quiet", "--filter", "reference=*/sam/build-python3.13"):
        return [], ["--use-container", "--skip-pull-image"]
    pytest.skip("SKIPPED: no 3.13 interpreter with pip, and no container engine with SAM's image for python3.13")


def test_sam_builds_what_lambda_can_import(tmp_path):
    """What SAM keeps beside its build goes where it is called, so nothing is left in the repository."""
    first, options = way_to_build()
    bin_folder = Path(sys.executable).parent
    path = os.pathsep.join([*first, str(bin_folder), *os.get_exec_path()])
    places = {"template": "template.yaml", "base-dir": "", "config-file": "samconfig.toml"}
    command = [
        bin_folder / "sam",
        "build",
        *options,
        *(f"--{option}={ROOT / place}" for option, place in places.items()),
    ]
    command += ["--build-dir", tmp_path / "build", "--cache-dir", tmp_path / "cache"]

    done = subprocess.run(
        command, cwd=tmp_path, env={**SETTINGS, "PATH": path}, capture_output=True, text=True, timeout=300, check=False
    )

    assert done.returncode == 0, done.stderr
    assert findings(tmp_path / "build") == []


@pytest.fixture
def build(tmp_path):
    """A build as it should be, with next to nothing in it."""
    for name, (folder, place) in packages().items():
        shutil.copytree(folder, tmp_path / name / place, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("aws_lambda_powertools", "aws_xray_sdk"):
        (tmp_path / "ItemkitLayer/python" / name).mkdir()
    write_library(tmp_path, machine=183)
    return tmp_path


def write_library(build, machine):
    (build / LIBRARY).parent.mkdir(exist_ok=True)
    (build / LIBRARY).write_bytes(b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little"))


def test_a_build_as_it_should_be_has_no_findings(build):
    assert findings(build) == []


def test_a_package_flattened_into_the_artefact_is_found(build):
    (build / "SummarizeFunction/functions/summarize").rename(build / "SummarizeFunction/flat")

    modules = sorted(path.name for path in (ROOT / "functions/summarize").glob("*.py"))
    assert findings(build) == [f"SummarizeFunction: functions/summarize/{name} is missing" for name in modules]


def test_a_stale_module_is_found(build):
    (build / "ItemkitLayer/python/itemkit/store.py").write_text("old = True\n")

    assert findings(build) == ["ItemkitLayer: python/itemkit/store.py is another"]


def test_a_layer_with_the_wrong_packages_is_found(build):
    (build / "ItemkitLayer/python/aws_xray_sdk").rename(build / "ItemkitLayer/python/botocore")

    assert findings(build) == [
        "ItemkitLayer: python/aws_xray_sdk is missing",
        "ItemkitLayer: python/botocore is in the runtime",
    ]


@pytest.mark.parametrize(
    ("name", "limit"), [("ImageResizeFunction", 60), ("TableTransformFunction", 200), ("ItemkitLayer", 30)]
)
def test_an_artefact_that_is_too_large_is_found(build, name, limit):
    with (build / name / "weights").open("wb") as sparse:
        sparse.truncate((limit + 1) * 1_000_000)

    assert findings(build) == [f"{name}: {limit + 1} MB, over {limit} MB"]


def test_a_library_for_another_processor_is_found(build):
    write_library(build, machine=62)

    assert findings(build) == [f"{LIBRARY} is not for arm64"]
