"""``fanfold report``: the page of a run, opened or saved."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from fanfold import run as runs
from fanfold.application import on_aws
from fanfold.problems import EnvironmentFault
from fanfold.story import out, say


def report(
    run: Annotated[str, typer.Argument(help="The run's name.")],
    to: Annotated[Path | None, typer.Option(help="Save the page to this file and do not open it.")] = None,
    stack: Annotated[str, typer.Option(envvar="FANFOLD_STACK", help="The name of the deployed stack.")] = "fanfold",
) -> None:
    """Open the report of a run in the browser, or save it."""
    page = runs.read_artifact(on_aws(stack), run, "report.html")
    path = to or Path(tempfile.mkdtemp(prefix="fanfold-")) / f"{run}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(page)
    out.print(str(path), markup=False)
    if to is None and not webbrowser.open(path.resolve().as_uri()):
        raise EnvironmentFault(f"there is no browser to open {path} with: save it with --to FILE")
    if to is None:
        say(f"opened {path}")
