"""Maps over directories of this machine: only where the endpoint was told of them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from states_stage import Stage, distributed, reading, until

from fanfold.local.server import Endpoint
from fanfold.local.stepfunctions import readers

PASS = {"Type": "Pass", "End": True}
LISTED = {"Key": "photos/a", "Size": 3, "Etag": '"e"', "LastModified": 1.5}


def read(directories: readers.Lister | None, stage: Stage, most: int | None = None, **config: Any) -> list[Any]:
    source = readers.Source(listing=True, arguments={"Bucket": "file:", "Prefix": "photos/"}, config=config, most=most)
    return [(entry.value, entry.source) for entry in readers.read(source, stage.s3, directories)]


def test_a_listed_file_has_the_shape_of_a_listed_object(stage: Stage) -> None:
    """Item functions cannot tell them apart."""
    stage.put("photos/a", "abc")
    source = readers.Source(listing=True, arguments={"Bucket": "stage"}, config={}, most=None)
    (of_s3,) = [entry.value for entry in readers.read(source, stage.s3, None)]

    ((of_files, where),) = read(lambda prefix: iter([LISTED]), stage)

    assert (of_files, where) == ({**LISTED, "StorageClass": "STANDARD"}, "file://")
    assert {name: type(value) for name, value in of_files.items()} == {name: type(of_s3[name]) for name in of_s3}


def test_no_more_is_listed_than_is_read(stage: Stage) -> None:
    """A listing is a stream: MaxItems ends it."""
    seen: list[str] = []

    def endless(prefix: str) -> Iterator[dict[str, Any]]:
        while True:
            seen.append(prefix)
            yield LISTED

    assert len(read(endless, stage, most=3)) == 3
    assert seen == ["photos/"] * 3


def test_without_directories_there_is_no_such_bucket(stage: Stage) -> None:
    """As S3 refuses any bucket that cannot be."""
    reader = {**reading("listObjectsV2", {"Prefix": "etc/"})}
    reader["Arguments"]["Bucket"] = "file:"

    execution = stage.run({"All": distributed(PASS, ItemReader=reader)})

    assert execution.failure[0] == "States.ItemReaderFailed"


@pytest.mark.parametrize(("prefix", "found"), [("photos/", ["a", "b/c"]), ("photos/b", ["b/c"])])
def test_an_endpoint_lists_the_directories_it_was_told_of(tmp_path: Path, prefix: str, found: list[str]) -> None:
    """And a map over them runs to its end."""
    for name in ("photos/a", "photos/b/c", "other/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    with Endpoint(directories=[tmp_path / "photos"]) as endpoint:
        status, output = run(endpoint, f"{tmp_path}/{prefix}"[1:])
        refused, _ = run(endpoint, f"{tmp_path}/other/"[1:])

    base = f"{tmp_path}/photos/"[1:]
    assert (status, [item["Key"].removeprefix(base) for item in output]) == ("SUCCEEDED", found)
    assert refused == "FAILED"


def test_another_endpoint_lists_none(tmp_path: Path) -> None:
    """Nothing but the constructor allows it."""
    with Endpoint() as endpoint:
        status, _ = run(endpoint, f"{tmp_path}/"[1:])

    assert status == "FAILED"


def run(endpoint: Endpoint, prefix: str) -> tuple[str, Any]:
    """Map over a prefix of files, and return the status and the items."""
    reader = {
        "Resource": "arn:aws:states:::s3:listObjectsV2",
        "Arguments": {"Bucket": "file:", "Prefix": prefix},
    }
    states = {"All": distributed(PASS, "EXPRESS", ItemReader=reader)}
    client = endpoint.client("stepfunctions")
    machine = client.create_state_machine(
        name=f"over-{uuid.uuid4()}",
        roleArn="arn:aws:iam::123456789012:role/states",
        definition=json.dumps({"QueryLanguage": "JSONata", "StartAt": "All", "States": states}),
    )["stateMachineArn"]
    execution = client.start_execution(stateMachineArn=machine)["executionArn"]
    until(lambda: client.describe_execution(executionArn=execution)["status"] != "RUNNING")
    answer = client.describe_execution(executionArn=execution)
    return answer["status"], json.loads(answer.get("output", "null"))
