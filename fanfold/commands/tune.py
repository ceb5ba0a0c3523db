"""``fanfold tune``: change the pace of a run while it runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fanfold import run as runs
from fanfold.application import on_aws
from fanfold.commands.parameters import Run, Stack
from fanfold.problems import UsageProblem
from fanfold.story import say


def tune(
    run: Run,
    concurrency: Annotated[int | None, typer.Option(help="Batches at once.", min=1, max=10_000)] = None,
    tolerate: Annotated[float | None, typer.Option(help="Percent of items that may fail.", min=0, max=100)] = None,
    stack: Stack = "fanfold",
) -> None:
    """Change the pace of a run while it runs.

    It holds for the map that is at work; a further pass begins with the job's own again.

    Examples:
        fanfold tune image-resize-20261121T101500Z-3fa9 --concurrency 200
        fanfold tune image-resize-20261121T101500Z-3fa9 --tolerate 2.5
    """
    wanted: dict[str, Any] = {"maxConcurrency": concurrency, "toleratedFailurePercentage": tolerate}
    changes = {name: value for name, value in wanted.items() if value is not None}
    if not changes:
        raise UsageProblem("say what to change: --concurrency N or --tolerate PERCENT")
    application = on_aws(stack)
    described = runs.described(application, run)
    stepfunctions = application.client("stepfunctions")
    map_runs = runs.map_runs_of(stepfunctions, described["executionArn"])
    if described["status"] != "RUNNING" or not map_runs:
        raise UsageProblem(f"{run} has no map at work: its status is {described['status']}")
    stepfunctions.update_map_run(mapRunArn=map_runs[-1], **changes)
    say(f"{run}: " + ", ".join(f"{name} is now {value:g}" for name, value in changes.items()))
