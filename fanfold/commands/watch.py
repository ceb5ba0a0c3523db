"""``fanfold watch``: follow a run, whoever started it."""

from __future__ import annotations

from typing import Annotated

import typer

from fanfold import run as runs
from fanfold.application import on_aws
from fanfold.commands.parameters import Run, Stack
from fanfold.commands.run import follow
from fanfold.story import answer_json, show_summary


def watch(
    run: Run,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    stack: Stack = "fanfold",
) -> None:
    """Follow a run to its end and print its summary.

    It may be anybody's: started by hand, by a schedule or by a trigger.

    Examples:
        fanfold watch image-resize-20261121T101500Z-3fa9
        fanfold watch nightly --json
    """
    application = on_aws(stack)
    summary = follow(application, runs.described(application, run)["executionArn"])
    answer_json(summary) if as_json else show_summary(summary)
    raise typer.Exit(runs.exit_code(summary))
