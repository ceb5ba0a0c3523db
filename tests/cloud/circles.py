"""A rule about references: CloudFormation makes nothing of resources that wait for each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from tests.cloud.stack import Candidate, Json
from tests.template.application import listed

_PLACEHOLDER = re.compile(r"\$\{([^!}][^}]*)\}")


def circular(candidate: Candidate) -> list[str]:
    """Find resources of the expanded template that wait for each other."""
    resources = candidate.app.expanded["Resources"]
    waits = {
        name: {other for other in _named(each) if other in resources} | set(listed(each.get("DependsOn", [])))
        for name, each in resources.items()
    }
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        return [f"circular: {' <- '.join(error.args[1])}"]
    return []


def _named(node: Json) -> Iterator[str]:
    """Yield the names that a value refers to, parameters among them."""
    match node:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::GetAtt": str(name)}:
            yield name.split(".")[0]
        case {"Fn::Sub": pattern}:
            text, given = (pattern, {}) if isinstance(pattern, str) else pattern
            yield from (name.split(".")[0] for name in _PLACEHOLDER.findall(text) if name not in given)
            yield from _named(given)
        case dict():
            for value in node.values():
                yield from _named(value)
        case list():
            for value in node:
                yield from _named(value)
