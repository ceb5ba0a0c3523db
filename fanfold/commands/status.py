"""``fanfold status``: the runs of the stack, or one of them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import typer

from fanfold import run as runs
from fanfold.application import Application, on_aws
from fanfold.commands.parameters import Stack, complete_run
from fanfold.problems import Exit
from fanfold.story import answer_json, out, say, show_summary, table, tell


def status(
    run: Annotated[
        str | None, typer.Argument(help="The run's name; all runs when none is named.", autocompletion=complete_run)
    ] = None,
    most: Annotated[int, typer.Option(help="Runs to list, the newest first.", min=1)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    stack: Stack = "fanfold",
) -> None:
    """List the runs of the stack, or tell how far one of them is.

    Examples:
        fanfold status
        fanfold status image-resize-20261121T101500Z-3fa9 --json
    """
    application = on_aws(stack)
    if run is None:
        _list(application, most, as_json=as_json)
        return
    told = describe(application, run)
    if as_json:
        answer_json(told)
    elif told["summary"]:
        show_summary(told["summary"])
    else:
        _show(told)


def describe(application: Application, run: str) -> dict[str, Any]:
    """Return a run's status, how far its newest map run is, and its summary when there is one.

    Raises:
        UsageProblem: there is no such run.
    """
    described = runs.described(application, run)
    stepfunctions = application.client("stepfunctions")
    map_runs = runs.map_runs_of(stepfunctions, described["executionArn"])
    progress = vars(runs.progress_of(stepfunctions, map_runs)) if map_runs else None
    over = described["status"] in ("SUCCEEDED", "FAILED") and described.get("error") in (None, "RunFailed")
    return {
        **_of(described),
        "error": described.get("error"),
        "cause": described.get("cause"),
        "progress": progress,
        "summary": runs.read_summary(application, run) if over else None,
    }


def _list(application: Application, most: int, *, as_json: bool) -> None:
    listed = [_of(each) for each in islice(runs.listed(application), most)]
    if as_json:
        answer_json(listed)
        return
    if not listed:
        say("there are no runs yet: 'fanfold run' starts one")
        raise typer.Exit(Exit.NOTHING_MATCHED)
    rows = table("run", "status", "started", "took", right=["took"])
    for each in listed:
        rows.add_row(each["run"], each["status"], each["started"], f"{each['seconds']:.0f} s")
    out.print(rows)


def _of(described: dict[str, Any]) -> dict[str, Any]:
    started, stopped = described["startDate"], described.get("stopDate") or datetime.now(UTC)
    return {
        "run": described["name"],
        "status": described["status"],
        "started": started.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ"),
        "seconds": round((stopped - started).total_seconds(), 1),
    }


def _show(told: dict[str, Any]) -> None:
    tell(f"{told['run']}  {told['status']}  since {told['started']}, {told['seconds']:.0f} s")
    if told["error"]:
        tell(f"{told['error']}: {told['cause'] or 'no cause given'}", "  ")
    if progress := told["progress"]:
        done = progress["succeeded"] + progress["failed"]
        tell(
            f"{done} of {progress['total']} items in batches that have ended, {progress['failed']} of them failed; "
            f"{progress['batches_done']} of {progress['batches']} batches",
            "  ",
        )
