"""Tables for the tests of table-transform, and the operation over them."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import polars as pl

from functions.table_transform.operation import OPERATION
from itemkit import Item, Result

ITEM = Item("s3://in/orders.csv", "orders.csv")
BY_REGION = "SELECT region, COUNT(*) AS orders, ROUND(SUM(amount), 2) AS amount FROM self GROUP BY region"


def transform(body: bytes | Path, **options: Any) -> Result:
    return OPERATION.process(ITEM, body, OPERATION.parse(options))


def rows(body: bytes | Path, **options: Any) -> list[dict[str, Any]]:
    output = transform(body, format="jsonl", **options).outputs[0]
    text = output.body.read_bytes() if isinstance(output.body, Path) else output.body
    output.discard()
    return [json.loads(line) for line in text.splitlines()]


def parquet(frame: pl.DataFrame, **options: Any) -> bytes:
    body = io.BytesIO()
    frame.write_parquet(body, **options)
    return body.getvalue()


def packed(body: bytes) -> bytes:
    """Compress with gzip; without the time in it, as test workers compare what they are given."""
    return gzip.compress(body, mtime=0)


def short(value: Any) -> str:
    """Name a test by the beginning of what it is given."""
    return repr(value)[:40]
