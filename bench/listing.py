"""How fast `fanfold plan` lists a prefix: against boto3's paginator, which asks for one page after the other.

A stand-in answers each LIST after a wait (see ``peers/slow_s3.py``). Both sides sort every key by the same rules, and
their counts are right before a figure counts; the paginator, whose pages take equally long, has a tenth of the keys.
Figures are of wall time, medians of interleaved rounds.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parent / "peers"))

import boto3
from rows import Row, Target, arguments, facts, finish, interleave, rows_table, spread
from slow_s3 import BUCKET, PREFIX, SECONDS, SlowS3

from fanfold.application import on_aws
from fanfold.listing import Listing, survey
from fanfold.planning import Census, Sorter
from itemkit.item import listed_item
from itemkit.select import Select

Side = Callable[[str, int], Census]
ROUNDS = 3
CREDENTIALS = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"} | dict.fromkeys(
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "nobody"
)


def ours(url: str, _count: int) -> Census:
    """List all keys, as the plan does."""
    with patch.dict(os.environ, AWS_ENDPOINT_URL=url, **CREDENTIALS):
        s3 = on_aws("bench").client("s3")
    return survey(Listing(s3, f"s3://{BUCKET}/{PREFIX}"), Sorter(Select()), lambda keys: None)


def paginator(url: str, count: int) -> Census:
    """List the first keys, page after page."""
    with patch.dict(os.environ, AWS_ENDPOINT_URL=url, **CREDENTIALS):
        s3 = boto3.client("s3")
    census, sorter = Census(), Sorter(Select())
    for page in s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix=PREFIX, PaginationConfig={"MaxItems": count}
    ):
        for found in page["Contents"]:
            entry = {**found, "Etag": found["ETag"], "LastModified": found["LastModified"].timestamp()}
            sorter.sort(listed_item(entry, BUCKET, PREFIX), census)
    return census


def main() -> int:
    """Run what the command line asks for."""
    parser = arguments(__doc__)
    parser.add_argument("--keys", type=int, help="so many keys, one round")
    options = parser.parse_args()
    count, rounds = (options.keys or 100_000, 1) if options.quick or options.keys else (1_000_000, ROUNDS)
    about = facts(("fanfold", "boto3"))
    with SlowS3(count) as bucket:

        def run(side: Side, wanted: int) -> float:
            began = time.perf_counter()
            census = side(bucket.url, wanted)
            took = time.perf_counter() - began
            if (census.listed, census.to_run) != (wanted, wanted):
                raise SystemExit(f"{side} came to {census.listed:,} of {wanted:,} keys")
            return wanted / took

        sides = {
            "ours": functools.partial(run, ours, count),
            "paginator": functools.partial(run, paginator, count // 10),
        }
        took = interleave(sides, rounds)
    note = "; ".join(spread(name, rates) for name, rates in took.items())
    what = f"{count:,} keys, each page {1000 * SECONDS:.0f} ms away"
    rows = [
        Row(
            what,
            "keys/s",
            median(took["ours"]),
            median(took["paginator"]),
            "boto3's paginator",
            Target("at least", 2),
            note,
        )
    ]
    print(rows_table(rows))
    return finish(rows, about, options.json)


if __name__ == "__main__":
    sys.exit(main())
