"""The shipped workflow with the shipped handlers, end to end over HTTP."""

from __future__ import annotations

import csv
import gzip
import io
import json

import boto3
import pytest
from PIL import Image

from tests.conftest import PROJECT, Cloud

EXPECTED = {path.stem: json.loads(path.read_text()) for path in (PROJECT / "sample_data" / "expected").glob("*.json")}


def source(cloud: Cloud, path: str) -> str:
    return f"s3://{cloud.application.input_bucket}/{path}"


def rows(cloud: Cloud, uri: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(cloud.get(uri).decode())))


def test_a_minimal_job_over_the_sample_images(cloud):
    run = cloud.run_as_it_is({"operation": "image-resize", "source": source(cloud, "images/")}, "minimal")

    summary = run.summary
    assert run.status == "SUCCEEDED"
    assert (summary["state"], summary["reconciled"], summary["reason"]) == ("SUCCEEDED", True, None)
    assert {"items": summary["items"], "errors": {e["type"]: e["count"] for e in summary["errors"]}} == EXPECTED[
        "images"
    ]
    assert summary["destination"] == f"s3://{cloud.application.output_bucket}/out/image-resize/"
    assert summary == json.loads(cloud.get(summary["artifacts"]["summary"]))
    assert len(cloud.keys(summary["destination"])) == summary["items"]["succeeded"]


def test_what_failed_is_named_with_its_reason(cloud):
    summary = cloud.run(
        {"operation": "image-resize", "source": {"prefix": source(cloud, "images/broken")}}, "broken"
    ).described

    assert summary["status"] == "FAILED"
    failed = rows(cloud, f"s3://{cloud.application.output_bucket}/runs/broken/failures.csv")
    assert [(row["uri"].rsplit("/", 1)[-1], row["error"], row["retryable"]) for row in failed] == [
        ("broken-not-an-image.jpg", "UnreadableImage", "false"),
        ("broken-truncated.jpg", "UnreadableImage", "false"),
    ]


def test_every_listed_object_has_one_record(cloud):
    summary = cloud.run(
        {"operation": "image-resize", "source": source(cloud, "images/"), "batch": {"items": 7}}
    ).summary

    records = [
        json.loads(line)
        for key in cloud.keys(summary["artifacts"]["records"])
        for line in gzip.decompress(cloud.get(summary["artifacts"]["records"] + key)).splitlines()
    ]
    listed = [source(cloud, f"images/{key}") for key in cloud.keys(source(cloud, "images/"))]
    assert sorted(record["uri"] for record in records) == sorted(listed)
    assert len(cloud.keys(summary["artifacts"]["records"])) == -(-len(listed) // 7)


def test_the_map_run_counts_what_the_summary_counts(cloud):
    run = cloud.run({"operation": "image-resize", "source": source(cloud, "images/album/"), "batch": {"items": 2}})

    stepfunctions = cloud.client("stepfunctions")
    (map_run,) = stepfunctions.list_map_runs(executionArn=run.described["executionArn"])["mapRuns"]
    described = stepfunctions.describe_map_run(mapRunArn=map_run["mapRunArn"])
    assert described["status"] == "SUCCEEDED"
    assert described["itemCounts"]["total"] == described["itemCounts"]["succeeded"] == run.summary["items"]["listed"]
    assert "/Prefix:" in map_run["mapRunArn"]


def test_a_second_run_skips_what_is_done_and_other_options_do_not(cloud):
    job = {"operation": "image-resize", "source": source(cloud, "images/album/"), "options": {"width": 200}}
    job["destination"] = f"s3://{cloud.application.output_bucket}/again/"

    first, second = cloud.run(job).summary["items"], cloud.run(job).summary["items"]
    other = cloud.run({**job, "options": {"width": 100}}).summary["items"]

    assert (first["succeeded"], first["skipped"]) == (4, 0)
    assert (second["succeeded"], second["skipped"]) == (0, 4)
    assert (other["succeeded"], other["skipped"]) == (4, 0)


def test_pictures_are_resized_upright(cloud):
    job = {
        "operation": "image-resize",
        "source": {"prefix": source(cloud, "images/orientation")},
        "options": {"width": 120},
    }
    summary = cloud.run({**job, "destination": f"s3://{cloud.application.output_bucket}/upright/"}).summary

    keys = cloud.keys(summary["destination"])
    sizes = {Image.open(io.BytesIO(cloud.get(summary["destination"] + key))).size for key in keys}
    assert len(keys) == 8
    assert len(sizes) == 1


def test_a_csv_manifest_is_read_natively_and_its_columns_travel(cloud):
    job = {"operation": "image-resize", "source": source(cloud, "manifests/images.csv"), "batch": {"items": 3}}
    job |= {"destination": f"s3://{cloud.application.output_bucket}/listed/", "options": {"width": 64}}
    run = cloud.run(job)

    assert run.status == "SUCCEEDED"
    assert run.summary["items"] | {"listed": 8, "succeeded": 7, "failed": 1} == run.summary["items"]
    assert {"lake/noon.jpg", "lake/evening.jpg", "leaves/palette.png"} <= set(cloud.keys(run.summary["destination"]))
    (failed,) = rows(cloud, run.summary["artifacts"]["failures"])
    assert (failed["uri"].rsplit("/", 1)[-1], failed["error"], failed["album"], failed["attempts"]) == (
        "never-uploaded.jpg",
        "ObjectNotFound",
        "lake",
        "1",
    )


def test_failures_are_a_manifest_for_the_next_run(cloud):
    cloud.put("repair/good.jpg", (PROJECT / "sample_data/images/album/tiny.jpg").read_bytes())
    cloud.put("repair/late.jpg", b"not yet a picture")
    job = {"operation": "image-resize", "destination": f"s3://{cloud.application.output_bucket}/repaired/"}
    first = cloud.run(job | {"source": source(cloud, "repair/"), "tolerate": {"percent": 60}}).summary
    cloud.put("repair/late.jpg", (PROJECT / "sample_data/images/album/tiny.jpg").read_bytes())

    second = cloud.run(job | {"source": first["artifacts"]["failures"]}).summary

    assert (first["items"]["succeeded"], first["items"]["failed"]) == (1, 1)
    assert (second["items"]["listed"], second["items"]["succeeded"]) == (1, 1)
    assert cloud.keys(job["destination"]) == ["good.jpg", "late.jpg"]


def test_a_manifest_the_native_reader_cannot_take_is_rewritten(cloud):
    run = cloud.run({"operation": "table-transform", "source": source(cloud, "manifests/tables.csv")})

    assert run.status == "SUCCEEDED"
    assert run.summary["source"] == source(cloud, "manifests/tables.csv")
    assert run.summary["items"]["failed"] == 0
    assert run.summary["items"]["succeeded"] == run.summary["items"]["listed"] > 0


def test_sql_over_the_sample_tables(cloud):
    sql = "SELECT region, COUNT(*) AS orders, SUM(amount) AS amount FROM self GROUP BY region ORDER BY region"
    job = {"operation": "table-transform", "source": source(cloud, "tables/"), "options": {"sql": sql}}
    summary = cloud.run(job | {"tolerate": {"percent": 50}}).summary

    assert {"items": summary["items"], "errors": {e["type"]: e["count"] for e in summary["errors"]}} == EXPECTED[
        "tables"
    ]
    assert summary["rows"]["in"] > summary["rows"]["out"] > 0


def test_max_items_and_select(cloud):
    job = {"operation": "image-resize", "source": source(cloud, "images/"), "select": {"glob": "album/*"}}

    selected = cloud.run(job).summary["items"]
    limited = cloud.run({"operation": "image-resize", "source": source(cloud, "images/"), "max_items": 3}).summary[
        "items"
    ]

    assert (selected["succeeded"] + selected["skipped"], selected["failed"]) == (4, 0)
    assert selected["excluded"] == selected["listed"] - 4
    assert limited["listed"] == 3


def test_an_empty_prefix_is_a_success_of_nothing(cloud):
    run = cloud.run({"operation": "image-resize", "source": source(cloud, "nothing/here/")})

    assert run.status == "SUCCEEDED"
    assert run.summary["items"]["listed"] == 0
    assert run.summary["reconciled"] is True


def test_a_hopeless_run_fails_and_is_still_summarized(cloud):
    for place in range(6):
        cloud.put(f"hopeless/{place}.jpg", b"no picture")

    run = cloud.run(
        {"operation": "image-resize", "source": source(cloud, "hopeless/"), "batch": {"items": 2}}, "hopeless"
    )

    assert (run.status, run.described["error"]) == ("FAILED", "RunFailed")
    summary = json.loads(cloud.get(f"s3://{cloud.application.output_bucket}/runs/hopeless/summary.json"))
    assert summary["reconciled"] is True
    assert summary["items"]["listed"] == summary["items"]["failed"] + summary["items"]["lost"]
    assert "States.ExceedToleratedFailureThreshold" in summary["reason"]
    assert len(rows(cloud, summary["artifacts"]["failures"])) == summary["items"]["listed"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optins": {}}, "unknown field 'optins': did you mean 'options'?"),
        ({"operation": "image-risize"}, "unknown operation 'image-risize'"),
        ({"source": "s3://no-such-bucket-here/x/"}, "the bucket no-such-bucket-here does not exist"),
        ({"source": "s3://{input}/no-such-manifest.csv"}, "does not exist"),
        ({"destination": "s3://no-such-bucket-here/x/"}, "the bucket no-such-bucket-here does not exist"),
        ({"options": {"width": -5}}, "option 'width' is -5"),
        ({"options": {"widht": 5}}, "unknown option 'widht': did you mean"),
        ({"operation": "table-transform", "options": {"sql": "SELEC nothing"}}, "SELEC"),
    ],
)
def test_a_bad_job_is_refused_before_anything_is_processed(cloud, change, message):
    job = {"operation": "image-resize", "source": source(cloud, "images/"), **change}
    job = json.loads(json.dumps(job).replace("{input}", cloud.application.input_bucket))

    run = cloud.run(job)

    assert (run.status, run.described["error"]) == ("FAILED", "InvalidJob")
    assert message in run.described["cause"]
    map_runs = cloud.client("stepfunctions").list_map_runs(executionArn=run.described["executionArn"])["mapRuns"]
    assert map_runs == []
    assert cloud.keys(f"s3://{cloud.application.output_bucket}/runs/{run.described['name']}/") == []


@pytest.mark.parametrize("event", ["image_resize", "table_transform"])
def test_the_sample_events_run_by_hand(cloud, event):
    payload = json.loads((PROJECT / f"sample_data/events/{event}.json").read_text())
    name = f"fanfold-op-{event.replace('_', '-')}"

    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload))

    result = json.loads(answer["Payload"].read())
    assert answer.get("FunctionError") is None
    assert result["counts"] == {"succeeded": 1}
    assert len(cloud.keys(payload["BatchInput"]["destination"])) == 1


def test_any_boto3_client_reaches_the_endpoint(cloud):
    client = boto3.client(
        "stepfunctions",
        endpoint_url=cloud.url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )

    assert cloud.application.machine_arn in [
        machine["stateMachineArn"] for machine in client.list_state_machines()["stateMachines"]
    ]
