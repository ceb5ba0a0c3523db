"""Loads a CSV into a DynamoDB table in one of the ways that are compared, and tells the seconds it took.

Run as ``load_side.py SIDE URL TABLE CSV``. Imports are not in the time.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = {"region_name": "us-east-1", "aws_access_key_id": "bench", "aws_secret_access_key": "bench"}
DIRECT = Config(proxies={})
NUMBERS = ("quantity", "price", "weight")
Load = Callable[[str, str, Path], None]


def ours() -> Load:
    """Return our side: the public operation, with the client its function has."""
    sys.path.insert(0, str(ROOT))
    from functions.dynamodb_load.handler import CONFIG  # noqa: PLC0415 - the peer does without
    from functions.dynamodb_load.operation import dynamodb_load  # noqa: PLC0415
    from itemkit import Item  # noqa: PLC0415

    def load(url: str, table: str, path: Path) -> None:
        client = boto3.client("dynamodb", endpoint_url=url, config=CONFIG.merge(DIRECT), **ACCOUNT)
        operation = dynamodb_load(client, lambda: 1e6)
        options = operation.parse({"table": table, "types": dict.fromkeys(NUMBERS, "number")})
        operation.process(Item(f"s3://bench/{path.name}", path.name), path.read_bytes(), options)

    return load


def batch_writer() -> Load:
    """Return what the guides do: one ``batch_writer``, row by row."""

    def load(url: str, table: str, path: Path) -> None:
        target: Any = boto3.resource("dynamodb", endpoint_url=url, config=DIRECT, **ACCOUNT).Table(table)
        with path.open(newline="") as file, target.batch_writer(overwrite_by_pkeys=["order_id"]) as writer:
            for row in csv.DictReader(file):
                item = {name: Decimal(value) if name in NUMBERS else value for name, value in row.items() if value}
                writer.put_item(Item=item)

    return load


SIDES = {"ours": ours, "batch_writer": batch_writer}


def main() -> None:
    """Do what the command line asks for, and print the seconds as JSON."""
    side, url, table, path = sys.argv[1:]
    load = SIDES[side]()
    began = time.perf_counter()
    load(url, table, Path(path))
    print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
