"""Functions of the kit that fail, stumble and die, and results that are damaged: every item is accounted for, once."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from functions.summarize.handler import PATIENCE
from tests.brought import bring_with_kit, failures_of, summary_of
from tests.conftest import Cloud
from tests.waiting import until

NAMES = [f"{number:03d}.txt" for number in range(100)]
OPEN = ("failed", "deferred", "lost")


def identity(items: dict[str, int]) -> bool:
    """Tell whether the ledger adds up."""
    return items["listed"] == sum(count for name, count in items.items() if name != "listed")


def output_bodies(cloud: Cloud, summary: dict[str, Any]) -> dict[str, bytes]:
    place = summary["destination"]
    return {key: cloud.get(place + key) for key in cloud.keys(place)}


def test_one_item_in_ten_fails_and_the_others_are_done(cloud):
    process = """
    if item.name[2] == "7":
        raise Unlucky(f"{item.uri} has a seven: write another number")
    return done(body)
    """
    job = bring_with_kit(cloud, "tenth", process, NAMES) | {"batch": {"items": 7}}

    summary = cloud.run(job, "tenth").summary

    assert (summary["state"], summary["reconciled"], identity(summary["items"])) == ("SUCCEEDED", True, True)
    assert {name: summary["items"][name] for name in ("listed", "succeeded", "failed")} == {
        "listed": 100, "succeeded": 90, "failed": 10,
    }  # fmt: skip
    assert summary["errors"] == [{"type": "Unlucky", "count": 10, "example": f"{job['source']}007.txt"}]
    assert [row["item_name"] for row in failures_of(cloud, "tenth")] == [name for name in NAMES if name[2] == "7"]
    assert [each["pass"] for each in summary["passes"]] == [1], "what failed for good is not tried again"
    assert len(output_bodies(cloud, summary)) == 90


def test_what_passes_is_done_in_the_next_pass(cloud):
    process = """
    if item.name[2] in "37" and once(item.name):
        raise TransientError(f"{item.uri} is busy: later")
    return done(body)
    """
    job = bring_with_kit(cloud, "busy", process, NAMES) | {"batch": {"items": 20}}

    summary = cloud.run(job, "busy").summary

    assert summary["items"] == {
        "listed": 100, "excluded": 0, "skipped": 0, "succeeded": 100, "failed": 0, "deferred": 0, "lost": 0,
    }  # fmt: skip
    told = [
        (each["pass"], each["items"]["listed"], each["items"]["deferred"], each["gained"]) for each in summary["passes"]
    ]
    assert told == [(1, 100, 20, 80), (2, 20, 0, 20)]
    assert (summary["errors"], failures_of(cloud, "busy")) == ([], [])
    assert output_bodies(cloud, summary) == {name: f"BODY OF {name.upper()}".encode() for name in NAMES}


def test_a_function_that_dies_mid_batch_loses_nothing_it_had_written(cloud):
    """The first item of a later pass finds the outputs of the batch that died, and does not do them again."""
    process = """
    if item.name == "004.txt" and once(item.name):
        time.sleep(0.5)
        os._exit(1)
    return done(body)
    """
    job = bring_with_kit(cloud, "mid", process, NAMES[:8]) | {"batch": {"items": 8}, "tolerate": {"percent": 100}}

    summary = cloud.run(job, "mid").summary

    assert (summary["items"]["succeeded"], summary["items"]["skipped"], summary["reconciled"]) == (8, 0, True)
    assert [(each["items"]["lost"], each["gained"]) for each in summary["passes"]] == [(8, 0), (0, 8)]
    assert len(output_bodies(cloud, summary)) == 8


def test_a_function_near_its_deadline_defers_the_rest_and_cuts_nothing_off(cloud):
    """It has 6 seconds, an item takes one, and one is begun only while two more would fit."""
    process = """
    if once(item.name):
        time.sleep(1)
    return done(body)
    """
    job = bring_with_kit(cloud, "tardy", process, NAMES[:6], timeout=6) | {"batch": {"items": 6}}

    summary = cloud.run(job, "tardy").summary

    first = summary["passes"][0]["items"]
    assert (first["lost"], first["failed"]) == (0, 0)
    assert first["deferred"] > 0
    assert (summary["items"]["succeeded"], summary["reconciled"]) == (6, True)


def test_a_function_that_times_out_is_tried_again_alone(cloud):
    process = """
    if item.name == "001.txt":
        time.sleep(60)
    return done(body)
    """
    job = bring_with_kit(cloud, "stuck", process, NAMES[:4], timeout=2)
    job |= {"batch": {"items": 4}, "passes": 2, "tolerate": {"percent": 100}}

    summary = cloud.run(job, "stuck").summary

    assert (summary["items"]["succeeded"], summary["items"]["lost"]) == (3, 1)
    [row] = failures_of(cloud, "stuck")
    assert (row["item_name"], row["error"], row["retryable"], row["attempts"]) == (
        "001.txt", "Sandbox.Timedout", "true", "2",
    )  # fmt: skip


def test_a_run_that_is_hopeless_stops_early_and_says_why(cloud):
    process = "raise Unlucky(f'{item.uri} is as bad as the rest')"
    job = bring_with_kit(cloud, "all-bad", process, NAMES) | {"batch": {"items": 5}, "concurrency": 1}

    run = cloud.run(job, "all-bad")

    summary = summary_of(cloud, "all-bad")
    assert (run.status, summary["state"], summary["reconciled"]) == ("FAILED", "FAILED", True)
    assert summary["reason"].startswith("The map failed with States.ExceedToleratedFailureThreshold")
    assert 0 < summary["items"]["failed"] < 100, "it stopped before the end"
    assert identity(summary["items"])
    assert len(failures_of(cloud, "all-bad")) == sum(summary["items"][name] for name in OPEN) == 100


def test_a_second_run_over_a_half_done_prefix_does_the_other_half(cloud):
    job = bring_with_kit(cloud, "half", "return done(body)", NAMES[:20])
    destination = f"s3://{cloud.application.output_bucket}/half-done/"
    first = cloud.run(job | {"destination": destination, "max_items": 8}).summary
    cloud.put("half/003.txt", b"changed since")

    second = cloud.run(job | {"destination": destination}).summary

    assert first["items"]["succeeded"] == 8
    assert (second["items"]["skipped"], second["items"]["succeeded"]) == (7, 13)
    bodies = output_bodies(cloud, second)
    assert (len(bodies), bodies["003.txt"]) == (20, b"CHANGED SINCE")
    third = cloud.run(job | {"destination": destination, "overwrite": True}).summary
    assert third["items"]["succeeded"] == 20


# --- damage between the map and the fold


@pytest.fixture(scope="module")
def fold_again(cloud):
    """Run 40 items, of which every tenth fails; let a test damage what the map left; summarize anew."""
    process = """
    if item.name[2] == "9":
        raise Unlucky(f"{item.uri} has a nine")
    return done(body)
    """
    job = bring_with_kit(cloud, "damaged", process, NAMES[:40]) | {"batch": {"items": 5}, "concurrency": 2}

    def run(name: str, damage: Any) -> dict[str, Any]:
        ended = cloud.run(job, name)
        assert ended.summary["reconciled"] is True
        damage(f"s3://{cloud.application.output_bucket}/runs/{name}/")
        answer = cloud.client("lambda").invoke(
            FunctionName="fanfold-summarize", Payload=json.dumps(_asked(cloud, ended.described["executionArn"]))
        )
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload["summary"]

    return run


def _asked(cloud: Cloud, execution: str) -> dict[str, Any]:
    """Return what the workflow asked Summarize in its last pass, as a late attempt asks it."""
    history = cloud.client("stepfunctions").get_execution_history(executionArn=execution, maxResults=1000)["events"]
    asked = [
        json.loads(event["taskScheduledEventDetails"]["parameters"])
        for event in history
        if "taskScheduledEventDetails" in event
    ]
    [payload] = [each["Payload"] for each in asked if "attempt" in each.get("Payload", {})]
    return {**payload, "attempt": PATIENCE}


def _part(cloud: Cloud, home: str) -> str:
    [name] = [key for key in cloud.keys(home + "results/") if "SUCCEEDED" in key]
    return f"{home}results/{name}"


def _write(cloud: Cloud, uri: str, body: bytes | None) -> None:
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    s3 = cloud.client("s3")
    s3.delete_object(Bucket=bucket, Key=key) if body is None else s3.put_object(Bucket=bucket, Key=key, Body=body)


def test_a_result_file_removed_before_the_fold_is_made_good_from_the_records(cloud, fold_again):
    summary = fold_again("part-removed", lambda home: _write(cloud, _part(cloud, home), None))

    assert (summary["state"], summary["reconciled"], identity(summary["items"])) == ("SUCCEEDED", True, True)
    assert (summary["items"]["succeeded"], summary["items"]["failed"]) == (36, 4)
    assert "8 batches without a result are counted from their records" in summary["notes"]
    assert len(failures_of(cloud, "part-removed")) == 4


def test_a_result_file_removed_together_with_records_names_what_nothing_tells_of(cloud, fold_again):
    def damage(home: str) -> None:
        _write(cloud, _part(cloud, home), None)
        for key in cloud.keys(home + "records/pass-1/")[:2]:
            _write(cloud, f"{home}records/pass-1/{key}", None)

    summary = fold_again("both-removed", damage)

    assert (summary["state"], summary["reconciled"]) == ("FAILED", False)
    assert "10 of 40 listed items are missing from the results" in summary["reason"]
    rows = failures_of(cloud, "both-removed")
    named = {row["item_name"] for row in rows if row["error"] == "Unaccounted"}
    assert len(named) == 10
    failed = sum(row["error"] == "Unlucky" for row in rows)
    assert (failed, len(rows)) == (summary["items"]["failed"], summary["items"]["failed"] + 10)


def test_a_batch_reported_twice_counts_once(cloud, fold_again):
    def twice(home: str) -> None:
        lines = cloud.get(_part(cloud, home)).splitlines(keepends=True)
        _write(cloud, _part(cloud, home), b"".join(lines + lines[3:5]))

    summary = fold_again("twice", twice)

    assert (summary["reconciled"], summary["items"]["succeeded"], summary["items"]["failed"]) == (True, 36, 4)
    assert len(failures_of(cloud, "twice")) == 4


def test_a_truncated_records_file_is_told_and_its_items_are_named(cloud, fold_again):
    def truncate(home: str) -> None:
        folder = home + "records/pass-1/"
        bodies = {key: cloud.get(folder + key) for key in cloud.keys(folder)}
        broken = next(key for key, body in bodies.items() if b'"failure"' in gzip.decompress(body))
        _write(cloud, folder + broken, bodies[broken][:-30])

    summary = fold_again("truncated", truncate)

    assert (summary["state"], summary["reconciled"]) == ("FAILED", False)
    assert (summary["items"]["succeeded"], summary["items"]["failed"]) == (36, 4)
    assert "cannot all be named" in summary["reason"]
    assert "is unreadable: EOFError" in summary["reason"]
    assert {row["item_name"] for row in failures_of(cloud, "truncated")} >= {"009.txt", "019.txt", "029.txt", "039.txt"}


def test_a_redrive_after_a_stop_counts_what_was_done_before_it(cloud):
    """Stopped in the middle of the map: the same map run goes on, and its first children are not run again."""
    job = bring_with_kit(cloud, "halted", "time.sleep(0.4)\nreturn done(body)", NAMES[:8])
    job |= {"concurrency": 1, "batch": {"items": 2}}
    stepfunctions = cloud.client("stepfunctions")
    execution = stepfunctions.start_execution(
        stateMachineArn=cloud.application.machine_arn, name="halted", input=json.dumps(job)
    )["executionArn"]

    def map_run() -> dict[str, Any]:
        runs = stepfunctions.list_map_runs(executionArn=execution)["mapRuns"]
        return stepfunctions.describe_map_run(mapRunArn=runs[0]["mapRunArn"]) if runs else {}

    until(lambda: map_run().get("itemCounts", {}).get("succeeded", 0) >= 2, "the first batch is done")
    stepfunctions.stop_execution(executionArn=execution)
    until(lambda: map_run()["status"] == "ABORTED", "the map run is stopped")
    stepfunctions.redrive_execution(executionArn=execution)
    until(lambda: stepfunctions.describe_execution(executionArn=execution)["status"] == "SUCCEEDED", "it is done")

    summary = summary_of(cloud, "halted")
    assert (summary["items"]["listed"], summary["items"]["succeeded"], summary["items"]["skipped"]) == (8, 8, 0)
    assert (summary["reconciled"], len(summary["passes"])) == (True, 1)
