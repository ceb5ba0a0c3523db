"""Buckets in memory, and a map run's leavings in exactly the shapes that AWS writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from itemkit.event import BatchResult, write_records
from itemkit.record import Record
from itemkit.store import S3Store
from itemkit.tally import Tally

REGION = "us-east-1"
STARTED = datetime(2026, 11, 21, 8, tzinfo=UTC)


@pytest.fixture(scope="session")
def clients() -> dict[str, Any]:
    """The boto3 clients of all tests, because making one takes longer than a test.

    They ask once: how boto3 tries again is not ours to test.
    """
    once = Config(retries={"total_max_attempts": 1})
    session = boto3.Session("any", "any", region_name=REGION)
    return {name: session.client(name, config=once) for name in ("s3", "lambda", "glue")}


@pytest.fixture
def s3(clients: dict[str, Any]) -> Iterator[Any]:
    """An S3 client with the empty buckets ``photos`` and ``output``."""
    with mock_aws():
        for bucket in ("photos", "output"):
            clients["s3"].create_bucket(Bucket=bucket)
        yield clients["s3"]


@pytest.fixture
def glue(s3: Any, clients: dict[str, Any]) -> Any:
    """A Glue client with the empty database ``fanfold``."""
    clients["glue"].create_database(DatabaseInput={"Name": "fanfold"})
    return clients["glue"]


@pytest.fixture
def intercept(clients: dict[str, Any]) -> Iterator[Callable[[str, Callable[..., Any]], None]]:
    """Answers calls in place of AWS: ``intercept("s3.HeadBucket", function of the request)``."""
    events, installed = {name: client.meta.events for name, client in clients.items()}, []

    def install(call: str, handler: Callable[..., Any]) -> None:
        installed.append((call, handler))
        events[call.partition(".")[0]].register_first(f"before-send.{call}", handler)

    yield install
    for call, handler in installed:
        events[call.partition(".")[0]].unregister(f"before-send.{call}", handler)


@pytest.fixture
def context() -> Any:
    """What Lambda tells a handler of itself."""
    return SimpleNamespace(
        function_name="fanfold",
        memory_limit_in_mb=1769,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:fanfold",
        aws_request_id="request",
    )


@dataclass
class MapRunDouble:
    """Writes the files of a map run, and answers for it as Step Functions does (its one client method pair).

    Attributes:
        listed, status, running, redrives: what DescribeMapRun tells.
        map_runs: what ListMapRuns tells: by default this run, after an older one.
        error: raised instead of any answer.
    """

    s3: Any
    listed: int = 0
    status: str = "SUCCEEDED"
    running: int = 0
    redrives: int = 0
    error: Exception | None = None
    source: dict[str, Any] = field(
        default_factory=lambda: {"kind": "prefix", "uri": "s3://photos/in/", "bucket": "photos", "prefix": "in/"}
    )
    run_id: str = "0c7e0c9a-2f0e-4a53-9e0e-5c1de1a6a001"

    @property
    def arn(self) -> str:
        return f"arn:aws:states:us-east-1:123456789012:mapRun:fanfold-process/Prefix:{self.run_id}"

    @property
    def folder(self) -> str:
        return f"runs/r1/results/{self.run_id}/" + (f"Redrive-{self.redrives}/" if self.redrives else "")

    @property
    def map_runs(self) -> list[dict[str, Any]]:
        older = {"mapRunArn": "arn:of:an:older:map:run", "startDate": STARTED}
        return [older, {"mapRunArn": self.arn, "startDate": STARTED + timedelta(minutes=1)}]

    def list_map_runs(self, executionArn: str) -> dict[str, Any]:  # noqa: N803 - AWS's name
        if self.error:
            raise self.error
        return {"mapRuns": self.map_runs}

    def describe_map_run(self, mapRunArn: str) -> dict[str, Any]:  # noqa: N803
        if self.error:
            raise self.error
        assert mapRunArn == self.arn
        return {
            "mapRunArn": self.arn,
            "status": self.status,
            "itemCounts": {"total": self.listed},
            "executionCounts": {"running": self.running},
            "redriveCount": self.redrives,
        }

    def batch(self, name: str, records: Sequence[Record], *, shown: int = 3) -> dict[str, Any]:
        """Write a batch's records and return its result, as an item function does."""
        tally = Tally()
        for record in records:
            tally.add(record)
        key = f"runs/r1/records/pass-1/{name}.jsonl.gz"
        self.s3.put_object(Bucket="output", Key=key, Body=write_records(records))
        failures = [record.to_json() for record in records if record.failure][:shown]
        return BatchResult(name, 1, tally, f"s3://output/{key}", failures).to_json()

    def child(self, name: str, entries: Sequence[Any], **fields: Any) -> dict[str, Any]:
        """Return the record of a child that did not succeed; ``Error`` and ``Cause`` are among ``fields``."""
        account = "arn:aws:states:us-east-1:123456789012"
        told = {
            "ExecutionArn": f"{account}:express:fanfold-process/Prefix:{name}:{self.run_id}",
            "Input": self.input(entries),
            "InputDetails": {"Included": True},
            "Name": name,
            "OutputDetails": {"Included": True},
            "RedriveCount": 0,
            "RedriveStatus": "REDRIVABLE_BY_MAP_RUN",
            "StartDate": "2026-11-21T08:00:02.219Z",
            "StateMachineArn": f"{account}:stateMachine:fanfold-process/Prefix",
            "Status": "FAILED",
            "StopDate": "2026-11-21T08:00:04.107Z",
        }
        return dict(sorted({**told, **fields}.items()))

    def hopeless(self, result: dict[str, Any], entries: Sequence[Any]) -> dict[str, Any]:
        """Return the record of a child all of whose items failed."""
        return self.child(result["batch"], entries, Error="AllItemsFailed", Cause=json.dumps(result))

    def pending(self, entries: Sequence[Any]) -> dict[str, Any]:
        """Return the record of a child that was never started."""
        return {"Input": self.input(entries), "InputDetails": {"Included": True}, "Status": "PENDING"}

    def input(self, entries: Sequence[Any]) -> str:
        """Return a child's input, as ItemBatcher makes it, as the text in its record."""
        settings = {
            "run": "r1",
            "pass": 1,
            "operation": "image-resize",
            "function": "fanfold-op-image-resize",
            "options": {"width": 512},
            "source": self.source,
            "select": {},
            "destination": "s3://output/out/image-resize/",
            "overwrite": False,
            "records": "s3://output/runs/r1/records/pass-1/",
        }
        return json.dumps({"BatchInput": settings, "Items": list(entries)}, separators=(",", ":"))

    def write(
        self,
        succeeded: Sequence[Sequence[Any]] = (),
        failed: Sequence[Sequence[Any]] = (),
        pending: Sequence[Sequence[Any]] = (),
    ) -> None:
        """Write the parts of each status and the manifest that names them."""
        files = {"FAILED": failed, "PENDING": pending, "SUCCEEDED": succeeded}
        named = {status: [self._part(status, *each) for each in enumerate(parts)] for status, parts in files.items()}
        manifest = {"DestinationBucket": "output", "MapRunArn": self.arn, "ResultFiles": named}
        self.s3.put_object(Bucket="output", Key=f"{self.folder}manifest.json", Body=json.dumps(manifest).encode())

    def _part(self, status: str, number: int, lines: Sequence[Any]) -> dict[str, Any]:
        key = f"{self.folder}{status}_{number}.jsonl"
        body = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        self.s3.put_object(Bucket="output", Key=key, Body=body)
        return {"Key": key, "Size": len(body)}


@pytest.fixture
def map_run(s3: Any) -> MapRunDouble:
    """A map run over ``s3://photos/in/`` whose results lie below ``s3://output/runs/r1/``."""
    return MapRunDouble(s3)


@pytest.fixture
def store(s3: Any) -> S3Store:
    """The store over the buckets in memory."""
    return S3Store(s3)
