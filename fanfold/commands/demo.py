"""``fanfold demo``: the main job on the sample data, on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from fanfold.application import Application, find_project, on_this_machine
from fanfold.commands.run import keep, run_job
from fanfold.problems import Exit
from fanfold.story import say, show_summary
from fanfold.transfer import upload_samples


def demo(
    to: Annotated[
        Path, typer.Option(help="Where the outputs and summaries go; what an earlier demo left is replaced.")
    ] = Path("out"),
) -> None:
    """Run four jobs over the sample data behind the local endpoint: no AWS account, no Docker."""
    project = find_project()
    with on_this_machine("fanfold", project) as application:
        count = upload_samples(application, project)
        say(f"{count} sample files in s3://{application.input_bucket}/")
        summaries = [_run(application, name, job, to) for name, job in jobs(application).items()]
    for summary in summaries:
        typer.echo()
        show_summary(summary)
    typer.echo(f"\nEverything lies below {to}: a folder a run, each with summary.json, failures.csv, outputs/")
    good = all(summary["reconciled"] and summary["state"] == "SUCCEEDED" for summary in summaries)
    raise typer.Exit(Exit.GOOD if good else Exit.SOME_FAILED)


def jobs(application: Application) -> dict[str, dict[str, Any]]:
    """Return the demo's jobs by the names of their runs."""
    data, out = f"s3://{application.input_bucket}", f"s3://{application.output_bucket}/demo"
    return {
        "images": {
            "operation": "image-resize",
            "source": f"{data}/images/",
            "options": {"width": 512},
            "destination": f"{out}/images/",
            "batch": {"items": 5},
        },
        "tables": {
            "operation": "table-transform",
            "source": f"{data}/tables/",
            "options": {"sql": "SELECT region, COUNT(*) AS orders FROM self GROUP BY region ORDER BY region"},
            "destination": f"{out}/tables/",
            "batch": {"items": 5},
        },
        "manifest-of-images": {
            "operation": "image-resize",
            "source": f"{data}/manifests/images.csv",
            "options": {"widths": [640, 160], "format": "webp"},
            "destination": f"{out}/manifest-of-images/",
            "batch": {"items": 4},
        },
        "manifest-of-tables": {
            "operation": "table-transform",
            "source": f"{data}/manifests/tables.csv",
            "options": {"format": "jsonl"},
            "destination": f"{out}/manifest-of-tables/",
            "batch": {"items": 4},
        },
    }


def _run(application: Application, name: str, job: dict[str, Any], to: Path) -> dict[str, Any]:
    """Run one job and keep what it left in ``to/name``."""
    shutil.rmtree(to / name, ignore_errors=True)
    summary = run_job(application, job, name)
    keep(application, summary, to, outputs=True)
    return summary
