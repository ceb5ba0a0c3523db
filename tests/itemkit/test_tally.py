"""The tally: the sum of records, mergeable in any order and of bounded size."""

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from itemkit.record import Failure, Record, Status
from itemkit.tally import MOST_ERROR_TYPES, OTHER_ERRORS, SLOWEST, Tally

FAILURES = st.builds(Failure, st.sampled_from(["A", "B", "C"]), st.text(max_size=5), st.booleans())
RECORDS = st.lists(
    st.builds(
        Record,
        uri=st.text(min_size=1, max_size=8),
        status=st.sampled_from(Status),
        milliseconds=st.floats(0.1, 1000),
        bytes_in=st.integers(0, 1000),
        bytes_out=st.integers(0, 1000),
        failure=st.none() | FAILURES,
    ),
    max_size=30,
)


def tally(records):
    made = Tally()
    for record in records:
        made.add(record)
    return made


@given(RECORDS, RECORDS, RECORDS)
def test_merging_in_any_order_equals_adding_all(one, two, three):
    forwards = tally(one)
    forwards.merge(tally(two))
    forwards.merge(tally(three))
    backwards = tally(three)
    backwards.merge(tally(two))
    backwards.merge(tally(one))

    assert forwards.to_json() == tally(one + two + three).to_json()
    assert Counter(backwards.counts) == Counter(forwards.counts)
    assert (backwards.errors, backwards.deferrals) == (forwards.errors, forwards.deferrals)
    assert backwards.slowest == forwards.slowest
    assert backwards.sizes.to_json() == forwards.sizes.to_json()


@given(RECORDS)
def test_json_keeps_everything(records):
    made = tally(records)

    assert Tally.from_json(json.loads(json.dumps(made.to_json()))).to_json() == made.to_json()


@given(RECORDS)
def test_what_is_open_counts_for_nothing_but_its_number(records):
    decided = [record for record in records if record.status is not Status.DEFERRED]
    made, without = tally(records), tally(decided)

    assert made.counts["deferred"] == len(records) - len(decided)
    assert (made.sums, made.errors, made.slowest) == (without.sums, without.errors, without.slowest)
    assert made.milliseconds.to_json() == without.milliseconds.to_json()


@given(RECORDS)
def test_the_slowest_are_those_of_all(records):
    worked = [each for each in records if each.status in (Status.SUCCEEDED, Status.FAILED)]

    assert tally(records).slowest == sorted(((r.milliseconds, r.uri) for r in worked), reverse=True)[:SLOWEST]


def test_a_result_of_a_function_that_knows_less_is_read():
    plain = {"counts": {"succeeded": 2}, "sums": {}, "milliseconds": {"buckets": [], "largest": 0.0}, "errors": {}}

    assert Tally.from_json(plain).items == 2


@given(RECORDS)
def test_every_record_counts_once(records):
    assert tally(records).items == len(records)


def test_many_kinds_of_error_are_bounded_and_none_is_lost():
    records = [
        Record(f"s3://b/{kind}", Status.FAILED, failure=Failure(f"E{kind:03}", "", retryable=False))
        for kind in range(100)
        for _ in range(2)
    ]

    errors = tally(records).to_json()["errors"]

    assert len(errors) == MOST_ERROR_TYPES + 1
    assert sum(entry["count"] for entry in errors.values()) == 200
    assert errors[OTHER_ERRORS]["count"] == 200 - 2 * MOST_ERROR_TYPES
