"""``fanfold failures``: what a run left without an output, and why."""

from __future__ import annotations

import csv
import io
import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from fanfold import run as runs
from fanfold.application import on_aws
from fanfold.problems import Exit
from fanfold.story import answer_json, out, say

SHOWN = ("uri", "error", "message", "retryable", "attempts")


def failures(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print failures.csv as it is; so does a pipe.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
    stack: Annotated[str, typer.Option(envvar="FANFOLD_STACK", help="The name of the deployed stack.")] = "fanfold",
) -> None:
    """Print the items of a run that have no output, with the reason of each; a table on a terminal, else CSV."""
    body = runs.read_artifact(on_aws(stack), run, "failures.csv").decode()
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(body, newline="")))
    if as_json:
        answer_json(rows)
    elif as_csv or not out.is_terminal:
        sys.stdout.write(body)
    elif rows:
        table = Table(*SHOWN, box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for row in rows:
            table.add_row(*(row[name] for name in SHOWN))
        out.print(table, markup=False, soft_wrap=False)
    if not rows:
        say(f"{run} left nothing without an output")
    raise typer.Exit(Exit.SOME_FAILED if rows else Exit.GOOD)
