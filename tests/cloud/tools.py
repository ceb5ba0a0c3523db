"""The tools of others over the same candidate: cfn-lint, checkov, asl-validator."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cloud.reviewed import CHECKOV as CHECKOV_SKIPS
from tests.cloud.stack import REGION, Candidate, Json
from tests.template.application import ROOT

# What `make lint-cloud` installs, and nothing else does.
INSTALLED = ROOT / "build/lint"
CHECKOV = INSTALLED / "bin/checkov"
ASL_VALIDATOR = INSTALLED / "node_modules/.bin/asl-validator"
# cfn-lint knows ASL's literals, not the expressions that may stand for them.
_JSONATA = re.compile(r"'\{% .* %\}' is not of type '(number|integer|array|object|boolean)'", re.DOTALL)


class Missing(Exception):
    """A tool is not here; the message says what installs it."""


def cfn_lint(candidate: Candidate) -> list[str]:
    """Let cfn-lint look at what CloudFormation will be given, the definitions in it."""
    from cfnlint.api import lint  # noqa: PLC0415 - a second that the other rules need not wait for
    from cfnlint.config import ManualArgs  # noqa: PLC0415

    template = copy.deepcopy(candidate.inlined)
    for name, definition in candidate.full.definitions().items():
        template["Resources"][name]["Properties"]["Definition"] = definition
    matches = lint(json.dumps(template), config=ManualArgs(regions=[REGION]))
    return [
        f"{match.rule.id} {'/'.join(map(str, match.path or ()))}: {match.message}"
        for match in matches
        if not (match.rule.id == "E3601" and _JSONATA.fullmatch(match.message))
    ]


def checkov(candidate: Candidate) -> list[str]:
    """Let checkov look at the stack with everything in it."""
    return checkov_of([candidate])[0]


def checkov_of(candidates: Sequence[Candidate]) -> list[list[str]]:
    """Let checkov look at several stacks in one process, which takes ten seconds to start."""
    if not CHECKOV.exists():
        raise Missing(f"{CHECKOV.relative_to(ROOT)} is not here; make lint-cloud installs it")
    with tempfile.TemporaryDirectory() as folder:
        for index, candidate in enumerate(candidates):
            stack = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": candidate.full.resources}
            Path(folder, f"{index}.json").write_text(json.dumps(stack))
        command = [CHECKOV, "--directory", folder, "--framework", "cloudformation", "--output", "json"]
        done = subprocess.run(
            [*command, "--skip-download", "--soft-fail"], capture_output=True, text=True, timeout=300, check=False
        )
    report = json.loads(done.stdout) if done.returncode == 0 else {}
    if not report.get("summary", {}).get("passed"):
        raise RuntimeError(f"checkov checked nothing (exit code {done.returncode}): {done.stderr[-2000:]}")
    return [list(_failed(report, index)) for index in range(len(candidates))]


def _failed(report: Json, index: int) -> Iterator[str]:
    failed = [each for each in report["results"]["failed_checks"] if each["file_path"] == f"/{index}.json"]
    used = set()
    for each in failed:
        name = each["resource"].rpartition(".")[2]
        skips = {(each["check_id"], name), (each["check_id"], "*")} & CHECKOV_SKIPS.keys()
        used |= skips
        if not skips:
            yield f"{each['check_id']} {name}: {each['check_name']}"
    yield from (f"{check} {name}: skipped, and finds nothing" for check, name in sorted(CHECKOV_SKIPS.keys() - used))


def asl_validator(candidate: Candidate) -> list[str]:
    """Let asl-validator look at the definitions as Step Functions will be given them."""
    if not ASL_VALIDATOR.exists():
        raise Missing(f"{ASL_VALIDATOR.relative_to(ROOT)} is not here; make lint-cloud installs it where npm is")
    found = []
    for name, definition in candidate.full.definitions().items():
        command = [ASL_VALIDATOR, "--json-definition", json.dumps(definition)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            told = (done.stdout + done.stderr).strip().splitlines()
            found.append(f"{name}: {told[-1].strip() if told else f'exit code {done.returncode}'}")
    return found
