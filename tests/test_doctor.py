"""``fanfold doctor``: on the endpoint, without AWS, with other programs on the PATH, and over stacks of all kinds."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from samtranslator.yaml_helper import yaml_parse

from fanfold import doctor
from fanfold.doctor import Area, Finding, State, access, environment, programs, within
from tests.conftest import PROJECT
from tests.test_cli import call

FANFOLD = Path(sys.executable).parent / "fanfold"
VERSION = metadata.version("fanfold")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is home, working directory and the whole PATH, on a machine without AWS."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"PATH": tmp_path, "HOME": tmp_path, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def named(findings: Iterable[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def run(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it where there is nothing but what the variables say."""
    return subprocess.run(
        [str(FANFOLD), "doctor", *words],
        env={"PATH": str(folder), "HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true", **variables},
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_on_the_endpoint_all_is_well(cloud):
    done = call(cloud, "doctor", "--aws", "--json")

    findings = {each["name"]: each for each in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {each["state"] for each in findings.values() if each["area"] != "build"} == {"ok"}
    assert findings["AWS account"]["found"].startswith("123456789012, as arn:aws:")
    assert findings["Stack fanfold"]["found"] == f"served at {cloud.url}"
    assert all(each["needed_for"] for each in findings.values())


def test_a_stack_that_is_not_there_is_told_and_counts_only_where_asked_for(cloud):
    asked, unasked = call(cloud, "doctor", "--aws", "--stack", "other"), call(cloud, "doctor", "--stack", "other")

    assert (asked.returncode, unasked.returncode) == (4, 0)
    assert f"missing  Stack other: not served at {cloud.url}" in asked.stdout
    assert "next: 'fanfold local --stack other' serves it" in asked.stdout


def test_without_aws_local_work_is_fine_and_the_next_step_is_said(tmp_path):
    done, asked = run(tmp_path), run(tmp_path, "--aws", AWS_DEFAULT_REGION="us-east-1")

    assert (done.returncode, done.stderr) == (0, "")
    assert "missing  AWS Region: none is set" in done.stdout
    assert "next: set AWS_REGION" in done.stdout
    assert (asked.returncode, asked.stderr) == (4, "")
    assert "missing  AWS credentials: none were found" in asked.stdout


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AWS_PROFILE": "nobody"}, "'aws configure list-profiles'"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "AWS_ENDPOINT_URL is http://127.0.0.1:9"),
        ({"AWS_ENDPOINT_URL": "no-url"}, "look after ~/.aws/config and the variables AWS_*"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "AWS access:"),
    ],
)  # fmt: skip
def test_whatever_is_wrong_with_aws_is_no_traceback(tmp_path, variables, message):
    keys = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}

    done = run(tmp_path, "--aws", **keys | variables)

    assert (done.returncode, done.stderr) == (4, "")
    assert message in done.stdout
    assert "broken   AWS access" in done.stdout


def test_a_program_for_credentials_that_is_not_there(bare):
    config = bare / "config"
    config.write_text("[default]\nregion = us-east-1\ncredential_process = /nowhere/at/all\n")

    done = run(bare, "--aws", AWS_CONFIG_FILE=str(config))

    assert (done.returncode, done.stderr) == (4, "")
    assert "broken   AWS access" in done.stdout


def test_programs_are_told_apart_there_broken_and_missing(bare):
    program(bare, "python3.13", "echo Python 3.13.9")
    program(bare, "docker", "echo 'Cannot connect to the daemon' >&2; exit 1")
    first = named(programs())
    program(bare, "podman", "echo 5.6.0")
    (bare / "python3.13").unlink()
    second = named(programs())

    assert (first["Python 3.13"].state, first["Python 3.13"].found) == (State.OK, f"Python 3.13.9, {bare}/python3.13")
    engine = first["Container engine"]
    assert (engine.state, engine.found) == (State.BROKEN, f"{bare}/docker does not work: Cannot connect to the daemon")
    assert second["Container engine"].found == f"5.6.0, {bare}/podman"
    assert (second["Python 3.13"].state, second["Python 3.13"].found) == (State.MISSING, "no python3.13 on the PATH")
    assert all(finding.step for finding in (engine, second["Python 3.13"]))


def test_a_program_that_hangs_is_not_waited_for(bare, monkeypatch):
    monkeypatch.setattr(doctor, "PROGRAM_SECONDS", 0.3)
    program(bare, "python3.13", "exec /bin/sleep 60")
    program(bare, "docker", "exec /no/such/interpreter")
    started = time.monotonic()

    findings = named(programs())

    assert time.monotonic() - started < 30
    assert findings["Python 3.13"].found.endswith("does not answer within 0.3 s")
    assert findings["Container engine"].state is State.BROKEN


def test_aws_that_hangs_is_not_waited_for():
    first, never = Finding("AWS Region", Area.AWS, "all", State.OK, "us-east-1"), threading.Event()

    def hanging() -> Iterator[Finding]:
        yield first
        never.wait()
        yield first

    told, late = within(0.2, hanging)
    never.set()

    assert (told, late.state, late.found) == (first, State.BROKEN, "no answer within 0.2 s")
    assert late.step


def test_packages_that_are_not_installed_are_named(bare, monkeypatch):
    wanted = ["boto3>=1", 'moto>=5; extra == "local"', 'no-such-thing>=1; extra == "local"', 'other; extra == "dev"']
    monkeypatch.setattr(metadata, "requires", lambda package: wanted)

    extra = named(environment())["extra 'local'"]

    assert (extra.state, extra.found) == (State.MISSING, "without no-such-thing")
    assert "fanfold[local]" in extra.step


def test_what_the_functions_of_the_project_import_is_looked_for(bare):
    (bare / "workflows").mkdir()
    (bare / "template.yaml").touch()
    (bare / "functions/mine").mkdir(parents=True)
    (bare / "functions/mine/requirements.in").write_text(
        "# a word\npillow\nno.such-thing[extra]>=2\nx; python_version < '3'\n"
    )

    findings = named(environment())

    assert findings["Project"].found == str(bare)
    assert findings["Packages of the functions"].found == "without no.such-thing"


@pytest.fixture
def account(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """CloudFormation in memory, in an account of its own."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(doctor, "AWS_SECONDS", 120)
    with mock_aws():
        yield boto3.client("cloudformation")


def create(account: Any, outputs: dict[str, Any]) -> None:
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "any"}}
    account.create_stack(
        StackName="fanfold", TemplateBody=json.dumps({"Resources": {"Any": bucket}, "Outputs": outputs})
    )


@pytest.mark.parametrize(
    ("outputs", "state", "told"),
    [
        ({"Version": {"Value": VERSION}}, State.OK, f"{VERSION}, CREATE_COMPLETE"),
        ({"Version": {"Value": "0.0.1"}}, State.BROKEN, f"0.0.1 is deployed, this is {VERSION}"),
        ({}, State.BROKEN, f"a version that does not tell its number is deployed, this is {VERSION}"),
    ],
)
def test_the_stacks_version_is_compared_with_ours(account, outputs, state, told):
    create(account, outputs)

    stack = named(access("fanfold"))["Stack fanfold"]

    assert (stack.state, stack.found) == (state, told)
    assert bool(stack.step) == (state is not State.OK)


def test_a_stack_that_is_not_deployed_is_missing(account):
    stack = named(access("fanfold"))["Stack fanfold"]

    assert (stack.state, stack.found) == (State.MISSING, "not deployed in this account and Region")
    assert stack.step.startswith("sam build && sam deploy")


def test_the_template_tells_the_version_of_the_package():
    written = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]

    assert yaml_parse((PROJECT / "template.yaml").read_text())["Outputs"]["Version"]["Value"] == written
