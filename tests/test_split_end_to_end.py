"""A table that is split: the shipped workflow plans, maps and retries its parts, and they are the whole."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.conftest import Cloud

ROWS = [[f"r{number:03}", f'line one\nline "two", {number}'] for number in range(200)]
SPLIT = {"bytes": 1024, "above": 4096}


def table(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["id", "note"], *rows])
    return text.getvalue().encode()


def outputs(cloud: Cloud, destination: str) -> list[list[str]]:
    """Return the rows of all outputs, in the order of their names."""
    texts = [cloud.get(destination + key).decode() for key in cloud.keys(destination)]
    return [row for text in texts for row in list(csv.reader(io.StringIO(text, newline="")))[1:]]


def test_the_outputs_of_the_parts_together_are_the_whole_table(cloud):
    cloud.put("split/big.csv", table(ROWS))
    cloud.put("split/small.csv", table([["s", "small"]]))
    job = {
        "operation": "table-transform",
        "source": f"s3://{cloud.application.input_bucket}/split/",
        "select": {"suffix": [".csv"], "min_bytes": 1, "modified_after": "2020-01-01"},
        "split": SPLIT,
        "options": {"format": "csv"},
        "destination": f"s3://{cloud.application.output_bucket}/split/",
        "batch": {"items": 3},
    }

    first, second = cloud.run(job).summary, cloud.run(job).summary

    parts = -(-len(table(ROWS)) // 1024)
    names = [*(f"big.part-{number:05}" for number in range(parts)), "small"]
    assert first["items"] | {"listed": parts + 1, "succeeded": parts + 1} == first["items"]
    assert second["items"] | {"listed": parts + 1, "skipped": parts + 1} == second["items"]
    assert [key.partition(".csv")[0] for key in cloud.keys(job["destination"])] == names
    assert outputs(cloud, job["destination"]) == [*ROWS, ["s", "small"]]


def test_json_lines_are_split(cloud):
    values = [{"id": f"r{number:03}", "note": "two\nlines"} for number in range(300)]
    uri = cloud.put("split-lines/big.jsonl", "".join(json.dumps(value) + "\n" for value in values).encode())
    job = {"operation": "table-transform", "source": {"objects": [uri]}, "split": SPLIT, "options": {"format": "csv"}}

    summary = cloud.run(job).summary

    assert summary["items"]["succeeded"] == summary["items"]["listed"] > 5
    assert outputs(cloud, summary["destination"]) == [list(value.values()) for value in values]


def test_the_parts_of_an_object_that_changed_fail_and_the_next_run_splits_it_anew(cloud):
    uri = cloud.put("split-changed/big.csv", table(ROWS))
    destination = f"s3://{cloud.application.output_bucket}/split-changed/"
    job = {"operation": "table-transform", "options": {"format": "csv"}, "destination": destination}
    cloud.run(job | {"source": {"objects": [uri]}, "split": SPLIT}, "before-the-change")
    changed = [*ROWS, ["more", "rows\nthan before"]]
    cloud.put("split-changed/big.csv", table(changed))

    planned = f"s3://{cloud.application.output_bucket}/runs/before-the-change/manifest.jsonl"
    stale = cloud.run(job | {"source": planned, "overwrite": True}, "stale")
    again = cloud.run(job | {"source": {"objects": [uri]}, "split": SPLIT}).summary

    summary = json.loads(cloud.get(f"s3://{cloud.application.output_bucket}/runs/stale/summary.json"))
    assert (stale.status, summary["items"]["failed"]) == ("FAILED", summary["items"]["listed"])
    assert [(error["type"], error["count"]) for error in summary["errors"]] == [
        ("ObjectChanged", summary["items"]["failed"])
    ]
    assert again["items"]["succeeded"] == again["items"]["listed"]
    assert outputs(cloud, destination) == changed


def test_a_part_that_failed_is_run_again_from_failures_csv(cloud):
    rows = [*ROWS[:100], ["r100", "too", "wide"], *ROWS[101:]]
    uri = cloud.put("split-failures/big.csv", table(rows))
    job = {"operation": "table-transform", "options": {"format": "csv"}, "split": SPLIT, "tolerate": {"percent": 90}}
    first = cloud.run(job | {"source": {"objects": [uri]}}).summary

    second = cloud.run(job | {"source": first["artifacts"]["failures"]}).described

    failures = list(csv.DictReader(io.StringIO(cloud.get(first["artifacts"]["failures"]).decode(), newline="")))
    assert [(row["error"], row["header_row"]) for row in failures] == [("InvalidRows", "id,note\r")]
    assert second["status"] == "FAILED"
    retried = json.loads(cloud.get(f"s3://{cloud.application.output_bucket}/runs/{second['name']}/summary.json"))
    assert retried["items"] | {"listed": 1, "failed": 1} == retried["items"]
    assert [(error["type"], error["count"]) for error in retried["errors"]] == [("InvalidRows", 1)]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"id,note\n" + b'1,5" pipe\n' * 1000, "the quote at byte 11 is neither around a whole field nor doubled"),
        ("id,größe\n".encode("cp1252") + b"1,2\n" * 2000, "it is not UTF-8 at byte 5"),
    ],
)
def test_a_table_whose_rows_are_not_certain_is_refused_before_anything_is_processed(cloud, body, message):
    uri = cloud.put("split-refused/big.csv", body)

    run = cloud.run({"operation": "table-transform", "source": {"objects": [uri]}, "split": SPLIT})

    assert (run.status, run.described["error"]) == ("FAILED", "InvalidJob")
    assert f"{uri} cannot be split: {message}" in run.described["cause"]
    assert cloud.keys(f"s3://{cloud.application.output_bucket}/runs/{run.described['name']}/") == []
