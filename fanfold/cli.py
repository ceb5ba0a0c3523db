"""The command line: one verb a file in ``commands/``, put together here; problems become exit codes in one place."""

from __future__ import annotations

import io
import sys

import typer
from botocore.exceptions import BotoCoreError, ClientError

from fanfold.commands import (
    cost,
    demo,
    failures,
    local,
    operations,
    plan,
    query,
    report,
    retry,
    status,
    stop,
    tune,
    watch,
)
from fanfold.commands import run as run_command
from fanfold.problems import Exit, Problem
from fanfold.story import say

app = typer.Typer(
    name="fanfold",
    help="Run one function over every object below an S3 prefix, or every row of a manifest, and fold the results "
    "into one reconciled summary. Exit codes: 0 all good, 1 some items failed, 2 usage or invalid job, 3 nothing "
    "matched, 4 AWS or the environment is at fault.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
app.command()(local.local)
app.command()(plan.plan)
app.command()(run_command.run)
app.command()(operations.operations)
app.command()(watch.watch)
app.command()(status.status)
app.command()(failures.failures)
app.command()(retry.retry)
app.command()(stop.stop)
app.command()(tune.tune)
app.command()(report.report)
app.command()(cost.cost)
app.command()(query.query)


def main() -> None:
    """Run the command line and exit with its code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold bytes that are no text; to tell them must not end the story.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except Problem as problem:
        say(f"fanfold: {problem}")
        sys.exit(problem.exit)
    except (BotoCoreError, ClientError) as error:
        say(f"fanfold: AWS: {error}")
        sys.exit(Exit.ENVIRONMENT)


if __name__ == "__main__":
    main()
