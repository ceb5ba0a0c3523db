"""The template as CloudFormation would see it once parameters are given: conditions decided, names resolved."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from fanfold.local.stack.identity import Site
from fanfold.local.stack.kinds import KNOWN
from fanfold.local.stack.scope import Scope
from fanfold.local.stack.template import load
from tests.template.application import ROOT, Json, listed

ACCOUNT = "123456789012"


def stack(**parameters: str) -> Scope:
    """Return the stack ``fanfold`` with parameters given."""
    return _stack(tuple(sorted(parameters.items())))


@functools.cache
def _stack(parameters: tuple[tuple[str, str], ...]) -> Scope:
    given = dict(parameters)
    return Scope(load(ROOT / "template.yaml", "us-east-1", given), Site("fanfold", "us-east-1", ACCOUNT), given)


def all_of(scope: Scope, *kinds: str) -> dict[str, Json]:
    """Return the properties of the resources of some types, of all where none is named, by logical id."""
    return {
        identity.logical_id: properties
        for kind in kinds or sorted(KNOWN)
        for identity, properties in scope.each(kind)
    }  # fmt: skip


def granted(scope: Scope, role: str) -> set[tuple[str, str]]:
    """Return action and resource of everything that a role allows."""
    return {
        (action, resource)
        for statement in _statements(scope, all_of(scope, "AWS::IAM::Role")[role])
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def _statements(scope: Scope, role: Json) -> Iterator[Json]:
    attached = {
        identity.ref: properties["PolicyDocument"] for identity, properties in scope.each("AWS::IAM::ManagedPolicy")
    }
    documents = [attached[arn] for arn in role.get("ManagedPolicyArns", [])]
    for document in (*documents, *(policy["PolicyDocument"] for policy in role["Policies"])):
        yield from listed(document["Statement"])
