"""Every command of the README is run, in its order, and does what stands beside it."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from itemkit.job import parse_job
from tests.conftest import PROJECT, Cloud, serving
from tests.test_cli import BIN, environment
from tests.test_cli_runs import slow
from tests.waiting import until

README = (PROJECT / "README.md").read_text("utf-8")
# The blocks without a language are what is to be typed; each by the word that it begins with.
FENCES = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
BLOCKS = {
    " ".join(block.split()[: 2 if block.startswith("fanfold") else 1]): block for kind, block in FENCES if not kind
}
DRAIN = {"operation": "image-resize", "options": {"width": 64}}
# Two of the pictures cannot be read.
SOME_FAILED = {"fanfold run", "fanfold failures", "fanfold retry", "fanfold watch"}


def commands(block: str) -> list[str]:
    """Return a block's command lines, without what they say of themselves."""
    lines = block.replace("\\\n", " ").splitlines()
    return [line.partition("  #")[0].strip() for line in lines if line.strip()]


def shell(command: str, cloud: Cloud, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line as somebody types it."""
    variables = environment(cloud)
    return subprocess.run(
        ["bash", "-c", command],
        env={**variables, "PATH": f"{BIN}{os.pathsep}{variables['PATH']}"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def ended(cloud: Cloud, run: str) -> None:
    """Wait for a run's good end."""
    described = functools.partial(
        cloud.client("stepfunctions").describe_execution, executionArn=cloud.application.execution_arn(run)
    )
    until(lambda: described()["status"] == "SUCCEEDED", f"{run} has succeeded", 90)


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with serving(tmp_path_factory.mktemp("logs"), "--parameter", f"DrainJob={json.dumps(DRAIN)}") as cloud:
        yield cloud


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sample_data").symlink_to(PROJECT / "sample_data")
    return tmp_path


def test_all_blocks_are_those_that_are_run_here():
    assert set(BLOCKS) == {"make", "sam", "fanfold new-operation", "fanfold plan", "fanfold run", "export"}


def test_the_first_command_is_the_demo_and_its_output_what_the_demo_expects():
    """``tests/test_demo.py`` runs what this finds."""
    command = ["make", "--dry-run", "--no-print-directory", "run"]
    apart = {"PATH": os.environ["PATH"]}  # from the make that may have called this
    said = subprocess.run(command, cwd=PROJECT, env=apart, capture_output=True, text=True, check=True).stdout
    items = json.loads((PROJECT / "sample_data/expected/images.json").read_text())["items"]

    assert BLOCKS["make"] == "make run\n"
    assert said.splitlines()[-1] == ".venv/bin/fanfold demo --to out"
    told = " + ".join(f"{count} {status}" for status, count in items.items() if status != "listed")
    assert f"  {items['listed']} listed = {told}\n" in README.split("```text\n")[1]


def test_the_first_thirty_lines_have_all_to_begin_with():
    beginning = "\n".join(README.splitlines()[:35])

    assert all(
        each in beginning for each in ("make run", "the ledger adds up", "report.png", "sam build && sam deploy")
    )
    assert all(commands(BLOCKS["sam"])[0] in beginning for _ in BLOCKS)


def test_it_is_deployed():
    pytest.skip(
        "there is no AWS here to deploy to; tests/template/ and `make lint-cloud` review what would be deployed"
    )


@pytest.mark.e2e
def test_a_function_runs_alone():
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode
    ):
        pytest.skip("`sam local invoke` needs Docker; the same event goes through the endpoint in the last block")
    command = re.findall(r"`(sam local invoke [^`]+)`", README)[0]
    done = subprocess.run([str(BIN / "sam"), *shlex.split(command)[1:]], cwd=PROJECT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_job_is_one():
    (shown,) = (block for kind, block in FENCES if kind == "json")

    assert parse_job(json.loads(shown)).operation == "table-transform"


def test_the_cost_is_that_of_the_page_about_it():
    """``tests/test_planning.py`` works the page out."""
    rows = re.findall(r"^\| (.*) \|$", (PROJECT / "docs/cost.md").read_text(), re.MULTILINE)
    cells = {row.split(" | ")[0]: row.replace("*", "").split(" | ")[1:] for row in rows}
    states, functions, requests, _, total = cells["50 a child, EXPRESS"]
    told = README.split("## What it costs")[1].split("## ")[0]

    assert f"**${total}**, of which S3 requests are {requests}, Lambda {functions}, Step Functions {states}." in told
    assert f"make it ${float(cells['1 a child, STANDARD'][-1]):.0f}." in told


@pytest.mark.e2e
def test_pictures_are_copied_and_a_run_is_started(laptop, folder):
    _, copy, start = (
        line.replace("ACCOUNT", "123456789012").replace("REGION", "us-east-1") for line in commands(BLOCKS["sam"])
    )

    assert shell(copy, laptop, folder).returncode == 0
    started = shell(start, laptop, folder)

    assert started.returncode == 0, started.stderr
    ended(laptop, json.loads(started.stdout)["executionArn"].rpartition(":")[2])


@pytest.mark.e2e
def test_the_commands_in_their_order(laptop, folder):
    laptop.put("incoming/one.jpg", (PROJECT / "sample_data/images/orientation-1.jpg").read_bytes())
    run = ""
    for line in commands(BLOCKS["fanfold plan"]):
        at_work = line.startswith(("fanfold tune", "fanfold stop"))
        name = slow(laptop, line.split()[1])[0] if at_work else run
        done = shell(line.replace("BUCKET", laptop.application.input_bucket).replace("RUN", name), laptop, folder)
        command = " ".join(line.split()[:2])
        if command != "fanfold doctor":  # its code tells of this machine, and it is tested where that is known
            assert (line, done.returncode) == (line, 1 if command in SOME_FAILED else 0), done.stderr
        assert done.stdout or done.stderr, line
        if command == "fanfold run":
            listed = json.loads(shell("fanfold status --json", laptop, folder).stdout)
            run = next(each["run"] for each in listed if each["run"].startswith("image-resize-"))
            assert "the ledger adds up" in done.stdout
    assert (folder / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.e2e
def test_directories_of_this_machine(laptop, folder):
    shutil.copytree(PROJECT / "sample_data/images/album", folder / "photos")

    done = shell(BLOCKS["fanfold run"], laptop, folder)

    assert done.returncode == 0, done.stderr
    pictures = {path.relative_to(folder / "photos") for path in (folder / "photos").rglob("*.jpg")}
    assert {path.relative_to(folder / "thumbs") for path in (folder / "thumbs").rglob("*.jpg")} == pictures != set()


@pytest.mark.e2e
def test_an_operation_is_made(laptop, folder):
    """``tests/test_new_operation.py`` tells that it is green and runs."""
    project = folder / "project"
    for name in ("workflows", "functions", "tests/functions", "sample_data/events"):
        shutil.copytree(PROJECT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "template.yaml", project)

    done = shell(BLOCKS["fanfold new-operation"].replace("PROJECT", "project"), laptop, folder)

    assert done.returncode == 0, done.stderr
    assert (project / "functions/word_count/operation.py").is_file()


@pytest.mark.e2e
def test_the_aws_cli_on_a_laptop(laptop, folder):
    exports, lines = [], []
    for line in commands(BLOCKS["export"]):
        (exports if line.startswith("export ") else lines).append(line)
    told = dict(word.split("=", 1) for line in exports for word in line.split()[1:])
    assert told == {name: environment(laptop)[name] for name in told} | {"AWS_ENDPOINT_URL": "http://127.0.0.1:4570"}

    for line in lines:
        if "s3 ls" in line:
            ended(laptop, "first")
        done = shell(line, laptop, folder)
        assert (line, done.returncode) == (line, 0), done.stderr
        assert done.stdout, line
    assert "succeeded" in (folder / "answer.json").read_text()


def test_the_examples_are_tested():
    runs = re.findall(r"`examples/([\w-]+)/run`", README)

    assert sorted(runs) == sorted(path.parent.name for path in (PROJECT / "examples").glob("*/run"))
    for name in runs:
        assert (PROJECT / "tests/examples" / f"test_{name.replace('-', '_')}.py").is_file()
