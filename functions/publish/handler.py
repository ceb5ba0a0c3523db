"""Lambda entry of Publish: a report for people, and a table of Parquet outputs for analysts."""

from __future__ import annotations

import functools
import json
import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Tracer

from functions.publish.catalog import register
from functions.publish.failures import failure_kinds
from functions.publish.page import render
from functions.publish.report import Report
from functions.publish.samples import Sampler
from itemkit.connect import connect
from itemkit.cost import Usage, bill, load_prices
from itemkit.errors import ItemError
from itemkit.record import Record
from itemkit.store import S3Store

logger = Logger(service="publish")
tracer = Tracer(service="publish")
# Summarize bounds the bins and steps of the figures; this is many times what they can take.
FIGURES_BYTES = 1_000_000
# The beginning of failures.csv: a row is seldom above 1 kB.
FAILURES_BYTES = 200_000


@functools.cache
def connection() -> S3Store:
    """Connect to the data once an execution environment."""
    return connect()


@functools.cache
def catalog() -> Any:
    """Connect to Glue once an execution environment."""
    return boto3.client("glue")


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer ``{"plan", "summary"}`` with the summary, when the run's report is written.

    Raises TransientError or PermanentError when it cannot be written; what cannot be read is told on the page.
    """
    summary: dict[str, Any] = event["summary"]
    logger.append_keys(run=summary["run"])
    reader = _Reader(connection())
    figures = reader.figures(summary["artifacts"]["figures"])
    records = reader.sampler.records(figures["records"]) if figures else []
    page = render(reader.report(summary, figures, records, context.invoked_function_arn)).encode()
    connection().write(summary["artifacts"]["report"], page, "text/html; charset=utf-8")
    outputs = [uri for record in records for uri in record.outputs]
    table = register(catalog(), connection(), os.environ["DATABASE"], summary, outputs)
    logger.info("published", extra={"report": summary["artifacts"]["report"], "bytes": len(page), "table": table})
    return summary


class _Reader:
    """Reads what a page shows; what is missing becomes a gap in it."""

    def __init__(self, store: S3Store) -> None:
        self._store = store
        self.gaps: list[str] = []
        self.sampler = Sampler(store, self.gaps)

    def figures(self, uri: str) -> dict[str, Any] | None:
        body = self._beginning(uri, FIGURES_BYTES)
        try:
            figures: dict[str, Any] | None = None if body is None else json.loads(body)
        except ValueError as error:
            self.gaps.append(f"{uri} is no JSON: {error}")
            return None
        return figures

    def report(
        self, summary: dict[str, Any], figures: dict[str, Any] | None, records: list[Record], made_by: str
    ) -> Report:
        failures = self._beginning(summary["artifacts"]["failures"], FAILURES_BYTES)
        kinds = failure_kinds(summary["errors"], failures or b"")
        samples = [self.sampler.sample(record) for record in records]
        cost = bill(Usage.of_summary(summary), load_prices(), summary["execution"].split(":")[3])
        return Report(summary, figures, kinds, samples, cost, made_by, self.gaps)

    def _beginning(self, uri: str, most: int) -> bytes | None:
        try:
            with self._store.open(uri) as (_, stream):
                return stream.read(most)
        except ItemError as error:
            self.gaps.append(str(error))
            return None
