"""``fanfold watch``: follow a run, whoever started it."""

from __future__ import annotations

from typing import Annotated

import typer

from fanfold import run as runs
from fanfold.application import on_aws
from fanfold.commands.run import follow
from fanfold.story import answer_json, show_summary


def watch(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    stack: Annotated[str, typer.Option(envvar="FANFOLD_STACK", help="The name of the deployed stack.")] = "fanfold",
) -> None:
    """Follow a run to its end and print its summary."""
    application = on_aws(stack)
    summary = follow(application, runs.described(application, run)["executionArn"])
    answer_json(summary) if as_json else show_summary(summary)
    raise typer.Exit(runs.exit_code(summary))
