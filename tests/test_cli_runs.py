"""The commands that look at runs and steer them, over the endpoint, as an operator uses them."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.brought import bring, bring_with_kit
from tests.conftest import Cloud
from tests.test_cli import call, images, own
from tests.waiting import until

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def failing(cloud: Cloud) -> str:
    """A finished run of the images, two of which fail."""
    ran = call(cloud, "run", "image-resize", images(cloud, "images/"), "-s", f"destination={own(cloud)}", "--json")
    return json.loads(ran.stdout)["run"]


def slow(cloud: Cloud, operation: str) -> tuple[str, str]:
    """Start a run that takes its time; return its name and its execution's ARN."""
    job = bring_with_kit(cloud, operation, "time.sleep(0.3)\nreturn done(body)", [f"{n}" for n in range(30)])
    job |= {"concurrency": 1, "batch": {"items": 1}}
    started = call(cloud, "run", "--job", "-", "--detach", stdin=json.dumps(job))
    name = started.stdout.strip()
    assert (started.returncode, started.stdout) == (0, f"{name}\n"), started.stderr
    execution = cloud.application.execution_arn(name)
    until(lambda: _map_run(cloud, execution).get("itemCounts", {}).get("succeeded", 0) >= 1, "one item is done", 60)
    return name, execution


def _map_run(cloud: Cloud, execution: str) -> dict:
    stepfunctions = cloud.client("stepfunctions")
    listed = stepfunctions.list_map_runs(executionArn=execution)["mapRuns"]
    return stepfunctions.describe_map_run(mapRunArn=listed[0]["mapRunArn"]) if listed else {}


def test_failures_are_csv_in_a_pipe_and_json_where_asked(cloud, failing):
    piped, asked = call(cloud, "failures", failing), call(cloud, "failures", failing, "--json")

    rows = list(csv.DictReader(io.StringIO(piped.stdout, newline="")))
    assert (piped.returncode, asked.returncode) == (1, 1)
    assert [row["error"] for row in rows] == ["UnreadableImage"] * 2
    assert json.loads(asked.stdout) == rows


def test_status_lists_runs_and_tells_of_one(cloud, failing):
    listed = json.loads(call(cloud, "status", "--json").stdout)
    one = json.loads(call(cloud, "status", failing, "--json").stdout)

    assert failing in [each["run"] for each in listed]
    assert (one["status"], one["summary"]["run"]) == ("SUCCEEDED", failing)
    assert one["progress"]["total"] == one["summary"]["items"]["listed"] == one["progress"]["succeeded"]
    assert failing in call(cloud, "status").stdout
    assert "the ledger adds up" in call(cloud, "status", failing).stdout


def test_the_report_is_saved_where_asked(cloud, failing, tmp_path):
    saved = call(cloud, "report", failing, "--to", str(tmp_path / "deep" / "page.html"))

    assert (saved.returncode, saved.stdout) == (0, f"{tmp_path / 'deep' / 'page.html'}\n")
    assert (tmp_path / "deep" / "page.html").read_text().startswith("<!doctype html>")


def test_cost_bills_what_the_run_used(cloud, failing):
    billed = json.loads(call(cloud, "cost", failing, "--json").stdout)
    told = call(cloud, "cost", failing)

    usage = json.loads(call(cloud, "status", failing, "--json").stdout)["summary"]["usage"]
    quantities = {line["what"]: line["quantity"] for line in billed["lines"]}
    assert quantities["S3: GET"] == usage["requests"]["get"]
    assert quantities["Lambda: requests"] == usage["invocations"]
    assert billed["total"] == pytest.approx(sum(line["dollars"] for line in billed["lines"]))
    assert "list prices of us-east-1" in told.stdout
    assert call(cloud, "cost", failing, "--prices", "never-there.json").returncode == 2


def test_watch_follows_a_run_that_somebody_else_started(cloud):
    job = bring(cloud, "elsewhere", "time.sleep(0.2)")
    execution = cloud.client("stepfunctions").start_execution(
        stateMachineArn=cloud.application.machine_arn, name="elsewhere", input=json.dumps(job)
    )["executionArn"]

    watched = call(cloud, "watch", "elsewhere", "--json")

    assert (watched.returncode, json.loads(watched.stdout)["execution"]) == (0, execution)


def test_a_run_is_tuned_stopped_and_taken_up_again(cloud):
    name, execution = slow(cloud, "steered")

    tuned = call(cloud, "tune", name, "--concurrency", "3", "--tolerate", "7.5")
    assert (tuned.returncode, tuned.stderr) == (
        0, f"{name}: maxConcurrency is now 3, toleratedFailurePercentage is now 7.5\n",
    )  # fmt: skip
    assert _map_run(cloud, execution)["maxConcurrency"] == 3
    stopped = call(cloud, "stop", name)
    assert (stopped.returncode, f"{name} is stopping" in stopped.stderr) == (0, True)
    until(lambda: _map_run(cloud, execution)["status"] == "ABORTED", "the map run is stopped", 60)

    again = call(cloud, "retry", name, "--json")

    assert (again.returncode, "a redrive" in again.stderr) == (0, True), again.stderr
    summary = json.loads(again.stdout)
    assert (summary["run"], summary["items"]["succeeded"]) == (name, 30)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status", "never-was"), "there is no run 'never-was'"),
        (("watch", "never-was"), "there is no run 'never-was'"),
        (("stop", "never-was"), "there is no run 'never-was'"),
        (("failures", "never-was"), "there is no run 'never-was'"),
        (("report", "never-was", "--to", "x"), "there is no run 'never-was'"),
        (("cost", "never-was"), "there is no run 'never-was'"),
        (("tune", "never-was"), "say what to change"),
        (("run", "image-resize", "s3://x/", "--local"), "--local runs over a directory"),
    ],
)
def test_what_cannot_be_done_is_answered_with_the_next_step(cloud, words, said):
    done = call(cloud, *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_what_is_over_is_neither_stopped_nor_tuned(cloud, failing):
    for words in (("stop", failing), ("tune", failing, "--concurrency", "3")):
        done = call(cloud, *words)
        assert (done.returncode, "SUCCEEDED" in done.stderr) == (2, True)
