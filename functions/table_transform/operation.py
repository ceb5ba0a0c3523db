"""table-transform: any CSV, TSV, JSON, JSON lines or Parquet in, one SQL query over it, Parquet, CSV or JSON lines out.

The way of a table: its bytes are unpacked and recognised, text is brought to UTF-8, the rows are proven whole and their
columns typed, and the query runs over them into the output, row by row where the query allows it.
"""

from __future__ import annotations

import json

import polars as pl

from functions.table_transform.content import MOST_BYTES, unpack, unpack_beginning
from functions.table_transform.errors import POLARS_FAULTS, QueryFailed, listed
from functions.table_transform.options import TransformOptions, output_names
from functions.table_transform.output import CONTENT_TYPES, write
from functions.table_transform.query import Plan, parse, plan
from functions.table_transform.table import Table, read_table
from itemkit import InvalidJob, Item, Operation, Output, PermanentError, Result

# Enough for the header of some ten thousand columns.
SAMPLE_BYTES = 256 * 1024


def _process(item: Item, body: bytes, options: TransformOptions) -> Result:
    try:
        table = read_table(unpack(body), options.delimiter, options.types or {})
        return _transformed(table, options)
    except PermanentError as error:
        raise type(error)(f"{item.uri}: {error}") from error


def _transformed(table: Table, options: TransformOptions) -> Result:
    planned = _planned(table, options.sql)
    try:
        written = write(planned.over(table.frame), options.format, planned.engine)
    except POLARS_FAULTS as error:
        table.refuse_if_damaged()
        raise planned.failed(error) from error
    output = Output(written.body, CONTENT_TYPES[options.format])
    return Result(
        [output], rows_in=table.rows, rows_out=written.rows, facts={**table.facts, "columns": len(table.schema)}
    )


def _planned(table: Table, sql: str) -> Plan:
    try:
        return plan(sql, table.schema)
    except QueryFailed as error:
        if not table.untyped:
            raise
        untyped = sorted(table.untyped)
        raise QueryFailed(
            f"{error}; without a value a column is text ({listed(untyped)}): say what it is, such as "
            f'"types": {json.dumps({untyped[0]: "number"}, ensure_ascii=False)}'
        ) from error


def _check(options: TransformOptions, sample: bytes | None) -> None:
    """Refuse SQL that cannot be read, or that does not fit the columns of the sample.

    A sample that is no table, or whose beginning does not tell its columns, is no fault of the job.
    """
    try:
        parse(options.sql, pl.LazyFrame())
        if sample is not None:
            _check_against(options, sample)
    except QueryFailed as error:
        raise InvalidJob(f"{error}") from error


def _check_against(options: TransformOptions, sample: bytes) -> None:
    try:
        table = read_table(_whole_lines(sample), options.delimiter, options.types or {})
    except QueryFailed:
        raise
    except PermanentError:
        return
    plan(options.sql, table.open_schema)


def _whole_lines(sample: bytes) -> bytes:
    """Unpack a sample and leave out the row it was cut in."""
    content = unpack_beginning(sample, SAMPLE_BYTES)
    if len(sample) < SAMPLE_BYTES and len(content) < SAMPLE_BYTES:
        return content
    end = len(content)
    while (end := content.rfind(b"\n", 0, end)) >= 0:
        if content.count(b'"', 0, end) % 2 == 0:
            return content[: end + 1]
    return b""


OPERATION = Operation(
    name="table-transform",
    version="1",
    summary="tables by SQL: CSV, TSV, JSON, JSON lines or Parquet in, Parquet, CSV or JSON lines out",
    options=TransformOptions,
    names=output_names,
    process=_process,
    check=_check,
    sample_bytes=SAMPLE_BYTES,
    most_bytes=MOST_BYTES,
)
