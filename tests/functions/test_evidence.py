"""Records as evidence: results made up from them, and the items that nobody accounts for."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.summarize.evidence import READERS, recovered, seen_uris, unaccounted
from functions.summarize.listing import listing
from itemkit.errors import ObjectNotFound, TransientError
from itemkit.event import BatchResult, write_records
from itemkit.item import Item, join_uri
from itemkit.record import Failure, Record, Status
from itemkit.store import S3Store
from itemkit.tally import Tally
from tests.memory_store import MemoryStore

PREFIX = "s3://output/runs/r1/records/pass-1/"
ODD_KEYS = [
    "in/a b+c%20.jpg",
    "in/Größe/日本.png",
    "in/quo\"te,'s & <x>.csv",
    "in/new\nline",
    "in//",
    "in/back\\slash",
    "in/\U0001f600",
]
SOURCE = {"kind": "prefix", "uri": "s3://photos/in/", "bucket": "photos", "prefix": "in/"}


class RecordsStore(MemoryStore):
    """A store in memory that lists; ``listed`` counts entries."""

    listed = 0

    def list(self, uri: str) -> Iterator[dict[str, Any]]:
        bucket = uri.split("/")[2]
        for found in sorted(self.objects):
            if found.startswith(uri):
                self.listed += 1
                head = self.objects[found].head
                key = found.removeprefix(f"s3://{bucket}/")
                yield {"Key": key, "Size": head.size, "Etag": f'"{head.etag}"', "LastModified": head.modified}


def never(sentence: str) -> None:
    raise AssertionError(sentence)


def tallied(records: list[Record]) -> Tally:
    tally = Tally()
    for record in records:
        tally.add(record)
    return tally


def batch_of(*names: str) -> list[Record]:
    """Return records of objects of ``s3://photos/in/``; those named after a fault have one."""
    broken = Failure("UnreadableImage", "no image", retryable=False)
    return [
        Record(f"s3://photos/in/{name}", Status.FAILED, milliseconds=2.5, failure=broken)
        if name.startswith("broken")
        else Record(f"s3://photos/in/{name}", Status.SUCCEEDED, ("s3://output/x",), 1.25, bytes_in=3, bytes_out=2)
        for name in names
    ]


BATCHES = {"b1": batch_of("a", "b"), "b2": batch_of("broken", "c"), "b3": batch_of("d")}


@pytest.fixture
def put(s3: Any) -> Callable[[str, bytes], None]:
    """Puts an object by its URI."""

    def put(uri: str, body: bytes) -> None:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        s3.put_object(Bucket=bucket, Key=key, Body=body)

    return put


@pytest.fixture
def written(put: Callable[[str, bytes], None]) -> None:
    """The records of three batches, those of another pass, and an object that is no records file."""
    for name, records in BATCHES.items():
        put(f"{PREFIX}{name}.jsonl.gz", write_records(records))
    put(f"{PREFIX.replace('pass-1', 'pass-10')}b4.jsonl.gz", write_records(batch_of("e")))
    put(f"{PREFIX}notes.txt", b"nobody's")


@pytest.mark.usefixtures("written")
def test_batches_without_a_result_are_recovered_from_their_records(store: S3Store) -> None:
    found = list(recovered(store, PREFIX, {"b1"}.__contains__, number=3, fault=never))

    expected = [BatchResult(name, 3, tallied(BATCHES[name]), f"{PREFIX}{name}.jsonl.gz") for name in ("b2", "b3")]
    assert [result.to_json() for result in found] == [result.to_json() for result in expected]


@pytest.mark.usefixtures("written")
def test_records_of_known_batches_are_not_even_read(store: S3Store) -> None:
    assert list(recovered(store, PREFIX, lambda name: True, number=1, fault=never)) == []
    assert store.requests == {"list": 1}


@pytest.mark.usefixtures("written")
def test_every_record_of_the_pass_is_seen(store: S3Store) -> None:
    assert list(seen_uris(store, PREFIX, never)) == [
        f"s3://photos/in/{name}" for name in ("a", "b", "broken", "c", "d")
    ]


def test_no_records_are_no_evidence(store: S3Store) -> None:
    assert list(recovered(store, PREFIX, lambda name: False, number=1, fault=never)) == []
    assert list(seen_uris(store, PREFIX, never)) == []


WHOLE = write_records(batch_of("x", "y"))
DAMAGED = {
    "cut short": WHOLE[:-9],
    "cut to the header": WHOLE[:10],
    "emptied": b"",
    "no records in it": gzip.compress(b""),
    "a bit flipped": WHOLE[:40] + bytes([WHOLE[40] ^ 1]) + WHOLE[41:],
    "another file": b"hello",
    "garbage behind": WHOLE + b"garbage",
    "no JSON": gzip.compress(b"{"),
    "no record": gzip.compress(b"[1]\n"),
    "a record without a URI": gzip.compress(b'{"status": "failed"}\n'),
    "an unknown status": gzip.compress(b'{"uri": "s3://b/k", "status": "lost"}\n'),
    "a field too many": gzip.compress(b'{"uri": "s3://b/k", "status": "failed", "more": 1}\n'),
    "no UTF-8": gzip.compress(b"\xff\n"),
}


@pytest.mark.usefixtures("written")
@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_told_and_passed_over(body: bytes, store: S3Store, put: Callable[[str, bytes], None]) -> None:
    put(f"{PREFIX}b2.jsonl.gz", body)
    faults: list[str] = []

    results = list(recovered(store, PREFIX, lambda name: False, number=1, fault=faults.append))
    seen = list(seen_uris(store, PREFIX, faults.append))

    assert [result.batch for result in results] == ["b1", "b3"]
    assert seen == [f"s3://photos/in/{name}" for name in ("a", "b", "d")]
    assert len(faults) == 2
    assert all(f"{PREFIX}b2.jsonl.gz" in fault for fault in faults)


def test_every_truncation_and_every_flipped_bit_is_noticed() -> None:
    """Nothing but the whole file counts, so that no batch is recovered in part."""
    flipped = [
        WHOLE[:place] + bytes([WHOLE[place] ^ 1 << place % 8]) + WHOLE[place + 1 :] for place in range(10, len(WHOLE))
    ]
    for body in [WHOLE[:length] for length in range(len(WHOLE))] + flipped:
        faults: list[str] = []
        store: Any = RecordsStore({f"{PREFIX}b.jsonl.gz": body})

        assert list(recovered(store, PREFIX, lambda name: False, number=1, fault=faults.append)) == []
        assert len(faults) == 1


@pytest.mark.usefixtures("written")
def test_a_file_that_goes_meanwhile_is_told_and_passed_over(
    store: S3Store, intercept: Callable[[str, Callable[..., Any]], None]
) -> None:
    error = ClientError({"Error": {"Code": "NoSuchKey"}, "ResponseMetadata": {"HTTPStatusCode": 404}}, "GetObject")

    def gone(request: Any, **_: Any) -> None:
        if request.url.endswith("b2.jsonl.gz"):
            raise error

    intercept("s3.GetObject", gone)
    faults: list[str] = []

    assert list(seen_uris(store, PREFIX, faults.append)) == [f"s3://photos/in/{name}" for name in ("a", "b", "d")]
    assert len(faults) == 1
    assert "ObjectNotFound" in faults[0]


def test_s3_in_trouble_is_no_damage() -> None:
    """Whoever asks tries again, and nothing is taken for missing."""
    store: Any = RecordsStore({f"{PREFIX}{name}.jsonl.gz": write_records(BATCHES[name]) for name in BATCHES})
    store.unreadable.add(f"{PREFIX}b2.jsonl.gz")

    with pytest.raises(TransientError):
        list(recovered(store, PREFIX, lambda name: False, number=1, fault=never))
    with pytest.raises(TransientError):
        list(seen_uris(store, PREFIX, never))


def test_a_bucket_that_is_gone_is_an_error(store: S3Store) -> None:
    with pytest.raises(ObjectNotFound, match="cannot list s3://nowhere/records/"):
        list(seen_uris(store, "s3://nowhere/records/", never))


def test_only_a_window_of_files_is_read_ahead() -> None:
    store: Any = RecordsStore({f"{PREFIX}b{number:04}.jsonl.gz": WHOLE for number in range(500)})

    results = recovered(store, PREFIX, lambda name: False, number=1, fault=never)
    assert next(results).batch == "b0000"
    results.close()

    assert store.requests["get"] <= 2 * READERS
    assert store.listed <= 2 * READERS


def multiset_difference(listed: list[str], seen: list[str]) -> Counter[str]:
    return Counter(listed) - Counter(seen)


URIS = st.text("aß\ud800", max_size=3).map(lambda key: f"s3://photos/{key}")


def as_item(uri: str) -> Item:
    return Item(uri, uri)


@settings(deadline=None)
@given(
    st.lists(URIS, max_size=40),
    st.lists(URIS, max_size=5),
    st.randoms(use_true_random=False),
    st.integers(1, 50),
    st.integers(0, 60),
)
def test_unaccounted_is_the_multiset_difference_for_any_partition(
    listed: list[str], others: list[str], chance: random.Random, partition: int, size: int
) -> None:
    """Names may repeat, the records may come in any order, and may tell of what is not listed; size may be wrong."""
    seen = chance.sample(listed, chance.randint(0, len(listed))) + others
    chance.shuffle(seen)

    found = list(unaccounted(lambda: map(as_item, listed), lambda: iter(seen), size, partition))

    assert Counter(item.uri for item in found) == multiset_difference(listed, seen)


def test_each_part_reads_both_once() -> None:
    read: Counter[str] = Counter()

    def reading(name: str, values: list[Any]) -> Any:
        read[name] += 1
        return iter(values)

    uris = [f"s3://photos/{number}" for number in range(100)]
    items = [as_item(uri) for uri in uris]
    found = unaccounted(lambda: reading("listed", items), lambda: reading("seen", uris[:90]), 100, 30)

    assert sorted(item.uri for item in found) == uris[90:]
    assert read == {"listed": 4, "seen": 4}


def test_a_row_that_names_no_object_is_accounted_for_as_the_text_in_its_record(
    store: S3Store, put: Callable[[str, bytes], None]
) -> None:
    put("s3://photos/list.jsonl", b'{"uri": "s3://photos/a"}\n{"label": "none"}\n{"label": "none"}\n7\n')
    source = {"kind": "jsonl", "bucket": "photos", "key": "list.jsonl"}
    items = list(listing(store, source, 0))
    records = [item for item in items if isinstance(item, Record)]
    assert len(records) == 3

    found = unaccounted(lambda: listing(store, source, 0), lambda: (item.uri for item in items[:2]), 4)

    assert list(found) == records[1:]


@pytest.mark.parametrize("partition", [2, 100])
def test_a_lost_batch_of_odd_names_is_named(partition: int, store: S3Store, put: Callable[[str, bytes], None]) -> None:
    """From a bucket to its records and back, every name is the same."""
    for key in ODD_KEYS:
        put(join_uri("photos", key), b"body")
    items = list(listing(store, SOURCE, 0))
    records = [Record(item.uri, Status.SUCCEEDED) for item in items]
    put(f"{PREFIX}b1.jsonl.gz", write_records(records[:2]))
    put(f"{PREFIX}b2.jsonl.gz", write_records(records[5:]))

    found = unaccounted(
        lambda: listing(store, SOURCE, 0), lambda: seen_uris(store, PREFIX, never), len(ODD_KEYS), partition
    )

    assert sorted(item.uri for item in items) == sorted(f"s3://photos/{key}" for key in ODD_KEYS)
    assert sorted(found, key=lambda item: item.uri) == items[2:5]


def peak_of(items: int, partition: int) -> int:
    """Return the bytes that naming every hundredth of some items takes at most."""

    def listed() -> Iterator[Item]:
        return (as_item(f"s3://photos/in/{number:012}") for number in range(items))

    def seen() -> Iterator[str]:
        return (f"s3://photos/in/{number:012}" for number in range(items) if number % 100)

    tracemalloc.start()
    assert sum(1 for _ in unaccounted(listed, seen, items, partition)) == items / 100
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_grows_with_the_partition_and_not_with_the_items() -> None:
    """1,000 hashes are some 100 KB, 10,000 some 650 KB."""
    assert peak_of(10_000, 1_000) < 200_000
    assert peak_of(10_000, 10_000) > 400_000


def test_memory_does_not_grow_with_the_number_of_records() -> None:
    """400 files of 50 records of 500 bytes: 10 MB unpacked."""
    broken = Failure("Broken", "x" * 400, retryable=False)
    body = write_records([Record(f"s3://photos/{place}", Status.FAILED, failure=broken) for place in range(50)])
    store: Any = RecordsStore({f"{PREFIX}b{number:04}.jsonl.gz": body for number in range(400)})
    tracemalloc.start()
    items = sum(result.tally.items for result in recovered(store, PREFIX, lambda name: False, number=1, fault=never))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert items == 20_000
    assert peak < 1_000_000
