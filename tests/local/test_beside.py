"""Operations with a template of their own, stood up beside the application."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fanfold.local.server import Endpoint
from fanfold.local.stack import Stack, StackError
from fanfold.local.stack.beside import deploy_beside
from tests.conftest import PROJECT, serving

pytestmark = pytest.mark.e2e

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  FanfoldStack: {Type: String, Default: fanfold}
Resources:
  Shout:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Sub ${FanfoldStack}-op-NAME
      Description: !Sub of ${AWS::StackName}
      Runtime: python3.13
      Timeout: 30
      MemorySize: 512
      CodeUri: .
      Handler: shouting.handler
      Layers: [!Ref Kit]
  Kit: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: ITEMKIT}}
"""
SHOUTING = """
from dataclasses import dataclass
from itemkit import Operation, Output, Result, lambda_handler

@dataclass(frozen=True)
class Options:
    pass

def process(item, body, options):
    return Result([Output(body.upper(), "text/plain")])

handler = lambda_handler(Operation("NAME", "1", "says it aloud", Options, lambda name, options: [name], process))
"""


def write(folder: Path, name: str = "shout", template: str = TEMPLATE) -> Path:
    """Write an operation with its template into a folder; return the template."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "shouting.py").write_text(SHOUTING.replace("NAME", name))
    path = folder / "template.yaml"
    path.write_text(template.replace("NAME", name).replace("ITEMKIT", str(PROJECT / "itemkit")))
    return path


def fanfold(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "fanfold"), *map(str, words)],
        env={"PATH": os.environ["PATH"], "HOME": "/"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(port=0) as endpoint:
        yield endpoint


def application(*functions: str) -> Stack:
    """Return a stack called ``app`` that has these functions."""
    return Stack("app", {}, {}, {}, dict(enumerate(functions)), {})


def functions(endpoint: Endpoint) -> dict[str, Any]:
    return {each["FunctionName"]: each for each in endpoint.client("lambda").list_functions()["Functions"]}


def test_it_is_a_stack_of_its_folders_name_and_told_the_applications(endpoint, tmp_path):
    deploy_beside(endpoint, application("app-op-other"), [write(tmp_path / "echo"), write(tmp_path / "b", "whisper")])

    stood = functions(endpoint)
    assert stood["app-op-shout"]["Description"] == "of app-echo"
    assert stood["app-op-whisper"]["Description"] == "of app-b"


def test_a_template_that_asks_for_no_application_is_told_of_none(endpoint, tmp_path):
    plain = TEMPLATE.replace("Parameters:\n  FanfoldStack: {Type: String, Default: fanfold}\n", "")
    deploy_beside(endpoint, application(), [write(tmp_path, "plain", plain.replace("${FanfoldStack}", "any"))])

    assert "any-op-plain" in functions(endpoint)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("a: [", "is no YAML"),
        ("- a list", "has no Resources"),
        ("Resources: {A: text}", "has no Resources"),
        ("Resources: {A: {Type: AWS::Moon::Base}}", "a resource of type AWS::Moon::Base has no local counterpart"),
        (TEMPLATE.replace("CodeUri: .", "CodeUri: gone/"), "gone does not exist"),
        (TEMPLATE.replace("NAME", "other"), "another stack has a function app-op-other already"),
        (TEMPLATE.replace("FanfoldStack: {Type", "Bucket: {Type: String}\n  FanfoldStack: {Type"), "no default"),
    ],
)
def test_its_faults_are_told(endpoint, tmp_path, template, message):
    with pytest.raises(StackError, match=message):
        deploy_beside(endpoint, application("app-op-other"), [write(tmp_path, "x", template)])


def test_two_of_them_may_not_have_one_function(endpoint, tmp_path):
    with pytest.raises(StackError, match=r"b/template\.yaml: another stack has a function app-op-shout already"):
        deploy_beside(endpoint, application(), [write(tmp_path / "a"), write(tmp_path / "b")])


def test_a_directory_is_run_through_an_operation_of_ones_own(tmp_path):
    source, target = tmp_path / "words", tmp_path / "aloud"
    source.mkdir()
    (source / "a.txt").write_text("hello")

    template = write(tmp_path / "mine")
    ran = fanfold("run", "shout", source, "--template", template, "--to", target, "--json", "--stack", "named")

    assert ran.returncode == 0, ran.stderr
    counts = {name: count for name, count in json.loads(ran.stdout)["items"].items() if count}
    assert counts == {"listed": 1, "succeeded": 1}
    assert (target / "a.txt").read_text() == "HELLO"


def test_it_is_told_among_the_operations(tmp_path):
    mine, other = write(tmp_path / "mine"), write(tmp_path / "other", "whisper")

    told = fanfold("operations", "whisper", "--local", "--template", mine, "--template", other, "--json")

    assert told.returncode == 0, told.stderr
    assert [(each["operation"], each["summary"]) for each in json.loads(told.stdout)] == [("whisper", "says it aloud")]


def test_the_served_application_runs_it(tmp_path):
    with serving(tmp_path / "logs", "--template", str(write(tmp_path / "mine"))) as cloud:
        cloud.put("words/a.txt", b"hello")
        source, destination = (
            f"s3://{bucket}/words/" for bucket in (cloud.application.input_bucket, cloud.application.output_bucket)
        )
        ran = cloud.run({"operation": "shout", "source": source, "destination": destination})

        assert ran.status == "SUCCEEDED", ran.described
        assert cloud.get(f"{destination}a.txt") == b"HELLO"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "shout", "s3://b/x/", "--template", "mine.yaml"], "--template goes with a directory, not with S3"),
        (["operations", "--template", "mine.yaml"], "--template goes with --local"),
        (["operations", "--local", "--template", "nowhere/mine.yaml"], "the template nowhere/mine.yaml cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_problem(words, message):
    done = fanfold(*words)

    assert (done.returncode, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.split())
