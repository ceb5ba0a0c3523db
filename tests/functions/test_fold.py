"""The fold: batch results in any order, however often, become one ledger and the list of what has no output."""

from __future__ import annotations

import copy
import csv
import io
import json
import random
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.prepare.manifest import examine, rows
from functions.summarize.failures import COLUMNS, Failures
from functions.summarize.fold import Fold, fold
from functions.summarize.results import Results
from functions.summarize.summary import counts
from itemkit.errors import ObjectNotFound
from itemkit.event import BatchResult, write_records
from itemkit.item import manifest_item
from itemkit.record import Failure, Record, Status
from itemkit.store import Head
from itemkit.tally import Tally

RECORDS = "s3://output/no-records/"


class MemoryStore:
    """Objects in a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    @contextmanager
    def open(self, uri: str) -> Iterator[tuple[Head, io.BytesIO]]:
        if uri not in self.objects:
            raise ObjectNotFound(f"cannot read {uri}: it does not exist")
        body = self.objects[uri]
        yield Head(len(body), "etag"), io.BytesIO(body)

    def results(self, **parts: list[list[Any]]) -> Results:
        """Write the parts of each status, one JSON line a record."""
        for status, files in parts.items():
            for number, lines in enumerate(files):
                text = "".join(json.dumps(line) + "\n" for line in lines)
                self.objects[f"s3://output/{status}_{number}.jsonl"] = text.encode()
        keys = {status: [f"{status}_{number}.jsonl" for number in range(len(files))] for status, files in parts.items()}
        return Results(self, "output", keys)  # type: ignore[arg-type]

    def batch(self, name: str, records: list[Record]) -> dict[str, Any]:
        """Write a batch's records and return its result."""
        tally = Tally()
        for record in records:
            tally.add(record)
        uri = f"s3://output/records/{name}.jsonl.gz"
        self.objects[uri] = write_records(records)
        return BatchResult(name, 1, tally, uri).to_json()


def hopeless(result: dict[str, Any]) -> dict[str, Any]:
    return child(result["batch"], Error="AllItemsFailed", Cause=json.dumps(result), Input="not looked at")


def child(name: str, uris: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    settings = {"destination": "s3://output/out/", "source": {"kind": "csv", "bucket": "photos"}}
    given_input = json.dumps({"BatchInput": settings, "Items": [{"uri": uri} for uri in uris]})
    return {"Input": given_input, "Name": name, "Status": "FAILED", **fields}


def table(failures: Failures) -> list[dict[str, str]]:
    """Return the rows of failures.csv."""
    with failures.csv() as body:
        return list(csv.DictReader(io.StringIO(body.read().decode(), newline="")))


def seen(folded: Fold) -> Any:
    """Return everything a fold tells, without regard to order."""
    ledger = folded.ledger
    named = [
        sorted(table(failures), key=lambda row: sorted(row.items()))
        for failures in (folded.failed, folded.deferred, folded.lost)
    ]
    work = ledger.work.to_json()
    return ledger.tally.to_json(), ledger.lost, ledger.losses, sorted(ledger.faults.all()), work, named


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)


@st.composite
def records(draw: st.DrawFn) -> Record:
    status = draw(st.sampled_from(list(Status)))
    unsuccessful = status in (Status.FAILED, Status.DEFERRED)
    kind = draw(st.sampled_from(["UnreadableImage", "SlowDown", "OutputConflict"]))
    return Record(
        f"s3://photos/{draw(TEXT)}",
        status,
        milliseconds=draw(st.floats(0.01, 100_000)),
        bytes_in=draw(st.integers(0, 10**9)),
        columns=draw(st.dictionaries(st.sampled_from(["label", "lot"]), TEXT, max_size=2)),
        failure=Failure(kind, draw(TEXT), status is Status.DEFERRED) if unsuccessful else None,
    )


def partition(items: list[Any], chance: random.Random, parts: int) -> list[list[Any]]:
    shuffled = chance.sample(items, len(items))
    return [shuffled[start::parts] for start in range(parts)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.lists(records(), max_size=6), st.booleans()), max_size=8),
    st.randoms(use_true_random=False),
    st.integers(1, 4),
)
def test_order_parts_and_repeats_change_nothing(
    batches: list[tuple[list[Record], bool]], chance: random.Random, parts: int
) -> None:
    """Each batch lies in SUCCEEDED or in FAILED's Cause; repeated, it may lie in both."""
    store = MemoryStore()
    told = [(store.batch(f"b{place}", items), failed) for place, (items, failed) in enumerate(batches)]
    succeeded = [result for result, failed in told if not failed]
    failed = [hopeless(result) for result, failed in told if failed]
    expected = seen(fold(store.results(SUCCEEDED=[succeeded], FAILED=[failed]), store, RECORDS))  # type: ignore[arg-type]

    again = [result for result, _ in told if chance.random() < 0.5]
    twice_failed = [hopeless(result) for result, _ in told if chance.random() < 0.5]
    silent = [child(result["batch"], ("s3://photos/x",), Error="Lambda.Unknown") for result, _ in told[::2]]
    shuffled = store.results(
        SUCCEEDED=partition(succeeded + again, chance, parts),
        FAILED=partition(failed + twice_failed + silent, chance, parts),
    )

    assert seen(fold(shuffled, store, RECORDS)) == expected  # type: ignore[arg-type]
    ledger = fold(shuffled, store, RECORDS).ledger  # type: ignore[arg-type]
    assert ledger.accounted == sum(len(items) for items, _ in batches)
    assert ledger.difference(ledger.accounted) is None
    assert sum(counts(ledger.tally, ledger.accounted, ledger.lost).values()) == 2 * ledger.accounted


def tallies() -> st.SearchStrategy[Tally]:
    def summed(items: list[Record]) -> Tally:
        tally = Tally()
        for record in items:
            tally.add(record)
        return tally

    return st.lists(records(), max_size=6).map(summed)


def merged(*parts: Tally) -> Tally:
    whole = Tally()
    for part in parts:
        whole.merge(copy.deepcopy(part))
    return whole


@settings(max_examples=60, deadline=None)
@given(tallies(), tallies(), tallies())
def test_tallies_merge_in_any_order_and_grouping(one: Tally, two: Tally, three: Tally) -> None:
    whole = merged(one, two, three).to_json()

    assert merged(merged(one, two), three).to_json() == whole
    assert merged(one, merged(two, three)).to_json() == whole
    assert merged(three, one, two).to_json() == whole
    assert merged(Tally(), Tally.from_json(one.to_json())).to_json() == one.to_json()


ROWS = st.dictionaries(st.sampled_from(["label", "Größe", "", "URI", "note "]), TEXT, max_size=4)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(TEXT.filter(bool), TEXT, ROWS), min_size=1, max_size=6), st.integers(1, 3))
def test_a_failures_file_is_a_manifest_however_often_it_fails(
    items: list[tuple[str, str, dict[str, str]]], times: int
) -> None:
    found: list[dict[str, Any]] = [
        {"uri": f"s3://photos/{key}", "output": output, **columns} for key, output, columns in items
    ]
    for _ in range(times):
        failures = Failures()
        for row in found:
            item = manifest_item(row, "photos")
            failures.add(
                Record(
                    item.uri,
                    Status.FAILED,
                    output=item.output,
                    columns=item.columns,
                    failure=Failure("Broken", 'a \r\n, "b"\r \\c', retryable=False),
                )
            )
        with failures.csv() as body:
            raw = body.read()
        manifest = examine(io.BytesIO(raw), "s3://output/failures.csv", None)
        found = list(rows(io.BytesIO(raw), manifest, "s3://output/failures.csv"))

    columns = {name for _, output, own in items for name in (*own, *["output"] * bool(output))}
    assert found == [
        {
            "uri": f"s3://photos/{key}",
            "error": "Broken",
            "message": 'a \r\n, "b"\r \\c',
            "retryable": "false",
            "attempts": str(times),
            **{name: {**own, "output": output}.get(name, "") for name in columns},
        }
        for key, output, own in items
    ]


def test_a_failures_file_without_failures_is_a_header() -> None:
    with Failures().csv() as body:
        assert body.read() == (",".join(COLUMNS) + "\n").encode()


def test_half_a_surrogate_pair_does_not_keep_failures_from_being_written() -> None:
    failures = Failures()
    failures.add(Record("s3://photos/a", Status.FAILED, failure=Failure("Broken", "\ud800", retryable=False)))

    assert [row["message"] for row in table(failures)] == ["\\ud800"]


def test_a_child_that_answers_for_another_batch_than_its_name_is_not_lost_beside_it() -> None:
    store = MemoryStore()
    result = store.batch("told", [Record("s3://photos/a", Status.FAILED, failure=Failure("E", "m", retryable=False))])

    folded = fold(store.results(FAILED=[[{**hopeless(result), "Name": "other"}]]), store, RECORDS)  # type: ignore[arg-type]

    assert (folded.ledger.tally.counts["failed"], folded.ledger.lost, folded.failed.count) == (1, 0, 1)


def test_memory_does_not_grow_with_the_number_of_batches() -> None:
    """2,000 batches of 20 items, one in four failed; a fold that kept the records would need some 20 MB."""
    store = MemoryStore()
    batches = [store.batch(f"b{number}", _twenty(number)) for number in range(100)]
    several = [{**batch, "batch": f"b{number}"} for number in range(2000) for batch in [batches[number % 100]]]
    results = store.results(SUCCEEDED=[several[:1000], several[1000:]])
    del several
    tracemalloc.start()
    folded = fold(results, store, RECORDS)  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (folded.ledger.accounted, folded.failed.count) == (40_000, 10_000)
    assert peak < 6_000_000


def _twenty(number: int) -> list[Record]:
    broken = Failure("Broken", "x" * 400, retryable=False)
    return [
        Record(f"s3://photos/{number}/{place}", Status.FAILED, milliseconds=place + 1.0, failure=broken)
        if place % 4 == 0
        else Record(f"s3://photos/{number}/{place}", Status.SUCCEEDED, milliseconds=place + 1.0)
        for place in range(20)
    ]
