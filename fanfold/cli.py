"""The command line: one verb a file in ``commands/``, put together here; problems become exit codes in one place."""

from __future__ import annotations

import inspect
import io
import sys
import textwrap
from collections.abc import Callable

import typer
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from fanfold.commands import (
    cost,
    demo,
    doctor,
    drain,
    failures,
    local,
    new_operation,
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
from fanfold.faults import explain
from fanfold.problems import Exit, Problem
from fanfold.story import say

app = typer.Typer(
    name="fanfold",
    help="Run one function over every object below an S3 prefix, every file of a directory or every row of a manifest, "
    "and fold the results into one reconciled summary.\n\n"
    "Exit codes: 0 all good, 1 some items failed, 2 usage or invalid job, 3 nothing matched, 4 AWS or the environment "
    "is at fault, 130 interrupted.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _add(command: Callable[..., None]) -> None:
    """Add a command; its docstring is its help, with the examples below the options."""
    text, _, examples = inspect.cleandoc(command.__doc__ or "").partition("\n\nExamples:\n")
    lines = textwrap.indent(textwrap.dedent(examples), "  ")
    # Given apart, the line in the list of commands is wrapped; else it would be cut.
    first = " ".join(text.partition("\n\n")[0].split())
    app.command(help=text, short_help=first, epilog=f"\b\nExamples:\n{lines}")(command)


_add(demo.demo)
_add(plan.plan)
_add(run_command.run)
_add(drain.drain)
_add(watch.watch)
_add(status.status)
_add(failures.failures)
_add(retry.retry)
_add(stop.stop)
_add(tune.tune)
_add(report.report)
_add(cost.cost)
_add(query.query)
_add(operations.operations)
_add(new_operation.new_operation)
_add(local.local)
_add(doctor.doctor)


def main() -> None:
    """Run the command line and exit with its code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold bytes that are no text; to tell them must not end the story.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except Problem as problem:
        _end(problem)
    except (BotoCoreError, ClientError, Boto3Error) as error:
        _end(explain(error))
    except OSError as error:
        if error.filename is None:
            raise
        say(f"fanfold: {error.filename} cannot be used: {error.strerror}")
        sys.exit(Exit.ENVIRONMENT)


def _end(problem: Problem) -> None:
    say(f"fanfold: {problem}")
    sys.exit(problem.exit)


if __name__ == "__main__":
    main()
