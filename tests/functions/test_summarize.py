"""Summarize: what a map run left, in AWS's shapes, becomes summary.json and failures.csv."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from functions.summarize import handler as summarize
from itemkit import TransientError
from itemkit.record import Failure, Record, Status
from itemkit.store import S3Store

PLAN = {
    "run": "r1",
    "operation": "image-resize",
    "source": {"kind": "prefix", "uri": "s3://photos/in/", "bucket": "photos", "prefix": "in/"},
    "destination": "s3://output/out/image-resize/",
    "runs": "s3://output/runs/r1/",
    "summaries": "s3://output/summaries/",
    "results": {"bucket": "output", "prefix": "runs/r1/results"},
    "max_items": 0,
    "tolerated_percent": 25,
    "passes": 1,
    "load": None,
}
FIRST_PASS = {
    "number": 1,
    "source": PLAN["source"],
    "batch_items": 50,
    "tolerated_percent": 25,
    "records": "s3://output/runs/r1/records/pass-1/",
    "started": "2026-11-21T08:00:01.000Z",
}
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:fanfold-process:r1"
LAST = summarize.LAST_ATTEMPT
HEADER = "uri,error,message,retryable,attempts"
NOTHING = {"excluded": 0, "skipped": 0, "succeeded": 0, "failed": 0, "deferred": 0, "lost": 0}
ARTIFACTS = {
    "summary": "s3://output/runs/r1/summary.json",
    "failures": "s3://output/runs/r1/failures.csv",
    "figures": "s3://output/runs/r1/figures.json",
    "report": "s3://output/runs/r1/report.html",
    "records": "s3://output/runs/r1/records/",
}


class Runner:
    """Calls the handler for a map run, as the workflow does."""

    def __init__(self, map_run: Any, context: Any) -> None:
        self.map_run = map_run
        self.context = context

    def __call__(
        self, attempt: int = 0, failure: dict[str, str] | None = None, told: bool = True, **plan: Any
    ) -> dict[str, Any]:
        """Return the summary of a run of one pass."""
        return self.answer({"plan": PLAN | plan, "attempt": attempt, "failure": failure}, told=told)["summary"]

    def answer(self, event: dict[str, Any], *, told: bool = True) -> dict[str, Any]:
        """Return what the handler answers; ``told``: the map named its map run."""
        whole = {
            "plan": PLAN,
            "pass": FIRST_PASS,
            "map_run": self.map_run.arn if told and not event.get("failure") else None,
            "failure": None,
            "execution": EXECUTION,
            "started": "2026-11-21T08:00:00.123Z",
            "child_type": "EXPRESS",
            "attempt": 0,
        }
        return summarize.handler({**whole, **event}, self.context)

    def again(self, **event: Any) -> str:
        """Return why the handler asks to be called again."""
        with pytest.raises(TransientError) as error:
            self(**event)
        assert type(error.value) is TransientError
        return str(error.value)


@pytest.fixture
def run(map_run: Any, context: Any, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setattr(summarize, "clients", lambda: (map_run, store))
    monkeypatch.setenv("STACK", "fanfold")
    return Runner(map_run, context)


def entry(name: str) -> dict[str, Any]:
    """Return a listing entry as the reader delivers it."""
    return {
        "Etag": '"9b2cf5"',
        "Key": f"in/{name}",
        "LastModified": 1.790204286e9,
        "Size": 27,
        "StorageClass": "STANDARD",
    }


def done(name: str, **fields: Any) -> Record:
    return Record(f"s3://photos/in/{name}", Status.SUCCEEDED, **fields)


def failed(name: str, kind: str = "UnreadableImage", **fields: Any) -> Record:
    failure = Failure(kind, f"{name} is broken", retryable=False)
    return Record(f"s3://photos/in/{name}", Status.FAILED, failure=failure, **fields)


def artifact(s3: Any, name: str) -> str:
    return s3.get_object(Bucket="output", Key=f"runs/r1/{name}")["Body"].read().decode()


def failures(s3: Any) -> list[str]:
    return artifact(s3, "failures.csv").splitlines()


# --- what is measured


def test_a_run_is_measured_in_one_line_by_the_stack_alone(run: Runner, map_run: Any, capsys: Any) -> None:
    records = [done("a.jpg", milliseconds=100.0), failed("b.jpg", milliseconds=300.0), failed("c.jpg")]
    map_run.write([[map_run.batch("b1", records)]])
    map_run.listed = 3

    run()

    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"]) == ("Fanfold", [["Stack"]])
    assert (line["Stack"], line["run"], line["operation"]) == ("fanfold", "r1", "image-resize")
    units = {metric["Name"]: metric["Unit"] for metric in directive["Metrics"]}
    assert {name: line[name] for name in units if name.startswith(("Runs", "Items"))} == {
        "Runs": [1.0], "RunsFailed": [1.0], "RunsUnreconciled": [0.0], "ItemsListed": [3.0], "ItemsExcluded": [0.0],
        "ItemsSkipped": [0.0], "ItemsSucceeded": [1.0], "ItemsFailed": [2.0], "ItemsDeferred": [0.0],
        "ItemsLost": [0.0], "ItemsPerSecond": [0.0],
    }  # fmt: skip
    assert line["ItemMillisecondsP99"] == [pytest.approx(300, rel=0.02)]
    assert 0 < line["RunDollars"][0] < line["DollarsPerMillionItems"][0]
    assert (units["RunSeconds"], units["ItemsPerSecond"], units["RunDollars"]) == ("Seconds", "Count/Second", "None")
    assert len(units) == 17


def test_a_run_of_nothing_has_no_figures_of_items(run: Runner, map_run: Any, capsys: Any) -> None:
    map_run.write()

    run()

    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"_aws"')]
    assert (line["Runs"], line["ItemsListed"]) == ([1.0], [0.0])
    assert "DollarsPerMillionItems" not in line
    assert "ItemMillisecondsP50" not in line


# --- what is written


def test_summary_and_failures_of_a_run_are_whole(run: Runner, map_run: Any, s3: Any) -> None:
    deferred = Record(
        "s3://photos/in/d.jpg",
        Status.DEFERRED,
        failure=Failure("TransientError", "S3 answered SlowDown", retryable=True),
    )
    first = map_run.batch(
        "b1",
        [
            done("a.jpg", milliseconds=100.0, bytes_in=10, bytes_out=5),
            failed("b.jpg", milliseconds=200.0, bytes_in=20),
            Record("s3://photos/in/", Status.EXCLUDED, reason="folder marker"),
        ],
    )
    second = map_run.batch("b2", [Record("s3://photos/in/c.jpg", Status.SKIPPED, reason="already done"), deferred])
    map_run.write(succeeded=[[first], [second]])
    map_run.listed = 5

    summary = run(tolerated_percent=40)

    moments = {name: summary[name] for name in ("seconds", "items_per_second", "started", "finished")}
    moments_of_pass = {name: summary["passes"][0][name] for name in ("seconds", "items_per_second", "finished")}
    assert summary == {
        "run": "r1",
        "state": "SUCCEEDED",
        "reason": None,
        "operation": "image-resize",
        "source": "s3://photos/in/",
        "destination": "s3://output/out/image-resize/",
        "reconciled": True,
        "items": {
            "listed": 5,
            "excluded": 1,
            "skipped": 1,
            "succeeded": 1,
            "failed": 1,
            "deferred": 1,
            "lost": 0,
        },
        "bytes": {"in": 30, "out": 5},
        "rows": {"in": 0, "out": 0},
        "milliseconds": {"p50": 99.9, "p95": 199.8, "p99": 199.8, "max": 200.0},
        "notes": [],
        "tables": 0,
        "passes": [
            {
                "pass": 1,
                "items": summary["items"],
                "gained": 2,
                "bytes": {"in": 30, "out": 5},
                "rows": {"in": 0, "out": 0},
                "started": "2026-11-21T08:00:01.000Z",
                "map_run": map_run.arn,
                **moments_of_pass,
            }
        ],
        "slowest": [
            {"uri": "s3://photos/in/b.jpg", "milliseconds": 200.0},
            {"uri": "s3://photos/in/a.jpg", "milliseconds": 100.0},
        ],
        "usage": {
            "invocations": 2,
            "milliseconds": 0,
            "megabyte_seconds": 0.0,
            "child_seconds": 0.0,
            "child_type": "EXPRESS",
            "requests": {"head": 0, "get": 0, "put": 0, "list": 1},
        },
        "errors": [
            {"type": "TransientError", "count": 1, "example": "s3://photos/in/d.jpg"},
            {"type": "UnreadableImage", "count": 1, "example": "s3://photos/in/b.jpg"},
        ],
        "execution": EXECUTION,
        "artifacts": ARTIFACTS,
        **moments,
    }
    started, finished = (datetime.fromisoformat(moments[name]) for name in ("started", "finished"))
    assert moments["started"] == "2026-11-21T08:00:00.123000+00:00"
    assert moments["seconds"] == round((finished - started).total_seconds(), 3)
    assert json.loads(artifact(s3, "summary.json")) == summary
    line = s3.get_object(Bucket="output", Key="summaries/2026-11-21/r1.json")["Body"].read()
    assert (json.loads(line), line.count(b"\n")) == (summary, 1)
    assert artifact(s3, "failures.csv") == (
        f"{HEADER}\n"
        "s3://photos/in/b.jpg,UnreadableImage,b.jpg is broken,false,1\n"
        "s3://photos/in/d.jpg,TransientError,S3 answered SlowDown,true,1\n"
    )


def test_a_run_over_nothing_succeeds(run: Runner, map_run: Any, s3: Any) -> None:
    map_run.write()

    summary = run()

    assert (summary["state"], summary["reconciled"], summary["items"]) == ("SUCCEEDED", True, {"listed": 0, **NOTHING})
    assert failures(s3) == [HEADER]


def test_batches_of_failed_items_alone_tell_their_result_in_the_cause(run: Runner, map_run: Any, s3: Any) -> None:
    hopeless = map_run.batch("b1", [failed("a.jpg"), failed("b.jpg", "ObjectNotFound")])
    map_run.write(
        succeeded=[[map_run.batch("b2", [done("c.jpg")])]],
        failed=[[map_run.hopeless(hopeless, [entry("a.jpg"), entry("b.jpg")])]],
    )
    map_run.listed, map_run.status = 3, "FAILED"

    summary = run(failure={"Error": "States.ExceedToleratedFailureThreshold", "Cause": "too many failed"})

    assert summary["items"] == {"listed": 3, **NOTHING, "succeeded": 1, "failed": 2}
    assert summary["reconciled"] is True
    assert summary["reason"] == (
        "The map failed with States.ExceedToleratedFailureThreshold: too many failed. "
        "2 of 3 items have no output, more than the tolerated 25 %."
    )
    assert failures(s3) == [
        HEADER,
        "s3://photos/in/a.jpg,UnreadableImage,a.jpg is broken,false,1",
        "s3://photos/in/b.jpg,ObjectNotFound,b.jpg is broken,false,1",
    ]


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"Error": "Lambda.Unknown", "Cause": "the process died"}, "Lambda.Unknown", "the process died"),
        ({"Error": "Sandbox.Timedout", "Cause": "after 240 s"}, "Sandbox.Timedout", "after 240 s"),
        ({"Status": "ABORTED", "Cause": "the map run was aborted"}, "Aborted", "the map run was aborted"),
        ({"Status": "TIMED_OUT"}, "Timed_Out", "the batch was not started"),
        ({"Error": "AllItemsFailed", "Cause": '{"batch": "b1", "cou'}, "AllItemsFailed", '"{""batch"": ""b1"", ""cou"'),
        ({"Error": "AllItemsFailed"}, "AllItemsFailed", "the batch was not started"),
    ],
)
def test_the_items_of_a_child_without_a_result_are_lost_and_named(
    run: Runner, s3: Any, fields: dict[str, str], kind: str, message: str
) -> None:
    map_run = run.map_run
    map_run.write(failed=[[map_run.child("b1", [entry("a.jpg"), entry("b.jpg")], **fields)]])
    map_run.listed = 2

    summary = run(tolerated_percent=100)

    assert (summary["state"], summary["items"]) == ("SUCCEEDED", {"listed": 2, **NOTHING, "lost": 2})
    assert summary["errors"] == [{"type": kind, "count": 2, "example": "s3://photos/in/a.jpg"}]
    assert failures(s3) == [
        f"{HEADER},item_name",
        f"s3://photos/in/a.jpg,{kind},{message},true,1,a.jpg",
        f"s3://photos/in/b.jpg,{kind},{message},true,1,b.jpg",
    ]


def test_the_items_of_children_that_never_began_are_lost_and_named(run: Runner, map_run: Any, s3: Any) -> None:
    """Two equal batches are two batches: a manifest may name an object twice."""
    map_run.write(pending=[[map_run.pending([entry("a.jpg")])], [map_run.pending([entry("a.jpg")])]])
    map_run.listed = 2

    summary = run()

    assert (summary["state"], summary["items"]) == ("FAILED", {"listed": 2, **NOTHING, "lost": 2})
    assert failures(s3) == [
        f"{HEADER},item_name",
        *["s3://photos/in/a.jpg,Pending,the batch was not started,true,1,a.jpg"] * 2,
    ]


def test_columns_output_and_attempts_of_lost_manifest_rows_travel_and_a_row_without_an_object_fails(
    run: Runner, map_run: Any, s3: Any
) -> None:
    map_run.source = {"kind": "jsonl", "uri": "s3://output/m.jsonl", "bucket": "photos", "key": "m.jsonl"}
    rows: list[Any] = [
        {"key": "a.jpg", "output": "A.jpg", "label": "x", "attempts": "2", "error": "Old"},
        {"uri": "s3://other/b.jpg", "lot": "7"},
        {"label": "names nothing"},
    ]
    map_run.write(failed=[[map_run.child("b1", rows, Error="Lambda.Unknown", Cause="died")]])
    map_run.listed = 3

    assert run()["items"] == {"listed": 3, **NOTHING, "failed": 1, "lost": 2}
    rows = list(csv.DictReader(io.StringIO(artifact(s3, "failures.csv"))))
    assert [(row["uri"], row["error"], row["attempts"], row["output"], row["label"], row["lot"]) for row in rows] == [
        ('{"label": "names nothing"}', "InvalidItem", "1", "", "names nothing", ""),
        ("s3://photos/a.jpg", "Lambda.Unknown", "3", "A.jpg", "x", ""),
        ("s3://other/b.jpg", "Lambda.Unknown", "1", "", "", "7"),
    ]


# --- once, however often it is told


def test_a_batch_counts_once_however_often_and_wherever_it_is_told(run: Runner, map_run: Any, s3: Any) -> None:
    mixed = map_run.batch("b1", [done("a.jpg"), failed("b.jpg")])
    hopeless = map_run.hopeless(map_run.batch("b2", [failed("c.jpg")]), [entry("c.jpg")])
    died = map_run.child("b1", [entry("a.jpg"), entry("b.jpg")], Error="Lambda.Unknown", Cause="died")
    gone = map_run.child("b3", [entry("d.jpg")], Error="Lambda.Unknown", Cause="died")
    map_run.write(succeeded=[[mixed, mixed], [mixed]], failed=[[died, gone, hopeless], [hopeless, gone]])
    map_run.listed = 4

    summary = run()

    assert summary["items"] == {"listed": 4, **NOTHING, "succeeded": 1, "failed": 2, "lost": 1}
    assert [line.split(",")[0] for line in failures(s3)[1:]] == [
        "s3://photos/in/b.jpg",
        "s3://photos/in/c.jpg",
        "s3://photos/in/d.jpg",
    ]


def test_a_batch_that_wrote_its_records_before_it_died_was_done(run: Runner, map_run: Any, s3: Any) -> None:
    map_run.batch("b1", [done("a.jpg"), failed("b.jpg")])
    died = map_run.child("b1", [entry("a.jpg"), entry("b.jpg")], Error="Sandbox.Timedout", Cause="after 240 s")
    map_run.write(failed=[[died]])
    map_run.listed = 2

    assert run()["items"] == {"listed": 2, **NOTHING, "succeeded": 1, "failed": 1}


def test_a_batch_whose_shared_output_is_missing_was_not_done(run: Runner, map_run: Any, s3: Any) -> None:
    """Such an output is written after the records."""
    shared = "s3://output/out/r1/b1.parquet"
    map_run.batch("b1", [done("a.csv", outputs=(shared,)), done("b.csv", outputs=(shared,))])
    died = map_run.child("b1", [entry("a.csv"), entry("b.csv")], Error="Sandbox.Timedout", Cause="after 240 s")
    map_run.write(failed=[[died]])
    map_run.listed = 2

    assert run()["items"] == {"listed": 2, **NOTHING, "lost": 2}
    s3.put_object(Bucket="output", Key="out/r1/b1.parquet", Body=b"x")
    assert run()["items"] == {"listed": 2, **NOTHING, "succeeded": 2}


def test_after_a_redrive_the_last_manifest_is_read(run: Runner, map_run: Any, s3: Any) -> None:
    """It lists the SUCCEEDED parts of all attempts, and what is still open alone; an empty part holds ``[]``."""
    first, second = (map_run.batch(name, [done(f"{name}.jpg")]) for name in ("b1", "b2"))
    map_run.write(
        succeeded=[[first]], failed=[[map_run.child("b2", [entry("b2.jpg")], Error="Lambda.Unknown", Cause="died")]]
    )
    map_run.redrives = 1
    map_run.write(succeeded=[[first], [second]], failed=[[[]]], pending=[[[]]])
    map_run.listed = 2

    summary = run()

    assert (summary["state"], summary["items"]) == ("SUCCEEDED", {"listed": 2, **NOTHING, "succeeded": 2})
    assert failures(s3) == [HEADER]


# --- what is not settled, and what never settles


def test_a_manifest_that_is_not_there_yet_is_waited_for_and_then_told(run: Runner, map_run: Any, s3: Any) -> None:
    map_run.listed = 3
    uri = f"s3://output/runs/r1/results/{map_run.run_id}/manifest.json"

    assert run.again(attempt=summarize.PATIENCE - 1) == f"{uri} is not written yet"
    summary = run(attempt=summarize.PATIENCE)

    assert (summary["state"], summary["reconciled"]) == ("FAILED", False)
    assert summary["items"] == {"listed": 3, **NOTHING}
    assert summary["reason"] == (
        f"The ledger does not add up: {uri} is not written yet; 3 of 3 listed items are missing from the results."
    )
    assert json.loads(artifact(s3, "summary.json")) == summary


def test_a_map_run_that_listed_nothing_needs_no_manifest(run: Runner) -> None:
    run.again(attempt=0)
    summary = run(attempt=summarize.PATIENCE)

    assert (summary["state"], summary["reconciled"]) == ("SUCCEEDED", True)


@pytest.mark.parametrize(("status", "running"), [("RUNNING", 0), ("FAILED", 2)])
def test_a_map_run_at_work_is_waited_for_to_the_last_and_then_told(
    run: Runner, map_run: Any, status: str, running: int
) -> None:
    """Children of a run that was stopped early run on: EXPRESS ones cannot be aborted."""
    map_run.status, map_run.running, map_run.listed = status, running, 1
    map_run.write(succeeded=[[map_run.batch("b1", [done("a.jpg")])]])

    assert run.again(attempt=LAST - 1) == f"{map_run.arn} is not settled: {status}"
    summary = run(attempt=LAST)

    assert (summary["state"], summary["reconciled"]) == ("FAILED", False)
    assert summary["reason"] == f"The ledger does not add up: {map_run.arn} is still at work: {status}."


def test_the_last_attempt_is_the_last_of_the_workflow() -> None:
    machine = json.loads(Path("workflows/process.asl.json").read_text())
    retry = machine["States"]["Summarize"]["Retry"][0]

    assert (summarize.LAST_ATTEMPT, "TransientError" in retry["ErrorEquals"]) == (retry["MaxAttempts"], True)


def test_counts_that_do_not_add_up_are_waited_for_and_then_told(run: Runner, map_run: Any) -> None:
    map_run.write(succeeded=[[map_run.batch("b1", [done("a.jpg")])]])
    difference = "1 of 2 listed items are missing from the results"
    map_run.listed = 2

    assert difference in run.again(attempt=0)
    summary = run(attempt=summarize.PATIENCE)

    assert (summary["state"], summary["reason"]) == ("FAILED", f"The ledger does not add up: {difference}.")

    map_run.listed = 0
    assert "1 of 0 listed items are too many in the results" in run(attempt=summarize.PATIENCE)["reason"]


def test_a_map_that_failed_before_it_began_is_told(run: Runner, map_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """ListMapRuns is eventually consistent: none is believed only after some attempts."""
    monkeypatch.setattr(type(map_run), "map_runs", [])
    failure = {"Error": "States.QueryEvaluationError", "Cause": "no such variable"}

    assert run.again(failure=failure) == f"{EXECUTION} has no map run yet"
    summary = run(attempt=summarize.PATIENCE, failure=failure)

    assert (summary["state"], summary["items"]) == ("FAILED", {"listed": 0, **NOTHING})
    assert summary["reason"] == "The map failed with States.QueryEvaluationError: no such variable."


def test_a_reader_that_failed_is_told(run: Runner, map_run: Any) -> None:
    map_run.status = "FAILED"

    summary = run(attempt=summarize.PATIENCE, failure={"Error": "States.ItemReaderFailed"})

    assert (summary["reconciled"], summary["reason"]) == (
        True,
        "The map failed with States.ItemReaderFailed: no cause given.",
    )


@pytest.mark.parametrize("code", ["ThrottlingException", "ServiceUnavailable", "ResourceNotFound"])
def test_a_busy_step_functions_is_asked_again(run: Runner, map_run: Any, code: str) -> None:
    map_run.error = ClientError({"Error": {"Code": code}}, "DescribeMapRun")

    assert code in run.again(attempt=LAST)


def test_step_functions_out_of_reach_is_asked_again(run: Runner, map_run: Any) -> None:
    map_run.error = ConnectTimeoutError(endpoint_url="https://states")

    assert run.again(failure={"Error": "E"}).startswith("Step Functions cannot be reached")


def test_a_refusal_of_step_functions_is_no_reason_to_ask_again(run: Runner, map_run: Any) -> None:
    map_run.error = ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeMapRun")

    with pytest.raises(ClientError):
        run()


# --- damage


def test_batches_of_a_result_file_that_is_gone_or_damaged_count_by_their_records(
    run: Runner, map_run: Any, s3: Any
) -> None:
    parts = [[map_run.batch(f"b{number}", [done(f"{number}.jpg"), failed(f"{number}.png")])] for number in range(3)]
    map_run.write(succeeded=parts)
    map_run.listed = 6
    s3.delete_object(Bucket="output", Key=f"{map_run.folder}SUCCEEDED_0.jsonl")
    s3.put_object(Bucket="output", Key=f"{map_run.folder}SUCCEEDED_1.jsonl", Body=b'{"batch": "b1", "it')

    assert "4 of 6 listed items are missing from the results" in run.again(attempt=0)
    summary = run(attempt=summarize.PATIENCE, tolerated_percent=50)

    place = f"s3://output/{map_run.folder}SUCCEEDED"
    assert (summary["state"], summary["reconciled"]) == ("SUCCEEDED", True)
    assert summary["items"] == {"listed": 6, **NOTHING, "succeeded": 3, "failed": 3}
    assert summary["notes"] == [
        f"the result file {place}_0.jsonl cannot be read: cannot read {place}_0.jsonl: it does not exist; "
        "check the bucket and the key",
        f"the result file {place}_1.jsonl cannot be read: Unterminated string starting at: line 1 column 17 (char 16)",
        "2 batches without a result are counted from their records",
    ]
    assert sorted(line.split(",")[0] for line in failures(s3)[1:]) == [f"s3://photos/in/{n}.png" for n in range(3)]


def test_items_that_nothing_tells_of_are_named(run: Runner, map_run: Any, s3: Any) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"):
        s3.put_object(Bucket="photos", Key=f"in/{name}", Body=b"x")
    gone = map_run.batch("b1", [done("b.jpg"), done("c.jpg")])
    died = map_run.child("b3", [entry("e.jpg")], Error="Lambda.Unknown", Cause="died")
    map_run.write(succeeded=[[map_run.batch("b2", [done("a.jpg"), failed("d.jpg")])], [gone]], failed=[[died]])
    map_run.listed = 5
    s3.delete_object(Bucket="output", Key=f"{map_run.folder}SUCCEEDED_1.jsonl")
    s3.delete_object(Bucket="output", Key="runs/r1/records/pass-1/b1.jsonl.gz")

    summary = run(attempt=summarize.PATIENCE)

    assert (summary["state"], summary["reconciled"]) == ("FAILED", False)
    assert summary["items"] == {"listed": 5, **NOTHING, "succeeded": 1, "failed": 1, "lost": 1}
    assert "2 items are named in failures.csv as Unaccounted" in summary["reason"]
    assert "2 of 5 listed items are missing from the results" in summary["reason"]
    named = [tuple(line.split(",")[:2]) for line in failures(s3)[1:]]
    assert sorted(named) == [
        ("s3://photos/in/b.jpg", "Unaccounted"),
        ("s3://photos/in/c.jpg", "Unaccounted"),
        ("s3://photos/in/d.jpg", "UnreadableImage"),
        ("s3://photos/in/e.jpg", "Lambda.Unknown"),
    ]


def test_a_source_that_is_gone_cannot_name_what_is_missing(run: Runner, map_run: Any) -> None:
    source = {"kind": "csv", "uri": "s3://photos/m.csv", "bucket": "photos", "key": "m.csv"}
    map_run.write(succeeded=[[map_run.batch("b1", [done("a.jpg")])]])
    map_run.listed = 2

    answer = run.answer({"pass": FIRST_PASS | {"source": source}, "attempt": summarize.PATIENCE})

    assert "which items are missing cannot be said: cannot read s3://photos/m.csv" in answer["summary"]["reason"]


def test_records_of_an_earlier_map_run_do_not_stand_in(run: Runner, map_run: Any) -> None:
    """A redrive may begin another map run over the same items, whose batches have other names."""
    map_run.batch("old", [done("a.jpg"), done("b.jpg"), done("c.jpg")])
    map_run.write(succeeded=[[map_run.batch("new", [done("a.jpg"), done("b.jpg")])]])
    map_run.listed = 3

    summary = run(attempt=summarize.PATIENCE)

    assert summary["items"] == {"listed": 3, **NOTHING, "succeeded": 2}
    assert "1 batches with records and without a result are more than what is missing" in summary["reason"]


def test_a_second_attempt_of_a_batch_is_believed_over_what_the_first_answered(
    run: Runner, map_run: Any, s3: Any
) -> None:
    """The map took the first for dead; it went on and wrote its records over those of the second."""
    answered = map_run.batch("b1", [done("a.jpg"), failed("b.jpg")])
    map_run.batch("b1", [done("a.jpg"), done("b.jpg")])
    map_run.write(succeeded=[[answered]])
    map_run.listed = 2

    assert run()["items"] == {"listed": 2, **NOTHING, "succeeded": 2}
    assert failures(s3) == [HEADER]


@pytest.mark.parametrize("answer", [{"statusCode": 200}, "text", 7, None, {"batch": "b1", "counts": 3}])
def test_an_answer_that_is_no_batch_result_is_told(run: Runner, map_run: Any, answer: Any) -> None:
    map_run.write(succeeded=[[answer, map_run.batch("b2", [done("a.jpg")])]])
    map_run.listed = 2

    summary = run(attempt=summarize.PATIENCE)

    assert summary["items"] == {"listed": 2, **NOTHING, "succeeded": 1}
    assert summary["reason"].startswith("The ledger does not add up: a child answered what is no batch result (")
    assert summary["reason"].endswith(f": {answer}; 1 of 2 listed items are missing from the results.")


def test_counts_that_contradict_their_batch_are_no_batch_result(run: Runner, map_run: Any) -> None:
    result = map_run.batch("b1", [done("a.jpg")])
    map_run.write(succeeded=[[{**result, "items": 2}]])
    map_run.listed = 2

    reason = run(attempt=summarize.PATIENCE)["reason"]

    assert "ValueError('its counts add up to 1 and not to its items')" in reason


@pytest.mark.parametrize("fields", [{"Input": "{"}, {"Input": None}, {"Input": "{}"}, {"Input": '{"BatchInput": 1}'}])
def test_lost_items_that_cannot_be_named_are_told(run: Runner, map_run: Any, fields: dict[str, Any]) -> None:
    map_run.write(failed=[[map_run.child("b1", [], Error="Lambda.Unknown", **fields)]])
    map_run.listed = 1

    reason = run(attempt=summarize.PATIENCE)["reason"]

    assert reason.startswith("The ledger does not add up: the items of child b1 cannot be named: ")
    assert "1 of 1 listed items are missing from the results" in reason


RECORDS = "s3://output/runs/r1/records/pass-1/b1.jsonl.gz"


@pytest.mark.parametrize(
    ("damage", "named", "fault"),
    [
        (None, 3, f"{RECORDS} is unreadable: ObjectNotFound: cannot read {RECORDS}: it does not exist; check the"),
        (lambda body: body[:-20], 3, f"{RECORDS} is unreadable: "),
        (lambda _: b"no gzip", 3, f"{RECORDS} is unreadable: BadGzipFile: Not a gzipped file"),
        (lambda _: b"", 3, f"{RECORDS} has 0 of 5 items"),
    ],
    ids=["gone", "truncated", "no gzip", "empty"],
)
def test_failed_items_that_cannot_all_be_named_are_told(
    run: Runner, s3: Any, damage: Any, named: int, fault: str
) -> None:
    """The counts still add up; the first are named by the batch result itself, and the others as unaccounted."""
    map_run = run.map_run
    map_run.write(succeeded=[[map_run.batch("b1", [failed(f"{place}.jpg") for place in range(5)])]])
    map_run.listed = 5
    if damage is None:
        s3.delete_object(Bucket="output", Key="runs/r1/records/pass-1/b1.jsonl.gz")
    else:
        body = s3.get_object(Bucket="output", Key="runs/r1/records/pass-1/b1.jsonl.gz")["Body"].read()
        s3.put_object(Bucket="output", Key="runs/r1/records/pass-1/b1.jsonl.gz", Body=damage(body))

    for place in range(5):
        s3.put_object(Bucket="photos", Key=f"in/{place}.jpg", Body=b"x")

    summary = run(attempt=summarize.PATIENCE, tolerated_percent=100)

    assert (summary["state"], summary["reconciled"]) == ("FAILED", False)
    assert summary["items"] == {"listed": 5, **NOTHING, "failed": 5}
    assert f"the failed items of batch b1 cannot all be named: {fault}" in summary["reason"]
    kinds = [line.split(",")[1] for line in failures(s3)[1:]]
    assert (kinds.count("UnreadableImage"), kinds.count("Unaccounted")) == (named, 5 - named)


def test_a_batch_that_wrote_no_records_names_its_first_failures(run: Runner, map_run: Any, s3: Any) -> None:
    result = map_run.batch("b1", [failed(f"{name}.jpg") for name in "abcd"], shown=3)
    map_run.write(succeeded=[[{**result, "records": None}]])
    map_run.listed = 4

    summary = run(attempt=summarize.PATIENCE)

    assert "the failed items of batch b1 cannot all be named: it wrote no records" in summary["reason"]
    assert "cannot be named, because 4 items are in batches that write no records" in summary["reason"]
    assert failures(s3)[1:] == [f"s3://photos/in/{n}.jpg,UnreadableImage,{n}.jpg is broken,false,1" for n in "abc"]


def test_a_batch_without_records_that_names_all_its_failures_adds_up(run: Runner, map_run: Any) -> None:
    result = map_run.batch("b1", [failed("a.jpg"), done("b.jpg")])
    map_run.write(succeeded=[[{**result, "records": None}]])
    map_run.listed = 2

    assert run(tolerated_percent=50)["state"] == "SUCCEEDED"


def test_many_faults_are_counted_and_the_first_are_told(run: Runner, map_run: Any) -> None:
    map_run.write(succeeded=[[{"no": number} for number in range(12)]])
    map_run.listed = 12

    reason = run(attempt=summarize.PATIENCE)["reason"]

    assert reason.count("no batch result") == 5
    assert "7 more of this kind" in reason


# --- tolerance


@pytest.mark.parametrize(
    ("total", "bad", "percent", "state"),
    [
        (4, 1, 25, "SUCCEEDED"),
        (4, 1, 24.9, "FAILED"),
        (4, 0, 0, "SUCCEEDED"),
        (4, 1, 0, "FAILED"),
        (4, 4, 100, "SUCCEEDED"),
        (10_000, 57, 0.57, "SUCCEEDED"),
        (10_000, 58, 0.57, "FAILED"),
    ],
)
def test_what_is_tolerated_is_exact(run: Runner, total: int, bad: int, percent: float, state: str) -> None:
    map_run = run.map_run
    items = [failed(f"{place}.jpg") for place in range(bad)] + [done(f"{place}.jpg") for place in range(total - bad)]
    map_run.write(succeeded=[[map_run.batch("b1", items)]])
    map_run.listed = total

    summary = run(tolerated_percent=percent)

    assert summary["state"] == state
    expected = None if state == "SUCCEEDED" else f"{bad} of {total} items have no output, more than the tolerated"
    assert (summary["reason"] or "").startswith(expected or "")
    assert (summary["reason"] is None) == (expected is None)


def test_names_that_csv_and_utf_8_find_hard_are_kept(run: Runner, map_run: Any, s3: Any) -> None:
    names = ["Icon\r", 'a,"b".jpg', "back\\slash", "größe 2.jpg", "two\nlines"]
    map_run.write(succeeded=[[map_run.batch("b1", [failed(name) for name in names])]])
    map_run.listed = len(names)

    run(tolerated_percent=100)

    read = csv.DictReader(io.StringIO(artifact(s3, "failures.csv"), newline=""))
    assert [row["uri"] for row in read] == [f"s3://photos/in/{name}" for name in names]
