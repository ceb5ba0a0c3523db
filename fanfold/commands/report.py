"""``fanfold report``: the page of a run, opened or saved."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from fanfold import run as runs
from fanfold.application import on_aws
from fanfold.commands.parameters import Run, Stack
from fanfold.problems import EnvironmentFault
from fanfold.story import out, step


def report(
    run: Run,
    to: Annotated[Path | None, typer.Option(help="Save the page to this file and do not open it.")] = None,
    stack: Stack = "fanfold",
) -> None:
    """Open the report of a run in the browser, or save it.

    Examples:
        fanfold report image-resize-20261121T101500Z-3fa9
        fanfold report image-resize-20261121T101500Z-3fa9 --to report.html
    """
    page = runs.read_artifact(on_aws(stack), run, "report.html")
    path = to or Path(tempfile.mkdtemp(prefix="fanfold-")) / f"{run}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(page)
    out.print(str(path), markup=False)
    if to is None and not webbrowser.open(path.resolve().as_uri()):
        raise EnvironmentFault(f"there is no browser to open {path} with: save it with --to FILE")
    if to is None:
        step(f"opened {path}")
