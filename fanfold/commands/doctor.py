"""``fanfold doctor``: what is here, what is missing, what for, and what to do about it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from fanfold.commands.parameters import Stack
from fanfold.doctor import Area, Finding, State, examine
from fanfold.problems import Exit
from fanfold.story import answer_json, out

_COLOURS = {State.OK: "green", State.MISSING: "yellow", State.BROKEN: "red"}
_WIDTH = max(len(state) for state in State)


def doctor(
    aws: Annotated[bool, typer.Option("--aws", help="Fail where AWS or the stack cannot be used, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    stack: Stack = "fanfold",
) -> None:
    """Look for what Fanfold needs on this machine and on AWS; say what each thing is for and how to get it.

    Ends with 0 unless something for work on this machine is missing; with --aws, unless AWS or the stack is.

    Examples:
    fanfold doctor
    fanfold doctor --aws --stack fanfold-test
    """
    findings = []
    for finding in examine(stack):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        answer_json([vars(finding) for finding in findings])
    asked = {Area.LOCAL, Area.AWS} if aws else {Area.LOCAL}
    if any(finding.area in asked and finding.state is not State.OK for finding in findings):
        raise typer.Exit(Exit.ENVIRONMENT)


def _show(finding: Finding) -> None:
    state = f"[{_COLOURS[finding.state]}]{finding.state:<{_WIDTH}}[/]"
    out.print(f"{state}  {escape(finding.name)}: {escape(finding.found)} (for {escape(finding.needed_for)})")
    if finding.step:
        out.print(f"{'':{_WIDTH}}  next: {finding.step}", markup=False)
