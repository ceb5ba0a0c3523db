"""``fanfold new-operation``: everything a further operation needs, green from the start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fanfold.application import enclosing_project
from fanfold.problems import UsageProblem
from fanfold.scaffold import OperationName, add_operation
from fanfold.story import answer_json, out, say


def new_operation(
    name: Annotated[str, typer.Argument(help="Lower-case words with hyphens, such as word-count.", show_default=False)],
    into: Annotated[
        Path | None,
        typer.Option(help="A folder of the project; the working directory unless given.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the operation and its files as JSON.")] = False,
) -> None:
    """Make the folder, the entry in template.yaml, the event and the test of an operation that runs at once.

    Examples:
    fanfold new-operation word-count
    fanfold new-operation word-count --into ~/fanfold
    """
    operation = OperationName(name)
    start = into or Path()
    project = enclosing_project(start)
    if project is None:
        raise UsageProblem(
            f"no Fanfold project (template.yaml, workflows/) in {start.resolve()} or above: change into one, or name "
            "it with --into"
        )
    paths = [str(path.relative_to(project)) for path in add_operation(project, operation)]
    if as_json:
        answer_json({"operation": name, "project": str(project), "files": paths})
        return
    for path in paths:
        out.print(path, markup=False)
    say(
        f"{name} runs as it is: fanfold run DIRECTORY --operation {name} --to OTHER\n"
        f"Write what it does into functions/{operation.folder}/operation.py, and what it comes to into its test; "
        "what it imports goes into requirements.in, and 'make lock' pins it."
    )
