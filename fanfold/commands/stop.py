"""``fanfold stop``: end a run; what is done stays done."""

from __future__ import annotations

from fanfold import run as runs
from fanfold.application import on_aws
from fanfold.commands.parameters import Run, Stack
from fanfold.problems import UsageProblem
from fanfold.story import say


def stop(
    run: Run,
    stack: Stack = "fanfold",
) -> None:
    """Stop a run; what is done stays done.

    Batches at work finish first, and 'fanfold retry' takes the run up where it stopped.

    Examples:
        fanfold stop image-resize-20261121T101500Z-3fa9
        fanfold stop nightly --stack fanfold-test
    """
    application = on_aws(stack)
    described = runs.described(application, run)
    if described["status"] != "RUNNING":
        raise UsageProblem(f"{run} is over: it ended as {described['status']}")
    application.client("stepfunctions").stop_execution(
        executionArn=described["executionArn"], cause="stopped with 'fanfold stop'"
    )
    say(f"{run} is stopping; batches at work finish first. 'fanfold retry {run}' takes it up again")
