"""The options of dynamodb-load, and the name of its receipt."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from itemkit import option

KINDS = ("text", "number", "boolean")
# API reference, CreateTable.
_TABLE = re.compile(r"[a-zA-Z0-9_.-]{3,255}")


@dataclass(frozen=True)
class LoadOptions:
    """What a job can say about its load; the table is all it must."""

    table: str = option(help="the DynamoDB table, by name, in the stack's account and Region", example="orders")
    key: tuple[str, ...] = option(
        (),
        help="the table's partition key and sort key, to be sure that it is the table meant",
        example=["customer", "day"],
    )
    types: dict[str, str] | None = option(
        None,
        help=f"columns to load as one of {', '.join(KINDS)}; a CSV's are text unless they are said to be something "
        "else, or are of the key",
        example={"amount": "number"},
    )
    ttl: str | None = option(
        None,
        help="the column that says when an item expires: epoch seconds or an ISO 8601 date; the table's TTL attribute "
        "is set by it",
        example="created",
    )
    ttl_days: int = option(0, help="days after that at which it does", least=0, most=36_500, example=30)
    conflict: str = option(
        "last",
        help="last: whoever writes an item last wins; fingerprint: an item of another object, or of none, is replaced "
        "only by a newer object's",
        choices=("last", "fingerprint"),
        example="fingerprint",
    )
    concurrency: int = option(8, help="calls at once of each function", least=1, most=32, example=16)

    def __post_init__(self) -> None:
        """Refuse what cannot be; raises ValueError."""
        if not _TABLE.fullmatch(self.table):
            raise ValueError(f"option 'table' is {self.table!r}: write a table's name, such as 'orders', not its ARN")
        for column, kind in (self.types or {}).items():
            if kind not in KINDS:
                raise ValueError(f"option 'types' has {kind!r} for column {column!r}: write one of {', '.join(KINDS)}")
        if self.ttl_days and not self.ttl:
            raise ValueError("'ttl_days' are days after the time in a column: name the column with 'ttl'")

    def content(self) -> dict[str, Any]:
        """Return the options that what is loaded depends on."""
        return {name: value for name, value in asdict(self).items() if name != "concurrency"}


def output_names(name: str, options: LoadOptions) -> list[str]:
    """Name the receipt after object and table: ``orders.csv`` in ``sales`` becomes ``orders.csv.sales.json``."""
    return [f"{name}.{options.table}.json"]
