"""Settle: sources move once their outputs are durable, as the very objects that were processed, however often."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from fanfold.local.server import Endpoint
from functions.settle import evidence, moving
from functions.settle import handler as settle
from functions.settle.moving import MOST_METADATA, Mover, fitting
from functions.settle.sources import Source
from itemkit.errors import TransientError
from itemkit.event import write_records
from itemkit.record import Failure, Record, Status
from itemkit.store import S3Store

BAD = Failure("UnreadableImage", "it is no picture: write a JPEG", retryable=False)


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with Endpoint() as endpoint:
        s3 = endpoint.client("s3")
        for bucket in ("input", "output"):
            s3.create_bucket(Bucket=bucket)
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        yield s3


@dataclass
class Scene:
    """A run of its own, whose sources lie in a place of its own."""

    s3: Any
    name: str

    def put(self, path: str, body: bytes = b"body", **more: Any) -> str:
        """Put a source and return its ETag."""
        return self.s3.put_object(Bucket="input", Key=f"{self.name}/{path}", Body=body, **more)["ETag"].strip('"')

    def record(self, path: str, status: Status = Status.SUCCEEDED, **fields: Any) -> Record:
        """Return a source's record, by default with an output that is there."""
        if status in (Status.SUCCEEDED, Status.SKIPPED) and "outputs" not in fields:
            fields["outputs"] = (f"s3://output/{self.name}/{path}",)
            self.s3.put_object(Bucket="output", Key=f"{self.name}/{path}", Body=b"out")
        if status is Status.FAILED:
            fields.setdefault("failure", BAD)
        return Record(f"s3://input/{self.name}/incoming/{path}", status, **fields)

    def done(self, path: str, body: bytes = b"body") -> Record:
        """Put a source and return its record as one that succeeded."""
        return self.record(path, etag=self.put(f"incoming/{path}", body), bytes_in=len(body))

    def batch(self, *records: Record, number: int = 1) -> None:
        key = f"runs/{self.name}/records/pass-{number}/{uuid.uuid4()}.jsonl.gz"
        self.s3.put_object(Bucket="output", Key=key, Body=write_records(records))

    def event(self, **more: Any) -> dict[str, Any]:
        place = f"s3://input/{self.name}/"
        on_done = {"from": f"{place}incoming/", "move_source_to": f"{place}processed/"}
        on_done |= {"move_failed_to": f"{place}failed/"}
        runs = f"s3://output/runs/{self.name}/"
        return {"run": self.name, "runs": runs, "on_done": on_done, "loaded": True, "moved": None, **more}

    def settle(self, seconds: float = 900, **more: Any) -> dict[str, Any]:
        context = SimpleNamespace(
            function_name="settle", memory_limit_in_mb=1769, invoked_function_arn="arn", aws_request_id="r",
            get_remaining_time_in_millis=lambda: seconds * 1000,
        )  # fmt: skip
        answer: dict[str, Any] = settle.handler(self.event(**more), context)
        return answer

    def paths(self) -> list[str]:
        entries = self.s3.list_objects_v2(Bucket="input", Prefix=f"{self.name}/").get("Contents", [])
        return [entry["Key"].removeprefix(f"{self.name}/") for entry in entries]

    def head(self, path: str) -> Any:
        return self.s3.head_object(Bucket="input", Key=f"{self.name}/{path}")

    def moved(self) -> dict[str, Any]:
        body = self.s3.get_object(Bucket="output", Key=f"runs/{self.name}/moved.json")["Body"].read()
        return json.loads(body)


@pytest.fixture
def scene(s3: Any, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(settle, "clients", lambda: (Mover(s3), S3Store(s3)))
    return Scene(s3, f"run-{uuid.uuid4()}")


@pytest.fixture
def before(s3: Any) -> Iterator[Callable[[str, Callable[[], Any]], None]]:
    """Does something once, right before a call of S3's: ``before("DeleteObject", put)``."""
    events, installed = s3.meta.events, []

    def install(call: str, act: Callable[[], Any]) -> None:
        waiting = [act]

        def handler(**_: Any) -> None:
            if waiting:
                waiting.pop()()

        installed.append((call, handler))
        events.register_first(f"before-call.s3.{call}", handler)

    yield install
    for call, handler in installed:
        events.unregister(f"before-call.s3.{call}", handler)


def counts(answer: dict[str, Any]) -> tuple[int, int, dict[str, int]]:
    return answer["processed"], answer["failed"], answer["kept"]


def test_what_is_done_is_processed_and_what_failed_is_failed(scene):
    records = [scene.done("a.jpg"), scene.done("deep/b.jpg")]
    skipped = replace(scene.done("c.jpg"), status=Status.SKIPPED, bytes_in=0)
    failed = scene.record("bad.jpg", Status.FAILED, etag=scene.put("incoming/bad.jpg"))
    deferred = scene.record("later.jpg", Status.DEFERRED, etag=scene.put("incoming/later.jpg"))
    excluded = scene.record("note.txt", Status.EXCLUDED, etag=scene.put("incoming/note.txt"))
    scene.batch(*records, skipped, failed, deferred, excluded)

    answer = scene.settle()

    assert counts(answer) == (3, 1, {"unfinished": 1})
    assert answer["next"] is None
    assert answer == scene.moved()
    assert scene.paths() == [
        "failed/bad.jpg", "incoming/later.jpg", "incoming/note.txt",
        "processed/a.jpg", "processed/c.jpg", "processed/deep/b.jpg",
    ]  # fmt: skip
    assert counts(scene.settle()) == (3, 1, {"unfinished": 1}), "settling again moves nothing and counts the same"


def test_only_what_lies_below_from_is_moved(scene):
    scene.put("elsewhere/a.jpg")
    record = replace(scene.done("a.jpg"), uri=f"s3://input/{scene.name}/elsewhere/a.jpg")
    marker = replace(scene.done("b.jpg"), uri=f"s3://input/{scene.name}/incoming/")
    scene.batch(record, marker, Record("no URI at all", Status.FAILED, failure=BAD))

    assert counts(scene.settle()) == (0, 0, {})
    assert scene.paths() == ["elsewhere/a.jpg", "incoming/a.jpg", "incoming/b.jpg"]


def test_an_object_replaced_while_it_was_processed_stays(scene):
    scene.batch(scene.done("a.jpg", b"first"), scene.done("b.jpg"))
    scene.put("incoming/a.jpg", b"second")

    answer = scene.settle()

    assert counts(answer) == (1, 0, {"replaced": 1})
    assert answer["examples"] == {"replaced": f"s3://input/{scene.name}/incoming/a.jpg"}
    assert scene.paths() == ["incoming/a.jpg", "processed/b.jpg"]


def test_an_object_replaced_between_copy_and_deletion_stays(scene, before):
    scene.batch(scene.done("a.jpg", b"first"))
    before("DeleteObject", lambda: scene.put("incoming/a.jpg", b"second"))

    assert counts(scene.settle()) == (0, 0, {"replaced": 1})
    kept = scene.s3.get_object(Bucket="input", Key=f"{scene.name}/incoming/a.jpg")
    assert kept["Body"].read() == b"second"


@pytest.mark.parametrize("call", ["CopyObject", "DeleteObject"])
def test_killed_at_any_call_it_ends_in_the_same_place_the_next_time(scene, before, call):
    scene.batch(scene.done("a.jpg"), scene.done("b.jpg"))

    def die() -> None:
        raise RuntimeError("killed")

    before(call, die)
    with pytest.raises(RuntimeError, match="killed"):
        scene.settle()

    assert counts(scene.settle()) == (2, 0, {})
    assert scene.paths() == ["processed/a.jpg", "processed/b.jpg"]


def test_an_output_that_is_missing_keeps_its_sources(scene):
    shared = (f"s3://output/{scene.name}/batch.parquet",)
    scene.batch(*(replace(scene.done(name), outputs=shared) for name in ("a.csv", "b.csv")), scene.done("c.csv"))

    assert counts(scene.settle()) == (1, 0, {"not_durable": 2})
    scene.s3.put_object(Bucket="output", Key=f"{scene.name}/batch.parquet", Body=b"x")
    assert counts(scene.settle()) == (3, 0, {})


def test_without_a_place_for_them_failed_objects_stay(scene):
    scene.batch(scene.record("bad.jpg", Status.FAILED, etag=scene.put("incoming/bad.jpg")))
    on_done = {**scene.event()["on_done"], "move_failed_to": None}

    assert counts(scene.settle(on_done=on_done)) == (0, 0, {"failed": 1})


def test_what_was_to_be_loaded_and_is_not_stays(scene):
    bad = scene.record("bad.jpg", Status.FAILED, etag=scene.put("incoming/bad.jpg"))
    scene.batch(scene.done("a.jpg"), bad)

    assert counts(scene.settle(loaded=False)) == (0, 1, {"not_loaded": 1})
    assert counts(scene.settle()) == (1, 1, {})


def test_a_record_that_does_not_know_its_object_moves_nothing(scene):
    scene.batch(replace(scene.done("a.jpg"), etag=None))

    assert counts(scene.settle()) == (0, 0, {"unknown": 1})


def test_an_object_that_somebody_removed_is_gone(scene):
    scene.batch(scene.done("a.jpg"))
    scene.s3.delete_object(Bucket="input", Key=f"{scene.name}/incoming/a.jpg")

    assert counts(scene.settle()) == (0, 0, {"gone": 1})


def test_the_last_pass_counts(scene):
    done, worse = scene.done("a.jpg"), scene.done("b.jpg")
    scene.batch(replace(done, status=Status.DEFERRED, outputs=()), replace(worse, status=Status.FAILED, failure=BAD))
    scene.batch(done, replace(worse, status=Status.DEFERRED, outputs=()), number=2)
    scene.batch(worse, number=10)

    assert counts(scene.settle()) == (2, 0, {})


def test_what_was_lost_without_a_record_stays(scene):
    """An object named by two rows, one of which was lost, and one of which nothing tells but failures.csv."""
    scene.batch(scene.done("a.jpg"))
    scene.put("incoming/lost.jpg")
    place = f"s3://input/{scene.name}/incoming/"
    rows = [f"{place}a.jpg,Aborted,gone,true,3", f"{place}lost.jpg,Aborted,gone,true,3"]
    body = "\n".join(["uri,error,message,retryable,attempts", *rows, ""])
    scene.s3.put_object(Bucket="output", Key=f"runs/{scene.name}/failures.csv", Body=body.encode())

    assert counts(scene.settle()) == (0, 0, {"unfinished": 2})


def test_damaged_records_move_nothing_and_are_told_of(scene):
    scene.batch(scene.done("a.jpg"))
    key = f"runs/{scene.name}/records/pass-1/broken.jsonl.gz"
    scene.s3.put_object(Bucket="output", Key=key, Body=b"no gzip")

    answer = scene.settle()

    assert counts(answer) == (1, 0, {})
    assert [key in note for note in answer["notes"]] == [True]


# --- what the copies carry --------------------------------------------------------------------------------------------


def test_a_processed_object_keeps_all_it_had(scene):
    more = {"ContentType": "image/jpeg", "Metadata": {"owner": "me"}, "Tagging": "case=7", "CacheControl": "no-store"}
    etag = scene.put("incoming/a.jpg", b"body", **more)
    scene.batch(scene.record("a.jpg", etag=etag, bytes_in=4))

    scene.settle()

    head = scene.head("processed/a.jpg")
    assert (head["ContentType"], head["Metadata"], head["CacheControl"]) == ("image/jpeg", {"owner": "me"}, "no-store")
    tags = scene.s3.get_object_tagging(Bucket="input", Key=f"{scene.name}/processed/a.jpg")["TagSet"]
    assert tags == [{"Key": "case", "Value": "7"}]


def test_a_failed_object_says_why(scene):
    failure = Failure("UnreadableImage", "ä is no\npicture: 100% 写", retryable=False)
    more = {"ContentType": "image/jpeg", "Metadata": {"owner": "me"}}
    etag = scene.put("incoming/bad.jpg", b"body", **more)
    scene.batch(scene.record("bad.jpg", Status.FAILED, etag=etag, failure=failure))

    scene.settle()

    head = scene.head("failed/bad.jpg")
    assert head["ContentType"] == "image/jpeg"
    assert head["Metadata"] == {
        "owner": "me",
        "fanfold-error": "UnreadableImage",
        "fanfold-message": "%C3%A4 is no%0Apicture: 100%25 %E5%86%99",
        "fanfold-run": scene.name,
    }


def test_metadata_fits_into_what_s3_takes():
    wanted = {"fanfold-error": "Bad", "fanfold-run": "r1", "fanfold-message": "ä" * 500}

    for own in ({}, {"own": "x" * 1900}, {"own": "x" * 1990}, {"own": "x" * 2040}, {"fanfold-message": "old" * 600}):
        told = fitting(wanted, own)
        whole = {**own, **told}
        assert sum(len(f"x-amz-meta-{name}") + len(value) for name, value in whole.items()) <= MOST_METADATA or not told
        assert all(value.isascii() and not value.endswith("%") for value in told.values())
    assert fitting(wanted, {"own": "x" * 1900})["fanfold-error"] == "Bad"
    assert fitting(wanted, {"own": "x" * 2040}) == {}
    assert fitting({"fanfold-message": " \ud800 "}, {}) == {"fanfold-message": "%ED%A0%80"}


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
def test_a_large_object_is_copied_in_parts_with_all_it_had(scene, monkeypatch, status):
    monkeypatch.setattr(moving, "LARGEST_COPY", 1000)
    more = {"ContentType": "text/csv", "Metadata": {"owner": "me"}, "Tagging": "case=7&x=%C3%A4"}
    etag = scene.put("incoming/a.csv", b"0123456789" * 1000, **more)
    scene.batch(scene.record("a.csv", status, etag=etag, bytes_in=10_000))

    assert sum(counts(scene.settle())[:2]) == 1

    key = f"{scene.name}/{'failed' if status is Status.FAILED else 'processed'}/a.csv"
    found = scene.s3.get_object(Bucket="input", Key=key)
    assert found["Body"].read() == b"0123456789" * 1000
    assert (found["ContentType"], found["Metadata"]["owner"]) == ("text/csv", "me")
    tags = scene.s3.get_object_tagging(Bucket="input", Key=key)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"case": "7", "x": "ä"}


def test_a_large_object_that_was_replaced_stays(scene, monkeypatch):
    monkeypatch.setattr(moving, "LARGEST_COPY", 1000)
    record = scene.done("a.csv", b"0123456789" * 1000)
    scene.put("incoming/a.csv", b"9876543210" * 1000)
    scene.batch(record)

    assert counts(scene.settle()) == (0, 0, {"replaced": 1})
    assert scene.paths() == ["incoming/a.csv"]
    assert not scene.s3.list_multipart_uploads(Bucket="input").get("Uploads")


def test_what_is_too_large_stays_and_says_so(scene, monkeypatch):
    monkeypatch.setattr(moving, "LARGEST_COPY", 100)
    monkeypatch.setattr(moving, "LARGEST", 1000)
    scene.batch(scene.done("a.csv", b"x" * 1001))

    answer = scene.settle()

    assert counts(answer) == (0, 0, {"refused": 1})
    assert answer["examples"]["refused"].endswith("incoming/a.csv has 1,001 bytes: move it by other means")


# --- parts ------------------------------------------------------------------------------------------------------------


def parts(scene: Scene, *ranges: str, header: str = "id,name") -> list[Record]:
    etag = scene.put("incoming/big.csv", b"id,name\r\n" + b"x" * 91)
    columns = {"source_etag": etag, "header_row": header}
    return [
        replace(scene.record(f"big.part-{number}.csv", etag=etag), uri=f"s3://input/{scene.name}/incoming/big.csv",
                columns={"byte_range": each, **columns})
        for number, each in enumerate(ranges)
    ]  # fmt: skip


def test_an_object_moves_when_all_of_its_parts_are_done(scene):
    first, second, third = parts(scene, "9-30", "31-60", "61-99")
    scene.batch(second)
    scene.batch(first, third)

    assert counts(scene.settle()) == (1, 0, {})


@pytest.mark.parametrize(
    "ranges", [("31-60", "61-99"), ("9-30", "61-99"), ("9-30", "31-60")], ids=["first", "middle", "last"]
)
def test_an_object_of_which_a_part_is_missing_stays(scene, ranges):
    scene.batch(*parts(scene, *ranges))

    assert counts(scene.settle()) == (0, 0, {"unfinished": 1})


def test_an_object_of_which_a_part_failed_is_failed_when_no_other_is_open(scene):
    first, second = parts(scene, "9-30", "31-99")
    scene.batch(replace(first, status=Status.FAILED, outputs=(), failure=BAD))
    scene.batch(replace(second, status=Status.DEFERRED, outputs=()))

    assert counts(scene.settle()) == (0, 0, {"unfinished": 1})
    scene.batch(second, number=2)
    assert counts(scene.settle()) == (0, 1, {})
    assert scene.head("failed/big.csv")["Metadata"]["fanfold-error"] == "UnreadableImage"


def test_parts_of_two_objects_of_one_name_stay(scene):
    first, second = parts(scene, "9-30", "31-99")
    scene.batch(first, replace(second, etag="another"))

    assert counts(scene.settle()) == (0, 0, {"replaced": 1})


def test_of_two_records_of_one_pass_the_worse_counts():
    source = Source("s3://in/a")
    for status in (Status.FAILED, Status.SUCCEEDED, Status.SKIPPED):
        source.add(1, Record("s3://in/a", status))

    assert source.failure


# --- time, memory, trouble --------------------------------------------------------------------------------------------


def test_it_goes_on_where_time_ran_out_and_counts_all_once(scene, monkeypatch):
    monkeypatch.setattr(evidence, "SHARE_BYTES", 200)
    scene.batch(*(scene.done(f"{number}.jpg") for number in range(30)))

    answer, asked = scene.settle(), 0
    assert answer["next"] is None
    scene.batch(*(scene.done(f"late-{number}.jpg") for number in range(30)))
    before = scene.settle(seconds=0)
    assert (before["processed"], before["next"]["share"]) == (0, 0)
    assert before["next"]["shares"] > 2
    while before["next"] is not None and asked < 5:
        before, asked = scene.settle(moved=before), asked + 1

    assert counts(before) == (60, 0, {})
    assert scene.moved() == before


def test_when_s3_does_not_answer_for_some_the_others_are_moved_and_it_is_tried_again(scene, before):
    scene.batch(*(scene.done(f"{number}.jpg") for number in range(5)))

    def stumble() -> None:
        raise ConnectionError("reset")

    before("CopyObject", stumble)
    with pytest.raises(TransientError, match="1 objects were not moved") as raised:
        scene.settle()

    assert type(raised.value) is TransientError, "Step Functions retries by the exact name"
    assert len([key for key in scene.paths() if key.startswith("processed/")]) == 4
    assert counts(scene.settle()) == (5, 0, {})


def test_a_run_without_records_moves_nothing(scene):
    assert scene.settle() == {
        "processed": 0, "failed": 0, "kept": {}, "examples": {}, "notes": [], "next": None,
    }  # fmt: skip
