"""The package as pip installs it: the command line without the checkout, types included."""

from __future__ import annotations

import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import PROJECT, Cloud
from tests.test_cli import BIN, environment, images, own

pytestmark = pytest.mark.e2e

# Of uv, that the packages of other environments are taken from its cache.
QUIET = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **{
    name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_", "HTTP"))}}  # fmt: skip


def uv(*words: str | Path, cwd: Path) -> None:
    done = subprocess.run([BIN / "uv", *words], cwd=cwd, env=QUIET, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the source distribution, built from what git has or would be told of."""
    folder = tmp_path_factory.mktemp("package")
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "itemkit", "fanfold", "pyproject.toml",
         "README.md", "LICENSE"], cwd=PROJECT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, names.split("\0")):
        (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "source" / name).write_bytes((PROJECT / name).read_bytes())
    python = ("--python", str(BIN / "python"), "--no-build-isolation", "--quiet")
    uv("build", *python, "--out-dir", folder / "dist", cwd=folder / "source")
    return {path.suffix: path for path in (folder / "dist").iterdir()}


@pytest.fixture(scope="module")
def installed(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has the wheel and what it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    uv("venv", "--quiet", "--python", str(BIN / "python"), folder / "env", cwd=folder)
    uv("pip", "install", "--quiet", "--python", folder / "env/bin/python", built[".whl"], cwd=folder)
    return folder / "env/bin"


def test_wheel_and_sdist_have_the_types_and_the_data(built):
    with zipfile.ZipFile(built[".whl"]) as wheel, tarfile.open(built[".gz"]) as source:
        shipped, given = set(wheel.namelist()), {name.partition("/")[2] for name in source.getnames()}

    wanted = {"itemkit/py.typed", "fanfold/py.typed", "itemkit/prices.json", "fanfold/skeleton/operation.py"}
    assert wanted <= shipped
    assert wanted <= given
    assert not [name for name in shipped if name.startswith(("tests/", "functions/", "docs/"))]


def test_the_command_line_runs_a_job_without_the_checkout(cloud: Cloud, installed, tmp_path):
    command = [installed / "fanfold", "run", "image-resize", images(cloud), "-s", f"destination={own(cloud)}"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(cloud), capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "the ledger adds up" in done.stdout


def test_what_needs_more_says_what(installed, tmp_path):
    variables = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        [installed / "fanfold", "local"],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, "Traceback" in done.stderr) == (4, False), done.stderr
    assert "no Fanfold project" in done.stderr


def test_the_types_of_the_kit_are_seen_by_mypy(installed, tmp_path):
    (tmp_path / "mine.py").write_text("from itemkit import Item\nItem('s3://b/k', 'k', 1).uri.nothing\n")
    done = subprocess.run(
        [BIN / "mypy", "--python-executable", installed / "python", "mine.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert '"str" has no attribute "nothing"' in done.stdout
