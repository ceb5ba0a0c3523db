"""All rules a workflow of ours obeys, each a pure function from a definition to its findings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from tests.workflows import expressions, mapping, structure
from tests.workflows.machine import Json

RULES = (
    structure.names,
    structure.transitions,
    structure.fields,
    structure.retries,
    expressions.delimiters,
    expressions.syntax,
    expressions.members,
    expressions.variables,
    mapping.labels,
    mapping.processors,
    mapping.siblings,
    mapping.readers,
    mapping.batchers,
    mapping.writers,
    mapping.children,
    mapping.limits,
)


def substitutions(definition: Json, given: Iterable[str]) -> list[str]:
    """Find placeholders that the template does not fill, and fillings that no placeholder asks for."""
    asked = set(re.findall(r"\$\{(\w+)\}", json.dumps(definition)))
    undefined = [f"${{{name}}} is not among the DefinitionSubstitutions" for name in sorted(asked - set(given))]
    return undefined + [f"DefinitionSubstitutions: {name} is not used" for name in sorted(set(given) - asked)]


def findings(definition: Json, given: Iterable[str]) -> list[str]:
    """Return what all rules find in a workflow that the template gives these substitutions."""
    return [finding for rule in RULES for finding in rule(definition)] + substitutions(definition, given)
