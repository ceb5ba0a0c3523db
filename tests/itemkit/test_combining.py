"""Items made one output together: each gets its record, and the output follows the records."""

import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itemkit import Operation, Output, PermanentError, Result, TransientError, lambda_handler, option
from itemkit.batch import Task
from itemkit.combining import BYTES_TOGETHER, combine_batch
from itemkit.destination import Destination
from itemkit.errors import OutputConflict
from itemkit.event import read_records
from itemkit.item import Item
from itemkit.operation import Combined
from itemkit.select import Select
from tests.itemkit.test_handler import Context
from tests.memory_store import MemoryStore


@dataclass(frozen=True)
class Options:
    small: int = option(5, help="names up to this length are combined")


def join(bodies, options):
    results = [PermanentError("bad") if body == b"bad" else Result([], rows_in=1, rows_out=1) for _, body in bodies]
    if any(body == b"fault" for _, body in bodies):
        raise KeyError("a fault")
    good = [body for (_, body), result in zip(bodies, results, strict=True) if isinstance(result, Result)]
    return Combined(Output(b"+".join(good), "text/plain") if good else None, results)


OPERATION = Operation(
    name="join",
    version="1",
    summary="Joins.",
    options=Options,
    names=lambda name, options: [name],
    process=lambda item, body, options: Result([Output(body, "text/plain")]),
    combines=lambda item, options: len(item.name) <= options.small,
    combine=join,
    combined_extension=lambda options: ".txt",
)
TASK = Task(OPERATION, Options(), Destination("s3://out/", run="r1"))


def items(store):
    """Return an item for each object of the source."""
    found = {uri: each for uri, each in store.objects.items() if uri.startswith("s3://in/")}
    return [Item(uri, uri.removeprefix("s3://in/"), size=len(each.body)) for uri, each in found.items()]


def filled(*bodies):
    return MemoryStore({f"s3://in/{place}": body for place, body in enumerate(bodies)})


def test_items_become_one_output_named_after_run_and_batch():
    store = filled(b"one", b"bad", b"three")

    combination = combine_batch(items(store), TASK, store, "b1")

    assert [put.uri for put in combination.outputs] == ["s3://out/r1/b1.txt"]
    assert combination.outputs[0].body == b"one+three"
    assert [(record.status.value, record.outputs, record.rows_out) for record in combination.records] == [
        ("succeeded", ("s3://out/r1/b1.txt",), 1),
        ("failed", (), 0),
        ("succeeded", ("s3://out/r1/b1.txt",), 1),
    ]
    assert [record.etag for record in combination.records] == [store.head(f"s3://in/{n}").etag for n in range(3)]
    assert sum(record.bytes_out for record in combination.records) == len(b"one+three")
    assert store.bodies("s3://out/") == {}, "it is written when the records are"


def test_what_cannot_be_read_or_is_not_wanted_stays_out():
    store = filled(b"one", b"two", b"three")
    store.unreadable.add("s3://in/1")
    wanted = replace(TASK, select=Select(max_bytes=4))
    missing = Item("s3://in/gone", "gone", size=1)

    combination = combine_batch([*items(store), missing], wanted, store, "b1")

    assert [record.status.value for record in combination.records] == ["succeeded", "deferred", "excluded", "failed"]
    assert combination.outputs[0].body == b"one"


def test_a_fault_of_the_operation_fails_every_item_of_the_group():
    store = filled(b"one", b"fault")

    combination = combine_batch(items(store), TASK, store, "b1")

    assert combination.outputs == []
    assert [record.failure.message for record in combination.records] == ["KeyError: 'a fault'"] * 2


def test_near_the_deadline_nothing_is_begun():
    store = filled(b"one")

    combination = combine_batch(items(store), replace(TASK, deadline=0), store, "b1")

    assert [record.status.value for record in combination.records] == ["deferred"]
    assert (combination.outputs, store.requests["get"]) == ([], 0)


def test_more_than_memory_takes_becomes_several_outputs():
    store = filled(b"one", b"two", b"three")
    sized = [replace(item, size=BYTES_TOGETHER // 2) for item in items(store)]

    combination = combine_batch(sized, TASK, store, "b1")

    assert {put.uri: put.body for put in combination.outputs} == {
        "s3://out/r1/b1.txt": b"one+two",
        "s3://out/r1/b1-1.txt": b"three",
    }


def test_a_second_attempt_replaces_its_own_output_and_no_other():
    store = filled(b"one")
    [first] = combine_batch(items(store), TASK, store, "b1").outputs
    store.put(first)

    [again] = combine_batch(items(store), TASK, store, "b1").outputs
    store.put(again)

    assert store.bodies("s3://out/") == {"r1/b1.txt": b"one"}
    store.write("s3://out/r1/b2.txt", b"foreign", "text/plain")
    with pytest.raises(OutputConflict, match="exists and this run did not write it"):
        combine_batch(items(store), TASK, store, "b2")


class Journal(MemoryStore):
    """Remembers the order of writes."""

    def __init__(self, objects):
        super().__init__(objects)
        self.written = []

    def put(self, put):
        super().put(put)
        self.written.append(put.uri)

    def write(self, uri, body, content_type):
        super().write(uri, body, content_type)
        self.written.append(uri)


def handle(store, names, **settings):
    event = {
        "BatchInput": {"destination": "s3://out/", "run": "r1", "records": "s3://records/", **settings},
        "Items": [{"uri": f"s3://in/{name}", "item_name": name} if name else {"nothing": "here"} for name in names],
        "Batch": "b1",
    }
    return lambda_handler(OPERATION, store)(event, Context())


@pytest.fixture(autouse=True)
def _no_tracing(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "1")


def test_records_come_first_and_then_the_output_they_promise():
    store = Journal({"s3://in/a": b"a", "s3://in/large name": b"b"})

    answer = handle(store, ["a", "large name"])

    assert store.written == ["s3://out/large name", "s3://records/b1.jsonl.gz", "s3://out/r1/b1.txt"]
    assert (answer["counts"], answer["effort"]["requests"]["put"]) == ({"succeeded": 2}, 3)


def test_an_output_that_cannot_be_written_has_the_batch_run_again():
    store = MemoryStore({"s3://in/a": b"a"})
    store.unwritable.add("s3://out/r1/b1.txt")

    with pytest.raises(TransientError) as raised:
        handle(store, ["a"])

    assert type(raised.value) is TransientError


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["", "ok", "bad", "gone", "a longer one"]), max_size=8))
def test_every_entry_has_one_record_in_its_place(kinds):
    names = [
        f"{place}{kind}"[:5] if kind in ("ok", "bad", "gone") else f"{kind}{place}" * bool(kind)
        for place, kind in enumerate(kinds)
    ]
    bodies = {"ok": b"ok", "bad": b"bad", "a longer one": b"long"}
    store = MemoryStore(
        {f"s3://in/{name}": bodies[kind] for name, kind in zip(names, kinds, strict=True) if kind in bodies}
    )

    answer = handle(store, names)

    records = list(read_records(store.objects["s3://records/b1.jsonl.gz"].body))
    expected = {"": "failed", "ok": "succeeded", "bad": "failed", "gone": "failed", "a longer one": "succeeded"}
    assert [record.status.value for record in records] == [expected[kind] for kind in kinds]
    assert [record.uri == f"s3://in/{name}" for record, name in zip(records, names, strict=True) if name] == [
        True
    ] * sum(map(bool, names))
    promised = {uri for record in records for uri in record.outputs}
    assert promised == {f"s3://out/{name}" for name in store.bodies("s3://out/")}
    assert answer["items"] == len(kinds)
    assert json.dumps(answer)
