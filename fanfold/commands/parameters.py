"""What several commands take, and how a shell completes it."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from fanfold import run as runs
from fanfold.application import on_aws
from fanfold.problems import Problem

# Step Functions tells so many executions a request.
_COMPLETED = 1000


def complete_run(context: typer.Context, incomplete: str) -> list[str]:
    """Return the runs of the stack whose names begin so, the newest first."""
    try:
        listed = runs.listed(on_aws(context.params.get("stack") or "fanfold"))
        names = [each["name"] for each in islice(listed, _COMPLETED)]
    except (Problem, BotoCoreError, ClientError):
        # Without AWS there is nothing to offer, and a shell that waits for words has no place for a message.
        return []
    return [name for name in names if name.startswith(incomplete)]


Run = Annotated[str, typer.Argument(help="The run's name.", autocompletion=complete_run)]
Stack = Annotated[str, typer.Option(envvar="FANFOLD_STACK", help="The name of the deployed stack.")]

# What a job is put together from.
Operation = Annotated[
    str | None, typer.Option(help="The operation, when it is not the first word; see 'fanfold operations'.")
]
Options = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="NAME=VALUE", help="An option of the operation; JSON or text."),
]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="FIELD=VALUE",
        help="A field of the job, such as concurrency=100 or tolerate.percent=5; see docs/job.md.",
    ),
]
JobFile = Annotated[Path | None, typer.Option(help="The job as JSON instead; '-' reads it from stdin.")]

# Operations that are no part of the application's template.
Templates = Annotated[
    list[Path] | None,
    typer.Option(
        "--template",
        metavar="FILE",
        help="A template with operations of yours, to stand beside template.yaml on this machine; can be given again.",
    ),
]
