"""table-transform: any table in, shaped, validated, enriched, queried, and written as Parquet, CSV or JSON lines.

The way of a table: its bytes are unpacked and recognised, text is brought to UTF-8, the rows are proven whole and their
columns typed, and the steps of ``transform`` run over them into the output, row by row where the query allows it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from functions.table_transform import transform
from functions.table_transform.compact import COMPACTED_BYTES, compact
from functions.table_transform.content import unpack_beginning
from functions.table_transform.errors import POLARS_FAULTS, QueryFailed, listed
from functions.table_transform.options import TransformOptions, output_names
from functions.table_transform.output import CONTENT_TYPES, Engine, Files, Written, write
from functions.table_transform.partition import listing, partitions
from functions.table_transform.query import parse, told
from functions.table_transform.reading import over, read
from functions.table_transform.spool import MOST_SPOOLED, SPOOL_ABOVE, whole_lines
from functions.table_transform.table import Table, read_table
from functions.table_transform.transform import Flow, Prepared, prepare, refuse_uncast
from functions.table_transform.validate import written as rejected_file
from itemkit import InvalidJob, Item, Operation, Output, PermanentError, Result, rename
from itemkit.operation import Combined

# Enough for the header of some ten thousand columns.
SAMPLE_BYTES = 256 * 1024


def _resolve(options: TransformOptions, objects: Mapping[str, bytes]) -> Prepared:
    return prepare(options, objects, _reference)


def _prepared(given: TransformOptions | Prepared) -> Prepared:
    """Return the options with what they refer to: they come as they are where that is nothing."""
    return given if isinstance(given, Prepared) else _resolve(given, {})


def _reference(uri: str, body: bytes) -> pl.DataFrame:
    """Read a table to join."""
    try:
        return read_table(body).frame.collect()
    except PermanentError as error:
        raise type(error)(f"the reference table {uri}: {error}") from error
    except POLARS_FAULTS as error:
        raise PermanentError(f"the reference table {uri} is damaged ({error}): write it again") from error


def _process(item: Item, body: bytes | Path, given: TransformOptions | Prepared) -> Result:
    prepared = _prepared(given)
    with Files() as files:
        on_disk = files if isinstance(body, Path) else None
        try:
            (result, columns), table = over(body, prepared, lambda table: _transformed(table, prepared, item, on_disk))
        except PermanentError as error:
            raise type(error)(f"{item.uri}: {error}") from error
        files.keep(output.body for output in result.outputs)
    return replace(result, rows_in=table.rows, facts={**table.facts, "columns": columns, **result.facts})


def _transformed(table: Table, prepared: Prepared, item: Item, files: Files | None) -> tuple[Result, int]:
    """Return the result, but for what is known of the table when its rows have been run, and its columns."""
    options, schema = prepared.options, table.schema
    try:
        with told("the SQL", schema):
            flow = transform.run(table.frame, lambda: table.rows, prepared, item)
            outputs, rows = _written(flow, options, item, files)
    except QueryFailed as error:
        if isinstance(error.__cause__, POLARS_FAULTS):
            table.refuse_if_damaged()
            refuse_uncast(table.frame, options)
        raise _with_hint(error, table) from error
    return Result(outputs, rows_out=rows, facts=flow.facts), len(schema)


def _written(flow: Flow, options: TransformOptions, item: Item, files: Files | None) -> tuple[list[Output], int]:
    """Run the flow; return the outputs, that which the operation named first, and the rows in them."""
    name = item.output or item.name
    if options.partition_by:
        outputs, rows = flow.dropped(options, lambda frame, engine: _partitioned(frame, engine, options, name, files))
    else:
        written: Written = flow.dropped(options, lambda frame, engine: write(frame, options.format, engine, files))
        outputs, rows = [Output(written.body, CONTENT_TYPES[options.format])], written.rows
    if flow.rejected is not None and flow.rejected.height:
        body, extension = rejected_file(flow.rejected)
        content_type = CONTENT_TYPES[extension.removeprefix(".")]
        outputs.append(Output(body, content_type, f"_rejected/{rename(name, extension=extension)}"))
    return outputs, rows


def _partitioned(
    frame: pl.LazyFrame, engine: Engine, options: TransformOptions, name: str, files: Files | None
) -> tuple[list[Output], int]:
    file = rename(name, extension=f".{options.format}")
    outputs: list[Output] = []
    entries: list[dict[str, Any]] = []
    with partitions(frame, options.partition_by, engine) as parts:
        for part in parts:
            written = write(part.frame, options.format, "streaming", files)
            output = Output(written.body, CONTENT_TYPES[options.format], part.folder + file)
            outputs.append(output)
            entries.append({"output": output.name, "rows": written.rows, "bytes": output.size})
    rows = sum(entry["rows"] for entry in entries)
    return [Output(listing(options.partition_by, entries), "application/json"), *outputs], rows


def _with_hint(error: QueryFailed, table: Table) -> QueryFailed:
    """Say of columns without a value how to tell what they are."""
    if not table.untyped:
        return error
    untyped = sorted(table.untyped)
    return QueryFailed(
        f"{error}; without a value a column is text ({listed(untyped)}): say what it is, such as "
        f'"types": {json.dumps({untyped[0]: "number"}, ensure_ascii=False)}'
    )


def _check(given: TransformOptions | Prepared, sample: bytes | None) -> None:
    """Refuse SQL that cannot be read, and options that do not fit the columns of the sample.

    A sample that is no table, or whose beginning does not tell its columns, is no fault of the job.
    """
    try:
        prepared = _prepared(given)
        parse(prepared.options.sql, pl.LazyFrame())
        if sample is not None:
            _check_against(prepared, sample)
    except PermanentError as error:
        raise InvalidJob(f"{error}") from error


def _check_against(prepared: Prepared, sample: bytes) -> None:
    try:
        content = unpack_beginning(sample, SAMPLE_BYTES)
        cut_off = len(sample) >= SAMPLE_BYTES or len(content) >= SAMPLE_BYTES
        beginning = whole_lines(content, cut_off=cut_off)
        table = read(beginning, prepared)
    except QueryFailed:
        raise
    except PermanentError:
        return
    with told("the SQL", table.open_schema):
        transform.check(table.open_schema, prepared)


def _combines(item: Item, options: TransformOptions) -> bool:
    return options.compact and (item.size is None or item.size <= COMPACTED_BYTES)


def _combine(bodies: Sequence[tuple[Item, bytes]], given: TransformOptions | Prepared) -> Combined:
    return compact(bodies, _prepared(given))


OPERATION = Operation(
    name="table-transform",
    version="1",
    summary="tables: shaped, validated, enriched, queried with SQL; Parquet, CSV or JSON lines out",
    options=TransformOptions,
    names=output_names,
    process=_process,
    check=_check,
    sample_bytes=SAMPLE_BYTES,
    most_bytes=MOST_SPOOLED,
    spool_above=SPOOL_ABOVE,
    references=transform.references,
    resolve=_resolve,
    combines=_combines,
    combine=_combine,
    combined_extension=lambda options: f".{options.format}",
)
