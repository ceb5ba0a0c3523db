"""Files that arrive: an upload to ``incoming/`` starts its run, and ends in ``processed/`` or ``failed/``."""

from __future__ import annotations

import io
import json
import random
import textwrap
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fanfold.local.server import Endpoint
from fanfold.local.stack import deploy
from tests.brought import KIT_END, OF_THE_KIT
from tests.conftest import PROJECT
from tests.waiting import until

PATIENCE = 600.0  # seconds, on a machine that does much else
TO_UPPER_CASE = "return done(body)"
# Reads the object, and before it is done has somebody upload another one under its key; once.
REPLACED_MEANWHILE = """
    if once("replaced"):
        import boto3
        bucket, key = item.uri.removeprefix("s3://").split("/", 1)
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"second")
    return done(body)
"""
POISONOUS = """
    if b"poison" in body:
        raise Unlucky("it is poison")
    return done(body)
"""


class Place:
    """A stack of its own whose uploads start runs of an operation with this body of ``process``."""

    def __init__(self, endpoint: Endpoint, process: str, **job: Any) -> None:
        self.endpoint, self.name = endpoint, f"u{uuid.uuid4().hex[:8]}"
        self.s3, self.states, self.sqs = (endpoint.client(each) for each in ("s3", "stepfunctions", "sqs"))
        account = f"{endpoint.account}-{endpoint.region}"
        self.input, self.output = f"{self.name}-input-{account}", f"{self.name}-output-{account}"
        settings = {"operation": "brought"} | {
            field: value.replace("INPUT", self.input) if isinstance(value, str) else value
            for field, value in job.items()
        }  # fmt: skip
        stack = deploy(
            endpoint,
            PROJECT / "template.yaml",
            stack_name=self.name,
            parameters={"UploadJob": json.dumps(settings)},
        )
        self.machine = stack.outputs["StateMachineArn"]
        self._bring(process)
        self._record()

    def _bring(self, process: str) -> None:
        body = textwrap.indent(textwrap.dedent(process).strip("\n"), "    ")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("brought.py", textwrap.dedent(OF_THE_KIT) + body + "\n" + textwrap.dedent(KIT_END))
            for path in (PROJECT / "itemkit").glob("*.py"):
                archive.write(path, f"itemkit/{path.name}")
        self.endpoint.client("lambda").create_function(
            FunctionName=f"{self.name}-op-brought",
            Runtime="python3.13",
            Role="arn:aws:iam::123456789012:role/brought",
            Handler="brought.handler",
            Code={"ZipFile": packed.getvalue()},
            Timeout=60,
        )

    def _record(self) -> None:
        """Have the rule's events written down in a queue beside."""
        tape = f"{self.name}-tape"
        self._tape = self.sqs.create_queue(QueueName=tape)["QueueUrl"]
        target = {"Id": "tape", "Arn": f"arn:aws:sqs:us-east-1:123456789012:{tape}"}
        self.endpoint.client("events").put_targets(Rule=f"{self.name}-uploads", Targets=[target])

    def put(self, key: str, body: str) -> None:
        self.s3.put_object(Bucket=self.input, Key=key, Body=body.encode())

    def recorded(self) -> list[dict[str, Any]]:
        """Return the events that the rule let through since this was asked last."""
        events: list[dict[str, Any]] = []
        while messages := self.sqs.receive_message(QueueUrl=self._tape, MaxNumberOfMessages=10).get("Messages"):
            events += [json.loads(message["Body"]) for message in messages]
            for message in messages:
                self.sqs.delete_message(QueueUrl=self._tape, ReceiptHandle=message["ReceiptHandle"])
        return events

    def deliver(self, event: dict[str, Any]) -> str:
        """Deliver an event once more, and return what became of it."""
        answer = self.endpoint.client("lambda").invoke(
            FunctionName=f"{self.name}-arrival", Payload=json.dumps(event).encode()
        )
        return str(json.load(answer["Payload"])["outcome"])

    def runs(self) -> list[dict[str, Any]]:
        pages = self.states.get_paginator("list_executions").paginate(stateMachineArn=self.machine)
        return [execution for page in pages for execution in page["executions"]]

    def settled(self, count: int) -> list[str]:
        """Return the states of all runs, once there are so many and all have ended."""

        def ended() -> bool:
            runs = self.runs()
            return len(runs) >= count and all(run["status"] != "RUNNING" for run in runs)

        until(ended, f"{count} runs ended", PATIENCE)
        return sorted(run["status"] for run in self.runs())

    def objects(self, bucket: str, prefix: str) -> dict[str, str]:
        """Return the texts below a prefix, by the rest of their keys."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {
            key.removeprefix(prefix): self.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys
        }

    def places(self) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
        """Return what lies in ``incoming/``, ``processed/`` and ``failed/``."""
        incoming, processed, failed = (
            self.objects(self.input, prefix) for prefix in ("incoming/", "processed/", "failed/")
        )  # fmt: skip
        return incoming, processed, failed

    def outputs(self) -> dict[str, str]:
        return self.objects(self.output, "out/brought/")

    def undelivered(self) -> list[dict[str, Any]]:
        queue = self.sqs.get_queue_url(QueueName=f"{self.name}-undelivered-uploads")["QueueUrl"]
        messages = self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with Endpoint(lambda_concurrency=2, log_dir=tmp_path_factory.mktemp("logs")) as endpoint:
        yield endpoint


def test_an_upload_is_processed_and_moved(endpoint):
    place = Place(endpoint, TO_UPPER_CASE)

    place.put("incoming/2026/a b+ü.txt", "text")

    assert place.settled(1) == ["SUCCEEDED"]
    assert place.places() == ({}, {"2026/a b+ü.txt": "text"}, {})
    assert list(place.outputs().values()) == ["TEXT"]
    assert place.undelivered() == []


@pytest.mark.parametrize(
    "count", [12, pytest.param(40, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.slow)]
)
def test_uploads_whose_events_come_twice_and_out_of_order(endpoint, count):
    place = Place(endpoint, TO_UPPER_CASE)
    texts = {f"{number:03}.txt": f"text {number}" for number in range(count)}

    for key, text in texts.items():
        place.put(f"incoming/{key}", text)
    events = place.recorded()
    random.Random(8).shuffle(events)
    for event in events[: count // 2]:  # while runs are at work
        place.deliver(event)
    states = place.settled(count)
    late = {place.deliver(event) for event in events}

    assert len(events) == count
    assert states == ["SUCCEEDED"] * count
    assert late == {"it is no longer there"}
    assert len(place.runs()) == count
    assert place.places() == ({}, texts, {})
    assert sorted(place.outputs().values()) == sorted(text.upper() for text in texts.values())
    assert place.undelivered() == []


def test_an_object_replaced_while_it_is_processed_is_processed_too(endpoint):
    place = Place(endpoint, REPLACED_MEANWHILE)

    place.put("incoming/a.txt", "first")

    assert place.settled(2) == ["SUCCEEDED", "SUCCEEDED"]
    assert place.places() == ({}, {"a.txt": "second"}, {})
    assert list(place.outputs().values()) == ["SECOND"]
    first, second = place.recorded()
    assert {place.deliver(second), place.deliver(first)} == {"it is no longer there"}


def test_a_file_that_cannot_be_processed_is_set_aside_with_the_reason(endpoint):
    place = Place(endpoint, POISONOUS)

    place.put("incoming/bad.txt", "poison")
    place.put("incoming/good.txt", "text")

    assert place.settled(2) == ["FAILED", "SUCCEEDED"]
    assert place.places() == ({}, {"good.txt": "text"}, {"bad.txt": "poison"})
    metadata = place.s3.head_object(Bucket=place.input, Key="failed/bad.txt")["Metadata"]
    assert (metadata["fanfold-error"], metadata["fanfold-message"]) == ("Unlucky", "it is poison")
    assert place.undelivered() == []


def test_a_manifest_starts_one_run_over_its_rows_and_stays(endpoint):
    place = Place(endpoint, TO_UPPER_CASE)
    for name in "abc":
        place.put(f"archive/{name}.txt", name)
    rows = "".join(f"archive/{name}.txt\n" for name in "abc")

    place.put("manifests/list.csv", f"key\n{rows}")

    assert place.settled(1) == ["SUCCEEDED"]
    assert place.objects(place.input, "archive/") == {f"{name}.txt": name for name in "abc"}
    assert list(place.objects(place.input, "manifests/")) == ["list.csv"]
    assert sorted(place.outputs().values()) == ["A", "B", "C"]


def test_outputs_and_moved_files_start_nothing_even_in_the_bucket_that_is_watched(endpoint):
    place = Place(endpoint, TO_UPPER_CASE, destination="s3://INPUT/results/")

    place.put("incoming/a.txt", "text")
    assert place.settled(1) == ["SUCCEEDED"]
    place.put("incoming/last.txt", "text")  # whatever the first run set off comes before it

    assert place.settled(2) == ["SUCCEEDED", "SUCCEEDED"]
    assert sorted(place.objects(place.input, "results/").values()) == ["TEXT", "TEXT"]
    assert sorted(event["detail"]["object"]["key"] for event in place.recorded()) == [
        "incoming/a.txt",
        "incoming/last.txt",
    ]


def test_a_job_that_would_feed_itself_starts_nothing_and_its_events_are_kept(endpoint):
    place = Place(endpoint, TO_UPPER_CASE, destination="s3://INPUT/incoming/results/")
    found: list[dict[str, Any]] = []

    place.put("incoming/a.txt", "text")

    until(lambda: found.extend(place.undelivered()) or found, "an undelivered upload")
    assert [each["requestPayload"]["detail"]["object"]["key"] for each in found] == ["incoming/a.txt"]
    assert found[0]["responsePayload"]["errorType"] == "PermanentError"
    assert "would start runs for ever" in found[0]["responsePayload"]["errorMessage"]
    assert place.runs() == []
    assert place.places() == ({"a.txt": "text"}, {}, {})


def test_without_the_parameter_uploads_start_nothing(endpoint):
    name = f"u{uuid.uuid4().hex[:8]}"
    deploy(endpoint, Path(PROJECT / "template.yaml"), stack_name=name)

    assert endpoint.client("events").list_rules(NamePrefix=f"{name}-uploads")["Rules"] == []
    functions = endpoint.client("lambda").get_paginator("list_functions").paginate()
    assert f"{name}-arrival" not in {each["FunctionName"] for page in functions for each in page["Functions"]}
