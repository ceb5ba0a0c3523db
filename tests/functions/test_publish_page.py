"""The report page: what it tells, that it is bounded, and that no stranger's text gets out of its place."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from functions.publish import page
from functions.publish.failures import MOST_KINDS, MOST_ROWS, FailedItem, Kind, failure_kinds
from functions.publish.page import render
from functions.publish.report import Column, Picture, Preview, Table, Unshown
from itemkit.cost import Bill, Line
from tests.functions.reports import (
    EXECUTION,
    INPUT,
    bell,
    counts,
    empty_run,
    failed_run,
    figures,
    great_run,
    image_run,
    one_pass,
    report,
    summary,
    table_run,
)

HOSTILE = "\"'><script>alert(1)</script><img src=https://evil.example/x onerror=alert(2)><svg/onload=alert(3)>{{7*7}}"
LINKS = re.compile(r"https://us-east-1\.console\.aws\.amazon\.com/")


class Page(HTMLParser):
    """A page taken apart: its tags, and its text with white space made one space each."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._text: list[str] = []
        self.feed(html)
        self.text = " ".join("".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._text.append(" ")

    def handle_data(self, data: str) -> None:
        self._text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def harm(self) -> list[str]:
        """Find what would run, load or lead anywhere but to the AWS console."""
        found = [name for name, _ in self.tags if name in ("script", "iframe", "object", "embed", "form", "base")]
        for name, attributes in self.tags:
            for attribute, value in attributes.items():
                address = attribute in ("href", "src", "srcset", "action", "data", "xlink:href", "poster")
                allowed = not value or value.startswith(("#", "data:image/")) or LINKS.match(value) or value == "data:,"
                if attribute.startswith("on") or (address and not allowed) or "url(" in (value or ""):
                    found.append(f"{name} {attribute}={value}")
        return found


def read(**fields: Any) -> Page:
    return Page(render(report(**fields)))


def hostile_report() -> Page:
    kinds = [Kind(HOSTILE, 3, f"s3://bucket/{HOSTILE}", [FailedItem(f"s3://bucket/{HOSTILE}", HOSTILE, True)])]
    uri = f"s3://bucket/{HOSTILE}.png"
    table = Preview([Column(HOSTILE, HOSTILE, False)], [[HOSTILE]], 0)
    samples = [
        Picture(uri, HOSTILE, "image/png", b"\x89PNG", (1, 1)),
        Table(uri, HOSTILE, 1, table, 1),
        Unshown("javascript:alert(4)", HOSTILE, HOSTILE),
    ]
    told = summary(
        run=HOSTILE,
        state="FAILED",
        reason=HOSTILE,
        notes=[HOSTILE],
        operation=HOSTILE,
        source=HOSTILE,
        destination=HOSTILE,
        execution=f"arn:aws:states:us-east-1:1:execution:{HOSTILE}",
        slowest=[{"uri": HOSTILE, "milliseconds": 1.0}],
        artifacts={"failures": HOSTILE},
        errors=[{"type": HOSTILE, "count": 3, "example": HOSTILE}],
    )
    return Page(render(report(told, samples, kinds=kinds, gaps=[HOSTILE])))


# --- strangers' text


def test_strangers_text_stays_text() -> None:
    told = hostile_report()

    assert told.harm() == []
    # As many as it was put into: it is shown, and shown as it is.
    assert told.text.count("<script>alert(1)</script>") >= 20
    assert "{{7*7}}" in told.text


def test_harm_is_found_where_it_is() -> None:
    assert Page("<script>1</script><a onclick='x' href='https://evil.example'>").harm() == [
        "script",
        "a onclick=x",
        "a href=https://evil.example",
    ]


@pytest.mark.parametrize("told", [image_run, table_run, failed_run, empty_run, great_run], ids=lambda run: run.__name__)
def test_a_page_needs_nothing_and_runs_nothing(told: Any) -> None:
    shown = Page(render(told()))

    assert shown.harm() == []
    assert {each["rel"] for each in shown.all("a") if not each["href"].startswith("#")} == {"noreferrer"}
    (policy,) = [each["content"] for each in shown.all("meta") if each.get("http-equiv") == "Content-Security-Policy"]
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )


def test_what_cannot_be_seen_is_written_out() -> None:
    told = summary(run="a\u202egpj.exe\x00\ud800\u200b")

    html = render(report(told))

    html.encode()
    assert "aU+202Egpj.exeU+0000U+D800U+200B" in html


# --- what it tells


def test_the_identity_of_the_ledger_is_a_sentence() -> None:
    told = read()

    assert (
        "4,830 listed = 12 excluded + 310 skipped + 4,483 succeeded + 23 failed + 2 deferred + 0 lost" in told.text
    )  # fmt: skip
    assert "Succeeded 25 of 4,818 items have no output." in told.text


def test_a_ledger_that_does_not_add_up_is_not_called_equal() -> None:
    items = counts(succeeded=3) | {"listed": 5}
    told = read(told=summary(items=items, state="FAILED", reconciled=False, reason="2 of 5 listed items are missing"))

    assert "5 listed ≠ 0 excluded" in told.text
    assert "Failed Not reconciled" in told.text
    assert "Why it failed 2 of 5 listed items are missing" in told.text


@pytest.mark.parametrize(
    ("items", "headline"),
    [
        (counts(), "The source listed no items."),
        (counts(excluded=2), "None of the 2 items listed is wanted by the job."),
        (counts(excluded=2, succeeded=1), "The one item has its output."),
        (counts(skipped=1_000, succeeded=1), "All 1,001 items have their output."),
        (counts(succeeded=1, lost=1), "1 of 2 items have no output."),
    ],
)
def test_the_headline_says_what_became_of_the_items(items: dict[str, int], headline: str) -> None:
    assert headline in read(told=summary(items=items)).text


def test_a_run_over_nothing_has_no_charts_and_no_failures() -> None:
    told = Page(render(empty_run()))

    assert [each for each in told.all("svg") if each.get("role") == "img"] == []
    assert "0 listed = 0 excluded" in told.text
    assert "Without an output" not in told.text
    assert "A million items at this rate" not in told.text


def test_passes_are_told_when_there_is_more_than_one() -> None:
    first, second = counts(succeeded=5, lost=2), counts(succeeded=2)
    several = read(told=summary(passes=[one_pass(1, first, 2.0), one_pass(2, second, 1.0)]))

    assert "Passes" not in read().text
    assert (
        "Pass Items Gained Failed Deferred Lost Took Items a second 1 7 5 0 0 2 2 s 3.5 2 2 2 0 0 0 1 s 2"
        in several.text
    )


def test_charts_are_named_and_are_tables_too() -> None:
    told = read(figures=figures(milliseconds=[[10, 20, 7], [20, 40, 3]]))
    names = [each["aria-label"] for each in told.all("svg") if each.get("role") == "img"]

    assert [re.sub(r"\s", " ", name or "") for name in names] == [
        "Items a second over 42 s: at most 129.",
        "How long an item took: p50 35.1 ms, p95 80.2 ms, p99 112 ms.",
        "How large the items were: 9 kB to 26.4 MB.",
    ]
    assert "Between Items 10 ms to 20 ms 7 20 ms to 40 ms 3" in told.text


@pytest.mark.parametrize(
    ("bins", "row"),
    [
        ([[0, 0, 4]], "0 B 4"),
        ([[0, 0, 4], [1_000, 2_000, 1]], "0 B 4 1 kB to 2 kB 1"),
        ([[512, 512, 9]], "512 B 9"),
    ],
)
def test_sizes_of_nothing_and_of_one_value_can_be_drawn(bins: list[Any], row: str) -> None:
    assert f"Between Items {row}" in read(figures=figures(bytes_in=bins)).text


def test_figures_that_could_not_be_read_are_said_to_be_missing() -> None:
    told = read(figures=None, gaps=["cannot read s3://output/figures.json: it does not exist"])

    assert "Missing from this page: cannot read s3://output/figures.json: it does not exist" in told.text
    assert "How it ran" not in told.text


def test_failures_are_told_by_kind_with_a_link_to_the_console() -> None:
    told = read()
    kinds = told.text[told.text.index("Without an output") :]
    (link,) = [each["href"] for each in told.all("a") if each["href"].endswith("album%2Fnot%20there.jpg")]

    assert kinds.startswith(
        "Without an output UnreadableImage 23 broken-not-an-image.jpg "
        f"{INPUT}images/broken-not-an-image.jpg it is no image that can be read: it begins with b'<!doctype html>'"
    )
    assert "TransientError 2 not there.jpg" in kinds
    assert "fanfold retry images" in kinds
    assert link == (
        "https://us-east-1.console.aws.amazon.com/s3/object/fanfold-input-123456789012-us-east-1"
        "?region=us-east-1&prefix=images%2Falbum%2Fnot%20there.jpg"
    )


@pytest.mark.parametrize(
    ("arn", "host"),
    [
        ("arn:aws-cn:states:cn-north-1:1:execution:m:r", "https://cn-north-1.console.amazonaws.cn/"),
        ("arn:aws-us-gov:states:us-gov-west-1:1:execution:m:r", "https://us-gov-west-1.console.amazonaws-us-gov.com/"),
    ],
)
def test_links_lead_to_the_console_of_the_partition(arn: str, host: str) -> None:
    addresses = [each["href"] or "" for each in read(told=summary(execution=arn)).all("a")[1:]]

    assert [each for each in addresses if not each.startswith(host)] == []


def test_outputs_are_pictures_tables_and_names() -> None:
    pictures, tables = Page(render(image_run())), Page(render(table_run()))

    assert [each["alt"] for each in pictures.all("img")][:2] == [
        "Output noon at the lake.jpg",
        "Output evening tall.jpg",
    ]
    assert {(each["src"] or "")[:22] for each in pictures.all("img")} == {
        "data:image/jpeg;base64", "data:image/webp;base64", "data:image/png;base64,",
    }  # fmt: skip
    assert "album/noon at the lake.jpg 320 \N{MULTIPLICATION SIGN} 240, " in pictures.text
    assert "Not shown landscape-12mp.jpg" in pictures.text
    assert re.search(r"orders_01\.parquet 400 rows, [\d.]+ kB order_id \w+ ordered_on", tables.text)
    assert re.search(r"wide\.parquet 3 rows, [\d.]+ kB, 18 more columns", tables.text)


def test_the_bill_and_the_places_are_told() -> None:
    lines = (
        Line("S3: PUT", 4_580, "request", 5e-6),
        Line("Logs", 0.000136, "GB", 0.5),
        Line("S3: LIST", 0, "request", 1),
    )
    shown = dataclasses.replace(report(), bill=Bill(lines, 4_580, "us-east-1", "2026-08-31", "A note."))

    told = Page(render(shown)).text

    assert (
        "S3: PUT 4,580 requests $0.0229 Logs 0.000136 GB $0.0001 Total $0.0230 A million items at this rate $5.01 "
        "List prices of us-east-1 on 2026-08-31, free tiers not deducted. A note."
    ) in told
    assert f"execution {EXECUTION} made by report layout {page.VERSION}, arn:aws:lambda:" in told


# --- bounds


def test_a_page_of_ten_million_items_is_as_small_as_one_of_few() -> None:
    small, great = len(render(image_run())), len(render(great_run()))

    assert great < 1.5 * small


def test_everything_on_a_page_is_bounded() -> None:
    endless, many = "x" * 100_000, 1_000
    items = [FailedItem(f"s3://bucket/{endless}", endless, False)] * MOST_ROWS
    told = summary(
        reason=endless,
        notes=[endless] * many,
        passes=[one_pass(i, counts(succeeded=1), 1.0) for i in range(many)],
        slowest=[{"uri": f"s3://b/{endless}", "milliseconds": 1.0}] * many,
        errors=[{"type": endless, "count": 1, "example": endless}] * MOST_KINDS,
    )
    full = figures(
        milliseconds=bell(1, 1_000, many, 10**6),
        bytes_in=bell(1, 10**6, many, 10**6),
        throughput={"start": None, "step_seconds": 1, "items": [1] * many},
    )
    kinds = [Kind(endless, 9, endless, items)] * MOST_KINDS

    assert len(
        render(report(told, [Unshown(endless, "", endless)], figures=full, kinds=kinds, gaps=[endless] * many))
    ) < (1_000_000)


def test_kinds_and_their_rows_are_bounded() -> None:
    rows = "".join(f"s3://b/{i}.jpg,Kind{i % 12},m{i},false,1\n" for i in range(1_000))
    errors = [{"type": f"Kind{i}", "count": 9, "example": "s3://b/x"} for i in range(12)]

    kinds = failure_kinds(errors, f"uri,error,message,retryable,attempts\n{rows}".encode())

    assert [kind.type for kind in kinds] == [f"Kind{i}" for i in range(MOST_KINDS)]
    assert [item.message for item in kinds[1].items] == ["m1", "m13", "m25", "m37", "m49"]


@pytest.mark.parametrize(
    "end",
    ["s3://b/2.jpg,Kind,m2,fa", 's3://b/2.jpg,Kind,"m2\ngoes on', '"s3://b/2.jpg\n', "s3://b/2.jpg,Kind,\xe9"],
)
def test_a_row_that_is_cut_off_is_not_shown(end: str) -> None:
    table = f'uri,error,message,retryable,attempts\ns3://b/1.jpg,Kind,"m\n1",true,1\n{end}'.encode("latin-1")

    (kind,) = failure_kinds([{"type": "Kind", "count": 2, "example": "s3://b/1.jpg"}], table)

    assert kind.items == [FailedItem("s3://b/1.jpg", "m\n1", retryable=True)]


def test_no_failures_file_leaves_the_examples() -> None:
    (kind,) = failure_kinds([{"type": "Kind", "count": 2, "example": "s3://b/1.jpg"}], b"")

    assert kind == Kind("Kind", 2, "s3://b/1.jpg", [])
