"""Who a resource is before it exists: its physical name, its ARN, and so what Ref and GetAtt of it give."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fanfold.local.stack.errors import StackError

_LONGEST = 63  # characters of the strictest name, a bucket's
_HASH = 12


@dataclass(frozen=True)
class Kind:
    """How resources of one type are identified; the texts are filled with name, region and account.

    Attributes:
        name: the property that holds the physical name, ``Input.Name`` for one within another; when it is not set, a
            name is made up.
        ref: what Ref gives.
        attributes: what GetAtt gives, by attribute.
    """

    name: str = ""
    ref: str = "{name}"
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """One resource: its physical name and what other resources can say of it."""

    logical_id: str
    name: str
    ref: str
    attributes: Mapping[str, str]

    def attribute(self, name: str) -> str:
        """Return an attribute; raises StackError when the endpoint does not know it."""
        if name not in self.attributes:
            known = ", ".join(sorted(self.attributes)) or "none"
            raise StackError(f"Fn::GetAtt {self.logical_id}.{name} is not known here (known: {known})")
        return self.attributes[name]


@dataclass(frozen=True)
class Site:
    """Where the stack is: what pseudo parameters stand for."""

    stack_name: str
    region: str
    account: str

    def pseudo_parameters(self) -> dict[str, Any]:
        """Return the pseudo parameters with their values."""
        stack = f"arn:aws:cloudformation:{self.region}:{self.account}:stack/{self.stack_name}/local"
        return {
            "AWS::AccountId": self.account,
            "AWS::NotificationARNs": [],
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackId": stack,
            "AWS::StackName": self.stack_name,
            "AWS::URLSuffix": "amazonaws.com",
        }


def identify(site: Site, logical_id: str, kind: Kind, name: str | None, *, lower: bool) -> Identity:
    """Return who ``logical_id`` is; without a ``name`` of its own it gets one that stays the same."""
    name = name or _made_up(site.stack_name, logical_id, lower=lower)
    fill = {"name": name, "region": site.region, "account": site.account}
    attributes = {attribute: text.format(**fill) for attribute, text in kind.attributes.items()}
    return Identity(logical_id, name, kind.ref.format(**fill), attributes)


def _made_up(stack_name: str, logical_id: str, *, lower: bool) -> str:
    digest = hashlib.sha256(f"{stack_name}/{logical_id}".encode()).hexdigest()[:_HASH]
    name = f"{stack_name}-{logical_id}"[: _LONGEST - _HASH - 1] + f"-{digest}"
    return name.lower() if lower else name
