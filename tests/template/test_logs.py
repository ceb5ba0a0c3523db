"""The functions' logs, as the local endpoint's functions write them, and the saved queries over these very lines."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fanfold.local.stack.scope import Scope
from fanfold.local.stack.template import load
from tests.conftest import PROJECT, Cloud, serving
from tests.template.application import ROOT
from tests.template.insights import ask, discovered, named
from tests.template.watching import QUERY, SITE

RUN = "logged-2026-11-21"
OF_ITEMS = {f"/aws/lambda/fanfold-op-{name}" for name in ("image-resize", "table-transform", "dynamodb-load")}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a run with two broken pictures, and one call that crashes, leave in the logs; and the queries."""
    folder = tmp_path_factory.mktemp("logs")
    with serving(folder) as cloud:
        summary = _run(cloud)
        cloud.client("lambda").invoke(FunctionName="fanfold-op-image-resize", Payload=b"{}")
    events = [event for path in sorted(folder.glob("*.log")) for event in _events(path)]
    scope = Scope(load(ROOT / "template.yaml", "us-east-1", {}), SITE, {})
    queries = {properties["Name"].removeprefix("fanfold/"): properties for _, properties in scope.each(QUERY)}
    return SimpleNamespace(summary=summary, events=events, queries=queries)


def _run(cloud: Cloud) -> dict[str, Any]:
    good = (PROJECT / "sample_data/images/album/tiny.jpg").read_bytes()
    for name, body in {"good.jpg": good, "also.jpg": good, "one.jpg": b"no picture", "two.jpg": b"nor this"}.items():
        source = cloud.put(f"logged/{name}", body)
    job = {"operation": "image-resize", "source": source.rsplit("/", 1)[0] + "/", "tolerate": {"percent": 60}}
    return cloud.run(job, RUN).summary


def _events(path: Path) -> list[dict[str, Any]]:
    lines = path.read_text().splitlines()
    return [discovered(f"/aws/lambda/{path.stem}", number, line) for number, line in enumerate(lines)]


def answer(world: Any, name: str) -> list[dict[str, Any]]:
    """Return what a saved query answers over the log groups it names."""
    query = world.queries[name]
    groups = {f"123456789012:{group}" for group in query["LogGroupNames"]}
    text = query["QueryString"].replace('"RUN"', f'"{RUN}"')
    return ask(text, [event for event in world.events if event["@log"] in groups])


def test_an_item_that_fails_has_a_line_with_its_run_batch_and_key(world):
    lines = [json.loads(event["@message"]) for event in world.events if event.get("message") == "item failed"]

    prefix = world.summary["source"]
    assert sorted(line["object"] for line in lines) == [f"{prefix}one.jpg", f"{prefix}two.jpg"]
    assert {(line["run"], line["service"], line["level"], line["error"]) for line in lines} == {
        (RUN, "image-resize", "WARNING", "UnreadableImage")
    }
    (batch,) = {line["batch"] for line in lines}
    records = world.summary["artifacts"]["records"]
    assert batch
    assert records.endswith(f"runs/{RUN}/records/")
    assert all(line["reason"] for line in lines)


def test_every_function_of_a_run_names_it_in_its_lines(world):
    told = {event["service"] for event in world.events if event.get("run") == RUN and "service" in event}

    assert told == {"prepare", "image-resize", "summarize", "publish"}


def test_the_queries_name_no_field_that_no_line_has(world):
    for name, query in world.queries.items():
        groups = {f"123456789012:{group}" for group in query["LogGroupNames"]}
        known = {field for event in world.events if event["@log"] in groups for field in event}
        assert named(query["QueryString"]) - known == set(), name


def test_the_queries_over_items_read_the_logs_of_all_operations(world):
    for name in ("failed-items", "failures-by-run-and-type", "slowest-batches"):
        assert set(world.queries[name]["LogGroupNames"]) == OF_ITEMS
    for name in ("memory-and-time", "story-of-a-run", "crashes"):
        assert set(world.queries[name]["LogGroupNames"]) > OF_ITEMS


def test_failed_items(world):
    rows = answer(world, "failed-items")

    assert {(row["run"], row["object"].rsplit("/", 1)[-1], row["error"]) for row in rows} == {
        (RUN, "one.jpg", "UnreadableImage"),
        (RUN, "two.jpg", "UnreadableImage"),
    }


def test_failures_by_run_and_type(world):
    assert answer(world, "failures-by-run-and-type") == [
        {"run": RUN, "service": "image-resize", "error": "UnreadableImage", "failures": 2}
    ]


def test_slowest_batches(world):
    (row,) = answer(world, "slowest-batches")

    assert (row["run"], row["service"], row["items"]) == (RUN, "image-resize", 4)
    assert 0 < row["seconds"] < 60


def test_memory_and_time(world):
    rows = {row["@log"].rsplit(":", 1)[-1]: row for row in answer(world, "memory-and-time")}

    row = rows["/aws/lambda/fanfold-op-image-resize"]
    # The Check, the batch and the crash.
    assert (row["invocations"], row["mb"]) == (3, 1769)
    assert 20 < row["mb_used"] < 1769
    assert 0 < row["slowest_ms"] < 60_000


def test_story_of_a_run(world):
    rows = answer(world, "story-of-a-run")

    assert {"planned", "item failed", "batch done", "summarized", "published"} <= {row["message"] for row in rows}


def test_crashes(world):
    (row,) = answer(world, "crashes")

    assert row["@log"] == "123456789012:/aws/lambda/fanfold-op-image-resize"
    assert row["@message"].startswith("[ERROR] InvalidJob: ")


@pytest.mark.parametrize("query", ["filter a > 1", 'filter a = "b" and c = "d"', "stats avg(a) as b by c"])
def test_what_the_interpreter_does_not_know_it_refuses(query):
    with pytest.raises(ValueError, match="not known here"):
        ask(query, [{"a": 1}])
