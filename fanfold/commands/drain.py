"""``fanfold drain``: what waits in ``incoming/``, processed and moved out of it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from fanfold import run as runs
from fanfold.application import Application, on_aws
from fanfold.commands.parameters import Stack
from fanfold.commands.run import read_job
from fanfold.problems import EnvironmentFault, Exit, UsageProblem
from fanfold.story import answer_json, progress_bar, say, show_summary


def drain(
    now: Annotated[bool, typer.Option("--now", help="Start a drain and wait for its end.")] = False,
    job: Annotated[Path | None, typer.Option(help="The job, without a source, instead of the stack's.")] = None,
    max_items: Annotated[int | None, typer.Option(min=1, help="Objects to take at most, the oldest first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    stack: Stack = "fanfold",
) -> None:
    """Tell what came of the last drain; with --now, start one and wait for it.

    A drain processes what waits in incoming/ of the input bucket, and moves it to processed/ or failed/.

    Examples:
        fanfold drain
        fanfold drain --now
        fanfold drain --now --job ./thumbnails.json --max-items 100
    """
    application = on_aws(stack)
    if not now and (job or max_items):
        raise UsageProblem("--job and --max-items go with --now")
    given = {"job": read_job(job) if job else None, "max_items": max_items}
    execution = start(application, given) if now else last(application)
    told = follow(application, execution)
    answer_json(told) if as_json else _show(told)
    raise typer.Exit(exit_code(told))


def start(application: Application, given: dict[str, Any]) -> str:
    """Start a drain and return the execution's ARN; what is ``None`` is left to the stack."""
    text = json.dumps({name: value for name, value in given.items() if value is not None})
    answer = application.client("stepfunctions").start_execution(
        stateMachineArn=application.drain_arn, name=runs.run_name("now"), input=text
    )
    execution = str(answer["executionArn"])
    say(f"{execution.rsplit(':', 1)[-1]} started")
    return execution


def last(application: Application) -> str:
    """Return the ARN of the newest drain; raises UsageProblem when there was none."""
    stepfunctions = application.client("stepfunctions")
    listed = stepfunctions.list_executions(stateMachineArn=application.drain_arn, maxResults=1)["executions"]
    if not listed:
        raise UsageProblem("there was no drain yet: 'fanfold drain --now' starts one, and the parameter DrainSchedule")
    return str(listed[0]["executionArn"])


def follow(application: Application, execution: str) -> dict[str, Any]:
    """Follow a drain to its end and tell ``{"drain", "state", "backlog", "summary"}``; Ctrl-C leaves it to itself.

    Raises:
        UsageProblem: the drain has no job, or one that was refused.
        EnvironmentFault: it ended otherwise without a summary.
    """
    name = execution.rsplit(":", 1)[-1]
    try:
        ended = _ended(application, execution)
    except KeyboardInterrupt:
        say(f"{name} goes on; 'fanfold drain' tells what comes of it")
        raise typer.Exit(Exit.INTERRUPTED) from None
    told = json.loads(ended.get("output", "{}"))
    run = _run(application, name)
    if ended["status"] != "SUCCEEDED" and (run is None or run.get("error") != "RunFailed"):
        _refuse(name, ended)
    summary = runs.outcome(application, run) if run else None
    return {"drain": name, "state": told.get("state", "process"), "backlog": told.get("backlog"), "summary": summary}


def exit_code(told: dict[str, Any]) -> Exit:
    """Return the exit code that a drain stands for."""
    return runs.exit_code(told["summary"]) if told["summary"] else Exit.NOTHING_MATCHED


def _ended(application: Application, execution: str) -> dict[str, Any]:
    """Wait for a drain's end, showing how far its run is as soon as there is one."""
    stepfunctions = application.client("stepfunctions")
    followed = False
    while True:
        answer: dict[str, Any] = stepfunctions.describe_execution(executionArn=execution)
        if answer["status"] != "RUNNING":
            return answer
        run = None if followed else _run(application, answer["name"])
        if run:
            followed = True
            with progress_bar() as tell:
                runs.follow(application, run["executionArn"], tell)
        time.sleep(runs.LOOK)


def _run(application: Application, drain: str) -> dict[str, Any] | None:
    """Return DescribeExecution's answer for the run of a drain; ``None``: it has none."""
    try:
        answer: dict[str, Any] = application.client("stepfunctions").describe_execution(
            executionArn=application.execution_arn(f"drain-{drain}")
        )
    except ClientError as error:
        if error.response["Error"].get("Code") != "ExecutionDoesNotExist":
            raise
        return None
    return answer


def _refuse(name: str, ended: dict[str, Any]) -> None:
    cause = ended.get("cause", "no cause given")
    if "InvalidJob" in cause:
        raise UsageProblem(cause)
    raise EnvironmentFault(f"the drain {name} ended as {ended['status']}: {cause}")


def _show(told: dict[str, Any]) -> None:
    waiting = told["backlog"] or {}
    if told["state"] == "busy":
        say("another drain is at work, or ended just now: this one leaves incoming/ to it")
    if waiting:
        oldest = f", the oldest for {waiting['oldest_seconds']:.0f} s" if waiting["items"] else ""
        ignored = f"; {waiting['ignored']} more are none of the job's" if waiting["ignored"] else ""
        say(f"{waiting['items']} objects waited in incoming/{oldest}; {waiting['taken']} were taken{ignored}")
    if told["summary"]:
        show_summary(told["summary"])
