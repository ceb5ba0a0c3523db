"""A rule about stars: each stands in the list below, with the reason why it cannot be written out."""

from __future__ import annotations

from tests.cloud.permissions import statements
from tests.cloud.reviewed import WILDCARDS
from tests.cloud.stack import Candidate
from tests.template import access
from tests.template.application import listed


def wildcards(candidate: Candidate) -> list[str]:
    """Find stars in the resources of roles that nobody reviewed, and reviewed ones that are gone."""
    used = {
        (role, str(resource), action)
        for role, statement in statements(candidate.full)
        if statement["Effect"] == "Allow"
        for resource in listed(statement.get("Resource", []))
        if "*" in str(resource)
        for action in listed(statement.get("Action", []))
    }
    found = [
        f"{role}: {action} on {resource}, which nobody reviewed"
        for role, resource, action in sorted(used)
        # A log group's own ARN ends with a star: its streams.
        if not (resource.endswith(":*") and ":log-group:/aws/" in resource)
        and resource not in WILDCARDS
        and not (resource == "*" and action in access.EVERYWHERE)
    ]
    gone = WILDCARDS.keys() - {resource for _, resource, _ in used}
    return found + [f"{resource}: reviewed, and nobody uses it" for resource in sorted(gone)]


def anybody(candidate: Candidate) -> list[str]:
    """Find policies of resources that let anybody in, or a service of AWS on behalf of any account."""
    return [
        f"{name}: {fault}"
        for name, each in candidate.full.resources.items()
        for field in ("PolicyDocument", "AssumeRolePolicyDocument")
        if each["Type"] not in ("AWS::IAM::ManagedPolicy", "AWS::EC2::VPCEndpoint")
        for statement in listed((each["Properties"].get(field) or {}).get("Statement", []))
        if statement["Effect"] == "Allow"
        for fault in _faults(statement)
    ]


def _faults(statement: dict[str, object]) -> list[str]:
    principal = statement.get("Principal")
    if principal in ("*", {"AWS": "*"}) and "Condition" not in statement:
        return ["lets anybody in"]
    return []
