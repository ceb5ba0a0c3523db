"""``fanfold run``: one job, started, followed and told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from fanfold import run as runs
from fanfold.application import Application, find_project, on_aws, on_this_machine
from fanfold.problems import Exit, UsageProblem
from fanfold.story import answer_json, err, out, progress_bar, say, show_summary
from fanfold.transfer import download, download_prefix, upload
from itemkit.errors import InvalidJob
from itemkit.job import parse_job


def run(
    operation: Annotated[str | None, typer.Argument(help="Such as image-resize; see 'fanfold operations'.")] = None,
    source: Annotated[
        str | None,
        typer.Argument(help="s3://BUCKET/PREFIX/ or a manifest s3://BUCKET/KEY.csv; with --local also a folder."),
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", "-o", help="An option of the operation: NAME=VALUE (JSON or text).")
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            "--set", "-s", help="A field of the job: FIELD=VALUE, such as concurrency=100, tolerate.percent=5."
        ),
    ] = None,
    job: Annotated[Path | None, typer.Option(help="The job as JSON instead; '-' reads it from stdin.")] = None,
    local: Annotated[bool, typer.Option("--local", help="Run on this machine, with no AWS account.")] = False,
    to: Annotated[
        Path | None,
        typer.Option(help="Copy summary, report and failures to this folder; with --local the outputs as well."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait: print the run's name alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    stack: Annotated[str, typer.Option(envvar="FANFOLD_STACK", help="The name of the deployed stack.")] = "fanfold",
) -> None:
    """Run a job and wait for its summary."""
    wanted = read_job(job) if job else build_job(operation, source, option or [], field or [])
    if detach:
        if local or to:
            raise UsageProblem("--detach does not wait: it goes with neither --local nor --to")
        out.print(start(on_aws(stack), wanted).rsplit(":", 1)[-1], markup=False)
        return
    if local:
        with on_this_machine(stack, find_project()) as application:
            summary = run_job(application, bring(application, wanted))
            keep(application, summary, to, outputs=True)
    else:
        application = on_aws(stack)
        summary = run_job(application, wanted)
        keep(application, summary, to, outputs=False)
    answer_json(summary) if as_json else show_summary(summary)
    raise typer.Exit(runs.exit_code(summary))


def read_job(path: Path) -> dict[str, Any]:
    """Read a job file; raises UsageProblem when it is no JSON object."""
    try:
        value = json.loads(sys.stdin.read() if str(path) == "-" else path.read_text())
    except (OSError, ValueError) as error:
        raise UsageProblem(f"cannot read the job {path}: {error}") from error
    if not isinstance(value, dict):
        raise UsageProblem(f"the job {path} is no JSON object")
    return value


def build_job(operation: str | None, source: str | None, options: list[str], fields: list[str]) -> dict[str, Any]:
    """Put a job together from arguments."""
    if not operation or not source:
        raise UsageProblem("name an operation and a source, or give --job FILE")
    built: dict[str, Any] = {"operation": operation, "source": source}
    for assignment in fields:
        _assign(built, assignment)
    for assignment in options:
        _assign(built, f"options.{assignment}")
    return built


def run_job(application: Application, job: dict[str, Any], run: str | None = None) -> dict[str, Any]:
    """Start a job, follow it and return its summary; raises as ``start`` and ``follow`` do."""
    execution = start(application, job, run)
    say(f"{execution.rsplit(':', 1)[-1]} started")
    return follow(application, execution)


def start(application: Application, job: dict[str, Any], run: str | None = None) -> str:
    """Start a job and return the execution's ARN; raises UsageProblem when the job is invalid."""
    try:
        parse_job(job)
    except InvalidJob as error:
        raise UsageProblem(f"invalid job: {error}") from error
    return runs.start(application, job, run)


def follow(application: Application, execution: str) -> dict[str, Any]:
    """Follow a run to its end and return its summary; Ctrl-C asks what is to become of it.

    Raises:
        UsageProblem: the job was refused.
        EnvironmentFault: the run ended without a summary.
    """
    name = execution.rsplit(":", 1)[-1]
    while True:
        try:
            with progress_bar(name) as tell:
                ended = runs.follow(application, execution, tell)
            return runs.outcome(application, ended)
        except KeyboardInterrupt:
            _interrupted(application, execution, name)


def _interrupted(application: Application, execution: str, name: str) -> None:
    """Stop the run, leave it running, or return to go on following it, as the user says; without one it is left."""
    answer = (
        typer.prompt(f"{name}: [l]eave it running, [s]top it, or go on [w]atching?", err=True)
        if err.is_terminal
        else "l"
    )
    if answer.lower().startswith("w"):
        return
    if answer.lower().startswith("s"):
        application.client("stepfunctions").stop_execution(executionArn=execution, cause="stopped with Ctrl-C")
        say(f"{name} is stopping; 'fanfold retry {name}' takes it up again")
    else:
        say(f"{name} goes on; 'fanfold watch {name}' follows it, 'fanfold stop {name}' ends it")
    raise typer.Exit(Exit.INTERRUPTED)


def bring(application: Application, job: dict[str, Any]) -> dict[str, Any]:
    """Upload a source that is a folder of this machine to the input bucket, and point the job there."""
    folder = Path(str(job["source"])) if isinstance(job["source"], str) else None
    if folder is None or str(folder).startswith("s3:"):
        return job
    if not folder.is_dir():
        raise UsageProblem(f"the source {folder} is neither an S3 URI nor a folder")
    prefix = f"{folder.resolve().name}/"
    count = upload(application, folder, prefix)
    say(f"{count} files of {folder} brought to s3://{application.input_bucket}/{prefix}")
    return {**job, "source": f"s3://{application.input_bucket}/{prefix}"}


def keep(application: Application, summary: dict[str, Any], to: Path | None, *, outputs: bool) -> None:
    """Copy what a run left to a folder of its own below ``to``."""
    if to is None:
        return
    folder = to / summary["run"]
    kept = []
    for name in ("summary", "report", "failures"):
        uri = summary["artifacts"][name]
        try:
            kept.append(download(application, uri, folder / uri.rsplit("/", 1)[-1]).name)
        except ClientError as error:
            if error.response["Error"].get("Code") != "404":
                raise
            # The report alone may be missing: no verdict hangs on it.
            say(f"there is no {uri}: see the execution {summary['execution']}")
    if outputs:
        count = download_prefix(application, summary["destination"], folder / "outputs")
        say(f"{count} outputs in {folder / 'outputs'}")
    say(f"{', '.join(kept)} in {folder}")


def _assign(job: dict[str, Any], assignment: str) -> None:
    """Set ``a.b=value`` in a job; the value is JSON, or else text."""
    path, equals, text = assignment.partition("=")
    if not equals:
        raise UsageProblem(f"{assignment!r} is no assignment: write NAME=VALUE")
    *parents, last = path.split(".")
    place = job
    for name in parents:
        place = place.setdefault(name, {})
    try:
        place[last] = json.loads(text)
    except ValueError:
        place[last] = text
