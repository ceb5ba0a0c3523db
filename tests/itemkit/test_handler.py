"""The Lambda edge: events in, batch results and records out, questions answered."""

import json
import time
from dataclasses import dataclass, replace

import pytest

from itemkit import InvalidJob, Operation, Output, PermanentError, Result, TransientError, lambda_handler, option
from itemkit.event import BatchResult, Event, read_records, write_records
from itemkit.record import Failure, Record, Status
from tests.memory_store import MemoryStore


@dataclass(frozen=True)
class Options:
    mark: str = option("!", help="what is added", example="?")


def process(item, body, options):
    if body == b"bad":
        raise PermanentError("bad: write something else")
    return Result([Output(body + options.mark.encode(), "text/plain")])


def check(options, sample):
    if sample == b"no":
        raise InvalidJob("the sample does not fit")


OPERATION = Operation(
    "mark", "3", "Adds a mark.", Options, lambda name, options: [name], process, check, sample_bytes=2, batch_items=7
)


@dataclass
class Context:
    function_name: str = "mark"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn"
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture(autouse=True)
def _no_tracing(monkeypatch):
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "1")


def handle(store, event):
    return lambda_handler(OPERATION, store)(event, Context())


def batch(*entries, **settings):
    return {"BatchInput": {"destination": "s3://out/", **settings}, "Items": list(entries), "Batch": "b1"}


LISTED = {"Etag": '"e"', "Key": "in/a", "LastModified": 1.5e9, "Size": 1}


def test_a_batch_of_listed_objects():
    store = MemoryStore({"s3://src/in/a": b"a", "s3://src/in/b": b"bad"})
    source = {"kind": "prefix", "bucket": "src", "prefix": "in/"}
    event = batch(
        LISTED, {**LISTED, "Key": "in/b"}, {**LISTED, "Key": "in/", "Size": 0}, source=source, records="s3://r/"
    )

    answer = handle(store, event)

    assert (answer["batch"], answer["pass"], answer["items"]) == ("b1", 1, 3)
    assert answer["counts"] == {"succeeded": 1, "failed": 1, "excluded": 1}
    assert answer["records"] == "s3://r/b1.jsonl.gz"
    assert store.bodies("s3://out/") == {"a": b"a!"}
    records = list(read_records(store.objects["s3://r/b1.jsonl.gz"].body))
    assert [(record.uri, record.status.value) for record in records] == [
        ("s3://src/in/a", "succeeded"),
        ("s3://src/in/b", "failed"),
        ("s3://src/in/", "excluded"),
    ]


def test_a_batch_tells_what_it_took():
    store = MemoryStore({"s3://src/a": b"a", "s3://src/b": b"bad"})
    before = time.time()

    effort = handle(store, batch({"uri": "s3://src/a"}, {"uri": "s3://src/b"}, records="s3://r/"))["effort"]

    assert before - 0.001 <= effort["started"] <= time.time()
    assert 0 <= effort["seconds"] < 60
    assert effort["memory"] == 128
    # The records are a PUT, too.
    assert effort["requests"] == {"head": 2, "get": 2, "put": 2}
    assert handle(store, batch({"uri": "s3://src/a"}))["effort"]["requests"] == {"head": 2}


def test_a_single_item_without_a_batcher_needs_ten_lines():
    store = MemoryStore({"s3://src/a": b"a"})

    answer = handle(store, {"BatchInput": {"destination": "s3://out/"}, "uri": "s3://src/a"})

    assert (answer["counts"], answer["records"]) == ({"succeeded": 1}, None)
    assert store.bodies("s3://out/") == {"a": b"a!"}


def test_rows_that_name_no_object_fail_alone_and_in_their_place():
    store = MemoryStore({"s3://src/a": b"a"})

    answer = handle(store, batch({"nothing": "here"}, {"uri": "s3://src/a"}, "text", records="s3://r/"))

    records = list(read_records(store.objects["s3://r/b1.jsonl.gz"].body))
    assert answer["counts"] == {"failed": 2, "succeeded": 1}
    assert [record.status.value for record in records] == ["failed", "succeeded", "failed"]
    assert records[0].failure.type == "InvalidItem"
    assert records[0].columns == {"nothing": "here"}


def test_an_item_without_an_output_has_a_line_in_the_log_with_run_batch_and_key(capsys):
    store = MemoryStore({"s3://src/a": b"a", "s3://src/b": b"bad"})

    lambda_handler(alone("logs-items"), store)(
        batch({"uri": "s3://src/a"}, {"uri": "s3://src/b"}, {"nothing": "here"}, run="r1"), Context()
    )

    lines = logged(capsys)
    told = [
        {name: line[name] for name in ("level", "message", "run", "batch", "object", "error")} for line in lines[:2]
    ]
    same = {"level": "WARNING", "message": "item failed", "run": "r1", "batch": "b1"}
    assert told == [
        same | {"object": "s3://src/b", "error": "PermanentError"},
        same | {"object": '{"nothing": "here"}', "error": "InvalidItem"},
    ]
    assert lines[0]["reason"] == "bad: write something else"
    assert [(line["message"], line["run"], line["items"]) for line in lines[2:]] == [("batch done", "r1", 3)]


def test_a_fault_of_an_operation_is_logged_with_its_traceback_run_batch_and_key(capsys):
    def stumble(item, body, options):
        return [][len(body)]

    operation = replace(alone("logs-a-fault"), process=stumble)
    lambda_handler(operation, MemoryStore({"s3://src/a": b"a"}))(batch({"uri": "s3://src/a"}, run="r1"), Context())

    fault, failed, _ = logged(capsys)
    assert (fault["level"], fault["run"], fault["batch"], fault["object"]) == ("ERROR", "r1", "b1", "s3://src/a")
    assert "in stumble" in fault["exception"]
    assert (failed["message"], failed["error"]) == ("item failed", "OperationFailed")


def test_keys_of_a_batch_are_not_those_of_the_next(capsys):
    handler = lambda_handler(alone("logs-twice"), MemoryStore({"s3://src/b": b"bad"}))

    handler(batch({"uri": "s3://src/b"}, run="r1"), Context())
    handler({"BatchInput": {"destination": "s3://out/", "run": "r2"}, "uri": "s3://src/b", "Batch": "b2"}, Context())

    failed = [line for line in logged(capsys) if line["message"] == "item failed"]
    assert [(line["run"], line["batch"]) for line in failed] == [("r1", "b1"), ("r2", "b2")]


def alone(name):
    """Return the operation by a name of its own: the logger of a name writes to the stdout there was at first."""
    return replace(OPERATION, name=name)


def logged(capsys):
    """Return what was logged, a dictionary a line."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_records_that_cannot_be_written_raise_the_error_the_workflow_retries():
    store = MemoryStore({"s3://src/a": b"a"})
    store.unwritable.add("s3://r/b1.jsonl.gz")

    with pytest.raises(TransientError) as raised:
        handle(store, batch({"uri": "s3://src/a"}, records="s3://r/"))

    assert type(raised.value) is TransientError


def test_a_batch_without_a_name_is_named_by_its_items():
    event = {"BatchInput": {"destination": "s3://out/"}, "Items": [{"uri": "s3://src/a"}]}

    assert Event.parse(event).batch == Event.parse(json.loads(json.dumps(event))).batch
    assert Event.parse(event).batch != Event.parse({**event, "Items": []}).batch


@pytest.mark.parametrize("event", [{}, {"Items": []}, {"BatchInput": {}}, {"BatchInput": "x"}])
def test_an_event_without_a_destination_is_refused(event):
    with pytest.raises(InvalidJob, match="BatchInput"):
        handle(MemoryStore(), event)


def test_check_normalises_options_and_describes_the_operation():
    answer = handle(MemoryStore(), {"Check": {"options": {"mark": "?"}, "sample": None}})

    assert answer == {
        "operation": "mark",
        "version": "3",
        "summary": "Adds a mark.",
        "defaults": {"batch": {"items": 7}, "most_bytes": 256 * 1024 * 1024},
        "options": [
            {
                "name": "mark",
                "type": "a text",
                "required": False,
                "default": "!",
                "help": "what is added",
                "example": "?",
            }
        ],
        "normalised": {"mark": "?"},
        "references": [],
    }
    assert "normalised" not in handle(MemoryStore(), {"Check": {}})


def test_check_reads_no_more_of_the_sample_than_the_operation_wants():
    store = MemoryStore({"s3://src/no": b"not that it matters", "s3://src/yes": b"yes"})

    assert handle(store, {"Check": {"options": {}, "sample": "s3://src/yes"}})["normalised"] == {"mark": "!"}
    assert handle(store, {"Check": {"options": {}, "sample": "s3://src/gone"}})["normalised"] == {"mark": "!"}
    with pytest.raises(InvalidJob, match="the sample does not fit"):
        handle(store, {"Check": {"options": {}, "sample": "s3://src/no"}})


@pytest.mark.parametrize("options", [{"marc": "?"}, {"mark": 1}])
def test_check_refuses_options_that_do_not_fit(options):
    with pytest.raises(InvalidJob):
        handle(MemoryStore(), {"Check": {"options": options}})


def test_a_batch_result_stays_small_on_hostile_input():
    long = "ä" * 500
    store = MemoryStore({f"s3://src/{long}{n}": b"bad" for n in range(1000)})

    answer = handle(store, batch(*({"uri": f"s3://src/{long}{n}"} for n in range(1000))))

    assert answer["counts"] == {"failed": 1000}
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < 32_768
    assert BatchResult.from_json(json.loads(json.dumps(answer))).to_json() == answer


def test_records_come_back_as_written():
    records = [
        Record("s3://b/ä\u2028x", Status.SUCCEEDED, ("s3://o/a", "s3://o/b"), 1.5, 3, 4, 5, 6, "o", {"c": "v"}),
        Record("s3://b/c", Status.FAILED, failure=Failure("Kind", "message\nwith lines", retryable=True)),
        Record("s3://b/d", Status.EXCLUDED, reason="folder marker"),
    ]

    assert list(read_records(write_records(records))) == records
    assert write_records(records) == write_records(records)


def test_a_long_message_keeps_its_end_which_says_why():
    failure = Failure.of(PermanentError(f"s3://b/{'k' * 900}: the reason"), retryable=False)

    assert len(failure.message) == 500
    assert failure.message.startswith("s3://b/kkk")
    assert failure.message.endswith("kkk: the reason")
