"""A batch: every item gets a record, outputs are safe, memory and time are bounded."""

import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.summarize.failures import failure_row
from itemkit import Operation, Output, PermanentError, Result, TransientError, option, rename
from itemkit.batch import Budget, Task, run_batch
from itemkit.destination import FINGERPRINT, SOURCE, Destination
from itemkit.item import Item, manifest_item
from itemkit.record import Status
from itemkit.select import Select
from tests.memory_store import MemoryStore, Stored


class NotText(PermanentError):
    """The sample operation's own kind of failure."""


@dataclass(frozen=True)
class Shout:
    mark: str = option("!", help="what is added")
    copies: int = option(1, help="how many outputs")


def shout(item, body, options):
    if body == b"permanent":
        raise NotText(f"{item.uri} is not text: write text")
    if body == b"transient":
        raise TransientError("later")
    if body == b"fault":
        raise KeyError("a fault")
    return Result([Output(body.upper() + options.mark.encode(), "text/plain")] * options.copies, facts={"n": len(body)})


OPERATION = Operation(
    name="shout",
    version="1",
    summary="Upper case.",
    options=Shout,
    names=lambda name, options: [rename(name, suffix=f"_{n}" if n else "") for n in range(options.copies)],
    process=shout,
    most_bytes=1000,
)
TASK = Task(OPERATION, Shout(), Destination("s3://out/to/"))


def items(*names):
    return [Item(f"s3://in/{name}", name) for name in names]


def statuses(records):
    return [record.status.value for record in records]


def test_each_item_gets_one_record_in_order_and_one_output():
    store = MemoryStore({f"s3://in/{n}.txt": b"x%d" % n for n in range(40)})

    records = run_batch(items(*(f"{n}.txt" for n in range(40))), TASK, store)

    assert [record.uri for record in records] == [f"s3://in/{n}.txt" for n in range(40)]
    assert statuses(records) == ["succeeded"] * 40
    assert store.bodies("s3://out/to/") == {f"{n}.txt": b"X%d!" % n for n in range(40)}


def test_a_record_tells_what_went_in_and_out():
    store = MemoryStore({"s3://in/a": b"abc"})

    record = run_batch([Item("s3://in/a", "a", columns={"customer": "7"})], TASK, store)[0]

    assert record.milliseconds > 0
    assert replace(record, milliseconds=0).to_json() == {
        "uri": "s3://in/a",
        "status": Status.SUCCEEDED,
        "outputs": ("s3://out/to/a",),
        "bytes_in": 3,
        "bytes_out": 4,
        "etag": "900150983cd24fb0d6963f7d28e17f72",
        "columns": {"customer": "7"},
        "facts": {"n": 3},
    }


def test_one_bad_item_harms_no_other():
    bodies = {"ok1": b"a", "bad": b"permanent", "late": b"transient", "fault": b"fault", "ok2": b"b"}
    store = MemoryStore({f"s3://in/{name}": body for name, body in bodies.items()})

    records = run_batch(items(*bodies, "missing"), TASK, store)

    assert {record.uri[8:]: (record.status.value, record.failure and record.failure.type) for record in records} == {
        "/ok1"[1:]: ("succeeded", None),
        "bad": ("failed", "NotText"),
        "late": ("deferred", "TransientError"),
        "fault": ("failed", "OperationFailed"),
        "ok2": ("succeeded", None),
        "missing": ("failed", "ObjectNotFound"),
    }
    assert records[3].failure.message == "KeyError: 'a fault'"
    assert [record.failure.retryable for record in records if record.failure] == [False, True, False, False]


def test_faults_of_the_store_are_transient():
    store = MemoryStore({"s3://in/a": b"a", "s3://in/b": b"b"})
    store.unreadable.add("s3://in/a")
    store.unwritable.add("s3://out/to/b")

    records = run_batch(items("a", "b"), TASK, store)

    assert statuses(records) == ["deferred", "deferred"]
    assert store.bodies("s3://out/") == {}


def test_what_is_done_is_skipped_without_reading_it():
    store = MemoryStore({"s3://in/a": b"a"})
    run_batch(items("a"), TASK, store)
    store.requests.clear()

    records = run_batch(items("a"), TASK, store)

    assert statuses(records) == ["skipped"]
    assert store.requests == {"head": 2}


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_a_lost_attempt_of_the_same_run_did_is_done_and_counts_as_succeeded(overwrite):
    """Its result never arrived; ``overwrite`` means to do it once a run, not once an attempt."""
    store = MemoryStore({"s3://in/a": b"a"})
    ours = replace(TASK, destination=Destination("s3://out/to/", overwrite, "run ä"))
    run_batch(items("a"), ours, store)
    store.requests.clear()

    [record] = run_batch(items("a"), ours, store)

    assert (record.status.value, record.reason) == ("succeeded", "done by an earlier attempt of this run")
    assert (record.bytes_out, store.requests["get"]) == (2, 0)
    [other] = run_batch(items("a"), replace(ours, destination=Destination("s3://out/to/", overwrite, "later")), store)
    assert other.status.value == ("succeeded" if overwrite else "skipped")


@pytest.mark.parametrize("change", ["options", "content", "version", "overwrite"])
def test_what_changed_runs_again_and_replaces_its_own_output(change):
    store = MemoryStore({"s3://in/a": b"a"})
    run_batch(items("a"), TASK, store)
    task = {
        "options": replace(TASK, options=Shout(mark="?")),
        "content": TASK,
        "version": replace(TASK, operation=replace(OPERATION, version="2")),
        "overwrite": replace(TASK, destination=Destination("s3://out/to/", overwrite=True)),
    }[change]
    if change == "content":
        store.objects["s3://in/a"] = Stored(b"new")

    records = run_batch(items("a"), task, store)

    assert statuses(records) == ["succeeded"]
    expected = {"options": b"A?", "content": b"NEW!", "version": b"A!", "overwrite": b"A!"}
    assert store.objects["s3://out/to/a"].body == expected[change]


def test_two_items_that_claim_one_output_conflict_and_neither_is_overwritten():
    store = MemoryStore({"s3://in/x/a": b"one", "s3://in/y/a": b"two"})
    claimants = [Item("s3://in/x/a", "a"), Item("s3://in/y/a", "a")]

    records = run_batch(claimants, TASK, store)

    assert sorted(statuses(records)) == ["failed", "succeeded"]
    assert [record.failure.type for record in records if record.failure] == ["OutputConflict"]
    winner = next(record for record in records if record.status is Status.SUCCEEDED)
    assert store.objects["s3://out/to/a"].metadata[SOURCE] == winner.uri


def test_an_object_of_somebody_else_is_not_overwritten_unless_told_so():
    store = MemoryStore({"s3://in/a": b"a", "s3://out/to/a": b"theirs"})

    refused = run_batch(items("a"), TASK, store)
    forced = run_batch(items("a"), replace(TASK, destination=Destination("s3://out/to/", overwrite=True)), store)

    assert [record.failure.type for record in refused] == ["OutputConflict"]
    assert statuses(forced) == ["succeeded"]
    assert store.objects["s3://out/to/a"].body == b"A!"


def test_an_output_never_replaces_its_source():
    store = MemoryStore({"s3://in/a": b"a"})

    records = run_batch(items("a"), replace(TASK, destination=Destination("s3://in/", overwrite=True)), store)

    assert [record.failure.type for record in records] == ["OutputConflict"]
    assert store.objects["s3://in/a"].body == b"a"


def test_the_same_item_twice_in_a_batch_is_no_conflict():
    store = MemoryStore({"s3://in/a": b"a"})

    records = run_batch(items("a", "a"), TASK, store)

    assert {record.status for record in records} <= {Status.SUCCEEDED, Status.SKIPPED}


def test_of_several_outputs_the_first_is_written_last():
    store = MemoryStore({"s3://in/a": b"a"})
    store.unwritable.add("s3://out/to/a_1")

    records = run_batch(items("a"), replace(TASK, options=Shout(copies=3)), store)

    assert statuses(records) == ["deferred"]
    assert store.bodies("s3://out/to/") == {"a_2": b"A!"}


def test_outputs_carry_where_they_come_from():
    store = MemoryStore({"s3://in/ä b": b"a"})

    run_batch([Item("s3://in/ä b", "ä b")], TASK, store)

    metadata = store.objects["s3://out/to/ä b"].metadata
    assert metadata[SOURCE] == "s3://in/%C3%A4%20b"
    assert len(metadata[FINGERPRINT]) == 32


def test_a_row_may_name_its_output():
    store = MemoryStore({"s3://in/a": b"a"})

    run_batch([Item("s3://in/a", "a", output="deep/b.txt")], TASK, store)

    assert store.bodies("s3://out/to/") == {"deep/b.txt": b"A!"}


def test_excluded_items_are_not_read():
    store = MemoryStore({"s3://in/a.txt": b"a", "s3://in/b.bin": b"b"})
    marker = Item("s3://in/", "", size=0)

    records = run_batch([marker, *items("b.bin")], replace(TASK, select=Select(suffix=(".txt",))), store)

    assert [(record.status.value, record.reason) for record in records] == [
        ("excluded", "folder marker"),
        ("excluded", "suffix is none of .txt"),
    ]
    assert store.requests["get"] == 0


def test_sizes_of_manifest_rows_are_asked_for_when_the_job_selects_by_size():
    store = MemoryStore({"s3://in/small": b"a", "s3://in/large": b"a" * 100})

    records = run_batch(items("small", "large", "none"), replace(TASK, select=Select(min_bytes=50)), store)

    assert statuses(records) == ["excluded", "succeeded", "failed"]


def test_an_object_over_the_limit_is_refused_unread():
    store = MemoryStore({"s3://in/a": b"a" * 1001})

    record = run_batch(items("a"), TASK, store)[0]

    assert record.failure.type == "ObjectTooLarge"
    assert record.failure.message == "s3://in/a has 1,001 bytes; shout takes 1,000 at most"


def test_a_record_knows_which_object_it_is_about():
    bodies = {"done": b"a", "bad": b"permanent", "large": b"a" * 1001, "taken": b"b", "old": b"c"}
    store = MemoryStore({f"s3://in/{name}": body for name, body in bodies.items()} | {"s3://out/to/taken": b"theirs"})
    run_batch(items("old"), TASK, store)

    records = run_batch(items(*bodies, "never"), TASK, store)

    assert statuses(records) == ["succeeded", "failed", "failed", "failed", "skipped", "failed"]
    assert [record.etag for record in records] == [store.head(f"s3://in/{name}").etag for name in bodies] + [None]


def test_of_a_listed_item_the_record_knows_the_object_that_was_read():
    store = MemoryStore({"s3://in/a": b"new"})

    [record] = run_batch([replace(items("a")[0], size=3, etag="listed")], TASK, store)

    assert record.etag == store.head("s3://in/a").etag


def test_near_the_deadline_the_rest_is_deferred_and_nothing_is_cut_off():
    started = threading.Event()

    def slow(item, body, options):
        started.set()
        time.sleep(0.05)
        return shout(item, body, options)

    store = MemoryStore({f"s3://in/{n}": b"a" for n in range(100)})
    task = replace(TASK, operation=replace(OPERATION, process=slow), deadline=time.monotonic() + 2.5, reserve=0.5)

    records = run_batch(items(*map(str, range(100))), task, store)

    done = statuses(records).count("succeeded")
    assert time.monotonic() < task.deadline
    assert done >= 1
    assert statuses(records).count("deferred") == 100 - done
    assert {record.failure.type for record in records if record.failure} == {"DeadlineNear"}
    assert len(store.bodies("s3://out/")) == done


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([b"a", b"permanent", b"transient", b"fault", None]), max_size=30))
def test_every_item_is_accounted_for_whatever_happens(bodies):
    store = MemoryStore({f"s3://in/{place}": body for place, body in enumerate(bodies) if body is not None})

    records = run_batch(items(*map(str, range(len(bodies)))), TASK, store)

    expected = {b"a": "succeeded", b"permanent": "failed", b"fault": "failed", b"transient": "deferred", None: "failed"}
    assert statuses(records) == [expected[body] for body in bodies]


def test_the_budget_lets_a_large_one_in_when_it_is_alone():
    budget = Budget(10)
    budget.take(100)
    entered = threading.Event()
    waiting = threading.Thread(target=lambda: (budget.take(1), entered.set()))
    waiting.start()

    assert not entered.wait(0.05)
    budget.give_back(100)
    assert entered.wait(5)
    waiting.join()


# --- parts of objects, objects on disk, and outputs with names of their own


def part(store, first, last, header="", **columns):
    """Return the row of a part of s3://in/big as an item."""
    etag = store.objects["s3://in/big"].head.etag
    row = {"uri": "s3://in/big", "item_name": f"big.{first}", "byte_range": f"{first}-{last}", "source_etag": etag}
    return manifest_item({**row, "header_row": header, **columns}, "in")


def test_of_a_part_only_its_bytes_are_read_below_the_header():
    store = MemoryStore({"s3://in/big": b"h\none\ntwo\nthree\n"})

    [first, second] = run_batch([part(store, 2, 5), part(store, 6, 15, "h", lot="7")], TASK, store)

    assert store.bodies("s3://out/to/") == {"big.2": b"ONE\n!", "big.6": b"H\nTWO\nTHREE\n!"}
    assert (first.bytes_in, second.bytes_in) == (4, 10)
    assert second.columns["lot"] == "7"


def test_parts_are_skipped_by_their_range_and_run_again_when_it_changes():
    store = MemoryStore({"s3://in/big": b"onetwo"})
    run_batch([part(store, 0, 2)], TASK, store)

    assert statuses(run_batch([part(store, 0, 2)], TASK, store)) == ["skipped"]
    assert statuses(run_batch([part(store, 0, 5, item_name="big.0")], TASK, store)) == ["succeeded"]


def test_a_part_of_an_object_that_changed_fails():
    store = MemoryStore({"s3://in/big": b"onetwo"})
    cut = part(store, 0, 2)
    store.objects["s3://in/big"] = Stored(b"another")

    [record] = run_batch([cut], TASK, store)

    assert (record.status.value, record.failure.type, record.failure.retryable) == ("failed", "ObjectChanged", False)


def test_a_retry_of_a_failed_part_takes_up_the_same_part():
    store = MemoryStore({"s3://in/big": b"permanent and more"})
    [record] = run_batch([part(store, 0, 8)], TASK, store)

    again = manifest_item(failure_row(record), "in")

    assert (again.part, again.name) == (part(store, 0, 8).part, "big.0")


SPOOLED = replace(OPERATION, spool_above=10, process=lambda item, body, options: seen(item, body))


def seen(item, body):
    if not isinstance(body, Path):
        return Result([Output(b"small", "text/plain")])
    text = body.read_bytes()
    if b"permanent" in text:
        raise NotText("no")
    output = body.with_suffix(".out")
    output.write_bytes(text.upper())
    return Result([Output(output, "text/plain")])


def test_large_objects_come_and_go_as_files_and_leave_none_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = MemoryStore({"s3://in/a": b"a", "s3://in/b": b"b" * 11, "s3://in/c": b"permanent fault"})
    task = replace(TASK, operation=SPOOLED)

    records = run_batch(items("a", "b", "c"), task, store)

    assert statuses(records) == ["succeeded", "succeeded", "failed"]
    assert store.bodies("s3://out/to/") == {"a": b"small", "b": b"B" * 11}
    assert records[1].bytes_out == 11
    assert list(tmp_path.iterdir()) == []
    run_batch(items("b"), replace(task, destination=Destination("s3://out/to/", overwrite=True), deadline=0), store)
    assert list(tmp_path.iterdir()) == []


def test_a_large_part_has_its_header_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = MemoryStore({"s3://in/big": b"0123456789abcdef"})

    run_batch([part(store, 2, 15, "h")], replace(TASK, operation=SPOOLED), store)

    assert store.bodies("s3://out/to/") == {"big.2": b"H\n23456789ABCDEF"}


def with_more(*names):
    outputs = [Output(b"1", "text/plain"), *(Output(b"2", "text/plain", name) for name in names)]
    return replace(TASK, operation=replace(OPERATION, process=lambda *_: Result(outputs)))


def test_an_operation_may_write_more_than_it_foretold():
    store = MemoryStore({"s3://in/a": b"a"})

    [record] = run_batch(items("a"), with_more("rejected/a", "x=1/a"), store)

    assert record.outputs == ("s3://out/to/a", "s3://out/to/rejected/a", "s3://out/to/x=1/a")
    assert set(store.bodies("s3://out/to/")) == {"a", "rejected/a", "x=1/a"}
    assert record.bytes_out == 3


@pytest.mark.parametrize("name", ["../a", "/a", "x/../../a", "", None])
def test_no_output_leaves_the_destination(name):
    store = MemoryStore({"s3://in/a": b"a"})

    [record] = run_batch(items("a"), with_more(name), store)

    assert (record.status.value, record.failure.type) == ("failed", "OperationFailed")
    assert store.bodies("s3://out/") == {}
