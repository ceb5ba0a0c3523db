"""``make lint-cloud``: what a reviewer from AWS would look at, over the template, its workflows and what is built.

Every rule is a function from a candidate to its findings; a rule that cannot be asked here says SKIPPED and why.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tests.cloud import built, circles, keys, permissions, stack, tools, wildcards
from tests.cloud.stack import Candidate
from tests.template import rules as template_rules
from tests.template.application import ROOT
from tests.workflows import rules as workflow_rules

Rule = Callable[[Candidate], list[str]]


def template(candidate: Candidate) -> list[str]:
    """Apply the rules of tests/template."""
    return template_rules.findings(candidate.app)


def workflows(candidate: Candidate) -> list[str]:
    """Apply the rules of tests/workflows."""
    given = {
        each["Properties"]["DefinitionUri"]: each["Properties"].get("DefinitionSubstitutions", {})
        for each in candidate.source["Resources"].values()
        if "DefinitionUri" in each.get("Properties", {})
    }
    return [
        f"{uri}: {finding}"
        for uri, definition in candidate.definitions.items()
        for finding in workflow_rules.findings(definition, given[uri])
    ]


RULES: dict[str, Rule] = {
    "options": stack.undecided,
    "circular": circles.circular,
    "template": template,
    "workflows": workflows,
    "arns": permissions.well_formed,
    "calls-granted": permissions.calls_granted,
    "grants-used": permissions.grants_used,
    "keys": keys.key_grants,
    "wildcards": wildcards.wildcards,
    "principals": wildcards.anybody,
    "cfn-lint": tools.cfn_lint,
    "asl-validator": tools.asl_validator,
    "checkov": tools.checkov,
}
BUILT: dict[str, Callable[[], list[str]]] = {
    "artefacts": built.artefacts,
    "imports": built.imports,
    "events": built.events,
}


def main(arguments: list[str] | None = None) -> int:
    """Print what is found; return 1 where something is."""
    parser = argparse.ArgumentParser(prog="python -m tests.cloud.lint", description=__doc__)
    parser.add_argument("--template", type=Path, default=ROOT / "template.yaml", help="another template to judge")
    parser.add_argument("--unbuilt", action="store_true", help="leave out what looks at built artefacts")
    options = parser.parse_args(arguments)
    candidate = Candidate.read(options.template)
    asked = {name: (lambda rule=rule: rule(candidate)) for name, rule in RULES.items()}
    found = [_report(name, ask) for name, ask in (asked if options.unbuilt else asked | BUILT).items()]
    print(f"{sum(found)} findings")
    return 1 if sum(found) else 0


def _report(name: str, ask: Callable[[], list[str]]) -> int:
    try:
        found = ask()
    except tools.Missing as reason:
        print(f"{name}: SKIPPED: {reason}")
        return 0
    print(f"{name}: {'ok' if not found else len(found)}", flush=True)
    for finding in found:
        print(f"  {finding}")
    return len(found)


if __name__ == "__main__":
    sys.exit(main())
