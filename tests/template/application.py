"""The application: its SAM template, what CloudFormation will be given of it, and the folders of its functions."""

from __future__ import annotations

import copy
import functools
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

Json = Any
ROOT = Path(__file__).parents[2]
# A bucket that may be the stack's or one that was there before is named, and has no ARN to ask for.
_BUCKET = re.compile(r"arn:\$\{AWS::Partition\}:s3:::\$\{(\w+)\}")
_UPLOADED = ("CodeUri", "ContentUri", "DefinitionUri")


@dataclass(frozen=True)
class Application:
    """``source`` is the template as written, ``expanded`` the same after the transform."""

    source: Json
    expanded: Json
    folders: frozenset[str]
    operations: frozenset[str]

    def written(self, kind: str) -> Iterator[tuple[str, Json]]:
        """Yield the resources of a type of the template as written."""
        yield from _of_type(self.source, kind)

    def properties(self, kind: str) -> Iterator[tuple[str, Json]]:
        """Yield logical id and properties of the expanded resources of a type."""
        for name, resource in _of_type(self.expanded, kind):
            yield name, resource.get("Properties", {})

    def property_of(self, name: str, field: str) -> Json:
        """Return one property of one expanded resource."""
        return self.expanded["Resources"].get(name, {}).get("Properties", {}).get(field)


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        """Answer as the IAM API would if no policy were named by its bare name."""
        return {}


@functools.cache
def template() -> Json:
    """Return the template as written."""
    return json.loads(json.dumps(yaml_parse((ROOT / "template.yaml").read_text())))  # nothing shared by anchors


def application(source: Json) -> Application:
    """Expand a template, as if everything it names had been uploaded."""
    uploaded = copy.deepcopy(source)
    for resource in uploaded["Resources"].values():
        for field in set(_UPLOADED) & resource.get("Properties", {}).keys():
            resource["Properties"][field] = "s3://bucket/key"
    folders = {path.parent.name for path in ROOT.glob("functions/*/*.py")}
    operations = {path.parent.name for path in ROOT.glob("functions/*/operation.py")}
    with patch.dict(os.environ, AWS_DEFAULT_REGION="us-east-1"):
        expanded = transform(uploaded, {}, _NoManagedPolicies())
    return Application(source, expanded, frozenset(folders), frozenset(operations))


def text(value: Json) -> str:
    """Write an intrinsic function as ``Fn::Sub`` would: ``${Bucket.Arn}``, ``${AWS::StackName}-process``."""
    match value:
        case str():
            return value
        case {"Fn::Sub": str(pattern)}:
            return pattern
        case {"Fn::Sub": [str(pattern), {**_names}]}:
            return _BUCKET.sub(r"${\1.Arn}", pattern)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
        case {"Ref": name}:
            return f"${{{name}}}"
        case _:
            return json.dumps(value)


def listed(value: Json) -> list[Json]:
    """Return a list for what may be one or many."""
    return value if isinstance(value, list) else [value]


def _of_type(document: Json, kind: str) -> Iterator[tuple[str, Json]]:
    return ((name, each) for name, each in document["Resources"].items() if each["Type"] == kind)
