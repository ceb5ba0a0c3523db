"""Passes: what a pass leaves open is mapped again, and every item counts once, as what it came to last."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from functions.summarize import handler as summarize
from itemkit.event import Event
from itemkit.item import Item
from itemkit.record import Failure, Record, Status
from itemkit.store import S3Store
from tests.functions.conftest import MapRunDouble
from tests.functions.test_summarize import NOTHING, PLAN, Runner, artifact, done, entry, failed

SECOND = "7c7e0c9a-2f0e-4a53-9e0e-5c1de1a6a002"
DIED = {"Error": "Lambda.Unknown", "Cause": "died"}


@pytest.fixture
def run(map_run: Any, context: Any, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setattr(summarize, "clients", lambda: (map_run, store))
    monkeypatch.setenv("STACK", "fanfold")
    return Runner(map_run, context)


def deferred(name: str, kind: str = "SlowDown") -> Record:
    return Record(
        f"s3://photos/in/{name}",
        Status.DEFERRED,
        milliseconds=9.0,
        bytes_in=7,
        name=name,
        failure=Failure(kind, "later", retryable=True),
    )


def first_pass(map_run: Any) -> None:
    """Of eight items two succeed, one fails, two are deferred, and a batch of three dies."""
    told = map_run.batch(
        "b1",
        [done("a", milliseconds=5.0, bytes_in=10), done("b"), failed("c"), deferred("d"), deferred("e")],
    )
    map_run.write(succeeded=[[told]], failed=[[map_run.child("b2", [entry("f"), entry("g"), entry("h")], **DIED)]])
    map_run.listed = 8


def second_run(s3: Any) -> MapRunDouble:
    source = {"kind": "jsonl", "uri": "s3://output/m.jsonl", "bucket": "output", "key": "m.jsonl"}
    return MapRunDouble(s3, run_id=SECOND, source=source)


def go_on(run: Runner, map_run: MapRunDouble, passing: dict[str, Any], **event: Any) -> dict[str, Any]:
    """Answer for the map run of a later pass."""
    run.map_run.__dict__.update(vars(map_run))
    return run.answer({"plan": PLAN | {"passes": 3, "tolerated_percent": 50}, "pass": passing, **event})


def lines(s3: Any, passing: dict[str, Any]) -> list[dict[str, Any]]:
    source = passing["source"]
    body = s3.get_object(Bucket=source["bucket"], Key=source["key"])["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


def test_what_is_open_is_handed_to_a_pass_of_smaller_batches(run: Runner, map_run: Any, s3: Any) -> None:
    first_pass(map_run)

    answer = run.answer({"plan": PLAN | {"passes": 2, "tolerated_percent": 50}})

    following = answer["next"]
    assert answer["summary"] is None
    assert (following["number"], following["batch_items"]) == (2, 7)
    assert following["records"] == "s3://output/runs/r1/records/pass-2/"
    # Four of eight may fail, one has: three of the five that are open.
    assert following["tolerated_percent"] == 60
    items = list(Event(lines(s3, following), {"source": following["source"]}, "b").items())
    assert [(item.uri, item.name) for item in items if isinstance(item, Item)] == [
        (f"s3://photos/in/{name}", name) for name in "defgh"
    ]
    assert "Contents" not in s3.list_objects_v2(Bucket="output", Prefix="runs/r1/summary")


def test_every_item_counts_once_as_what_it_came_to_last(run: Runner, map_run: Any, s3: Any) -> None:
    first_pass(map_run)
    following = run.answer({"plan": PLAN | {"passes": 3, "tolerated_percent": 50}})["next"]
    second = second_run(s3)
    told = second.batch("b3", [done("d", bytes_in=7), done("e", bytes_in=7), failed("f", columns={"attempts": "1"})])
    g, h = ([{"uri": f"s3://photos/in/{name}", "attempts": "1"}] for name in "gh")
    second.write(succeeded=[[told]], failed=[[second.child("b4", g, **DIED)]], pending=[[second.pending(h)]])
    second.listed = 5

    third = go_on(run, second, following)["next"]
    assert [line["uri"] for line in lines(s3, third)] == ["s3://photos/in/g", "s3://photos/in/h"]
    assert (third["batch_items"], third["tolerated_percent"]) == (1, 100)
    last = MapRunDouble(s3, run_id="another", listed=2)
    last.write(succeeded=[[last.batch("b5", [done("g"), deferred("h", "TransientError")])]])
    summary = go_on(run, last, third)["summary"]

    assert summary["items"] == {"listed": 8, **NOTHING, "succeeded": 5, "failed": 2, "deferred": 1}
    assert (summary["reconciled"], summary["state"]) == (True, "SUCCEEDED")
    assert [(each["pass"], each["items"]["listed"], each["gained"]) for each in summary["passes"]] == [
        (1, 8, 2),
        (2, 5, 2),
        (3, 2, 1),
    ]
    assert summary["passes"][0]["items"] == {
        **NOTHING,
        "listed": 8,
        "succeeded": 2,
        "failed": 1,
        "deferred": 2,
        "lost": 3,
    }
    # What a deferred item met and took counts when it is decided, once.
    assert summary["bytes"]["in"] == 24
    assert summary["errors"] == [
        {"type": "UnreadableImage", "count": 2, "example": "s3://photos/in/c"},
        {"type": "TransientError", "count": 1, "example": "s3://photos/in/h"},
    ]
    rows = list(csv.DictReader(io.StringIO(artifact(s3, "failures.csv"))))
    assert [(row["uri"][-1], row["error"], row["attempts"]) for row in rows] == [
        ("c", "UnreadableImage", "1"),
        ("f", "UnreadableImage", "2"),
        ("h", "TransientError", "1"),
    ]


def test_a_pass_that_read_other_items_than_were_left_open_is_told(run: Runner, map_run: Any, s3: Any) -> None:
    first_pass(map_run)
    following = run.answer({"plan": PLAN | {"passes": 3, "tolerated_percent": 50}})["next"]
    second = second_run(s3)
    second.write(succeeded=[[second.batch("b3", [done(name) for name in "defg"])]])
    second.listed = 4

    summary = go_on(run, second, following)["summary"]

    assert (summary["state"], summary["reconciled"]) == ("FAILED", False)
    assert "the pass took up 4 of the 5 items left open before it" in summary["reason"]


def test_a_map_that_failed_is_the_last_pass(run: Runner, map_run: Any) -> None:
    """It failed because too much did: more of the same would cost and not help."""
    first_pass(map_run)
    failure = {"Error": "States.ExceedToleratedFailureThreshold", "Cause": "too many"}

    answer = run.answer({"plan": PLAN | {"passes": 3}, "failure": failure})

    assert answer["next"] is None
    assert answer["summary"]["items"] == {
        "listed": 8, **NOTHING, "succeeded": 2, "failed": 1, "deferred": 2, "lost": 3,
    }  # fmt: skip


def test_a_later_pass_that_failed_before_its_map_run_began_does_not_count_the_one_before_again(
    run: Runner, map_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_pass(map_run)
    following = run.answer({"plan": PLAN | {"passes": 3, "tolerated_percent": 50}})["next"]
    failure = {"Error": "States.ItemReaderFailed", "Cause": "gone"}
    earlier = [{"mapRunArn": map_run.arn, "startDate": 1}]
    monkeypatch.setattr(type(map_run), "map_runs", earlier)

    answer = run.answer(
        {"plan": PLAN | {"passes": 3}, "pass": following, "failure": failure, "attempt": summarize.PATIENCE}
    )

    summary = answer["summary"]
    assert summary["items"]["listed"] == 8
    assert (summary["items"]["succeeded"], summary["items"]["failed"]) == (2, 1)
    assert "the pass took up 0 of the 5 items left open before it" in summary["reason"]
