"""Objects that options refer to: read once, again when they change, and part of what outputs depend on."""

from dataclasses import dataclass

import pytest

from itemkit import InvalidJob, Operation, Output, PermanentError, Result, lambda_handler, option
from itemkit.errors import ObjectNotFound, ObjectTooLarge
from itemkit.references import MOST_BYTES, load
from itemkit.store import Head
from tests.itemkit.test_handler import Context
from tests.memory_store import MemoryStore, Stored


@dataclass(frozen=True)
class Options:
    table: str | None = option(None, help="an object to look up")


def resolve(options, bodies):
    body = bodies[options.table]
    if body == b"nonsense":
        raise PermanentError(f"{options.table} is nonsense: write sense")
    return body.decode()


OPERATION = Operation(
    name="look-up",
    version="1",
    summary="Looks up.",
    options=Options,
    names=lambda name, options: [name],
    process=lambda item, body, resolved: Result([Output(f"{body.decode()} {resolved}".encode(), "text/plain")]),
    references=lambda options: [options.table] if options.table else [],
    resolve=resolve,
)
TABLE = "s3://in/table"


@pytest.fixture(autouse=True)
def _no_tracing(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "1")


@pytest.fixture
def store(request):
    # Every test has a table of its own, because an environment remembers what it read.
    return MemoryStore({TABLE: request.node.name.encode(), "s3://in/a": b"a"})


def handle(store, **options):
    event = {
        "BatchInput": {"destination": "s3://out/", "options": options},
        "Items": [{"uri": "s3://in/a", "item_name": "a"}],
    }
    return lambda_handler(OPERATION, store)(event, Context())


def test_the_operation_gets_what_it_made_of_its_references(store, request):
    handle(store, table=TABLE)

    assert store.bodies("s3://out/") == {"a": f"a {request.node.name}".encode()}


def test_without_references_it_gets_the_options(store):
    assert load(OPERATION, Options(), store).resolved is None
    assert store.requests.total() == 0


def test_they_are_read_once_and_again_when_they_change(store):
    first = load(OPERATION, Options(TABLE), store)
    store.requests.clear()

    assert load(OPERATION, Options(TABLE), store) is first
    assert store.requests == {"head": 1}
    store.objects[TABLE] = Stored(b"changed")
    assert load(OPERATION, Options(TABLE), store).resolved == "changed"


def test_a_changed_reference_runs_items_again(store):
    handle(store, table=TABLE)

    assert handle(store, table=TABLE)["counts"] == {"skipped": 1}
    store.objects[TABLE] = Stored(b"another")
    assert handle(store, table=TABLE)["counts"] == {"succeeded": 1}
    assert store.bodies("s3://out/") == {"a": b"a another"}


def test_check_refuses_what_cannot_be_used(store):
    ask = lambda_handler(OPERATION, store)

    assert ask({"Check": {"options": {"table": TABLE}}}, Context())["normalised"] == {"table": TABLE}
    with pytest.raises(InvalidJob, match="s3://in/gone: it does not exist"):
        ask({"Check": {"options": {"table": "s3://in/gone"}}}, Context())
    store.objects[TABLE] = Stored(b"nonsense")
    with pytest.raises(InvalidJob, match="is nonsense: write sense"):
        ask({"Check": {"options": {"table": TABLE}}}, Context())


def test_a_batch_whose_reference_is_gone_is_the_jobs_fault_and_no_items(store):
    with pytest.raises(ObjectNotFound):
        handle(store, table="s3://in/gone")


def test_references_that_memory_does_not_take_are_refused(store, monkeypatch):
    monkeypatch.setattr(MemoryStore, "head", lambda _, uri: Head(MOST_BYTES + 1, "etag"))

    with pytest.raises(ObjectTooLarge, match="use smaller ones"):
        load(OPERATION, Options(TABLE), store)
