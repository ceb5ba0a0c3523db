"""Rules about roles: what they grant, what the code calls, and that these are the same."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cloud.reviewed import UNSEEN
from tests.cloud.stack import NAME, Candidate, Json, Stack
from tests.template import access
from tests.template.application import listed

# Function, action, resources: what the end-to-end runs of tests/cloud/record.py called.
CALLS = Path(__file__).with_name("calls.json")
Calls = Mapping[str, Mapping[str, list[str]]]


@dataclass(frozen=True)
class Grant:
    """One action on one pattern of resources, by a statement of a role or of a policy it has."""

    role: str
    action: str
    resource: str
    condition: Json


def grants(stack: Stack) -> list[Grant]:
    """Return what the roles of a stack are allowed."""
    return [
        Grant(role, action, resource, statement.get("Condition", {}))
        for role, statement in statements(stack)
        if statement["Effect"] == "Allow"
        for action in listed(statement.get("Action", []))
        for resource in listed(statement.get("Resource", []))
    ]


def statements(stack: Stack) -> Iterator[tuple[str, Json]]:
    """Yield every statement that applies to a role, with the role's logical id."""
    managed = {stack.arn(name): each for name, each in stack.of_type("AWS::IAM::ManagedPolicy")}
    for role, properties in stack.of_type("AWS::IAM::Role"):
        attached = [managed[arn] for arn in properties.get("ManagedPolicyArns", []) if arn in managed]
        for policy in (*properties.get("Policies", []), *attached, *_apart(stack, role)):
            yield from ((role, statement) for statement in listed(policy["PolicyDocument"]["Statement"]))


def _apart(stack: Stack, role: str) -> Iterator[Json]:
    """Yield policies that name the role, rather than the role them."""
    for kind in ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::ManagedPolicy"):
        for _, properties in stack.of_type(kind):
            if role in (*properties.get("Roles", ()), properties.get("RoleName")):
                yield properties


def well_formed(candidate: Candidate) -> list[str]:
    """Find statements that IAM refuses: without a resource, or with one that is no ARN, with options and without."""
    return [
        f"{role}: {named} names the resource {resource!r}, which is no ARN ({which})"
        for which, stack in (
            ("all options", candidate.full),
            ("existing buckets", candidate.existing),
            ("no options", candidate.plain),
        )
        for role, statement in statements(stack)
        for resource in listed(statement.get("Resource", []) or [""])
        if resource != "*" and not re.fullmatch(r"arn:[^:]+:[^:]+:[^:]*:[^:]*:.+", str(resource))
        for named in [", ".join(listed(statement.get("Action", [])))]
    ]


def calls_granted(candidate: Candidate) -> list[str]:
    """Find calls of the recorded runs that the role of the function does not grant."""
    granted, roles = grants(candidate.full), _roles(candidate.full)
    return [
        f"{function} calls {action} on {resource}, which {roles.get(function)} does not grant"
        for function, actions in recorded().items()
        for action, resources in actions.items()
        for resource in resources
        if not any(allows(grant, action, resource) for grant in granted if grant.role == roles.get(function))
    ]


def grants_used(candidate: Candidate) -> list[str]:
    """Find actions that nothing uses, and reviewed ones that nobody grants."""
    used, seen = _used(candidate), {(grant.role, grant.action) for grant in grants(candidate.full)}
    idle = [f"{role}: nothing uses {action}" for role, action in sorted(seen - used) if not _reviewed(role, action)]
    stale = [key for key in UNSEEN if not any(key in ((role, action), ("*", action)) for role, action in seen)]
    return idle + [f"{role}: nobody grants {action}, which UNSEEN explains" for role, action in stale]


def _reviewed(role: str, action: str) -> bool:
    return action in access.EVERYWHERE or (role, action) in UNSEEN or ("*", action) in UNSEEN


def _used(candidate: Candidate) -> set[tuple[str, str]]:
    roles = _roles(candidate.full)
    called = {(roles.get(function, ""), action) for function, actions in recorded().items() for action in actions}
    owners = {owner: access.role_of(candidate.app, owner) for owner, _, _ in access.needs(candidate.app)}
    return called | {(owners[owner], action) for owner, action, _ in access.needs(candidate.app)}


def _roles(stack: Stack) -> dict[str, str]:
    """Return the roles' logical ids by the functions' names without the stack's."""
    return {
        properties["FunctionName"].removeprefix(f"{NAME}-"): properties["Role"].rpartition("/")[2]
        for _, properties in stack.of_type("AWS::Lambda::Function")
    }


def allows(grant: Grant, action: str, resource: str) -> bool:
    """Tell whether a grant covers a call; of its conditions only the one on what is listed can be judged here."""
    arn, _, prefix = resource.partition("?prefix=")
    if not (like(grant.action, action) and like(grant.resource, arn)):
        return False
    patterns = [
        pattern
        for test in ("StringLike", "StringEquals")
        for pattern in listed(grant.condition.get(test, {}).get("s3:prefix", []))
    ]
    return not patterns or ("?prefix=" in resource and any(like(pattern, prefix) for pattern in patterns))


def like(pattern: str, text: str) -> bool:
    """Compare as IAM does: a star is any text, a question mark any character."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, re.DOTALL) is not None


@functools.cache
def recorded() -> Calls:
    """Return the calls of the recorded runs."""
    calls: dict[str, Any] = json.loads(CALLS.read_text())
    return calls
