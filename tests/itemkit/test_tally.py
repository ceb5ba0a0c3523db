"""The tally: the sum of records, mergeable in any order and of bounded size."""

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from itemkit.record import Failure, Record, Status
from itemkit.tally import MOST_ERROR_TYPES, OTHER_ERRORS, Tally

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
    assert backwards.errors == forwards.errors


@given(RECORDS)
def test_json_keeps_everything(records):
    made = tally(records)

    assert Tally.from_json(json.loads(json.dumps(made.to_json()))).to_json() == made.to_json()


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
