"""A place where maps run, used as a user would: over HTTP, with boto3, by the AWS APIs alone."""

from __future__ import annotations

import io
import json
import tempfile
import time
import uuid
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.config import Config

from fanfold.local.server import isolated_session

from . import handler

BUCKET = "bench-items"
_ROLE = "arn:aws:iam::123456789012:role/bench"
_POLL_SECONDS = 0.1


class MapFailed(Exception):
    """A map that did not succeed: how it ended and why, as the API tells it."""


@dataclass(frozen=True)
class Execution:
    """An execution that succeeded.

    Attributes:
        seconds: from before StartExecution to the ``stopDate`` the endpoint gives (the same clock), so that looking
            seldom costs no accuracy.
    """

    arn: str
    seconds: float


class Site:
    """The clients of one endpoint, with the bench's functions and bucket made in it.

    Raises botocore's errors where the endpoint cannot even do that.
    """

    def __init__(self, url: str) -> None:
        session: Any = isolated_session("us-east-1")
        config = Config(
            proxies={}, read_timeout=120, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}
        )
        self._s3, self._lambda, self._states = (
            session.client(service, endpoint_url=url, config=config) for service in ("s3", "lambda", "stepfunctions")
        )
        self._s3.create_bucket(Bucket=BUCKET)

    def deploy(self, name: str, seconds: int = 300) -> str:
        """Create the function ``name`` of the handler module and return its name; raises MapFailed where it cannot."""
        self._lambda.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler=f"handler.{name}",
            Role=_ROLE,
            Timeout=seconds,
            Code={"ZipFile": _archive()},
        )
        while (told := self._lambda.get_function_configuration(FunctionName=name)).get("State") == "Pending":
            time.sleep(_POLL_SECONDS)
        if told.get("State", "Active") != "Active":
            raise MapFailed(f"its function is {told['State']}: {told.get('StateReason', 'it does not say why')}")
        return name

    def upload(self, key: str, lines: Iterable[str]) -> str:
        """Store an object of these lines, in parts, so that no process holds it whole; return its key."""
        with tempfile.TemporaryFile() as file:
            file.writelines(f"{line}\n".encode() for line in lines)
            file.seek(0)
            self._s3.upload_fileobj(file, BUCKET, key)
        return key

    def machine(self, definition: dict[str, Any]) -> str:
        """Create a state machine and return its ARN."""
        created = self._states.create_state_machine(
            name=f"bench-{uuid.uuid4()}", definition=json.dumps(definition), roleArn=_ROLE
        )
        return str(created["stateMachineArn"])

    def run(self, machine: str, patience: float = 600) -> Execution:
        """Run a state machine to its end; raises MapFailed, also for one not at its end in ``patience`` seconds."""
        began = time.time()
        arn = self._states.start_execution(stateMachineArn=machine)["executionArn"]
        while time.time() < began + patience:
            told = self._states.describe_execution(executionArn=arn)
            if told["status"] == "SUCCEEDED":
                return Execution(arn, told["stopDate"].timestamp() - began)
            if told["status"] != "RUNNING":
                raise MapFailed(f"{told['status']}: {told.get('error', '')} {told.get('cause', '')}".strip())
            time.sleep(_POLL_SECONDS)
        raise MapFailed(f"still running after {patience:.0f} s")

    def output(self, execution: Execution) -> str:
        """Return the execution's output, JSON."""
        return str(self._states.describe_execution(executionArn=execution.arn)["output"])

    def succeeded(self, execution: Execution) -> int:
        """Return how many items the execution's map counts as succeeded."""
        (run,) = self._states.list_map_runs(executionArn=execution.arn)["mapRuns"]
        return int(self._states.describe_map_run(mapRunArn=run["mapRunArn"])["itemCounts"]["succeeded"])


def _archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.write(Path(handler.__file__), "handler.py")
    return buffer.getvalue()
