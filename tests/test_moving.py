"""Sources that move when a run is done: the shipped workflow over HTTP, with faults at every step."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.brought import bring_with_kit
from tests.conftest import Cloud
from tests.test_load import make_table
from tests.waiting import until

PROC = Path("/proc")


def with_moves(cloud: Cloud, job: dict[str, Any], folder: str) -> dict[str, Any]:
    """Let a job run over ``folder/incoming/`` and move its sources beside it."""
    place = f"s3://{cloud.application.input_bucket}/{folder}/"
    on_done = {"move_source_to": f"{place}processed/", "move_failed_to": f"{place}failed/"}
    return job | {"source": f"{place}incoming/", "on_done": on_done, "tolerate": {"percent": 100}}


def bring(cloud: Cloud, operation: str, process: str, names: list[str], **more: Any) -> dict[str, Any]:
    """Create a function of the kit and return a job that moves its sources; ``names`` are put into incoming/."""
    job = bring_with_kit(cloud, operation, process, [f"incoming/{name}" for name in names], **more)
    return with_moves(cloud, job, operation)


def lying(cloud: Cloud, folder: str) -> list[str]:
    return cloud.keys(f"s3://{cloud.application.input_bucket}/{folder}/")


def settle(cloud: Cloud, job: dict[str, Any], run: str) -> dict[str, Any]:
    """Call the function as the workflow does."""
    runs = f"s3://{cloud.application.output_bucket}/runs/{run}/"
    event = {"run": run, "runs": runs, "on_done": {"from": job["source"], **job["on_done"]}, "moved": None}
    answer = cloud.client("lambda").invoke(FunctionName="fanfold-settle", Payload=json.dumps(event))
    assert "FunctionError" not in answer
    return json.loads(answer["Payload"].read())


def test_sources_move_and_the_summary_tells(cloud):
    process = """
    if item.name == "bad.txt":
        raise Unlucky(f"{item.uri} ist kein Täxt: 写 text")
    if item.name == "dies.txt":
        os._exit(1)
    return done(body)
    """
    names = ["a.txt", "deep/ä b+c%41.txt", "bad.txt", "dies.txt"]
    job = bring(cloud, "moves", process, names) | {"batch": {"items": 4}}

    run = cloud.run(job, "moves")

    moved = run.summary["moved"]
    assert (moved["processed"], moved["failed"], moved["kept"]) == (2, 1, {"unfinished": 1})
    assert moved["examples"] == {"unfinished": f"{job['source']}dies.txt"}
    assert lying(cloud, "moves") == [
        "failed/bad.txt", "incoming/dies.txt", "processed/a.txt", "processed/deep/ä b+c%41.txt",
    ]  # fmt: skip
    head = cloud.client("s3").head_object(Bucket=cloud.application.input_bucket, Key="moves/failed/bad.txt")
    assert head["Metadata"] == {
        "fanfold-error": "Unlucky",
        "fanfold-message": f"{job['source']}bad.txt ist kein T%C3%A4xt: %E5%86%99 text",
        "fanfold-run": "moves",
    }
    told = json.loads(cloud.get(f"s3://{cloud.application.output_bucket}/runs/moves/moved.json"))
    assert told == {**moved, "next": None}


def test_without_on_done_nothing_moves(cloud):
    job = bring(cloud, "stays", "return done(body)", ["a.txt"])
    del job["on_done"]

    assert "moved" not in cloud.run(job, "stays").summary
    assert lying(cloud, "stays") == ["incoming/a.txt"]


def test_an_object_replaced_while_it_is_processed_is_processed_again(cloud):
    process = """
    if item.name == "a.txt" and once(item.name):
        import boto3
        bucket, key = item.uri[5:].split("/", 1)
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=b"a newer one")
    return done(body)
    """
    job = bring(cloud, "replaced", process, ["a.txt", "b.txt"])
    job["destination"] = f"s3://{cloud.application.output_bucket}/replaced/"

    first = cloud.run(job).summary["moved"]
    assert (first["processed"], first["kept"]) == (1, {"replaced": 1})
    assert lying(cloud, "replaced") == ["incoming/a.txt", "processed/b.txt"]
    second = cloud.run(job).summary

    assert (second["items"]["listed"], second["items"]["succeeded"], second["moved"]["processed"]) == (1, 1, 1)
    assert lying(cloud, "replaced") == ["processed/a.txt", "processed/b.txt"]
    assert cloud.get(f"{job['destination']}a.txt") == b"A NEWER ONE"
    assert cloud.get(f"s3://{cloud.application.input_bucket}/replaced/processed/a.txt") == b"a newer one"


def test_an_output_that_vanished_is_made_again_before_its_source_moves(cloud):
    job = bring(cloud, "vanished", "return done(body)", ["a.txt", "b.txt"])
    job["destination"] = f"s3://{cloud.application.output_bucket}/vanished/"
    cloud.run({name: value for name, value in job.items() if name != "on_done"}, "vanished")
    cloud.client("s3").delete_object(Bucket=cloud.application.output_bucket, Key="vanished/a.txt")

    answer = settle(cloud, job, "vanished")
    assert (answer["processed"], answer["kept"]) == (1, {"not_durable": 1})
    again = cloud.run(job).summary

    assert (again["items"]["succeeded"], again["moved"]["processed"]) == (1, 1)
    assert cloud.keys(job["destination"]) == ["a.txt", "b.txt"]


def test_what_is_done_already_moves_too(cloud):
    """A run that could not move its sources is made good by the next one, which skips them."""
    job = bring(cloud, "made-good", "return done(body)", ["a.txt"])
    job["destination"] = f"s3://{cloud.application.output_bucket}/made-good/"
    cloud.run({name: value for name, value in job.items() if name != "on_done"})

    summary = cloud.run(job).summary

    assert (summary["items"]["skipped"], summary["moved"]["processed"]) == (1, 1)


def test_an_object_whose_output_is_somebody_elses_is_put_aside(cloud):
    """It fails before it is read, which a manifest's items leave without an ETag."""
    bring(cloud, "taken", "return done(body)", ["a.txt"])
    job = with_moves(cloud, {"operation": "taken"}, "taken")
    uri = f"{job['source']}a.txt"
    job["destination"] = f"s3://{cloud.application.output_bucket}/taken/"
    key = f"taken/{uri.removeprefix('s3://').split('/', 1)[1]}"
    cloud.client("s3").put_object(Bucket=cloud.application.output_bucket, Key=key, Body=b"theirs")

    listed = {"source": {"objects": [uri]}, "on_done": {"from": job["source"], **job["on_done"]}}
    moved = cloud.run(job | listed).summary

    assert (moved["moved"]["failed"], moved["errors"][0]["type"]) == (1, "OutputConflict")
    assert lying(cloud, "taken") == ["failed/a.txt"]


def test_an_object_with_much_metadata_fails_without_more_than_s3_takes(cloud):
    job = bring(cloud, "much", "raise Unlucky('x' * 450)", [])
    for name, own in (("a.txt", 1600), ("b.txt", 2000)):
        cloud.client("s3").put_object(
            Bucket=cloud.application.input_bucket, Key=f"much/incoming/{name}", Metadata={"own": "o" * own}
        )

    assert cloud.run(job).summary["moved"]["failed"] == 2
    heads = [
        cloud.client("s3").head_object(Bucket=cloud.application.input_bucket, Key=f"much/failed/{name}")["Metadata"]
        for name in ("a.txt", "b.txt")
    ]

    assert heads[0].keys() == {"own", "fanfold-error", "fanfold-run", "fanfold-message"}
    assert 0 < len(heads[0]["fanfold-message"]) < 450
    assert heads[1]["own"] == "o" * 2000
    assert all(sum(len(name) + len(value) for name, value in head.items()) <= 2048 for head in heads)


@pytest.mark.skipif(not PROC.is_dir(), reason="the function's process is found by /proc")
@pytest.mark.parametrize(
    "count", [pytest.param(300, marks=pytest.mark.e2e), pytest.param(1000, marks=pytest.mark.slow)]
)
def test_objects_of_which_a_killed_function_had_moved_some(cloud, count):
    names = [f"{number:04}.txt" for number in range(count)]
    job = bring(cloud, f"many-{count}", "return done(body)", names) | {"batch": {"items": 100}}
    stepfunctions = cloud.client("stepfunctions")
    job["destination"] = f"s3://{cloud.application.output_bucket}/many-{count}/"
    started = stepfunctions.start_execution(
        stateMachineArn=cloud.application.machine_arn, name=f"many-{count}", input=json.dumps(job)
    )["executionArn"]
    place = f"s3://{cloud.application.input_bucket}/many-{count}/"
    until(lambda: len(cloud.keys(f"{place}processed/")) > 20, "some are moved", 150)

    for process in processes(cloud, "fanfold-settle"):
        os.kill(process, signal.SIGKILL)

    until(lambda: stepfunctions.describe_execution(executionArn=started)["status"] != "RUNNING", "the end", 150)
    summary = json.loads(stepfunctions.describe_execution(executionArn=started)["output"])
    assert summary["state"] == "SUCCEEDED"
    assert summary["moved"]["error"]["Error"] == "Runtime.ExitError"
    assert 0 < len(cloud.keys(f"{place}incoming/")) < count
    answer = settle(cloud, job, f"many-{count}")
    assert (answer["processed"], answer["failed"], answer["kept"], answer["next"]) == (count, 0, {}, None)
    assert lying(cloud, f"many-{count}") == [f"processed/{name}" for name in names]


def processes(cloud: Cloud, function: str) -> list[int]:
    """Return the processes of a function of this test's endpoint."""
    marks = {f"AWS_LAMBDA_FUNCTION_NAME={function}".encode(), cloud.url.encode()}
    found = []
    for path in PROC.glob("[0-9]*/environ"):
        try:
            told = path.read_bytes()
        except OSError:
            continue
        if all(mark in told for mark in marks):
            found.append(int(path.parent.name))
    assert found
    return found


def test_a_table_that_was_split_moves_as_a_whole(cloud):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["id", "note"], *([number, "x" * 40] for number in range(200))])
    cloud.put("parts/incoming/big.csv", text.getvalue().encode())
    job = with_moves(cloud, {"operation": "table-transform", "split": {"bytes": 1024, "above": 4096}}, "parts")

    cut = cloud.run(job | {"max_items": 3}).summary
    assert (cut["items"]["succeeded"], cut["moved"]["kept"]) == (3, {"unfinished": 1})
    whole = cloud.run(job | {"batch": {"items": 2}}).summary

    assert (whole["items"]["succeeded"] > 5, whole["moved"]["processed"]) == (True, 1)
    assert lying(cloud, "parts") == ["processed/big.csv"]


@pytest.mark.parametrize("key", ["id", "none"])
def test_sources_move_when_their_outputs_are_loaded(cloud, key):
    folder = f"loading/{uuid.uuid4()}"
    cloud.put(f"{folder}/incoming/a.csv", b"id,day\na,1\n")
    table = make_table(cloud.client("dynamodb"), **{key: "S"})
    job = {"operation": "table-transform", "load": {"dynamodb": {"table": table, "key": [key]}}}

    run = cloud.run(with_moves(cloud, job, folder))

    if key == "id":
        assert (run.status, run.summary["load"]["state"], run.summary["moved"]["processed"]) == (
            "SUCCEEDED", "SUCCEEDED", 1,
        )  # fmt: skip
        assert lying(cloud, folder) == ["processed/a.csv"]
    else:
        assert run.status == "FAILED"
        name = run.described["name"]
        told = json.loads(cloud.get(f"s3://{cloud.application.output_bucket}/runs/{name}/moved.json"))
        assert told["kept"] == {"not_loaded": 1}
        assert lying(cloud, folder) == ["incoming/a.csv"]


def test_moves_that_could_never_be_made_are_refused_before_anything_is_spent(cloud):
    output = f"s3://{cloud.application.output_bucket}/"
    job = with_moves(cloud, {"operation": "image-resize"}, "refused")

    run = cloud.run(job | {"on_done": {"move_source_to": f"{output}processed/"}})

    assert (run.status, run.described["error"]) == ("FAILED", "InvalidJob")
    assert "is in the output bucket" in run.described["cause"]
