"""``fanfold query``: SQL over what a run recorded, the same that Athena takes."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from fanfold.application import Application, find_project, on_aws
from fanfold.commands.parameters import Stack, complete_run
from fanfold.problems import EnvironmentFault, UsageProblem
from fanfold.story import answer_json, out, say, table

if TYPE_CHECKING:
    from fanfold.analysis import Answer, Catalog, Files

_FETCHING = 8  # objects at once
_ON_A_TERMINAL = 1000  # rows


def query(
    run: Annotated[str | None, typer.Argument(help="The name of a run.", autocompletion=complete_run)] = None,
    sql: Annotated[
        str | None, typer.Argument(help="SQL over the tables records and summaries; ? stands for the run.")
    ] = None,
    named: Annotated[str | None, typer.Option(help="Ask a query of the template instead; see --list.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the queries of the template.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the rows as CSV, as is done when piped.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
    stack: Stack = "fanfold",
) -> None:
    """Ask a run's records, and all summaries, with SQL.

    It is SQL that Athena takes too, over the tables records and summaries.

    Examples:
        fanfold query nightly "select status, count(*) from records group by status"
        fanfold query nightly --named failures-by-type --csv
    """
    try:
        # Not at the top: an installation without the ``local`` extra has no polars.
        from fanfold import analysis  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise EnvironmentFault(f"fanfold query needs {error.name}: pip install 'fanfold[local]'") from error
    catalog = analysis.read_catalog(find_project() / "template.yaml")
    if listed:
        _show_queries(catalog, as_json=as_json)
        return
    if run is None or (sql is None) == (named is None):
        raise UsageProblem("name a run, and write SQL or --named NAME; 'fanfold query --list' tells the names")
    wanted = analysis.prepare(sql or catalog.named(str(named)).sql, run, catalog.tables)
    application = on_aws(stack)
    _require_run(application, run)
    with tempfile.TemporaryDirectory(prefix="fanfold-query-") as folder:
        answer = wanted.answer(_fetch(application, run, wanted.tables, Path(folder)))
        if as_json:
            _write_json(answer)
        elif as_csv or not out.is_terminal:
            _write_csv(answer)
        else:
            _show_rows(answer)


def _require_run(application: Application, run: str) -> None:
    """Raise UsageProblem when nothing is kept of such a run."""
    bucket, s3 = application.output_bucket, application.client("s3")
    if s3.list_objects_v2(Bucket=bucket, Prefix=f"runs/{run}/", MaxKeys=1)["KeyCount"] and "/" not in run:
        return
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="runs/", Delimiter="/")
    runs = [entry["Prefix"].split("/")[1] for page in pages for entry in page.get("CommonPrefixes", [])]
    near = get_close_matches(run, runs, n=3)
    instead = f"did you mean {' or '.join(near)}?" if near else f"'aws s3 ls s3://{bucket}/runs/' lists the runs"
    raise UsageProblem(f"there is no run {run!r} in s3://{bucket}/runs/; {instead}")


def _fetch(application: Application, run: str, tables: list[str], folder: Path) -> dict[str, Files]:
    """Copy what the tables are made of to a folder: the records of the run, and the summaries of all runs by day."""
    files: dict[str, Files] = {}
    if "records" in tables:
        files["records"] = {run: [path for _, path in _download(application, f"runs/{run}/records/", folder)]}
    if "summaries" in tables:
        days: dict[str, list[Path]] = {}
        for key, path in _download(application, "summaries/", folder):
            days.setdefault(key.split("/")[1], []).append(path)
        files["summaries"] = days
    return files


def _download(application: Application, prefix: str, folder: Path) -> list[tuple[str, Path]]:
    """Copy every object below a prefix of the output bucket and return its key and its file."""
    bucket, s3 = application.output_bucket, application.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", []) if not entry["Key"].endswith("/")]
    # Numbered, because polars takes a file's name for a pattern.
    targets = [folder / f"{prefix.split('/', maxsplit=1)[0]}-{number}" for number in range(len(keys))]
    with ThreadPoolExecutor(_FETCHING) as pool:
        list(pool.map(lambda key, target: s3.download_file(bucket, key, str(target)), keys, targets))
    return list(zip(keys, targets, strict=True))


def _show_queries(catalog: Catalog, *, as_json: bool) -> None:
    if as_json:
        answer_json([vars(query) for query in catalog.queries.values()])
        return
    for query in catalog.queries.values():
        out.print(f"{query.name}: {query.description}", markup=False)
        out.print(textwrap.indent(query.sql, "  "), markup=False)


def _show_rows(answer: Answer) -> None:
    rows = table(*answer.columns)
    for row in islice(answer.rows, _ON_A_TERMINAL):
        rows.add_row(*(Text(_cell(value)) for value in row))
    out.print(rows)
    if next(answer.rows, None):
        say(f"these are the first {_ON_A_TERMINAL} rows: --csv prints them all")


def _write_csv(answer: Answer) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(map(_cell, row) for row in answer.rows)


def _write_json(answer: Answer) -> None:
    """Write a list of objects, a row a line, as they come."""
    between = "[\n"
    for row in answer.rows:
        sys.stdout.write(between + _json(dict(zip(answer.columns, row, strict=True))))
        between = ",\n"
    sys.stdout.write("\n]\n" if between == ",\n" else "[]\n")


def _cell(value: Any) -> str:
    """Write a value as text; what is nested, and true and false, as JSON."""
    if value is None:
        return ""
    return _json(value) if isinstance(value, bool | dict | list) else str(value)


def _json(value: Any) -> str:
    return json.dumps(
        value, ensure_ascii=False, default=lambda each: float(each) if isinstance(each, Decimal) else str(each)
    )
