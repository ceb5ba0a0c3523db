"""Writing to a table that throttles, fails, refuses or runs out of time: nothing lost, nothing claimed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from functions.dynamodb_load import handler
from functions.dynamodb_load.errors import InvalidRow, TableForbidden, TableRefused, Throttled, Unavailable, Unfinished
from functions.dynamodb_load.mapping import Entry, Mapper
from functions.dynamodb_load.table import Table
from functions.dynamodb_load.writing import MOST_BATCH_BYTES, MOST_FAULTS, Loaded, Pace, load_rows
from itemkit import Item, TransientError
from tests.functions.loading import Dynamo, answered, counts, dynamo, unprocessed

TABLE = Table("orders", {"id": "S"})
HOUR = 3600.0
SLOW = answered("ProvisionedThroughputExceededException")
DATED = Item("s3://in/a", "a", modified=1.0)


@pytest.fixture
def orders() -> Iterator[Dynamo]:
    """DynamoDB with the table orders, whose key is the text id."""
    with dynamo() as found:
        yield found


def entries(count: int, bytes_each: int = 1) -> list[Entry]:
    mapper = Mapper(TABLE)
    return [mapper.entry(f"line {number}", {"id": str(number), "v": "x" * bytes_each}) for number in range(count)]


def pace(concurrency: int = 4, seconds: float = HOUR) -> Pace:
    return Pace(concurrency, lambda: seconds, pause=0.001)


def csv(count: int) -> bytes:
    return b"id\n" + b"".join(b"%d\n" % number for number in range(count))


def write(orders: Dynamo, rows: list[Entry], how: Pace | None = None) -> Loaded:
    return load_rows(orders, TABLE, rows, how or pace())


class TestCalls:
    """As many items a call as it takes, as many calls at once as the job says."""

    def test_25_items_a_call(self, orders):
        assert write(orders, entries(60)) == Loaded(written=60)
        assert sorted(orders.writes) == [10, 25, 25]
        assert len(orders.items()) == 60

    def test_no_call_of_more_bytes_than_dynamodb_takes(self, orders):
        rows = entries(12, 390 * 1024)

        write(orders, rows)

        assert max(orders.writes) * rows[0].size <= MOST_BATCH_BYTES
        assert len(orders.items()) == 12

    @pytest.mark.parametrize("concurrency", [1, 3])
    def test_never_more_at_once_than_the_job_says_and_no_fewer(self, orders, concurrency):
        together = threading.Barrier(concurrency, timeout=20)
        orders.meanwhile = together.wait

        write(orders, entries(25 * 6), pace(concurrency))

        assert (orders.busiest, len(orders.items())) == (concurrency, 150)

    def test_rows_are_not_read_far_ahead_of_what_is_written(self, orders):
        read: list[Entry] = []
        ahead: list[int] = []
        orders.meanwhile = lambda: ahead.append(len(read) - sum(orders.writes))

        load_rows(orders, TABLE, (read.append(entry) or entry for entry in entries(2500)), pace(2))

        # Two calls a thread in the line, one being made, and the row that shows it is whole.
        assert max(ahead) <= 25 * (2 * 2 + 1) + 1
        assert len(orders.items()) == 2500


class TestThrottling:
    """What the table does not take is tried again, and only that."""

    def test_unprocessed_items_are_written_later(self, orders):
        orders.faults = [unprocessed(range(5, 25)), unprocessed(range(0, 20)), unprocessed([19])]

        assert write(orders, entries(25), pace(1)) == Loaded(written=25)
        assert orders.writes == [25, 20, 20, 1]
        assert len(orders.items()) == 25

    @pytest.mark.parametrize(
        "code",
        ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"],
    )
    def test_throttled_calls_are_made_again(self, orders, code):
        orders.faults = [answered(code) for _ in range(20)]

        assert write(orders, entries(100)) == Loaded(written=100)
        assert len(orders.items()) == 100

    def test_pauses_grow_and_are_random(self, orders, monkeypatch):
        bounds: list[float] = []

        def uniform(least: float, most: float) -> float:
            assert least == 0
            bounds.append(most)
            return 0.0

        monkeypatch.setattr("functions.dynamodb_load.writing.random.uniform", uniform)
        orders.faults = [SLOW] * 12
        load_rows(orders, TABLE, entries(1), Pace(1, lambda: HOUR))

        assert bounds == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0, 5.0]

    def test_until_time_is_up(self, orders):
        orders.faults = [None, *[SLOW] * 10_000]
        left = itertools.count(12, -1)

        with pytest.raises(Throttled) as deferred:
            load_rows(orders, TABLE, entries(60), Pace(1, lambda: next(left), pause=0.001))

        told = (
            "table orders takes no more for now, and the function's time ran out; 25 rows are in table orders already"
        )
        assert str(deferred.value) == told
        assert isinstance(deferred.value, TransientError)


class TestTime:
    """Near the function's end no call is begun, and the object is deferred."""

    def test_what_is_deferred_says_how_far_it_came_and_is_taken_up(self, orders):
        left = iter([HOUR] * 6)

        with pytest.raises(Unfinished) as deferred:
            orders.load(csv(500), seconds=lambda: next(left, 0.0), concurrency=1)

        written = len(orders.items())
        assert 0 < written < 500
        assert f"; {written} rows are in table orders already" in str(deferred.value)
        assert counts(orders.load(csv(500)))["written"] == 500
        assert len(orders.items()) == 500

    def test_without_time_nothing_is_begun(self, orders):
        with pytest.raises(Unfinished, match="nothing is written yet"):
            orders.load(csv(30), seconds=lambda: 0.0)
        assert orders.writes == []

    def test_is_what_the_function_has_less_a_reserve(self, context, monkeypatch):
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "1")
        context.get_remaining_time_in_millis = lambda: 60_000

        description = handler.handler({"Check": {}}, context)

        assert description["operation"] == "dynamodb-load"
        assert 40 < handler.limit.seconds_left() <= 60 - handler.RESERVED_SECONDS


class TestFaults:
    """Passing faults are tried again, permanent ones end the load at once and say how far it came."""

    @pytest.mark.parametrize(
        "fault",
        [
            answered("InternalServerError", 500),
            answered("ServiceUnavailable", 503),
            ReadTimeoutError(endpoint_url="x"),
            ConnectTimeoutError(endpoint_url="x"),
        ],
        ids=lambda fault: type(fault).__name__,
    )
    def test_that_pass_are_tried_again_a_few_times(self, orders, fault):
        orders.faults = [fault] * (MOST_FAULTS - 1)
        assert write(orders, entries(5), pace(1)) == Loaded(written=5)

        orders.faults = [fault] * MOST_FAULTS
        with pytest.raises(Unavailable, match=r"orders.*; 0 rows are in table orders already"):
            write(orders, entries(5), pace(1))

    @pytest.mark.parametrize(
        ("code", "kind", "told"),
        [
            ("AccessDeniedException", TableForbidden, "LoadTableArns"),
            ("ItemCollectionSizeLimitExceededException", TableRefused, "DynamoDB answered ItemCollectionSize"),
        ],
    )
    def test_that_stay_end_the_load(self, orders, code, kind, told):
        orders.faults = [None, None, *[answered(code)] * 1000]

        with pytest.raises(kind) as failed:
            write(orders, entries(2500), pace(2))

        assert told in str(failed.value)
        assert f"; {len(orders.items())} rows are in table orders already" in str(failed.value)
        assert len(orders.writes) < 20

    def test_a_fault_in_the_code_is_raised_as_it_is(self, orders):
        orders.faults = [KeyError("planted")]

        with pytest.raises(KeyError, match="planted"):
            write(orders, entries(5))


class TestRefusedRows:
    """DynamoDB does not say which item of a call it refuses; the load does."""

    @pytest.mark.parametrize("place", [0, 11, 24])
    def test_are_named(self, orders, place):
        rows = entries(25)
        wrong = Entry(f"line {place}", {"id": {"N": "1"}, "v": {"S": "x"}}, 10)
        rows[place] = wrong

        with pytest.raises(InvalidRow) as refused:
            write(orders, rows, pace(1))

        assert str(refused.value).startswith(f"line {place}: table orders refuses it: ")
        assert str(refused.value).endswith(f"; {len(orders.items())} rows are in table orders already")

    def test_a_call_refused_for_another_reason_is_made_in_smaller_ones(self, orders):
        orders.faults = [answered("ValidationException")] * 2

        assert write(orders, entries(25), pace(1)) == Loaded(written=25)
        assert len(orders.items()) == 25


class TestConditionalWrites:
    """With a condition an item takes a call; the rest is the same."""

    def load(self, orders: Dynamo, count: int, **options: Any) -> Any:
        told = counts(orders.load(csv(count), DATED, conflict="fingerprint", **options))
        return {name: told[name] for name in ("written", "unchanged", "kept")}

    def test_throttled_items_are_written_later(self, orders):
        orders.faults = [None, SLOW, None, SLOW, SLOW, answered("InternalServerError", 500)]

        assert self.load(orders, 60) == {"written": 60, "unchanged": 0, "kept": 0}
        assert len(orders.items()) == 60
        assert len(orders.writes) == 64

    def test_time_is_looked_at_between_the_items_of_a_group(self, orders):
        left = iter([HOUR] * 8)

        with pytest.raises(Unfinished, match=r"the function's time ran out.*rows are in table orders already"):
            orders.load(csv(25), DATED, lambda: next(left, 0.0), conflict="fingerprint", concurrency=1)
        assert 0 < len(orders.items()) < 8

    def test_a_write_whose_answer_was_lost_counts_as_there(self, orders):
        def lost(call: Any, request: dict[str, Any]) -> Any:
            call(**request)
            raise ReadTimeoutError(endpoint_url="x")

        orders.faults = [lost]

        assert self.load(orders, 3) == {"written": 2, "unchanged": 1, "kept": 0}

    def test_refused_items_are_named(self, orders):
        orders.faults = [None, None, answered("ValidationException"), answered("ValidationException")]

        with pytest.raises(InvalidRow, match="line 4: table orders refuses it: planted; 2 rows are in table orders"):
            self.load(orders, 25, concurrency=1)
