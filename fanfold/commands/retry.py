"""``fanfold retry``: what an earlier run left without an output, run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from fanfold import run as runs
from fanfold.application import Application, on_aws
from fanfold.commands.run import keep, run_job
from fanfold.problems import Exit, UsageProblem
from fanfold.story import answer_json, say, show_summary


def retry(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    to: Annotated[Path | None, typer.Option(help="Copy summary, report and failures to this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    stack: Annotated[str, typer.Option(envvar="FANFOLD_STACK", help="The name of the deployed stack.")] = "fanfold",
) -> None:
    """Start a new run over the failures.csv of a finished one, to the same destination with the same options."""
    application = on_aws(stack)
    job = job_of(application, run)
    summary = runs.read_summary(application, run)
    open_items = sum(summary["items"][status] for status in ("failed", "deferred", "lost"))
    if not open_items and summary["reconciled"]:
        say(f"{run} left nothing to run again")
        raise typer.Exit(Exit.NOTHING_MATCHED)
    say(f"{run} left {open_items} items without an output: {summary['artifacts']['failures']}")
    again = run_job(application, retry_job(job, summary))
    keep(application, again, to, outputs=False)
    answer_json(again) if as_json else show_summary(again)
    raise typer.Exit(runs.exit_code(again))


def job_of(application: Application, run: str) -> dict[str, Any]:
    """Return the job a run was started with; raises UsageProblem when there is no such run."""
    try:
        described = application.client("stepfunctions").describe_execution(executionArn=application.execution_arn(run))
    except ClientError as error:
        if error.response["Error"].get("Code") != "ExecutionDoesNotExist":
            raise
        raise UsageProblem(
            f"there is no run {run!r}: Step Functions forgets runs after 90 days; name its failures.csv as a source"
        ) from error
    if described["status"] == "RUNNING":
        raise UsageProblem(f"{run} is still at work: wait for its end")
    job: dict[str, Any] = json.loads(described["input"])
    return job


def retry_job(job: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    """Return the job that takes up what a run left: its own, over its failures, to where it wrote."""
    own = {name: value for name, value in job.items() if name != "max_items"}
    return {**own, "source": summary["artifacts"]["failures"], "destination": summary["destination"]}
