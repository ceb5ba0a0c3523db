"""A SAM template stood up on the local endpoint: the same file that `sam deploy` takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from fanfold.local.server import Endpoint
from fanfold.local.stack import kinds
from fanfold.local.stack.creators import Creators
from fanfold.local.stack.errors import StackError
from fanfold.local.stack.identity import Site
from fanfold.local.stack.scope import Scope
from fanfold.local.stack.template import load

__all__ = ["Stack", "StackError", "deploy"]

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Stack:
    """A stack that stands.

    Attributes:
        name: the stack's name.
        outputs: the template's Outputs.
        buckets: bucket names by logical id.
        tables: table names by logical id.
        functions: function names by logical id.
        machines: state machine names by logical id.
    """

    name: str
    outputs: dict[str, str]
    buckets: dict[str, str]
    tables: dict[str, str]
    functions: dict[str, str]
    machines: dict[str, str]


def deploy(
    endpoint: Endpoint, template: Path, *, stack_name: str = "fanfold", parameters: Mapping[str, str] = _NOTHING
) -> Stack:
    """Stand the template up on ``endpoint``; functions run from the folders the template names, as they are.

    Deployed again it is updated: functions and state machines are replaced, buckets and tables keep what they hold, and
    what the template no longer has stays.

    Raises StackError when the template has a fault, or a resource this endpoint knows nothing of.
    """
    expanded = load(template, endpoint.region, parameters)
    scope = Scope(expanded, Site(stack_name, endpoint.region, endpoint.account), parameters)
    outputs = scope.outputs(expanded.section("Outputs"))
    names = Creators(endpoint, expanded, scope).create()
    return Stack(
        name=stack_name,
        outputs=outputs,
        buckets=names[kinds.BUCKET],
        tables=names[kinds.TABLE],
        functions=names[kinds.FUNCTION],
        machines=names[kinds.MACHINE],
    )
