"""``fanfold stop``: end a run; what is done stays done."""

from __future__ import annotations

from typing import Annotated

import typer

from fanfold import run as runs
from fanfold.application import on_aws
from fanfold.problems import UsageProblem
from fanfold.story import say


def stop(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    stack: Annotated[str, typer.Option(envvar="FANFOLD_STACK", help="The name of the deployed stack.")] = "fanfold",
) -> None:
    """Stop a run; 'fanfold retry' takes it up where it stopped."""
    application = on_aws(stack)
    described = runs.described(application, run)
    if described["status"] != "RUNNING":
        raise UsageProblem(f"{run} is over: it ended as {described['status']}")
    application.client("stepfunctions").stop_execution(
        executionArn=described["executionArn"], cause="stopped with 'fanfold stop'"
    )
    say(f"{run} is stopping; batches at work finish first. 'fanfold retry {run}' takes it up again")
