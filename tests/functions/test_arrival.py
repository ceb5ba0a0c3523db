"""Arrival: the name and the job of an upload's run, and whether one is started."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from fanfold.local.server import Endpoint
from functions.arrival.starter import FOLDER, GONE, KNOWN, REPLACED, STARTED, Starter
from functions.arrival.upload import Upload, job_for, upload_of
from itemkit.errors import PermanentError
from itemkit.job import parse_job

SETTINGS = {"operation": "image-resize", "options": {"width": 512}}
UPLOAD = Upload("in", "incoming/a b.jpg", "b1946ac92492d2347c6235b4d2611184", "v1")
MOVES = {"from": "s3://in/incoming/", "move_source_to": "s3://in/processed/", "move_failed_to": "s3://in/failed/"}


def job(upload: Upload = UPLOAD, **settings: Any) -> dict[str, Any]:
    return job_for(upload, json.dumps(SETTINGS | settings))


def test_an_event_is_read_as_the_upload_it_tells_of():
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": "in"},
            "object": {"key": "incoming/a b.jpg", "size": 3, "etag": UPLOAD.etag, "version-id": "v1"},
        },
    }

    assert upload_of(event) == UPLOAD
    assert UPLOAD.uri == "s3://in/incoming/a b.jpg"


def test_in_a_bucket_without_versions_an_upload_has_none():
    event = {"detail": {"bucket": {"name": "in"}, "object": {"key": "incoming/a", "etag": "e"}}}

    assert upload_of(event) == Upload("in", "incoming/a", "e", None)


@pytest.mark.parametrize("event", [{}, {"detail": None}, {"detail": {"bucket": {"name": "in"}}}, {"Records": []}])
def test_another_event_is_refused(event):
    with pytest.raises(PermanentError, match="not an event 'Object Created'"):
        upload_of(event)


def test_an_upload_has_one_name_and_no_other_upload_has_it():
    others = [
        dataclasses.replace(UPLOAD, **change)
        for change in ({}, {"bucket": "i"}, {"key": "incoming/a"}, {"version": "v2"}, {"version": None}, {"etag": "x"})
    ]
    names = [upload.execution_name for upload in others]

    assert names[0] == UPLOAD.execution_name == names[5]  # the version says it all where there is one
    assert len(set(names)) == 5
    assert all(len(name) <= 80 and name.replace("-", "").isalnum() for name in names)


def test_parts_of_a_name_cannot_be_confused():
    assert Upload("a", "b/c", "e", None).execution_name != Upload("a/b", "c", "e", None).execution_name


def test_an_upload_becomes_a_run_of_itself_that_moves_it():
    assert job() == SETTINGS | {"source": {"objects": ["s3://in/incoming/a b.jpg"]}, "on_done": MOVES}
    assert parse_job(job()).operation == "image-resize"


def test_an_upload_below_manifests_is_the_manifest_of_a_run():
    manifest = dataclasses.replace(UPLOAD, key="manifests/2026/list.csv")

    assert job(manifest) == SETTINGS | {"source": {"manifest": "s3://in/manifests/2026/list.csv"}}
    assert parse_job(job(manifest)).operation == "image-resize"


def test_moves_of_the_settings_come_before_ours():
    own = {"from": "s3://in/incoming/", "move_source_to": "s3://archive/done/"}

    assert job(on_done=own)["on_done"] == own
    assert job(on_done=None)["on_done"] is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("image-resize", "UploadJob is no JSON"),
        ('["image-resize"]', "without 'source'"),
        ('{"operation": "image-resize", "source": "s3://in/x/"}', "without 'source'"),
    ],
)
def test_settings_that_are_no_job_are_refused(settings, message):
    with pytest.raises(PermanentError, match=message):
        job_for(UPLOAD, settings)


@pytest.mark.parametrize(
    "place", ["s3://in/incoming/out/", "s3://in/incoming", "s3://in/manifests/", "s3://in/", "s3://in"]
)
@pytest.mark.parametrize("field", ["destination", "move_source_to", "move_failed_to"])
def test_what_would_start_runs_for_ever_is_refused(field, place):
    settings = {"destination": place} if field == "destination" else {"on_done": {field: place}}

    with pytest.raises(PermanentError, match=f"{field} '{place}', and what is written there would start runs"):
        job(**settings)


@pytest.mark.parametrize("place", ["s3://out/incoming/", "s3://in/processed/", "s3://in/incoming-small/"])
def test_other_places_are_taken(place):
    assert job(destination=place)["destination"] == place


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(lambda_concurrency=1) as endpoint:
        yield endpoint


class Arrivals:
    """A bucket of its own, a workflow that does nothing, and the starter between them."""

    def __init__(self, endpoint: Endpoint, *, versioned: bool = True) -> None:
        self.s3, self.states = endpoint.client("s3"), endpoint.client("stepfunctions")
        self.bucket = f"in-{uuid.uuid4()}"
        self.s3.create_bucket(Bucket=self.bucket)
        if versioned:
            self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})
        machine = {"QueryLanguage": "JSONata", "StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
        role = "arn:aws:iam::123456789012:role/any"
        made = self.states.create_state_machine(name=self.bucket, definition=json.dumps(machine), roleArn=role)
        self.machine = made["stateMachineArn"]
        self.starter = Starter(self.s3, self.states, self.machine, json.dumps(SETTINGS))

    def put(self, key: str = "incoming/a.jpg", body: bytes = b"one") -> Upload:
        answer = self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return Upload(self.bucket, key, answer["ETag"].strip('"'), answer.get("VersionId"))

    def started(self) -> list[str]:
        return [each["name"] for each in self.states.list_executions(stateMachineArn=self.machine)["executions"]]


@pytest.mark.parametrize("versioned", [True, False])
def test_an_upload_starts_one_run_however_often_its_event_comes(endpoint, versioned):
    arrivals = Arrivals(endpoint, versioned=versioned)
    upload = arrivals.put()

    outcomes = [arrivals.starter.start(upload) for _ in range(3)]

    assert outcomes[0] == STARTED
    assert set(outcomes[1:]) <= {STARTED, KNOWN}  # while it runs, StartExecution answers as it did before
    assert arrivals.started() == [upload.execution_name]
    arn = f"{arrivals.machine.replace(':stateMachine:', ':execution:')}:{upload.execution_name}"
    assert json.loads(arrivals.states.describe_execution(executionArn=arn)["input"]) == job_for(
        upload, json.dumps(SETTINGS)
    )


@pytest.mark.parametrize("versioned", [True, False])
def test_a_late_event_of_what_was_replaced_starts_nothing(endpoint, versioned):
    arrivals = Arrivals(endpoint, versioned=versioned)
    first, second = arrivals.put(body=b"one"), arrivals.put(body=b"two")

    assert [arrivals.starter.start(second), arrivals.starter.start(first)] == [STARTED, REPLACED]
    assert arrivals.started() == [second.execution_name]


def test_the_same_bytes_uploaded_again_are_another_upload(endpoint):
    arrivals = Arrivals(endpoint)
    first, second = arrivals.put(), arrivals.put()

    assert first.etag == second.etag
    assert [arrivals.starter.start(first), arrivals.starter.start(second)] == [REPLACED, STARTED]


def test_what_was_moved_meanwhile_starts_nothing(endpoint):
    arrivals = Arrivals(endpoint)
    upload = arrivals.put()
    arrivals.s3.delete_object(Bucket=upload.bucket, Key=upload.key)

    assert arrivals.starter.start(upload) == GONE
    assert arrivals.started() == []


def test_a_folder_starts_nothing(endpoint):
    arrivals = Arrivals(endpoint)

    assert arrivals.starter.start(arrivals.put("incoming/2026/", b"")) == FOLDER
    assert arrivals.started() == []


def test_a_fault_of_aws_is_raised_so_that_the_event_comes_again(endpoint):
    arrivals = Arrivals(endpoint)
    broken = dataclasses.replace(arrivals.starter, machine=arrivals.machine + "-gone")

    with pytest.raises(arrivals.states.exceptions.StateMachineDoesNotExist):
        broken.start(arrivals.put())
