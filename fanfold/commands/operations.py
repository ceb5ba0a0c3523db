"""``fanfold operations``: what can be run, and its options, as the operations themselves tell it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from fanfold.application import Application, find_project, lambda_answer, on_aws, on_this_machine
from fanfold.commands.parameters import Stack, Templates
from fanfold.problems import EnvironmentFault, UsageProblem
from fanfold.story import answer_json, out, tell


def operations(
    name: Annotated[str | None, typer.Argument(help="One of them; all when none is named.")] = None,
    local: Annotated[bool, typer.Option("--local", help="Ask the operations of this checkout.")] = False,
    template: Templates = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
    stack: Stack = "fanfold",
) -> None:
    """List the operations with options, defaults and examples.

    Examples:
        fanfold operations
        fanfold operations image-resize --local
    """
    if template and not local:
        raise UsageProblem("--template goes with --local: without it, the operations that are deployed answer")
    if local:
        with on_this_machine(stack, find_project(), beside=template or []) as application:
            found = list(ask(application, name))
    else:
        found = list(ask(on_aws(stack), name))
    if as_json:
        answer_json(found)
        return
    for operation in found:
        _show(operation)


def ask(application: Application, name: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield what every operation of the stack says of itself, or the one that is named.

    Raises:
        UsageProblem: there is none of that name.
        EnvironmentFault: there are none at all, or one does not answer.
    """
    functions, prefix = application.client("lambda"), application.operation_prefix
    pages = functions.get_paginator("list_functions").paginate()
    every = (function["FunctionName"] for page in pages for function in page["Functions"])
    names = [each.removeprefix(prefix) for each in every if each.startswith(prefix)]
    if not names:
        raise EnvironmentFault(
            f"the stack {application.stack} has no operations in {application.region}: is it deployed there? "
            "--stack or FANFOLD_STACK names it, AWS_REGION the Region; --local asks those of this checkout"
        )
    if name is not None and name not in names:
        near = get_close_matches(name, names, n=1)
        instead = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
        raise UsageProblem(f"there is no operation {name!r}; {instead}")
    for each in names if name is None else [name]:
        # A function without the kit need not tell its name, nor anything of its options.
        yield {"operation": each, "options": [], **_describe(functions, prefix + each)}


def _describe(functions: Any, name: str) -> dict[str, Any]:
    answer = functions.invoke(FunctionName=name, Payload=json.dumps({"Check": {}}))
    body = json.loads(lambda_answer(answer))
    if "FunctionError" in answer:
        raise EnvironmentFault(f"{name} does not answer: {body.get('errorType')}: {body.get('errorMessage')}")
    description: dict[str, Any] = body
    return description


def _show(operation: dict[str, Any]) -> None:
    out.print(f"[bold]{operation['operation']}[/] {operation.get('version', '')}".rstrip())
    tell(operation.get("summary", "a function without the kit: it tells nothing of itself"), "  ")
    for option in operation["options"]:
        _show_option(option)
    out.print()


def _show_option(option: dict[str, Any]) -> None:
    """Print what an option takes, what it means, and how it is written."""
    takes = f"one of {', '.join(option['choices'])}" if "choices" in option else option["type"]
    if option["required"]:
        takes += "; required"
    elif option["default"] is not None:
        takes += f"; default {json.dumps(option['default'])}"
    tell(f"{option['name']}: {takes}", "  ")
    tell(option["help"], "    ")
    if (example := option.get("example")) is not None:
        text = example if isinstance(example, str) else json.dumps(example)
        tell([f"-o {shlex.quote(option['name'] + '=' + text)}"], "    ")
