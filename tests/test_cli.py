"""The command line as people and scripts use it: what goes to stdout, what to stderr, and the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.conftest import PROJECT, Cloud

BIN = Path(sys.executable).parent


def environment(cloud: Cloud) -> dict[str, str]:
    """What a shell has set that works with the endpoint."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


def call(cloud: Cloud, *words: str, program: str = "fanfold", stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program of the environment against the endpoint, as a shell would."""
    return subprocess.run(
        [str(BIN / program), *words],
        env=environment(cloud),
        cwd=PROJECT,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def images(cloud: Cloud, path: str = "images/album/") -> str:
    return f"s3://{cloud.application.input_bucket}/{path}"


def own(cloud: Cloud) -> str:
    """A destination of a test's own: the default one is for the test of it alone."""
    return f"s3://{cloud.application.output_bucket}/tests/{uuid.uuid4()}/"


def test_a_good_run_ends_with_0_and_prints_its_summary_as_json(cloud, tmp_path):
    done = call(
        cloud, "run", "image-resize", images(cloud), "-s", f"destination={own(cloud)}", "--json", "--to", str(tmp_path)
    )

    summary = json.loads(done.stdout)
    assert (done.returncode, summary["items"]["succeeded"]) == (0, 4)
    assert done.stderr == ""
    assert json.loads((tmp_path / summary["run"] / "summary.json").read_text()) == summary
    assert (tmp_path / summary["run"] / "failures.csv").read_text().startswith("uri,error,")


def test_a_run_with_failed_items_ends_with_1(cloud):
    done = call(
        cloud, "run", "image-resize", images(cloud, "images/"), "-s", "batch.items=4", "-s", f"destination={own(cloud)}"
    )

    assert done.returncode == 1
    assert "SUCCEEDED" in done.stdout
    assert "2 x UnreadableImage" in done.stdout


def test_a_run_of_nothing_ends_with_3(cloud):
    assert call(cloud, "run", "image-resize", images(cloud, "nowhere/")).returncode == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "name an operation and a source"),
        (["run", "image-resize", "s3://b/x/", "-s", "concurency=3"], "did you mean 'concurrency'?"),
        (["run", "image-resize", "s3://b/x/", "-s", "nonsense"], "is no assignment: write NAME=VALUE"),
        (["run", "image-resize", "s3://no-such-bucket-at-all/x/"], "the bucket no-such-bucket-at-all does not exist"),
        (["run", "--job", "no-such-file.json"], "cannot read the job no-such-file.json"),
        (["run", "--job", "-"], "the job from stdin is no JSON"),
    ],
)
def test_a_bad_job_ends_with_2_and_says_why_on_stderr(cloud, words, message):
    done = call(cloud, *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_job_may_come_from_stdin(cloud):
    job = {"operation": "image-resize", "source": images(cloud), "destination": own(cloud)}

    done = call(cloud, "run", "--job", "-", "--json", stdin=json.dumps(job))

    assert (done.returncode, json.loads(done.stdout)["items"]["listed"]) == (0, 5)


def test_an_endpoint_that_does_not_answer_ends_with_4(cloud):
    done = subprocess.run(
        [str(BIN / "fanfold"), "operations"],
        env={
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_MAX_ATTEMPTS": "1",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 4
    assert "127.0.0.1:9" in done.stderr


def test_operations_tell_their_options(cloud):
    done = call(cloud, "operations", "--json")

    operations = {operation["operation"]: operation for operation in json.loads(done.stdout)}
    assert done.returncode == 0
    assert {"dynamodb-load", "image-resize", "table-transform"} <= operations.keys()
    assert "width" in [option["name"] for option in operations["image-resize"]["options"]]
    assert "sql" in call(cloud, "operations").stdout


def test_the_aws_cli_works_as_against_aws(cloud, tmp_path):
    def aws(*words: str) -> str:
        done = call(cloud, *words, program="aws")
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = json.loads(aws("stepfunctions", "list-state-machines"))["stateMachines"]
    (machine,) = (each["stateMachineArn"] for each in listed if each["name"] == "fanfold-process")
    job = json.dumps({"operation": "image-resize", "source": images(cloud), "destination": own(cloud)})
    started = aws("stepfunctions", "start-execution", "--state-machine-arn", machine, "--input", job)
    execution = json.loads(started)["executionArn"]
    while json.loads(aws("stepfunctions", "describe-execution", "--execution-arn", execution))["status"] == "RUNNING":
        pass
    (map_run,) = json.loads(aws("stepfunctions", "list-map-runs", "--execution-arn", execution))["mapRuns"]
    described = json.loads(aws("stepfunctions", "describe-map-run", "--map-run-arn", map_run["mapRunArn"]))
    answer = tmp_path / "answer.json"
    event = f"fileb://{PROJECT / 'sample_data/events/image_resize.json'}"
    aws("lambda", "invoke", "--function-name", "fanfold-op-image-resize", "--payload", event, str(answer))

    assert (described["status"], described["itemCounts"]["total"]) == ("SUCCEEDED", 5)
    assert cloud.application.output_bucket in aws("s3", "ls")
    assert "landscape-12mp.jpg" in aws("s3", "ls", images(cloud, "images/"))
    assert json.loads(answer.read_text())["counts"] == {"succeeded": 1}


def test_retry_runs_what_failed_again_with_the_same_options_to_the_same_place(cloud):
    source, destination = images(cloud, "images/"), own(cloud)
    ran = call(cloud, "run", "image-resize", source, "-o", "width=64", "-s", f"destination={destination}", "--json")
    first = json.loads(ran.stdout)
    assert (ran.returncode, first["items"]["failed"]) == (1, 2)

    again = call(cloud, "retry", first["run"], "--json")

    summary = json.loads(again.stdout)
    assert (again.returncode, summary["destination"]) == (1, destination)
    assert {name: summary["items"][name] for name in ("listed", "failed")} == {"listed": 2, "failed": 2}
    rows = cloud.get(summary["artifacts"]["failures"]).decode().splitlines()
    assert [row.split(",")[-2] for row in rows] == ["attempts", "2", "2"]


def test_retry_of_a_run_that_left_nothing_matches_nothing(cloud):
    ran = call(cloud, "run", "image-resize", images(cloud), "-s", f"destination={own(cloud)}", "--json")

    again = call(cloud, "retry", json.loads(ran.stdout)["run"])

    assert (again.returncode, again.stdout) == (3, "")
    assert "left nothing to run again" in again.stderr


def test_retry_of_a_run_that_never_was_is_a_usage_problem(cloud):
    again = call(cloud, "retry", "never-was")

    assert (again.returncode, "there is no run 'never-was'" in again.stderr) == (2, True)
