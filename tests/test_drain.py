"""The drain, end to end: whatever is dropped into incoming/ ends once in processed/ or failed/, whatever happens."""

from __future__ import annotations

import io
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from botocore.exceptions import ClientError

from tests.brought import bring_with_kit
from tests.conftest import PATIENCE, Cloud, serving
from tests.test_cli import call
from tests.waiting import until

PLACES = ("incoming/", "processed/", "failed/")
# Seconds that a run rests after it was ended from outside: no function of these tests works longer.
GRACE = 1


class Circle:
    """The three folders and the drain, in a stack of their own; every test begins with empty folders."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.s3 = cloud.client("s3")
        self.states = cloud.client("stepfunctions")
        self.bucket = cloud.application.input_bucket
        self.job: dict[str, Any] = {}
        left = [{"Key": place + key} for place in PLACES for key in self.keys(place)]
        for first in range(0, len(left), 1000):
            self.s3.delete_objects(Bucket=self.bucket, Delete={"Objects": left[first : first + 1000]})

    def operation(self, process: str, **job: Any) -> None:
        """Bring an operation for the drain to run, with a destination of its own."""
        name = f"drained-{uuid.uuid4().hex[:8]}"
        bring_with_kit(self.cloud, name, process, [])
        self.job = {"operation": name, "destination": f"s3://{self.cloud.application.output_bucket}/{name}/", **job}

    def compacts(self, batch: int, **job: Any) -> None:
        """Have the drain make few tables of many, below a destination of its own."""
        destination = f"s3://{self.cloud.application.output_bucket}/compacted-{uuid.uuid4()}/"
        compact = {"operation": "table-transform", "options": {"compact": True}, "destination": destination}
        self.job = compact | {"batch": {"items": batch}, **job}

    def drop_tables(self, listed: list[str]) -> None:
        """Put tables of one row into incoming/, which is their own name."""
        self._put({name: f"name,number\n{name},1\n".encode() for name in listed})

    def rows(self) -> list[str]:
        """Return the names in all tables that were made, sorted."""
        tables = [pl.read_parquet(io.BytesIO(body)) for body in self.outputs().values()]
        return sorted(pl.concat(tables)["name"].to_list())

    def drop(self, listed: list[str], body: str = "body") -> None:
        """Put files into incoming/, the bodies made from their names."""
        self._put({name: f"{body} of {name}".encode() for name in listed})

    def _put(self, bodies: dict[str, bytes]) -> None:
        def put(name: str) -> None:
            self.s3.put_object(Bucket=self.bucket, Key=f"incoming/{name}", Body=bodies[name])

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(put, bodies))

    def keys(self, place: str) -> list[str]:
        return self.cloud.keys(f"s3://{self.bucket}/{place}")

    def outputs(self) -> dict[str, bytes]:
        return {key: self.cloud.get(self.job["destination"] + key) for key in self.cloud.keys(self.job["destination"])}

    def start(self, **given: Any) -> str:
        """Start a drain and return its execution's ARN."""
        text = json.dumps({"job": self.job, **given})
        machine = self.cloud.application.drain_arn
        return self.states.start_execution(stateMachineArn=machine, input=text)["executionArn"]

    def described(self, arn: str) -> dict[str, Any] | None:
        try:
            return self.states.describe_execution(executionArn=arn)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            return None

    def ended(self, arn: str) -> dict[str, Any]:
        """Wait for the end of an execution."""
        until(lambda: (self.described(arn) or {})["status"] != "RUNNING", f"the end of {arn}", 4 * PATIENCE)
        return self.states.describe_execution(executionArn=arn)

    def drain(self, **given: Any) -> dict[str, Any]:
        """Drain once, and return what the drain says."""
        ended = self.ended(self.start(**given))
        assert ended["status"] == "SUCCEEDED", ended.get("cause")
        return json.loads(ended["output"])

    def run_of(self, drain: str) -> str:
        """Return the ARN of a drain's run."""
        return self.cloud.application.execution_arn(f"drain-{drain.rsplit(':', 1)[-1]}")

    def measured(self, name: str = "BacklogItems") -> tuple[int, float]:
        """Return how often a metric was put since the beginning, and the sum of it."""
        now = datetime.now(UTC)
        answer = self.cloud.client("cloudwatch").get_metric_statistics(
            Namespace="Fanfold", MetricName=name, Dimensions=[{"Name": "Stack", "Value": "fanfold"}],
            Period=86_400, Statistics=["Sum", "SampleCount"],
            StartTime=now - timedelta(hours=12), EndTime=now + timedelta(hours=12),
        )  # fmt: skip
        points = answer["Datapoints"]
        return int(sum(point["SampleCount"] for point in points)), sum(point["Sum"] for point in points)

    def turn(self, **given: Any) -> tuple[dict[str, Any], float]:
        """Drain once; return what the drain says and the backlog that was measured, once."""
        count, total = self.measured()
        told = self.drain(**given)
        count_after, total_after = self.measured()
        assert count_after - count == 1
        return told, total_after - total

    def until_drained(self) -> list[dict[str, Any]]:
        """Drain until nothing waits, and return what the drains said."""
        told: list[dict[str, Any]] = []

        def drained() -> bool:
            told.append(self.drain())
            return told[-1]["state"] == "nothing"

        until(drained, "nothing waits in incoming/", 4 * PATIENCE)
        return told

    def holds(self, **places: list[str]) -> None:
        """Assert what lies where: every object once."""
        found = {place.rstrip("/"): self.keys(place) for place in PLACES}
        assert found == {"incoming": [], "processed": [], "failed": []} | {
            place: sorted(names) for place, names in places.items()
        }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with serving(tmp_path_factory.mktemp("logs"), "--parameter", f"DrainGraceSeconds={GRACE}") as cloud:
        yield cloud


@pytest.fixture
def circle(stack: Cloud) -> Circle:
    return Circle(stack)


def names(count: int) -> list[str]:
    return [f"{number % 7}/{number:05d}.txt" for number in range(count)]


def upper(listed: list[str], body: str = "body") -> dict[str, bytes]:
    """Return the outputs that an operation makes of dropped files."""
    return {name: f"{body} of {name}".upper().encode() for name in listed}


@pytest.mark.parametrize("count", [1, 100])
def test_what_is_dropped_is_processed_and_moved(circle, count):
    circle.operation("return done(body)")
    circle.drop(names(count))

    first, measured = circle.turn()
    second, measured_again = circle.turn()

    circle.holds(processed=names(count))
    assert circle.outputs() == upper(names(count))
    assert (first["state"], first["backlog"]["items"], first["backlog"]["taken"]) == ("process", count, count)
    assert (second["state"], second["backlog"]["items"]) == ("nothing", 0)
    assert (measured, measured_again) == (count, 0)


@pytest.mark.parametrize(
    "count", [pytest.param(500, marks=pytest.mark.slow), pytest.param(5_000, marks=pytest.mark.slow)]
)
def test_many_are_drained_while_more_arrive(circle, count):
    """Compacted, so that the endpoint has four requests an object to answer and not eight."""
    fifth = count // 5
    circle.compacts(batch=count // 20)
    listed = [f"{number % 7}/{number:04d}.csv" for number in range(count)]
    circle.drop_tables(listed[: 3 * fifth])
    first = circle.start(max_items=2 * fifth)

    circle.drop_tables(listed[3 * fifth :])
    taken = [json.loads(circle.ended(first)["output"])["backlog"]["taken"]]
    for left in (3 * fifth, fifth):
        told, measured = circle.turn(max_items=2 * fifth)
        taken.append(told["backlog"]["taken"])
        assert measured == left

    assert taken == [2 * fifth, 2 * fifth, fifth]
    circle.holds(processed=listed)
    assert circle.rows() == sorted(listed)


def test_the_oldest_are_taken_first_and_markers_never(circle):
    circle.operation("return done(body)", select={"suffix": [".txt"]})
    for wave in ("c", "a", "b"):
        # Dates of objects have whole seconds.
        until(lambda: datetime.now(UTC).microsecond < 100_000, "a second begins", 3)
        circle.drop([f"{wave}.txt"])
        until(lambda: datetime.now(UTC).microsecond > 500_000, "a second is half over", 3)
    circle.s3.put_object(Bucket=circle.bucket, Key="incoming/photos/", Body=b"")
    circle.drop(["notes.md"])

    told, measured = circle.turn(max_items=2)

    circle.holds(processed=["c.txt", "a.txt"], incoming=["b.txt", "notes.md", "photos/"])
    assert (measured, told["backlog"]["ignored"]) == (3, 2)
    assert told["backlog"]["oldest_seconds"] >= 2


def is_running(circle: Circle, drain: str) -> bool:
    return (circle.described(circle.run_of(drain)) or {}).get("status") == "RUNNING"


def has_records(circle: Circle, drain: str) -> bool:
    run = circle.run_of(drain).rsplit(":", 1)[-1]
    return bool(circle.cloud.keys(f"s3://{circle.cloud.application.output_bucket}/runs/{run}/records/"))


# How far a drain is when it is killed.
MOMENTS = {
    "as it begins": lambda circle, drain: True,
    "when its run began": is_running,
    "when a batch is done": has_records,
    "when an object was moved": lambda circle, drain: circle.keys("processed/"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_drain_that_is_killed_loses_nothing(circle, moment):
    circle.operation("time.sleep(0.02)\nreturn done(body)", batch={"items": 5}, concurrency=2)
    circle.drop(names(60))
    drain = circle.start()
    until(lambda: MOMENTS[moment](circle, drain), moment, 60)

    circle.states.stop_execution(executionArn=drain)
    told = circle.until_drained()

    circle.holds(processed=names(60))
    assert circle.outputs() == upper(names(60))
    assert circle.ended(drain)["status"] in ("ABORTED", "SUCCEEDED")
    assert told[-1]["backlog"]["items"] == 0


@pytest.mark.parametrize("moment", ["when its run began", "when a batch is done", "when an object was moved"])
def test_rows_are_compacted_once_though_the_drain_is_killed(circle, moment):
    circle.compacts(batch=10, concurrency=1)
    listed = [f"{number:02d}.csv" for number in range(60)]
    circle.drop_tables(listed)
    drain = circle.start()
    until(lambda: MOMENTS[moment](circle, drain), moment, 60)

    circle.states.stop_execution(executionArn=drain)
    circle.until_drained()

    circle.holds(processed=listed)
    assert circle.rows() == listed


def test_two_drains_at_once_are_one(circle):
    circle.operation("time.sleep(0.02)\nreturn done(body)", batch={"items": 10})
    circle.drop(names(50))

    drains = [circle.start() for _ in range(4)]

    told = Counter(json.loads(circle.ended(drain)["output"])["state"] for drain in drains)
    assert told == {"process": 1, "busy": 3}
    circle.holds(processed=names(50))
    assert circle.outputs() == upper(names(50))


def test_an_object_that_was_replaced_is_processed_again(circle):
    circle.operation("""
    if b"old" in body and once("read"):
        time.sleep(1)
    return done(body)
    """)
    circle.drop(["a.txt"], "old")
    drain = circle.start()
    function = f"fanfold-op-{circle.job['operation']}"
    until(lambda: list(Path("/tmp").glob(f"{function}-*-read")), "the object was read", 60)

    circle.drop(["a.txt"], "new")
    circle.ended(drain)
    waiting = circle.keys("incoming/")
    circle.until_drained()

    assert waiting == ["a.txt"]
    circle.holds(processed=["a.txt"])
    assert circle.cloud.get(f"s3://{circle.bucket}/processed/a.txt") == b"new of a.txt"
    assert circle.outputs() == upper(["a.txt"], "new")


def test_what_fails_for_good_is_put_aside_with_its_reason(circle):
    circle.operation("""
    if "3" in item.name:
        raise Unlucky(f"{item.name} has a three: write another number")
    return done(body)
    """)
    circle.drop(names(10))

    told, measured = circle.turn()

    bad = [name for name in names(10) if "3" in name]
    circle.holds(processed=[name for name in names(10) if name not in bad], failed=bad)
    assert (told["state"], measured, circle.turn()[1]) == ("process", 10, 0)
    metadata = circle.s3.head_object(Bucket=circle.bucket, Key=f"failed/{bad[0]}")["Metadata"]
    assert metadata["fanfold-error"] == "Unlucky"
    assert metadata["fanfold-message"] == f"{bad[0]} has a three: write another number"


def test_what_stays_transient_is_given_up_and_holds_nobody_up(circle):
    circle.operation(
        """
    if item.name == "busy.txt":
        raise TransientError("busy: later")
    return done(body)
    """,
        passes=1,
    )
    circle.drop(["busy.txt"])
    measured = []
    for number in range(5):
        circle.drop([f"{number}.txt"])
        told, waiting = circle.turn(max_items=2)
        measured.append((told["backlog"]["taken"], waiting))
        assert circle.keys("incoming/") == ["busy.txt"]

    last = circle.drain()

    assert measured == [(2, 2)] * 5
    assert last["state"] == "nothing"
    circle.holds(processed=[f"{number}.txt" for number in range(5)], failed=["busy.txt"])
    metadata = circle.s3.head_object(Bucket=circle.bucket, Key="failed/busy.txt")["Metadata"]
    assert metadata["fanfold-error"] == "GaveUp"
    assert "was put off in 5 turns" in metadata["fanfold-message"]


def test_what_kills_its_function_is_given_up_too(circle):
    circle.operation(
        """
    if item.name == "killer.txt":
        os._exit(1)
    return done(body)
    """,
        passes=2,
        batch={"items": 4},
    )
    circle.drop(["killer.txt", *names(3)])

    circle.until_drained()

    circle.holds(processed=names(3), failed=["killer.txt"])
    assert circle.outputs() == upper(names(3))


def test_a_job_that_cannot_run_fails_the_drain_and_moves_nothing(circle):
    circle.job = {"operation": "no-such-operation"}
    circle.drop(names(2))

    ended = circle.ended(circle.start())

    assert (ended["status"], ended["error"]) == ("FAILED", "DrainFailed")
    assert "InvalidJob: unknown operation 'no-such-operation'" in ended["cause"]
    circle.holds(incoming=names(2))
    circle.operation("return done(body)")
    assert circle.drain()["state"] == "process", "there is nothing to wait for after a run that never began"
    circle.holds(processed=names(2))


def test_the_command_drains_and_tells(circle, tmp_path):
    circle.operation("return done(body)")
    circle.drop(names(3))
    path = tmp_path / "job.json"
    path.write_text(json.dumps(circle.job))

    drained = call(circle.cloud, "drain", "--now", "--job", str(path), "--max-items", "2", "--json")
    told = call(circle.cloud, "drain")
    again = call(circle.cloud, "drain", "--now", "--job", str(path))
    nothing = call(circle.cloud, "drain", "--now", "--job", str(path))

    answer = json.loads(drained.stdout)
    assert (drained.returncode, answer["state"], answer["summary"]["items"]["succeeded"]) == (0, "process", 2)
    assert (answer["backlog"]["items"], answer["backlog"]["taken"]) == (3, 2)
    assert "2 succeeded" in told.stdout
    assert (again.returncode, nothing.returncode) == (0, 3)
    assert "0 objects waited in incoming/" in nothing.stderr
    circle.holds(processed=names(3))


def test_a_stack_without_a_job_says_what_is_missing(circle):
    told = call(circle.cloud, "drain", "--now")

    assert (told.returncode, told.stdout) == (2, "")
    assert "deploy the stack with the parameter DrainJob" in told.stderr
