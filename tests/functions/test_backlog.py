"""Backlog: who drains, what waits, what a turn takes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.backlog import handler as backlog
from functions.backlog.drain import turn_name
from functions.backlog.job import Wanted
from functions.backlog.patience import MOST_TURNS
from itemkit import InvalidJob
from itemkit.errors import TransientError
from itemkit.event import read_records
from itemkit.store import S3Store

STATES = "arn:aws:states:us-east-1:123456789012"
PROCESS = f"{STATES}:stateMachine:fanfold-process"
ME, OTHER = (f"{STATES}:execution:fanfold-drain:{name}" for name in ("me", "other"))
RUN, MY_RUN = (f"{STATES}:execution:fanfold-process:drain-{name}" for name in ("other", "me"))
JOB = {"operation": "image-resize", "options": {"width": 512}}
MOVES = {
    "from": "s3://photos/incoming/",
    "move_source_to": "s3://photos/processed/",
    "move_failed_to": "s3://photos/failed/",
}
HEADER = "uri,error,message,retryable,attempts,item_name,etag\n"


class Executions:
    """Step Functions as far as Backlog asks it: executions by their ARN."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Any]] = {}
        self.code = "ExecutionDoesNotExist"

    def describe_execution(self, executionArn: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        if executionArn not in self.known:
            raise ClientError({"Error": {"Code": self.code}}, "DescribeExecution")
        return self.known[executionArn]

    def put(self, arn: str, status: str, ago: float = 0.0, **more: Any) -> None:
        """Put an execution there that stopped so many seconds ago, unless it runs."""
        stopped = {} if status == "RUNNING" else {"stopDate": datetime.now(UTC) - timedelta(seconds=ago)}
        self.known[arn] = {"status": status, "input": json.dumps({**JOB, "on_done": MOVES}), **stopped, **more}


class Metrics:
    def __init__(self) -> None:
        self.put: list[dict[str, float]] = []

    def put_metric_data(self, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803
        assert Namespace == "Fanfold"
        assert all(each["Dimensions"] == [{"Name": "Stack", "Value": "fanfold"}] for each in MetricData)
        self.put.append({each["MetricName"]: each["Value"] for each in MetricData})


class World:
    """The buckets, Step Functions and CloudWatch around the function."""

    def __init__(self, s3: Any, context: Any) -> None:
        self.s3 = s3
        self.store = S3Store(s3)
        self.executions = Executions()
        self.metrics = Metrics()
        self.context = context

    def drop(self, *names: str, body: bytes = b"x") -> None:
        for name in names:
            self.s3.put_object(Bucket="photos", Key=f"incoming/{name}", Body=body)

    def survey(self, drain: str = ME, settled: tuple[str, ...] = (), **given: Any) -> dict[str, Any]:
        event = {"action": "survey", "execution": drain, "input": given, "settled": list(settled)}
        return backlog.handler(event, self.context)

    def release(self, drain: str = ME, problem: Any = None) -> str | None:
        event = {"action": "release", "execution": drain, "problem": problem}
        return backlog.handler(event, self.context)["problem"]

    def read(self, key: str) -> Any:
        return json.loads(self.s3.get_object(Bucket="output", Key=key)["Body"].read())

    def write(self, key: str, body: str = "{}") -> None:
        self.s3.put_object(Bucket="output", Key=key, Body=body.encode())

    def failures(self, run: str, *uris: str, retryable: str = "true") -> None:
        """Write what a run leaves that could not finish these objects, and say that it is settled."""
        rows = [f"{uri},TransientError,busy,{retryable},3,{uri[-1]},{self.etag(uri)}\n" for uri in uris]
        self.write(f"runs/{run}/failures.csv", HEADER + "".join(rows))
        self.write(f"runs/{run}/moved.json")

    def etag(self, uri: str) -> str:
        return self.store.head(uri).etag


@pytest.fixture
def world(s3, context, monkeypatch):
    world = World(s3, context)
    settings = {
        "STACK": "fanfold", "INPUT_BUCKET": "photos", "OUTPUT_BUCKET": "output", "PROCESS_ARN": PROCESS,
        "DRAIN_JOB": json.dumps(JOB), "DRAIN_MAX_ITEMS": "1000", "DRAIN_GRACE_SECONDS": "300",
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(backlog, "clients", lambda: (world.store, world.executions, world.metrics))
    return world


def taken_by(world: World, holder: str | None, run: str | None) -> None:
    world.write("drain/lease.json", json.dumps({"holder": holder, "run": run}))


def test_what_waits_becomes_the_manifest_and_the_job_of_a_turn(world):
    world.drop("a b.jpg", "folder/ü.jpg")

    answer = world.survey()

    manifest = world.s3.get_object(Bucket="output", Key="drain/turns/drain-me.jsonl")["Body"].read().splitlines()
    etag = world.etag("s3://photos/incoming/a b.jpg")
    assert [json.loads(line) for line in manifest] == [
        {"uri": "s3://photos/incoming/a b.jpg", "item_name": "a b.jpg", "etag": etag},
        {"uri": "s3://photos/incoming/folder/ü.jpg", "item_name": "folder/ü.jpg", "etag": etag},
    ]
    assert answer.pop("backlog")["taken"] == 2
    assert answer == {
        "state": "process",
        "run": "drain-me",
        "job": {
            "tolerate": {"percent": 100},
            **JOB,
            "source": {"manifest": "s3://output/drain/turns/drain-me.jsonl"},
            "on_done": MOVES,
        },
    }
    assert world.read("drain/lease.json") == {"holder": ME, "run": MY_RUN}


def test_nothing_waits(world):
    assert world.survey() == {
        "state": "nothing", "backlog": {"items": 0, "ignored": 0, "oldest_seconds": 0.0, "taken": 0},
    }  # fmt: skip
    assert world.metrics.put == [{"BacklogItems": 0, "OldestItemSeconds": 0.0}]


def test_what_waits_is_measured_each_turn(world, monkeypatch):
    world.drop("a", "b", "c")
    begun = datetime.now(UTC)
    monkeypatch.setattr(backlog.time, "time", lambda: begun.timestamp() + 1_000)

    world.survey(max_items=1, job={**JOB, "select": {"glob": "?"}})

    (measured,) = world.metrics.put
    assert measured["BacklogItems"] == 3
    assert 995 < measured["OldestItemSeconds"] < 1_010


@pytest.mark.parametrize(
    ("holder", "run", "reason"),
    [
        (("RUNNING", 0), None, "fanfold-drain:other is at work"),
        (("ABORTED", 400), ("RUNNING", 0), "drain-other is at work"),
        (
            ("ABORTED", 400),
            ("ABORTED", 100),
            r"drain-other ended as ABORTED; its functions may still write for (19\d|200) s",
        ),
        (
            ("TIMED_OUT", 200),
            None,
            r"fanfold-drain:other ended as TIMED_OUT; its functions may still write for (9\d|100) s",
        ),
    ],
)
def test_a_lease_is_not_taken_while_its_holder_may_still_write(world, holder, run, reason):
    world.drop("a")
    taken_by(world, OTHER, RUN)
    for arn, told in ((OTHER, holder), (RUN, run)):
        if told:
            world.executions.put(arn, *told)

    answer = world.survey()

    assert answer["state"] == "busy"
    assert re.search(reason, answer["reason"])
    assert world.read("drain/lease.json") == {"holder": OTHER, "run": RUN}
    assert world.metrics.put[0]["BacklogItems"] == 1, "what waits is measured all the same"


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT", None])
def test_a_drain_that_is_over_holds_nothing(world, status):
    world.drop("a")
    taken_by(world, OTHER, RUN)
    if status:
        world.executions.put(OTHER, status, 400)

    assert world.survey()["state"] == "process"


def test_a_run_that_was_refused_is_not_waited_for(world):
    world.drop("a")
    taken_by(world, None, RUN)
    world.executions.put(RUN, "FAILED", 1, error="InvalidJob")
    world.write("runs/drain-other/moved.json")

    assert world.survey()["state"] == "process"


def test_what_the_last_run_did_not_move_is_moved_first(world):
    world.drop("a")
    taken_by(world, OTHER, RUN)
    world.executions.put(OTHER, "ABORTED", 400)
    world.executions.put(RUN, "ABORTED", 400)

    first, second = world.survey(), world.survey(settled=("drain-other",))

    assert first == {
        "state": "settle",
        "settle": {
            "run": "drain-other", "runs": "s3://output/runs/drain-other/", "on_done": MOVES, "loaded": True,
            "moved": None,
        },
    }  # fmt: skip
    assert second["state"] == "process"


def test_what_was_to_be_loaded_and_may_not_be_stays(world):
    taken_by(world, None, RUN)
    job = {**JOB, "load": {"dynamodb": {"table": "t"}}, "on_done": MOVES}
    world.executions.put(RUN, "ABORTED", 400, input=json.dumps(job))

    assert world.survey()["settle"]["loaded"] is False


def test_one_of_two_that_saw_the_lease_free_gets_it(world):
    world.drop("a")
    world.executions.put(OTHER, "RUNNING")
    answers = []

    def meanwhile(operation_name: str, **_: Any) -> None:
        world.s3.meta.events.unregister("before-call.s3.PutObject", meanwhile_of)
        answers.append(world.survey(OTHER)["state"])

    meanwhile_of = lambda model, **_: meanwhile(model.name)  # noqa: E731
    world.s3.meta.events.register("before-call.s3.PutObject", meanwhile_of)

    answers.append(world.survey(ME)["state"])

    assert answers == ["process", "busy"]
    assert world.read("drain/lease.json")["holder"] == OTHER


def test_the_lease_is_given_back_by_its_holder_alone(world):
    world.drop("a")
    world.survey()

    world.release(OTHER)
    kept = world.read("drain/lease.json")
    world.release(ME)

    assert kept == {"holder": ME, "run": MY_RUN}
    assert world.read("drain/lease.json") == {"holder": None, "run": MY_RUN}


def test_a_survey_may_be_repeated(world):
    world.drop("a")

    assert world.survey()["job"] == world.survey()["job"]


def after_turns(world: World, turns: int, uri: str) -> None:
    """Let as many runs put an object off."""
    for number in range(turns):
        run = f"{STATES}:execution:fanfold-process:drain-{number}"
        taken_by(world, None, run)
        world.executions.put(run, "SUCCEEDED")
        world.failures(f"drain-{number}", uri)
        if number < turns - 1:
            world.survey()


def test_an_object_is_given_up_after_so_many_turns(world):
    world.drop("a", "b")
    after_turns(world, MOST_TURNS, "s3://photos/incoming/b")

    answer = world.survey()
    body = world.s3.get_object(Bucket="output", Key="runs/drain-me-gave-up/records/pass-1/gave-up.jsonl.gz")[
        "Body"
    ].read()
    (record,) = read_records(body)
    after = world.survey(settled=("drain-me-gave-up",))

    assert answer == {
        "state": "settle",
        "settle": {
            "run": "drain-me-gave-up", "runs": "s3://output/runs/drain-me-gave-up/", "on_done": MOVES, "loaded": True,
            "moved": None,
        },
    }  # fmt: skip
    assert (record.uri, record.status, record.failure.type) == ("s3://photos/incoming/b", "failed", "GaveUp")
    assert record.etag == world.etag(record.uri)
    assert record.failure.message.endswith("The last time: TransientError: busy")
    assert after["backlog"]["taken"] == 1, "what is given up is not tried, though it could not be moved"


def test_an_object_that_was_replaced_is_tried_anew(world):
    world.drop("b")
    after_turns(world, MOST_TURNS, "s3://photos/incoming/b")
    world.drop("b", body=b"another")

    assert world.survey()["state"] == "process"
    assert world.read("drain/attempts.json")["objects"] == {}


def test_a_run_is_counted_once_however_often_it_is_surveyed(world):
    world.drop("b")
    after_turns(world, 1, "s3://photos/incoming/b")

    for _ in range(MOST_TURNS + 1):
        world.release()
        taken_by(world, None, f"{STATES}:execution:fanfold-process:drain-0")
        answer = world.survey()

    assert answer["state"] == "process"
    assert world.read("drain/attempts.json")["objects"]["s3://photos/incoming/b"]["turns"] == 1


@pytest.mark.parametrize(
    ("given", "setting", "fault"),
    [
        ({}, "", "deploy the stack with the parameter DrainJob"),
        ({}, "{operation}", "the parameter DrainJob is no JSON"),
        ({"job": "image-resize"}, "", "the job of a drain is 'image-resize'"),
        ({"job": {**JOB, "source": "s3://photos/"}}, "", "has source, which is the drain's to say"),
        ({"job": {**JOB, "select": {"sufix": [".jpg"]}}}, "", "the job's select is"),
        ({"max_items": 0}, json.dumps(JOB), "max_items is 0"),
        ({"jobs": JOB}, json.dumps(JOB), "the input of a drain is"),
        ([], json.dumps(JOB), "the input of a drain is []"),
    ],
)
def test_a_job_that_is_none_is_refused(given, setting, fault):
    with pytest.raises(InvalidJob, match=re.escape(fault)):
        Wanted.of(given, setting, 1000)


def test_step_functions_that_does_not_answer_is_asked_again(world):
    taken_by(world, OTHER, None)
    world.executions.code = "ThrottlingException"

    with pytest.raises(TransientError, match="ThrottlingException"):
        world.survey()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (None, None),
        ({"Error": "InvalidJob", "Cause": '{"errorMessage": "no job"}'}, "InvalidJob: no job"),
        ({"Error": "States.Timeout"}, "States.Timeout: "),
        (
            {"Error": "States.TaskFailed", "Cause": f'{{"ExecutionArn": "{RUN}", "Name": "x", "Status": "ABORTED"}}'},
            "the run x ended as ABORTED: it was ended from outside",
        ),
        (
            {"Error": "States.TaskFailed",
             "Cause": json.dumps({"ExecutionArn": RUN, "Name": "x", "Status": "FAILED", "Error": "E", "Cause": "why"})},
            "the run x ended as FAILED: E: why",
        ),
    ],
)  # fmt: skip
def test_what_went_wrong_is_said_in_a_sentence(world, error, sentence):
    assert world.release(problem=error) == sentence


def test_names_of_runs_are_short_enough_and_the_same_each_time():
    long = "n" * 80
    assert turn_name("3f") == "drain-3f"
    assert (len(turn_name(long)), turn_name(long)) == (70, turn_name(long))
