"""Runs to report on: of pictures, of tables, of nothing, one that failed, one of ten million items."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import polars as pl

from functions.publish.failures import failure_kinds
from functions.publish.preview import preview
from functions.publish.report import Picture, Report, Sample, Table, Unshown
from functions.publish.samples import picture_type
from itemkit.cost import Usage, bill, load_prices
from tests.functions.pictures import SAMPLES, resize
from tests.functions.tabular import parquet, transform

INPUT, OUTPUT = "s3://fanfold-input-123456789012-us-east-1/", "s3://fanfold-output-123456789012-us-east-1/"
REGION = "us-east-1"
EXECUTION = f"arn:aws:states:{REGION}:123456789012:execution:fanfold-process:images"
MADE_BY = f"arn:aws:lambda:{REGION}:123456789012:function:fanfold-publish"
FILES = {"summary": "summary.json", "failures": "failures.csv", "figures": "figures.json", "report": "report.html"}
NOTHING = {"listed": 0, "excluded": 0, "skipped": 0, "succeeded": 0, "failed": 0, "deferred": 0, "lost": 0}
PICTURES = (
    "album/noon at the lake.jpg", "album/evening tall.jpg", "album/night wide.jpg", "landscape.webp",
    "leaf-transparent.png", "leaf-palette.png", "orientation-6.jpg", "landscape-grey.jpg", "landscape-cmyk.jpg",
)  # fmt: skip
FAILURES = f"""uri,error,message,retryable,attempts
{INPUT}images/broken-not-an-image.jpg,UnreadableImage,"it is no image that can be read: it begins with b'<!doctype html>'",false,1
{INPUT}images/broken-truncated.jpg,UnreadableImage,the image is cut off after 9120 of 31841 bytes: upload it again,false,1
{INPUT}images/album/not there.jpg,TransientError,S3 answered SlowDown; it passes,true,2
"""  # noqa: E501


def counts(**items: int) -> dict[str, int]:
    """Return the counts of a ledger that adds up."""
    return NOTHING | items | {"listed": sum(items.values())}


def summary(**changes: Any) -> dict[str, Any]:
    """Return the summary of the sample pictures' run."""
    items = counts(excluded=12, skipped=310, succeeded=4_483, failed=23, deferred=2)
    home = f"{OUTPUT}runs/images/"
    told: dict[str, Any] = {
        "run": "images",
        "state": "SUCCEEDED",
        "reason": None,
        "operation": "image-resize",
        "source": f"{INPUT}images/",
        "destination": f"{OUTPUT}out/image-resize/",
        "reconciled": True,
        "notes": [],
        "items": items,
        "bytes": {"in": 11_904_000_000, "out": 201_300_000},
        "rows": {"in": 0, "out": 0},
        "milliseconds": {"p50": 35.1, "p95": 80.2, "p99": 112.0, "max": 115.3},
        "seconds": 48.21,
        "items_per_second": 100.2,
        "started": "2026-11-21T08:00:00.123000+00:00",
        "finished": "2026-11-21T08:00:48.333000+00:00",
        "passes": [
            one_pass(1, items, seconds=44.0),
        ],
        "errors": [
            {"type": "UnreadableImage", "count": 23, "example": f"{INPUT}images/broken-not-an-image.jpg"},
            {"type": "TransientError", "count": 2, "example": f"{INPUT}images/album/not there.jpg"},
        ],
        "slowest": [
            {"uri": f"{INPUT}images/landscape-12mp.jpg", "milliseconds": 115.3},
            {"uri": f"{INPUT}images/animated.gif", "milliseconds": 96.0},
        ],
        "usage": {
            "invocations": 97,
            "milliseconds": 191_200.0,
            "megabyte_seconds": 338_233.0,
            "child_seconds": 203.4,
            "child_type": "EXPRESS",
            "requests": {"head": 4_818, "get": 4_508, "put": 4_580, "list": 5},
        },
        "execution": EXECUTION,
        "artifacts": {**{name: home + file for name, file in FILES.items()}, "records": f"{home}records/"},
    }
    return told | changes


def one_pass(number: int, items: dict[str, int], seconds: float) -> dict[str, Any]:
    """Return what a summary tells of one pass."""
    return {
        "pass": number,
        "items": items,
        "gained": items["succeeded"] + items["skipped"],
        "seconds": seconds,
        "items_per_second": round(items["listed"] / seconds, 1),
        "bytes": {"in": 1, "out": 1},
        "rows": {"in": 0, "out": 0},
        "map_run": None,
    }


def bell(low: float, high: float, bins: int, items: int) -> list[list[float]]:
    """Return a histogram with equal steps on a logarithmic axis."""
    edges = [low * (high / low) ** (i / bins) for i in range(bins + 1)]
    weights = [math.exp(-(((i - bins / 3) / (bins / 6)) ** 2)) + 0.02 for i in range(bins)]
    return [
        [edges[i], edges[i + 1], round(items * weights[i] / sum(weights))] for i in range(bins)
    ]  # fmt: skip


def figures(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "milliseconds": bell(12, 118, 42, 4_508),
        "bytes_in": bell(9_000, 26_400_000, 40, 4_508),
        "throughput": {
            "start": "2026-11-21T08:00:01+00:00",
            "step_seconds": 1,
            "items": [17, 58, *(round(108 + 21 * math.sin(i / 4)) for i in range(39)), 44],
        },
        "records": [],
    }
    return told | changes


def report(told: dict[str, Any] | None = None, samples: Sequence[Sample] = (), **fields: Any) -> Report:
    """Return a report of a summary, complete but for what ``fields`` replaces."""
    told = told or summary()
    cost = bill(Usage.of_summary(told), load_prices(), REGION)
    known = {"figures": figures(), "kinds": failure_kinds(told["errors"], FAILURES.encode()), "gaps": ()}
    return Report(told, samples=samples, bill=cost, made_by=MADE_BY, **known | fields)


@functools.cache
def pictures() -> tuple[Sample, ...]:
    """Resize some of the sample pictures as a run would, and leave one too large to be shown."""
    found: list[Sample] = []
    for name in PICTURES:
        result = resize((SAMPLES / name).read_bytes(), width=320)
        (output,) = result.outputs
        pixels = (result.facts["width"], result.facts["height"])
        uri = f"{OUTPUT}out/image-resize/{name.rpartition('.')[0]}.{result.facts['format'].replace('jpeg', 'jpg')}"
        kind = picture_type(output.body)
        assert kind
        found.append(Picture(uri, f"{INPUT}images/{name}", kind, output.body, pixels))
    large = Unshown(f"{OUTPUT}out/image-resize/landscape-12mp.jpg", f"{INPUT}images/x.jpg", "is larger than 300 kB")
    return (*found, large)


@functools.cache
def tables() -> tuple[Sample, ...]:
    """Transform two of the sample tables, one to Parquet, one to CSV."""
    folder = SAMPLES.parent / "tables"
    found: list[Sample] = []
    for name, form in (("orders_01.csv", "parquet"), ("orders_09.jsonl", "csv")):
        result = transform((folder / name).read_bytes(), format=form)
        body = result.outputs[0].body
        uri = f"{OUTPUT}out/table-transform/{name.partition('.')[0]}.{form}"
        found.append(
            Table(uri, f"{INPUT}tables/{name}", len(body), preview(uri, body, whole=True), result.rows_out)
        )  # fmt: skip
    wide = parquet(pl.DataFrame({f"measure {i}": [i / 7, None, i * 1000.0] for i in range(30)}))
    uri = f"{OUTPUT}out/table-transform/wide.parquet"
    return (*found[:1], Table(uri, f"{INPUT}tables/wide.csv", len(wide), preview(uri, wide, whole=True), 3), found[1])


def image_run() -> Report:
    return report(samples=pictures())


def table_run() -> Report:
    told = summary(
        run="orders-2026-11",
        operation="table-transform",
        source=f"{INPUT}tables/",
        destination=f"{OUTPUT}out/table-transform/",
        bytes={"in": 1_204_000, "out": 391_000},
        seconds=3.41,
        items_per_second=3.8,
        rows={"in": 13_204, "out": 13_150},
        items=counts(succeeded=13),
        errors=[],
        slowest=[],
        passes=[one_pass(1, counts(succeeded=13), 3.0)],
        usage={
            "invocations": 1,
            "milliseconds": 1_200.0,
            "megabyte_seconds": 2_122.8,
            "child_seconds": 1.3,
            "child_type": "EXPRESS",
            "requests": {"head": 13, "get": 13, "put": 14, "list": 1},
        },
    )
    return report(told, tables())


def failed_run() -> Report:
    items = counts(skipped=120, succeeded=61_204, failed=20_911, deferred=40, lost=150)
    reason = (
        "The map failed with States.ExceedToleratedFailureThreshold: The specified tolerated failure threshold was "
        f"exceeded. 21,101 of {items['listed']:,} items have no output, more than the tolerated 25 %."
    )
    errors = [
        {"type": f"Kind{i}", "count": 21_000 // 3**i or 1, "example": f"{INPUT}images/{i}.jpg"} for i in range(11)
    ]
    passes = [
        one_pass(1, counts(skipped=120, succeeded=50_000, failed=20_000, deferred=9_000, lost=3_305), 612.0),
        one_pass(2, counts(succeeded=11_204, failed=911, deferred=40, lost=150), 88.0),
    ]
    told = summary(
        run="nightly-2026-11-21T08-00-00-with-a-rather-long-name-for-a-run",
        state="FAILED",
        reason=reason,
        reconciled=False,
        notes=["2 of 1,650 records files could not be read; what they tell is taken from their batch results."],
        items=items,
        errors=errors,
        passes=passes,
        seconds=702.0,
        items_per_second=117.4,
    )
    return report(told, gaps=["cannot read s3://output/runs/images/records/a.jsonl.gz: it does not exist"])


def empty_run() -> Report:
    nothing = {"milliseconds": [], "bytes_in": [], "throughput": {"start": None, "step_seconds": 1, "items": []}}
    told = summary(
        items=NOTHING,
        errors=[],
        slowest=[],
        passes=[one_pass(1, NOTHING, 1.0)],
        milliseconds={"p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0},
        bytes={"in": 0, "out": 0},
        seconds=1.2,
        items_per_second=0.0,
        usage={
            "invocations": 0,
            "milliseconds": 0.0,
            "megabyte_seconds": 0.0,
            "child_seconds": 0.0,
            "child_type": "EXPRESS",
            "requests": {"head": 0, "get": 0, "put": 0, "list": 1},
        },
    )
    return report(told, figures=figures(**nothing), kinds=[])


def great_run() -> Report:
    """Return the report of ten million items, with figures as full as they get."""
    items = counts(excluded=12_345, succeeded=9_987_000, failed=655)
    told = summary(
        items=items,
        passes=[one_pass(1, items, 3_600.0)],
        seconds=3_600.0,
        items_per_second=2_777.8,
        milliseconds={"p50": 44.0, "p95": 310.0, "p99": 9_700.0, "max": 90_000.0},
    )
    full = figures(
        milliseconds=bell(1, 90_000, 60, 9_987_000),
        bytes_in=bell(1, 5_000_000_000, 60, 9_987_000),
        throughput={
            "start": "2026-11-21T08:00:01+00:00",
            "step_seconds": 30,
            "items": [80_000 + i for i in range(120)],
        },
    )
    return report(told, pictures(), figures=full)
