"""What a machine has of all that Fanfold may want, and whether AWS lets it in: one finding a thing."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from fanfold.application import Application, enclosing_project, find_project
from fanfold.faults import explain
from fanfold.problems import EnvironmentFault

OLDEST_PYTHON = (3, 11)
# Seconds for a program to tell its version, for one answer of AWS, and for all answers together: a file of credentials
# may name a program that never ends, and a name server may be silent.
PROGRAM_SECONDS = 10
ANSWER_SECONDS = 8
AWS_SECONDS = 20
# What a stack has when its resources are those of a template that was deployed whole.
_STANDING = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_REQUIREMENT = re.compile(r"[\w.-]+")


class State(StrEnum):
    """How a thing was found."""

    OK = "ok"
    MISSING = "missing"
    BROKEN = "broken"


class Area(StrEnum):
    """What a thing is for: work on this machine, building and deploying, or using what is deployed."""

    LOCAL = "local"
    BUILD = "build"
    AWS = "aws"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        needed_for: what does not work without it.
        found: what is there, or what is wrong.
        step: what to do next; empty where nothing is.
    """

    name: str
    area: Area
    needed_for: str
    state: State
    found: str
    step: str = ""


def examine(stack: str) -> Iterator[Finding]:
    """Look for everything in turn, AWS last."""
    yield from environment()
    yield from programs()
    yield from access(stack)


def environment() -> Iterator[Finding]:
    """Look for what work on this machine needs: Python, Fanfold, a project and what its functions import."""
    yield _python()
    yield from _installation()
    yield from _project()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Finding("Python", Area.LOCAL, "everything", State.OK, f"{version}, {sys.executable}")
    oldest = ".".join(map(str, OLDEST_PYTHON))
    step = f"install Python {oldest} or newer and make the environment anew"
    return Finding("Python", Area.LOCAL, "everything", State.BROKEN, f"{version}, too old", step)


def _installation() -> Iterator[Finding]:
    """Look for Fanfold and for what its extra for local work asks for."""
    version = _version()
    if version is None:
        found, step = "not installed in this environment", "pip install 'fanfold[local]', or 'make setup' in a checkout"
        yield Finding("Fanfold", Area.LOCAL, "everything", State.MISSING, found, step)
        return
    yield Finding("Fanfold", Area.LOCAL, "everything", State.OK, f"{version}, {Path(__file__).parent}")
    needed_for = "runs over directories, 'fanfold demo', 'fanfold local'"
    # Those with a condition of their own are left out: it may not hold here.
    requires = metadata.requires("fanfold") or []
    local = [each for each in requires if re.search(r""";\s*extra\s*==\s*['"]local['"]\s*$""", each)]
    yield _packages("extra 'local'", needed_for, local, "pip install 'fanfold[local]', or 'make setup' in a checkout")


def _project() -> Iterator[Finding]:
    """Look for the project, and for what its functions import when they run here."""
    needed_for = "runs over directories, 'fanfold demo', 'fanfold local', sam build"
    try:
        project = find_project()
    except EnvironmentFault:
        found, step = "no template.yaml with workflows/ here or above", "change into a checkout of Fanfold"
        yield Finding("Project", Area.LOCAL, needed_for, State.MISSING, found, step)
        return
    note = "" if enclosing_project(Path()) else ", Fanfold's own: the working directory is in none"
    yield Finding("Project", Area.LOCAL, needed_for, State.OK, f"{project}{note}")
    lines = [line for path in project.glob("functions/*/requirements.in") for line in path.read_text().splitlines()]
    wanted = [line for line in lines if _REQUIREMENT.match(line) and ";" not in line]
    step = "install them into this environment ('make setup', or pip install)"
    yield _packages("Packages of the functions", "runs on this machine", wanted, step)


def _packages(name: str, needed_for: str, requirements: Iterable[str], step: str) -> Finding:
    names = sorted({found[0] for each in requirements if (found := _REQUIREMENT.match(each))})
    missing = [each for each in names if _version(each) is None]
    if missing:
        return Finding(name, Area.LOCAL, needed_for, State.MISSING, f"without {', '.join(missing)}", step)
    return Finding(name, Area.LOCAL, needed_for, State.OK, f"all {len(names)} are installed")


def _version(package: str = "fanfold") -> str | None:
    """Return the version of a package that is installed here, ``None``: it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def programs() -> Iterator[Finding]:
    """Look for what ``sam build`` and ``sam deploy`` want; ``sam build`` takes python3.13 or an engine."""
    yield _program(
        "SAM CLI",
        "sam build, sam deploy",
        (["sam", "--version"],),
        "pip install aws-sam-cli ('make setup' has it in .venv/bin)",
    )
    yield _program(
        "Python 3.13",
        "sam build without containers",
        (["python3.13", "--version"],),
        "install it and put it on the PATH, or start a container engine for 'sam build --use-container'",
    )
    yield _program(
        "Container engine",
        "sam local invoke, sam build --use-container",
        (
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            ["finch", "info", "--format", "{{.ServerVersion}}"],
            ["podman", "info", "--format", "{{.Version.Version}}"],
        ),
        "install and start Docker, Finch or Podman (for Podman set DOCKER_HOST to its socket)",
    )


def _program(name: str, needed_for: str, commands: Iterable[list[str]], step: str) -> Finding:
    """Run the programs in turn until one answers."""
    # Those of our own environment too, even where it is not activated.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    state, found = State.MISSING, f"no {' or '.join(command[0] for command in commands)} on the PATH"
    for program, *words in commands:
        if (place := shutil.which(program, path=path)) is None:
            continue
        fault, said = _ask([place, *words])
        if not fault:
            return Finding(name, Area.BUILD, needed_for, State.OK, f"{said}, {place}")
        state, found = State.BROKEN, f"{place} {fault}"
    return Finding(name, Area.BUILD, needed_for, state, found, step)


def _ask(command: list[str]) -> tuple[str, str]:
    """Run a program that tells a version; return what is wrong with it, if anything, and what it said first."""
    try:
        done = subprocess.run(  # noqa: S603 - one of the programs above
            command, capture_output=True, text=True, errors="replace", timeout=PROGRAM_SECONDS, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"does not answer within {PROGRAM_SECONDS} s", ""
    except OSError as error:
        return f"cannot be run: {error.strerror}", ""
    said = (done.stderr if done.returncode else done.stdout).strip().splitlines()
    if done.returncode:
        return f"does not work: {said[0] if said else f'exit code {done.returncode}'}", ""
    return "", said[0] if said else "there"


def access(stack: str) -> list[Finding]:
    """Look for what work on AWS needs: Region, credentials, account and stack."""
    return within(AWS_SECONDS, lambda: _aws(stack))


def within(seconds: float, ask: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Return the findings of AWS, as far as they came in this time."""
    findings: list[Finding] = []
    failures: list[Exception] = []

    def work() -> None:
        try:
            findings.extend(ask())
        except Exception as error:
            failures.append(error)

    # A thread that no one waits for at the end: what hangs in it cannot be interrupted.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        raise failures[0]
    if thread.is_alive():
        step = "look after the network and the credentials' own program ('aws sts get-caller-identity' asks the same)"
        return [*findings, _of_aws("AWS", State.BROKEN, f"no answer within {seconds:g} s", step)]
    return findings


def _aws(stack: str) -> Iterator[Finding]:
    """Ask for Region, credentials, account and stack; what fails ends it, because the rest needs it."""
    try:
        session = boto3.Session(region_name=os.environ.get("AWS_REGION"))
        if not session.region_name:
            yield _of_aws("AWS Region", State.MISSING, "none is set", "set AWS_REGION, or 'region' in your AWS profile")
            return
        yield _of_aws("AWS Region", State.OK, session.region_name)
        credentials = session.get_credentials()
        if credentials is None:
            step = "'aws configure sso' or 'aws configure', or set AWS_PROFILE; local work needs none"
            yield _of_aws("AWS credentials", State.MISSING, "none were found", step)
            return
        yield _of_aws("AWS credentials", State.OK, f"from {credentials.method}")
        application = _application(session, stack)
        identity = application.client("sts").get_caller_identity()
        yield _of_aws("AWS account", State.OK, f"{identity['Account']}, as {identity['Arn']}")
        yield _stack(application)
    except (BotoCoreError, ClientError) as error:
        yield _of_aws("AWS access", State.BROKEN, str(explain(error)))
    except (OSError, ValueError) as error:
        # A program for credentials that is not there or talks nonsense, an AWS_ENDPOINT_URL that is no URL.
        yield _of_aws("AWS access", State.BROKEN, str(error), "look after ~/.aws/config and the variables AWS_*")


def _application(session: boto3.Session, stack: str) -> Application:
    once = Config(
        connect_timeout=ANSWER_SECONDS,
        read_timeout=ANSWER_SECONDS,
        retries={"total_max_attempts": 1, "mode": "standard"},
    )
    clients = functools.cache(lambda service: session.client(service, config=once))
    return Application(clients, stack, session.region_name)


def _of_aws(name: str, state: State, found: str, step: str = "") -> Finding:
    return Finding(name, Area.AWS, "everything on AWS", state, found, step)


def _stack(application: Application) -> Finding:
    """Look for the stack, and whether it was deployed from this version."""
    name, needed_for = f"Stack {application.stack}", "jobs on AWS"
    finding = functools.partial(Finding, name, Area.AWS, needed_for)
    cloudformation = application.client("cloudformation")
    if urlsplit(cloudformation.meta.endpoint_url).hostname in _LOOPBACK:
        return _served(application, finding)
    try:
        (described,) = cloudformation.describe_stacks(StackName=application.stack)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        step = "sam build && sam deploy; or name another with --stack or FANFOLD_STACK, another Region with AWS_REGION"
        return finding(State.MISSING, "not deployed in this account and Region", step)
    status = described["StackStatus"]
    if status not in _STANDING:
        step = (
            f"'aws cloudformation describe-stack-events --stack-name {application.stack}' tells why; 'sam deploy' again"
        )
        return finding(State.BROKEN, f"its status is {status}", step)
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    deployed, ours = outputs.get("Version", "a version that does not tell its number"), _version()
    if deployed != ours:
        return finding(State.BROKEN, f"{deployed} is deployed, this is {ours}", "sam build && sam deploy")
    return finding(State.OK, f"{deployed}, {status}")


def _served(application: Application, finding: Callable[..., Finding]) -> Finding:
    """Look for the workflow on the local endpoint, which has no stacks of CloudFormation."""
    stepfunctions = application.client("stepfunctions")
    url = stepfunctions.meta.endpoint_url
    try:
        stepfunctions.describe_state_machine(stateMachineArn=application.machine_arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "StateMachineDoesNotExist":
            raise
        step = f"'fanfold local --stack {application.stack}' serves it; --stack or FANFOLD_STACK names another"
        return finding(State.MISSING, f"not served at {url}", step)
    return finding(State.OK, f"served at {url}")
