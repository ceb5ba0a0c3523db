"""``fanfold local``: the application behind an endpoint on this machine, for the AWS CLI and boto3."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from fanfold.application import LOGS, Serving, find_project, on_this_machine
from fanfold.commands.parameters import Templates
from fanfold.problems import UsageProblem
from fanfold.story import say
from fanfold.transfer import upload, upload_samples


def local(
    port: Annotated[int, typer.Option(help="The port to listen on; 0 takes a free one.")] = 4570,
    host: Annotated[
        str, typer.Option(help="The address to listen on; anybody who reaches it can run code.")
    ] = "127.0.0.1",
    data: Annotated[Path | None, typer.Option(help="The folder to put into the input bucket (sample_data/).")] = None,
    stack: Annotated[str, typer.Option(help="The name of the stack.")] = "fanfold",
    logs: Annotated[Path | None, typer.Option(help="Where the functions' logs go (.fanfold/logs/).")] = None,
    lambda_concurrency: Annotated[
        int | None, typer.Option(min=1, help="Functions at work at once (as many as there are cores).")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", help="A parameter of template.yaml: NAME=VALUE, such as DrainSchedule=..."),
    ] = None,
    template: Templates = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the functions' logs.")] = False,
) -> None:
    """Serve the application on this machine until Ctrl-C.

    Examples:
        fanfold local
        fanfold local --port 0 --data ./photos
        fanfold local -p 'DrainJob={"operation":"image-resize"}'
        fanfold local --template my-operation/template.yaml
    """
    project = find_project()
    serving = Serving(host, port, logs or project / LOGS, lambda_concurrency, verbose)
    with on_this_machine(stack, project, serving, _parameters(parameter or []), template or []) as application:
        count = upload(application, data) if data else upload_samples(application, project)
        url = application.client("s3").meta.endpoint_url
        say(f"input bucket    {application.input_bucket} ({count} files)")
        say(f"output bucket   {application.output_bucket}")
        say(f"state machine   {application.machine_arn}")
        say(f"functions' logs {serving.log_dir}")
        say(f"Serving {url} until Ctrl-C; any credentials do. Try:")
        say("  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_DEFAULT_REGION=us-east-1")
        say(f"  aws --endpoint-url {url} stepfunctions list-state-machines")
        _until_told_to_stop()


def _parameters(assignments: list[str]) -> dict[str, str]:
    """Read ``NAME=VALUE``; raises UsageProblem where it is something else."""
    for assignment in assignments:
        if not assignment.partition("=")[1]:
            raise UsageProblem(f"{assignment!r} is no parameter: write NAME=VALUE")
    return {name: value for name, _, value in (assignment.partition("=") for assignment in assignments)}


def _until_told_to_stop() -> None:
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    stop.wait()
