"""DynamoDB in memory for the tests of dynamodb-load, the operation over it, and what can go wrong between them."""

from __future__ import annotations

import functools
import gzip
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config
from botocore.exceptions import ClientError
from moto import mock_aws

from functions.dynamodb_load.operation import dynamodb_load
from itemkit import Item, Result

ITEM = Item("s3://in/orders.csv", "orders.csv")
TABLE = "orders"
_read = TypeDeserializer().deserialize


@functools.cache
def connection() -> Any:
    """The boto3 client of all tests, because making one takes longer than a test."""
    once = Config(retries={"total_max_attempts": 1}, max_pool_connections=32)
    return boto3.Session("any", "any", region_name="us-east-1").client("dynamodb", config=once)


def packed(body: bytes) -> bytes:
    """Compress with gzip; without the time in it, as test workers compare what they are given."""
    return gzip.compress(body, mtime=0)


def answered(code: str, status: int = 400, message: str = "planted") -> ClientError:
    """A fault as DynamoDB answers it."""
    told = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(told, "BatchWriteItem")


def unprocessed(places: Sequence[int]) -> Callable[[Any, dict[str, Any]], Any]:
    """An answer after which the requests at these places are not processed."""

    def answer(call: Any, request: dict[str, Any]) -> Any:
        ((table, requests),) = request["RequestItems"].items()
        left = [each for place, each in enumerate(requests) if place in places]
        taken = [each for place, each in enumerate(requests) if place not in places]
        if taken:
            call(RequestItems={table: taken})
        return {"UnprocessedItems": {table: left} if left else {}}

    return answer


@dataclass
class Dynamo:
    """A client of DynamoDB whose first writes are answered by ``faults``: exceptions, or functions of the request.

    Attributes:
        writes: how many items each writing call had.
        busiest: the most writing calls at once.
    """

    client: Any
    faults: list[Any] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    busiest: int = 0
    meanwhile: Callable[[], None] = lambda: None
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def describe_table(self, **request: Any) -> Any:
        return self.client.describe_table(**request)

    def describe_time_to_live(self, **request: Any) -> Any:
        return self.client.describe_time_to_live(**request)

    def batch_write_item(self, **request: Any) -> Any:
        ((_, requests),) = request["RequestItems"].items()
        return self._answer(self.client.batch_write_item, request, len(requests))

    def put_item(self, **request: Any) -> Any:
        return self._answer(self.client.put_item, request, 1)

    def _answer(self, call: Any, request: dict[str, Any], items: int) -> Any:
        with self._lock:
            self.writes.append(items)
            self._busy += 1
            self.busiest = max(self.busiest, self._busy)
            fault = self.faults.pop(0) if self.faults else None
        try:
            self.meanwhile()
            if isinstance(fault, Exception):
                raise fault
            return fault(call, request) if fault else call(**request)
        finally:
            with self._lock:
                self._busy -= 1

    def make(self, name: str = TABLE, *, ttl: str | None = None, **key: str) -> None:
        """Create a table; ``key`` are types by name, the partition key first."""
        key = key or {"id": "S"}
        self.client.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": kind} for each, kind in key.items()],
            KeySchema=[
                {"AttributeName": each, "KeyType": kind} for each, kind in zip(key, ("HASH", "RANGE"), strict=False)
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        if ttl:
            specification = {"Enabled": True, "AttributeName": ttl}
            self.client.update_time_to_live(TableName=name, TimeToLiveSpecification=specification)

    def items(self, name: str = TABLE) -> list[dict[str, Any]]:
        """Return the items, their numbers as Decimals, in no order."""
        pages = self.client.get_paginator("scan").paginate(TableName=name)
        found = [item for page in pages for item in page["Items"]]
        return [{each: _read(value) for each, value in item.items()} for item in found]

    def by_id(self, name: str = TABLE) -> dict[Any, dict[str, Any]]:
        """Return the items by their ``id``, without it."""
        return {item.pop("id"): item for item in self.items(name)}

    def load(self, body: Any, item: Item = ITEM, seconds: Callable[[], float] = lambda: 60.0, **options: Any) -> Result:
        """Load an object into the table."""
        operation = dynamodb_load(self, seconds)
        return operation.process(item, body, operation.parse({"table": TABLE, **options}))

    def check(self, sample: bytes | None = None, **options: Any) -> None:
        """Ask whether options fit."""
        operation = dynamodb_load(self, lambda: 60.0)
        operation.check(operation.parse({"table": TABLE, **options}), sample)


@contextmanager
def dynamo(**key: str) -> Iterator[Dynamo]:
    """DynamoDB with one empty table."""
    with mock_aws():
        found = Dynamo(connection())
        found.make(**key)
        yield found


def counts(result: Result) -> Mapping[str, int]:
    """Return what became of the rows."""
    return {name: value for name, value in result.facts.items() if isinstance(value, int)}
