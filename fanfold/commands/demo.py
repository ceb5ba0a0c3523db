"""``fanfold demo``: the main job on the sample data, on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from fanfold.application import Application, find_project, on_this_machine
from fanfold.commands.run import keep, read_job, run_job
from fanfold.problems import Exit
from fanfold.story import show_summary, step
from fanfold.transfer import upload_samples


def demo(
    to: Annotated[
        Path, typer.Option(help="Where outputs and summaries go; what an earlier demo left there is replaced.")
    ] = Path("out"),
) -> None:
    """Run the sample jobs on this machine, without AWS and Docker.

    The jobs are those of sample_data/jobs/.

    Examples:
        fanfold demo
        fanfold demo --to /tmp/demo
    """
    project = find_project()
    with on_this_machine("fanfold", project) as application:
        step(f"{upload_samples(application, project)} sample files in s3://{application.input_bucket}/")
        jobs = sorted((project / "sample_data" / "jobs").glob("*.json"))
        summaries = [_run(application, path, to) for path in jobs]
    for summary in summaries:
        show_summary(summary)
        typer.echo()
    left = "report.html, summary.json, failures.csv, outputs/"
    typer.echo(f"Everything lies below {to}: a folder a run, each with {left}")
    good = all(summary["reconciled"] and summary["state"] == "SUCCEEDED" for summary in summaries)
    raise typer.Exit(Exit.GOOD if good else Exit.SOME_FAILED)


def _run(application: Application, path: Path, to: Path) -> dict[str, Any]:
    """Run the job of a file under the file's name, and keep what it left in a folder of that name."""
    shutil.rmtree(to / path.stem, ignore_errors=True)
    summary = run_job(application, read_job(path), path.stem)
    keep(application, summary, to, outputs=True)
    return summary
