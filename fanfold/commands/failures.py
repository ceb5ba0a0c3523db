"""``fanfold failures``: what a run left without an output, and why."""

from __future__ import annotations

import csv
import io
import sys
from typing import Annotated, Any

import typer

from fanfold import run as runs
from fanfold.application import on_aws
from fanfold.commands.parameters import Run, Stack
from fanfold.problems import Exit
from fanfold.story import answer_json, out, say, tell


def failures(
    run: Run,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print failures.csv as it is; so does a pipe.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
    stack: Stack = "fanfold",
) -> None:
    """Print what a run left without an output, and why.

    People get a paragraph an item, programs CSV: the failures.csv of the run, which is a manifest for another.

    Examples:
        fanfold failures image-resize-20261121T101500Z-3fa9
        fanfold failures image-resize-20261121T101500Z-3fa9 --csv > failures.csv
    """
    body = runs.read_artifact(on_aws(stack), run, "failures.csv").decode()
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(body, newline="")))
    if as_json:
        answer_json(rows)
    elif as_csv or not out.is_terminal:
        sys.stdout.write(body)
    else:
        for row in rows:
            _show(row)
    if not rows:
        say(f"{run} left nothing without an output")
    raise typer.Exit(Exit.SOME_FAILED if rows else Exit.GOOD)


def _show(row: dict[str, Any]) -> None:
    """Print a failure: the URI in a line of its own, whole, however long it is."""
    again = "worth another" if row["retryable"] == "true" else "to be mended first"
    tell(f"{row['error']} (attempt {row['attempts']}, {again})")
    tell([row["uri"]], "  ")
    # Most messages begin with the URI that the line above tells.
    tell(row["message"].removeprefix(row["uri"]).strip(), "  ")
