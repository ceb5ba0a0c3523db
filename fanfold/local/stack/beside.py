"""Templates of operations, stood up beside the application as stacks of their own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fanfold.local.server import Endpoint
from fanfold.local.stack import Stack, StackError, deploy
from fanfold.local.stack.template import read

# The parameter by which such a template is told the name of the application's stack.
APPLICATION = "FanfoldStack"


def deploy_beside(endpoint: Endpoint, application: Stack, templates: Iterable[Path]) -> None:
    """Stand templates up, each as the stack ``APPLICATION-FOLDER`` of the folder it lies in.

    Raises:
        StackError: a template has a fault, or a function of it has the name of one that another stack has, as
            CloudFormation would have it.
    """
    taken = set(application.functions.values())
    for template in templates:
        name = f"{application.name}-{template.resolve().parent.name}"
        declared = read(template).get("Parameters") or {}
        parameters = {APPLICATION: application.name} if APPLICATION in declared else {}
        functions = set(deploy(endpoint, template, stack_name=name, parameters=parameters).functions.values())
        if twice := sorted(taken & functions):
            raise StackError(f"{template}: another stack has a function {twice[0]} already: give it another name")
        taken |= functions
