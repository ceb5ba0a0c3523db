"""``fanfold new-operation``: in a copy of the repository, everything it makes is green at once, and it runs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from fanfold.problems import EnvironmentFault, UsageProblem
from fanfold.scaffold import LONGEST_NAME, OperationName, add_operation, with_entry
from tests.conftest import PROJECT

pytestmark = pytest.mark.e2e

BIN = Path(sys.executable).parent
TEMPLATE = (PROJECT / "template.yaml").read_text()


def do(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, whose own modules come first, with no AWS account anywhere near."""
    variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "AWS_DEFAULT_REGION": "us-east-1"}
    return subprocess.run(
        [str(word) for word in words],
        env=variables | {"SAM_CLI_TELEMETRY": "0"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def fanfold(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return do(folder, sys.executable, "-m", "fanfold.cli", *words)


def said(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git has of the repository, with the operation word-count in it."""
    folder = tmp_path_factory.mktemp("copy").resolve() / "repository"
    listed = do(PROJECT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout.split("\0")
    for name in filter(None, listed):
        # The rules of the template look into the runbook.
        left_out = name.startswith(("docs/", "bench/", "tests/conformance/")) and name != "docs/runbook.md"
        if (PROJECT / name).is_file() and not left_out:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((PROJECT / name).read_bytes())
    made = fanfold(folder, "new-operation", "word-count", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) == {
        "operation": "word-count",
        "project": str(folder),
        "files": [
            "functions/word_count/operation.py",
            "functions/word_count/handler.py",
            "functions/word_count/requirements.in",
            "functions/word_count/requirements.txt",
            "sample_data/events/word_count.json",
            "tests/functions/test_word_count.py",
            "template.yaml",
        ],
    }
    return folder


@pytest.mark.parametrize(
    "words",
    [
        ["ruff", "check", "functions", "tests/functions"],
        ["ruff", "format", "--check", "functions/word_count", "tests/functions/test_word_count.py"],
        ["mypy", "-p", "functions.word_count"],
        ["pytest", "-p", "no:cacheprovider", "tests/functions/test_word_count.py"],
        [
            "pytest",
            "-p",
            "no:cacheprovider",
            "tests/template/test_template.py",
            "-k",
            "shipped_template_has_no_findings",
        ],
        ["sam", "validate", "--lint"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_all_of_it_is_green(copy, words):
    done = do(copy, BIN / words[0], *words[1:])

    assert done.returncode == 0, said(done)


def test_it_runs_over_a_directory(copy, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "a.txt").write_text("hello")
    (source / "empty").touch()

    ran = fanfold(
        copy, "run", source, "--operation", "word-count", "--option", "algorithm=blake2b", "--to", target, "--json"
    )

    assert ran.returncode == 1, ran.stderr
    summary = json.loads(ran.stdout)
    counts = {name: count for name, count in summary["items"].items() if count}
    assert (summary["operation"], counts) == ("word-count", {"listed": 2, "succeeded": 1, "failed": 1})
    assert [error["type"] for error in summary["errors"]] == ["EmptyObject"]
    assert json.loads((target / "deep/a.txt.json").read_text())["bytes"] == 5


def test_the_example_of_the_documentation_is_true(copy, tmp_path):
    here = tmp_path / "repository"
    shutil.copytree(copy, here, ignore=shutil.ignore_patterns(".*cache", ".fanfold", "__pycache__"))
    options, process = re.findall(r"```python\n(.*?)```", (PROJECT / "docs/new-operation.md").read_text(), re.DOTALL)
    operation = here / "functions/word_count/operation.py"
    text = operation.read_text().replace("import hashlib\n", "")
    head, names, tail = text.index("class EmptyObject"), text.index("def output_names"), text.index("OPERATION = ")
    between = text[names : text.index("def process")]
    operation.write_text(f"{text[:head]}{options}\n\n{between}{process}\n\n{text[tail:]}")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("one two three four")
    (tmp_path / "in/b.bin").write_bytes(b"\xff\xfe")

    checked = do(here, BIN / "ruff", "check", operation)
    words = ("--operation", "word-count", "--option", "shortest=4", "--to", tmp_path / "out", "--json")
    ran = fanfold(here, "run", tmp_path / "in", *words)

    assert checked.returncode == 0, said(checked)
    assert do(here, BIN / "ruff", "format", "--check", operation).returncode == 0
    assert ran.returncode == 1, ran.stderr
    assert json.loads((tmp_path / "out/a.txt.json").read_text()) == {"words": 2}
    assert [error["type"] for error in json.loads(ran.stdout)["errors"]] == ["NoText"]


def test_its_event_fits_its_function(copy):
    event = json.loads((copy / "sample_data/events/word_count.json").read_text())

    assert (copy / "sample_data" / event["uri"].split("/", 3)[3]).is_file()
    assert event["BatchInput"]["destination"].endswith("/tried/word-count/")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("word-count", "functions/word_count is there already"),
        ("prepare", "functions/prepare is there already"),
        ("WordCount", "is no name for an operation: write lower-case words with hyphens"),
        ("word_count", "is no name for an operation"),
        ("../evil", "is no name for an operation"),
        ("9lives", "is no name for an operation"),
        ("import", "is no name for an operation"),
        ("", "is no name for an operation"),
        ("word-count\n", "is no name for an operation"),
        ("a" * (LONGEST_NAME + 1), f"write at most {LONGEST_NAME}"),
        ("demo", "tests/test_demo.py is there already"),
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(copy, name, why):
    before = files(copy)

    done = fanfold(copy, "new-operation", name)

    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert why in done.stderr
    assert files(copy) == before


def files(folder: Path) -> dict[Path, bytes]:
    """Return all files of a folder, but for what Python, tools and runs keep."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {
        path: path.read_bytes()
        for path in found
        if not {"__pycache__", ".fanfold", ".ruff_cache", ".mypy_cache"} & {*path.parts}
    }


def test_without_a_project_it_says_so(tmp_path):
    program = str(BIN / "fanfold")

    assert do(tmp_path, program, "new-operation", "word-count").returncode == 2
    done = do(tmp_path, program, "new-operation", "word-count", "--into", tmp_path / "nowhere")
    assert (done.returncode, f"no Fanfold project (template.yaml, workflows/) in {tmp_path}" in done.stderr) == (
        2,
        True,
    )
    assert list(tmp_path.iterdir()) == []


def project(folder: Path, template: str = TEMPLATE) -> Path:
    (folder / "workflows").mkdir(parents=True)
    (folder / "template.yaml").write_bytes(template.encode())
    return folder


def test_when_writing_fails_everything_is_as_it_was(tmp_path):
    here = project(tmp_path)
    (here / "template.yaml.new").touch()  # where the new template would be written, after all else

    before = sorted(here.rglob("*"))
    with pytest.raises(EnvironmentFault, match=r"template.yaml.new: File exists; nothing was changed"):
        add_operation(here, OperationName("word-count"))
    assert (sorted(here.rglob("*")), (here / "template.yaml").read_text()) == (before, TEMPLATE)

    (here / "template.yaml.new").unlink()
    assert add_operation(here, OperationName("word-count"))[-1] == here / "template.yaml"


def test_the_template_gains_three_resources_and_loses_nothing():
    after = with_entry(TEMPLATE, OperationName("word-count"))

    lines, old = after.splitlines(), TEMPLATE.splitlines()
    start, length = lines.index("  WordCountFunction:"), len(lines) - len(old)
    assert lines[:start] + lines[start + length :] == old
    before, now = yaml_parse(TEMPLATE), yaml_parse(after)
    added = ("WordCountFunction", "WordCountFunctionRole", "WordCountLogs")
    assert {name: now["Resources"].pop(name)["Type"] for name in added} == {
        "WordCountFunction": "AWS::Serverless::Function",
        "WordCountFunctionRole": "AWS::IAM::Role",
        "WordCountLogs": "AWS::Logs::LogGroup",
    }
    assert now == before


def test_a_template_keeps_its_line_ends():
    after = with_entry(TEMPLATE.replace("\n", "\r\n"), OperationName("word-count"))

    assert after.replace("\r\n", "\n") == with_entry(TEMPLATE, OperationName("word-count"))
    assert after.count("\n") == after.count("\r\n")


def test_an_operation_of_the_same_logical_id_is_refused(tmp_path):
    here = project(tmp_path, TEMPLATE.replace("ImageResize", "Ab1"))

    with pytest.raises(UsageProblem, match=r"Ab1Function in template.yaml is there already"):
        add_operation(here, OperationName("ab-1"))


def test_a_template_without_operations_is_refused(tmp_path):
    here = project(tmp_path, TEMPLATE.replace("-op-", "-"))

    with pytest.raises(UsageProblem, match="has no log group of an operation"):
        add_operation(here, OperationName("word-count"))


@pytest.mark.parametrize("name", ["a", "a1-" * 12 + "long"])
def test_files_are_formatted_whatever_the_length_of_the_name(tmp_path, name):
    here = project(tmp_path)
    (here / "pyproject.toml").write_text((PROJECT / "pyproject.toml").read_text())
    for made in add_operation(here, OperationName(name)):
        if made.suffix == ".py":
            done = do(here, BIN / "ruff", "format", "--check", made)
            assert done.returncode == 0, said(done)
            assert max(map(len, made.read_text().splitlines())) <= 120
