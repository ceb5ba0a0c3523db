"""``fanfold retry``: what an earlier run left without an output, run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from fanfold import run as runs
from fanfold.application import Application, on_aws
from fanfold.commands.parameters import Run, Stack
from fanfold.commands.run import follow, keep, run_job
from fanfold.problems import Exit, UsageProblem
from fanfold.story import answer_json, say, show_summary

# How a run ends that did not come to its own end, and can be redriven.
STOPPED = ("ABORTED", "TIMED_OUT")


def retry(
    run: Run,
    to: Annotated[Path | None, typer.Option(help="Copy summary, report and failures to this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    stack: Stack = "fanfold",
) -> None:
    """Run again what a run left without an output.

    A run that was stopped or timed out goes on where it stopped (a redrive); a finished one is followed by a new run
    over its failures.csv.

    Examples:
        fanfold retry image-resize-20261121T101500Z-3fa9
        fanfold retry image-resize-20261121T101500Z-3fa9 --to ./kept --json
    """
    application = on_aws(stack)
    described = runs.described(application, run)
    again = _redriven(application, described) if described["status"] in STOPPED else _anew(application, described)
    keep(application, again, to, outputs=False)
    answer_json(again) if as_json else show_summary(again)
    raise typer.Exit(runs.exit_code(again))


def _redriven(application: Application, described: dict[str, Any]) -> dict[str, Any]:
    """Redrive a run that was stopped or timed out: its batches that are done stay so."""
    run, execution = described["name"], described["executionArn"]
    if described.get("redriveStatus") != "REDRIVABLE":
        reason = described.get("redriveStatusReason", "Step Functions does not say why")
        raise UsageProblem(f"{run} ended as {described['status']} and cannot be redriven: {reason}; start it anew")
    application.client("stepfunctions").redrive_execution(executionArn=execution)
    say(f"{run} goes on where it stopped (a redrive: it ended as {described['status']}, within 14 days)")
    return follow(application, execution)


def _anew(application: Application, described: dict[str, Any]) -> dict[str, Any]:
    """Start a run over what another left, to the same destination with the same options."""
    run = described["name"]
    if described["status"] == "RUNNING":
        raise UsageProblem(f"{run} is still at work: 'fanfold watch {run}' follows it to its end")
    summary = runs.read_summary(application, run)
    open_items = sum(summary["items"][status] for status in ("failed", "deferred", "lost"))
    if not open_items and summary["reconciled"]:
        say(f"{run} left nothing to run again")
        raise typer.Exit(Exit.NOTHING_MATCHED)
    say(f"{run} left {open_items} items without an output; a new run takes them up, because this one came to its end")
    return run_job(application, retry_job(json.loads(described["input"]), summary))


def retry_job(job: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    """Return the job that takes up what a run left: its own, over its failures, to where it wrote."""
    own = {name: value for name, value in job.items() if name != "max_items"}
    return {**own, "source": summary["artifacts"]["failures"], "destination": summary["destination"]}
