"""One application behind one local endpoint for all end-to-end tests of a test process.

It is ``fanfold local`` in a process of its own, as users run it; moto has one world a process, and other tests use it.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from fanfold.application import Application

PROJECT = Path(__file__).resolve().parent.parent
# A run that has not ended by then never will.
PATIENCE = 90.0


@dataclass(frozen=True)
class Run:
    """A finished execution: DescribeExecution's answer and, where there is one, its output."""

    described: dict[str, Any]

    @property
    def status(self) -> str:
        return self.described["status"]

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads(self.described["output"])


@dataclass(frozen=True)
class Cloud:
    """The application as a test uses it: over HTTP, with boto3."""

    application: Application
    url: str

    def client(self, service: str) -> Any:
        return self.application.client(service)

    def run(self, job: dict[str, Any], name: str | None = None) -> Run:
        """Run a job that writes to a place of its own, so that no other test's outputs count as done."""
        own = f"s3://{self.application.output_bucket}/tests/{uuid.uuid4()}/"
        return self.run_as_it_is({"destination": own, **job}, name)

    def run_as_it_is(self, job: dict[str, Any], name: str | None = None) -> Run:
        """Start the workflow as a user of AWS would, and wait for its end."""
        stepfunctions = self.client("stepfunctions")
        named = {"name": name} if name else {}
        started = stepfunctions.start_execution(
            stateMachineArn=self.application.machine_arn, input=json.dumps(job), **named
        )
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            described = stepfunctions.describe_execution(executionArn=started["executionArn"])
            if described["status"] != "RUNNING":
                return Run(described)
            time.sleep(0.05)
        raise AssertionError(f"{started['executionArn']} did not end in {PATIENCE} s")

    def put(self, key: str, body: bytes) -> str:
        """Put an object into the input bucket and return its URI."""
        self.client("s3").put_object(Bucket=self.application.input_bucket, Key=key, Body=body)
        return f"s3://{self.application.input_bucket}/{key}"

    def get(self, uri: str) -> bytes:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        return self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()

    def keys(self, uri: str) -> list[str]:
        """Return the keys below a URI, relative to it."""
        bucket, prefix = uri.removeprefix("s3://").split("/", 1)
        pages = self.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return sorted(entry["Key"].removeprefix(prefix) for page in pages for entry in page.get("Contents", []))


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with serving(tmp_path_factory.mktemp("logs")) as cloud:
        yield cloud


@contextmanager
def serving(logs: Path, *more: str) -> Iterator[Cloud]:
    """Serve the application in a process of its own, for as long as the context lasts; ``more`` are arguments."""
    command = [str(Path(sys.executable).parent / "fanfold"), "local", "--port", "0", "--logs", str(logs), *more]
    with subprocess.Popen(command, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = _url(process)
            yield Cloud(Application(_clients(url), "fanfold", "us-east-1"), url)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def _url(process: subprocess.Popen[str]) -> str:
    """Read the story of ``fanfold local`` up to where it serves."""
    told = []
    for line in process.stderr:
        told.append(line)
        if found := re.match(r"Serving (http://\S+)", line):
            return found[1]
    raise AssertionError(f"fanfold local ended: {''.join(told)}")


def _clients(url: str) -> Any:
    session = boto3.Session("local", "local", region_name="us-east-1")
    return functools.cache(lambda service: session.client(service, endpoint_url=url))
