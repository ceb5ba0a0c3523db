"""The table that is loaded, as DynamoDB describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from functions.dynamodb_load.faults import told_apart


class Client(Protocol):
    """What the operation calls of a boto3 DynamoDB client."""

    def describe_table(self, **request: Any) -> Any:
        """Return ``{"Table": ...}``."""
        ...

    def describe_time_to_live(self, **request: Any) -> Any:
        """Return ``{"TimeToLiveDescription": ...}``."""
        ...

    def batch_write_item(self, **request: Any) -> Any:
        """Write up to 25 items and return those that were not."""
        ...

    def put_item(self, **request: Any) -> Any:
        """Write an item under a condition."""
        ...


@dataclass(frozen=True)
class Table:
    """A table of DynamoDB.

    Attributes:
        name: in this account and Region.
        key: the types (``S``, ``N`` or ``B``) of its partition key and, where there is one, its sort key, in this
            order.
        ttl: the attribute by which items expire; ``None`` where they do not.
    """

    name: str
    key: Mapping[str, str]
    ttl: str | None = None


def describe(client: Client, name: str, with_ttl: bool) -> Table:
    """Ask for a table's key and, ``with_ttl``, for its TTL attribute.

    Raises:
        TableNotFound, TableForbidden, TableRefused: it cannot be loaded.
        Throttled, Unavailable: DynamoDB does not answer now.
    """
    with told_apart(name):
        described = client.describe_table(TableName=name)["Table"]
        ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"] if with_ttl else {}
    types = {each["AttributeName"]: each["AttributeType"] for each in described["AttributeDefinitions"]}
    # HASH comes before RANGE.
    names = [each["AttributeName"] for each in sorted(described["KeySchema"], key=lambda each: each["KeyType"])]
    enabled = ttl.get("TimeToLiveStatus") in ("ENABLED", "ENABLING")
    return Table(name, {each: types[each] for each in names}, ttl.get("AttributeName") if enabled else None)
