"""``fanfold run``: one job, started, followed and told."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import ClientError

from fanfold import run as runs
from fanfold.application import Application, Serving, find_project, on_aws, on_this_machine
from fanfold.commands.parameters import Fields, JobFile, Operation, Options, Stack, Templates
from fanfold.problems import Exit, UsageProblem
from fanfold.story import answer_json, err, out, progress_bar, say, show_summary, step
from fanfold.transfer import download, download_prefix
from itemkit.errors import InvalidJob
from itemkit.files import OWN
from itemkit.job import parse_job


def run(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[OPERATION] SOURCE",
            help="Such as image-resize, and s3://BUCKET/PREFIX/, a manifest s3://BUCKET/KEY.csv, or a directory.",
            show_default=False,
        ),
    ] = None,
    operation: Operation = None,
    option: Options = None,
    field: Fields = None,
    job: JobFile = None,
    local: Annotated[
        bool, typer.Option("--local", help="Run on this machine, with no AWS account, as a directory always does.")
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option(help="Copy summary, report and failures to this folder; of a directory, write the outputs there."),
    ] = None,
    template: Templates = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait: print the run's name alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    stack: Stack = "fanfold",
) -> None:
    """Run a job and wait for its summary.

    Examples:
        fanfold run image-resize s3://bucket/photos/ -o width=1024 --detach
        fanfold run ./photos --operation image-resize -o width=512 --to ./thumbs
        fanfold run ./logs --operation mine --template mine/template.yaml --to ./out
    """
    wanted = read_job(job) if job else build_job(*split_words(words or [], operation), option or [], field or [])
    directory = find_directory(wanted, local=local)
    if template and not directory:
        raise UsageProblem(
            "--template goes with a directory, not with S3: in AWS, 'sam deploy' stands it up beside the application"
        )
    if detach:
        if directory or to:
            raise UsageProblem("--detach does not wait: it goes with neither a directory nor --to")
        out.print(start(on_aws(stack), wanted).rsplit(":", 1)[-1], markup=False)
        return
    if directory:
        summary = run_directory(stack, wanted, directory, to, template or [])
    else:
        application = on_aws(stack)
        summary = run_job(application, wanted)
        keep(application, summary, to, outputs=False)
    answer_json(summary) if as_json else show_summary(summary)
    raise typer.Exit(runs.exit_code(summary))


def read_job(path: Path) -> dict[str, Any]:
    """Read a job file; raises UsageProblem when it is no JSON object."""
    name = "from stdin" if str(path) == "-" else str(path)
    try:
        value = json.loads(sys.stdin.read() if str(path) == "-" else path.read_text())
    except OSError as error:
        raise UsageProblem(f"cannot read the job {name}: {error.strerror}") from error
    except ValueError as error:
        raise UsageProblem(f"the job {name} is no JSON: {error}; docs/job.md has examples") from error
    if not isinstance(value, dict):
        raise UsageProblem(f'the job {name} is no JSON object: write {{"operation": ..., "source": ...}}')
    return value


def split_words(words: list[str], operation: str | None) -> tuple[str, str]:
    """Return the operation, which is the first word unless an option names it, and the source."""
    named = [operation, *words] if operation else words
    if len(named) != 2:
        raise UsageProblem("name an operation and a source, or give --job FILE")
    return named[0], named[1]


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


def find_directory(job: dict[str, Any], *, local: bool) -> Path | None:
    """Return the directory of this machine that a job runs over, ``None`` where it is one for S3.

    Raises:
        UsageProblem: the source is neither, or S3 is wanted on this machine, where it is empty.
    """
    source = job.get("source")
    if isinstance(source, str) and not source.startswith("s3://"):
        if not Path(source).is_dir():
            raise UsageProblem(f"the source {source} is neither an S3 URI nor a directory")
        return Path(source).resolve()
    if local:
        raise UsageProblem("--local runs over a directory; for S3 on this machine, see 'fanfold local'")
    return None


def run_directory(
    stack: str, job: dict[str, Any], directory: Path, to: Path | None, templates: Sequence[Path] = ()
) -> dict[str, Any]:
    """Run a job over a directory, in place, and return its summary.

    Raises:
        UsageProblem: there is no good place for the outputs, or one of the templates has a fault.
    """
    if to is None or "destination" in job:
        raise UsageProblem("say where the outputs of a directory go with --to DIRECTORY, and with nothing else")
    target = to.resolve()
    if target.is_relative_to(directory) or directory.is_relative_to(target):
        raise UsageProblem(f"{target} and {directory} lie in one another: choose a place beside it for the outputs")
    if os.pathsep in f"{target}{directory}":
        raise UsageProblem(f"{target} and {directory} must not have {os.pathsep!r} in their paths: rename it")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageProblem(f"the directory {target} cannot be made: {error.strerror}") from error
    placed = {**job, "source": f"file://{directory}/", "destination": f"file://{target}/"}
    serving = Serving(directories=(directory, target))
    with on_this_machine(stack, find_project(), serving, beside=templates) as application:
        summary = run_job(application, placed, leavable=False)
        step(f"outputs in {target}")
        keep(application, summary, target / OWN / "runs", outputs=False)
    return summary


def run_job(
    application: Application, job: dict[str, Any], run: str | None = None, *, leavable: bool = True
) -> dict[str, Any]:
    """Start a job, follow it and return its summary; raises as ``start`` and ``follow`` do."""
    execution = start(application, job, run)
    step(f"{execution.rsplit(':', 1)[-1]} started")
    return follow(application, execution, leavable=leavable)


def start(application: Application, job: dict[str, Any], run: str | None = None) -> str:
    """Start a job and return the execution's ARN; raises UsageProblem when the job is invalid."""
    try:
        parse_job(job)
    except InvalidJob as error:
        raise UsageProblem(f"invalid job: {error}") from error
    return runs.start(application, job, run)


def follow(application: Application, execution: str, *, leavable: bool = True) -> dict[str, Any]:
    """Follow a run to its end and return its summary; Ctrl-C asks what is to become of it, where it can be left.

    Raises:
        UsageProblem: the job was refused.
        EnvironmentFault: the run ended without a summary.
    """
    name = execution.rsplit(":", 1)[-1]
    while True:
        try:
            with progress_bar() as tell:
                ended = runs.follow(application, execution, tell)
            return runs.outcome(application, ended)
        except KeyboardInterrupt:
            if not leavable:
                say(f"{name} ends here; the same command again skips what is done")
                raise typer.Exit(Exit.INTERRUPTED) from None
            _interrupted(application, execution, name)


def _interrupted(application: Application, execution: str, name: str) -> None:
    """Stop the run, leave it running, or return to go on following it, as the user says; without one it is left."""
    answer = _ask(f"{name}: [l]eave it running, [s]top it, or go on [w]atching?") if err.is_terminal else "l"
    if answer == "w":
        return
    if answer == "s":
        application.client("stepfunctions").stop_execution(executionArn=execution, cause="stopped with Ctrl-C")
        say(f"{name} is stopping; 'fanfold retry {name}' takes it up again")
    else:
        say(f"{name} goes on; 'fanfold watch {name}' follows it, 'fanfold stop {name}' ends it")
    raise typer.Exit(Exit.INTERRUPTED)


def _ask(question: str) -> str:
    """Return the answer's first letter; to leave the prompt with Ctrl-C or Ctrl-D leaves the run as it is, too."""
    try:
        return str(typer.prompt(question, err=True))[:1].lower()
    except typer.Abort:
        say("")
        return "l"


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
        step(f"{count} outputs in {folder / 'outputs'}")
    step(f"{', '.join(kept)} in {folder}")


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
