"""Publish: what a run left becomes a report beside it."""

from __future__ import annotations

import io
import json
from typing import Any

import polars as pl
import pytest

from functions.publish import handler as publish
from itemkit.errors import PermanentError
from itemkit.event import write_records
from itemkit.record import Record, Status
from itemkit.store import S3Store
from tests.functions.reports import FAILURES, figures, summary

HOME = "s3://output/runs/r1/"
ARTIFACTS = {
    "summary": f"{HOME}summary.json",
    "failures": f"{HOME}failures.csv",
    "figures": f"{HOME}figures.json",
    "report": f"{HOME}report.html",
    "records": f"{HOME}records/",
}
RECORDS = f"{HOME}records/pass-1/b1.jsonl.gz"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def run(s3: Any, glue: Any, context: Any, store: S3Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call the handler over what was put; answers the page."""
    monkeypatch.setattr(publish, "connection", lambda: store)
    monkeypatch.setattr(publish, "catalog", lambda: glue)
    monkeypatch.setenv("DATABASE", "fanfold")

    def call(**changes: Any) -> str:
        told = summary(artifacts=ARTIFACTS) | changes
        assert publish.handler({"plan": {}, "summary": told}, context) == told
        answer = s3.get_object(Bucket="output", Key="runs/r1/report.html")
        assert answer["ContentType"] == "text/html; charset=utf-8"
        page: str = answer["Body"].read().decode()
        return page

    return call


def put(s3: Any, uri: str, body: bytes) -> None:
    s3.put_object(Bucket="output", Key=uri.removeprefix("s3://output/"), Body=body)


def test_a_report_is_written_beside_the_summary(run: Any, s3: Any) -> None:
    record = Record("s3://photos/a", Status.SUCCEEDED, outputs=("s3://output/out/a.png",))
    put(s3, RECORDS, write_records([record]))
    put(s3, "s3://output/out/a.png", PNG)
    put(s3, ARTIFACTS["figures"], json.dumps(figures(records=[RECORDS])).encode())
    put(s3, ARTIFACTS["failures"], FAILURES.encode())

    page = run()

    assert "data:image/png;base64,iVBORw0KGgo=" in page
    assert "the image is cut off after 9120 of 31841 bytes" in page
    assert page.count('role="img"') == 3
    assert "arn:aws:lambda:us-east-1:123456789012:function:fanfold" in page
    assert "Missing from this page" not in page


def test_parquet_outputs_become_a_table(run: Any, s3: Any, glue: Any) -> None:
    body = io.BytesIO()
    pl.DataFrame({"region": ["north"], "orders": [3]}).write_parquet(body)
    uri = "s3://output/out/table-transform/a.parquet"
    put(s3, uri, body.getvalue())
    put(s3, RECORDS, write_records([Record("s3://photos/a", Status.SUCCEEDED, outputs=(uri,))]))
    put(s3, ARTIFACTS["figures"], json.dumps(figures(records=[RECORDS])).encode())

    page = run(destination="s3://output/out/table-transform/")

    table = glue.get_table(DatabaseName="fanfold", Name="out_table_transform")["Table"]
    assert [(each["Name"], each["Type"]) for each in table["StorageDescriptor"]["Columns"]] == [
        ("region", "string"),
        ("orders", "bigint"),
    ]
    assert "north" in page


def test_what_is_missing_is_told_and_fails_nothing(run: Any, s3: Any) -> None:
    page = run()

    assert f"Missing from this page: cannot read {ARTIFACTS['figures']}: it does not exist" in page
    assert f"Missing from this page: cannot read {ARTIFACTS['failures']}: it does not exist" in page
    assert "UnreadableImage" in page


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"milliseconds": [' + b" " * publish.FIGURES_BYTES])
def test_figures_that_are_no_json_are_a_gap(run: Any, s3: Any, body: bytes) -> None:
    put(s3, ARTIFACTS["figures"], body)

    assert f"Missing from this page: {ARTIFACTS['figures']} is no JSON" in run()


def test_only_the_beginning_of_the_failures_is_read(run: Any, s3: Any) -> None:
    rows = FAILURES + "".join(f"s3://b/{i},Late,late message,false,1\n" for i in range(20_000))
    put(s3, ARTIFACTS["failures"], rows.encode())
    last = rows.encode()[: publish.FAILURES_BYTES].count(b"Late")
    assert last < 20_000

    page = run(errors=[{"type": "Late", "count": 20_000, "example": "s3://b/0"}])

    assert page.count("late message") == 5


def test_a_report_that_cannot_be_written_is_an_error(run: Any) -> None:
    with pytest.raises(PermanentError, match=r"cannot write s3://nowhere/report\.html"):
        run(artifacts=ARTIFACTS | {"report": "s3://nowhere/report.html"})
