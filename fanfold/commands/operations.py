"""``fanfold operations``: what can be run, and its options, as the operations themselves tell it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.table import Table

from fanfold.application import Application, find_project, lambda_answer, on_aws, on_this_machine
from fanfold.problems import EnvironmentFault
from fanfold.story import answer_json, out


def operations(
    local: Annotated[bool, typer.Option("--local", help="Ask the operations of this checkout.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
    stack: Annotated[str, typer.Option(envvar="FANFOLD_STACK", help="The name of the deployed stack.")] = "fanfold",
) -> None:
    """List the operations with their options, defaults and examples."""
    if local:
        with on_this_machine(stack, find_project()) as application:
            found = list(ask(application))
    else:
        found = list(ask(on_aws(stack)))
    if as_json:
        answer_json(found)
    else:
        for operation in found:
            _show(operation)


def ask(application: Application) -> Iterator[dict[str, Any]]:
    """Yield what every operation of the stack says of itself."""
    functions = application.client("lambda")
    for page in functions.get_paginator("list_functions").paginate():
        for function in page["Functions"]:
            if function["FunctionName"].startswith(application.operation_prefix):
                yield _describe(functions, function["FunctionName"])


def _describe(functions: Any, name: str) -> dict[str, Any]:
    answer = functions.invoke(FunctionName=name, Payload=json.dumps({"Check": {}}))
    body = json.loads(lambda_answer(answer))
    if "FunctionError" in answer:
        raise EnvironmentFault(f"{name} does not answer: {body.get('errorType')}: {body.get('errorMessage')}")
    description: dict[str, Any] = body
    return description


def _show(operation: dict[str, Any]) -> None:
    out.print(f"[bold]{operation['operation']}[/] {operation['version']}: {operation['summary']}")
    table = Table("option", "takes", "default", "example", "meaning", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for option in operation["options"]:
        takes = ", ".join(option["choices"]) if "choices" in option else option["type"]
        default = "required" if option["required"] else json.dumps(option["default"])
        table.add_row(option["name"], takes, default, json.dumps(option.get("example")), option["help"])
    out.print(table)
    out.print()
