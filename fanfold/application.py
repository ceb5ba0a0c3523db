"""The deployed application as the command line sees it, on AWS or behind the local endpoint: AWS APIs and names."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.utils import parse_timestamp

from fanfold.local.protocol import Clients
from fanfold.problems import EnvironmentFault, UsageProblem

LOGS = Path(".fanfold", "logs")
# Seconds that Lambda gives a function at most; Prepare takes minutes to rewrite a large manifest.
LONGEST_FUNCTION = 900
CONNECTIONS = 32


@dataclass(frozen=True)
class Application:
    """A deployed stack, reached through AWS APIs alone.

    The names are those of ``template.yaml``: ``STACK-process``, ``STACK-input-ACCOUNT-REGION``, ``STACK-op-NAME``.

    Attributes:
        existing_input: the template's ``ExistingInputBucket``, empty where the stack has a bucket of its own.
        existing_output: the same of ``ExistingOutputBucket``.
    """

    client: Clients
    stack: str
    region: str
    existing_input: str = ""
    existing_output: str = ""

    @functools.cached_property
    def _caller(self) -> tuple[str, str]:
        """The partition and the account of the caller."""
        arn = str(self.client("sts").get_caller_identity()["Arn"]).split(":")
        return arn[1], arn[4]

    @property
    def machine_arn(self) -> str:
        """The ARN of the workflow."""
        partition, account = self._caller
        return f"arn:{partition}:states:{self.region}:{account}:stateMachine:{self.stack}-process"

    @property
    def drain_arn(self) -> str:
        """The ARN of the workflow that drains ``incoming/``."""
        return self.machine_arn.removesuffix("-process") + "-drain"

    def execution_arn(self, run: str) -> str:
        """Return the ARN of a run of the workflow."""
        return f"{self.machine_arn.replace(':stateMachine:', ':execution:')}:{run}"

    @property
    def input_bucket(self) -> str:
        """The bucket for what is to be processed."""
        return self.existing_input or f"{self.stack}-input-{self._caller[1]}-{self.region}"

    @property
    def output_bucket(self) -> str:
        """The bucket with ``out/`` and ``runs/``."""
        return self.existing_output or f"{self.stack}-output-{self._caller[1]}-{self.region}"

    @property
    def prepare_function(self) -> str:
        """The function that checks and plans a job."""
        return f"{self.stack}-prepare"

    @property
    def operation_prefix(self) -> str:
        """What the names of the operations' functions begin with."""
        return f"{self.stack}-op-"


def on_aws(stack: str) -> Application:
    """Connect as the AWS CLI would: environment, profile, ``AWS_ENDPOINT_URL``.

    ``FANFOLD_INPUT_BUCKET`` and ``FANFOLD_OUTPUT_BUCKET`` name the buckets of a stack that was given existing ones.

    Raises:
        EnvironmentFault: no Region is set.
    """
    core = botocore.session.get_session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_instant)
    # boto3 knows AWS_DEFAULT_REGION alone; the AWS CLI knows both, and this one first.
    session = boto3.Session(botocore_session=core, region_name=os.environ.get("AWS_REGION"))
    if not session.region_name:
        raise EnvironmentFault("no AWS Region is set: set AWS_REGION, or 'region' in your AWS profile")
    usual = Config(max_pool_connections=CONNECTIONS)
    patient = Config(read_timeout=LONGEST_FUNCTION + 10, tcp_keepalive=True)
    clients = functools.cache(
        lambda service: session.client(service, config=usual.merge(patient) if service == "lambda" else usual)
    )
    existing = (os.environ.get(f"FANFOLD_{name}_BUCKET", "") for name in ("INPUT", "OUTPUT"))
    return Application(clients, stack, session.region_name, *existing)


def _instant(value: Any) -> Any:
    """Read a timestamp of an answer; botocore's own way takes most of the time of listing a million objects."""
    if isinstance(value, str) and value.endswith("Z"):
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    return parse_timestamp(value)


@dataclass(frozen=True)
class Serving:
    """How the local endpoint serves; see ``fanfold.local.server.Endpoint``.

    Attributes:
        log_dir: the folder for the functions' logs, a file each; ``LOGS`` of the project where there is none.
        lambda_concurrency: functions at work at once; as many as the machine has cores where there is none.
        verbose: show the functions' logs on stderr too.
        directories: those of this machine that a job may name.
    """

    host: str = "127.0.0.1"
    port: int = 0
    log_dir: Path | None = None
    lambda_concurrency: int | None = None
    verbose: bool = False
    directories: tuple[Path, ...] = ()


@contextmanager
def on_this_machine(
    stack: str,
    project: Path,
    serving: Serving = Serving(),
    parameters: Mapping[str, str] = MappingProxyType({}),
    beside: Iterable[Path] = (),
) -> Iterator[Application]:
    """Stand the application up behind an endpoint of our own, for as long as the context lasts.

    Args:
        stack: the stack's name.
        project: the folder with ``template.yaml``.
        serving: how it is served.
        parameters: of the template, where they are not to have their defaults.
        beside: templates of operations, each stood up as a stack of its own.

    Raises:
        EnvironmentFault: the packages of the ``local`` extra are missing.
        UsageProblem: the template does not take the parameters, or one beside it has a fault.
    """
    try:
        # Not at the top: an installation without the ``local`` extra has none of it, and needs none of it on AWS.
        from fanfold.local.server import Endpoint  # noqa: PLC0415
        from fanfold.local.stack import StackError, deploy  # noqa: PLC0415
        from fanfold.local.stack.beside import deploy_beside  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise EnvironmentFault(f"the local endpoint needs {error.name}: pip install 'fanfold[local]'") from error
    log_dir = serving.log_dir or project / LOGS
    with Endpoint(**vars(replace(serving, log_dir=log_dir))) as endpoint:
        try:
            stood = deploy(endpoint, project / "template.yaml", stack_name=stack, parameters=parameters)
            deploy_beside(endpoint, stood, beside)
        except StackError as error:
            raise UsageProblem(str(error)) from error
        yield Application(endpoint.client, stack, endpoint.region)


def find_project(start: Path | None = None) -> Path:
    """Return the folder with ``template.yaml``: the working directory or one above it, else the package's own checkout.

    Raises:
        EnvironmentFault: there is none.
    """
    here = start or Path(os.curdir)
    project = enclosing_project(here) or enclosing_project(Path(__file__).parent)
    if project is None:
        raise EnvironmentFault(
            f"no Fanfold project (template.yaml, workflows/) in {here.resolve()} or above: change into a checkout"
        )
    return project


def enclosing_project(start: Path) -> Path | None:
    """Return the project that a folder lies in: itself or the nearest above it; ``None`` where there is none."""
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / "template.yaml").is_file() and (folder / "workflows").is_dir():
            return folder
    return None


def lambda_answer(answer: Any) -> bytes:
    """Return the payload of a Lambda Invoke answer."""
    body: bytes = answer["Payload"].read()
    return body
