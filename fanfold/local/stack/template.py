"""A SAM template, expanded to CloudFormation, with the local folders it names kept beside it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanfold.local.server import isolated_session
from fanfold.local.stack.errors import StackError

LOCAL = "local-path"  # the made-up bucket under which the transform carries a local path
_URIS = ("CodeUri", "ContentUri", "DefinitionUri")


@dataclass(frozen=True)
class Template:
    """An expanded template.

    Attributes:
        body: CloudFormation, intrinsic functions and all.
        folder: what relative paths are relative to.
    """

    body: dict[str, Any]
    folder: Path

    def section(self, name: str) -> dict[str, Any]:
        """Return a section of the template, empty when it has none."""
        section: dict[str, Any] = self.body.get(name) or {}
        return section

    def local_path(self, location: object, logical_id: str) -> Path:
        """Return the existing path a Code, Content or DefinitionS3Location came from."""
        if not isinstance(location, dict) or location.get("S3Bucket", location.get("Bucket")) != LOCAL:
            raise StackError(
                f"{logical_id}: its code must be a local folder or file in CodeUri, ContentUri or DefinitionUri"
            )
        path = self.folder / str(location.get("S3Key", location.get("Key")))
        if not path.exists():
            raise StackError(f"{logical_id}: {path} does not exist")
        return path


def load(path: Path, region: str, parameters: Mapping[str, str]) -> Template:
    """Read and expand the template at ``path``; raises StackError when SAM finds a fault in it."""
    # Imported here: these take half a second, which an endpoint without a stack does not need to spend.
    from samtranslator.model.exceptions import InvalidDocumentException  # noqa: PLC0415
    from samtranslator.parser.parser import Parser  # noqa: PLC0415
    from samtranslator.translator.translator import Translator  # noqa: PLC0415
    from samtranslator.yaml_helper import yaml_parse  # noqa: PLC0415

    source = _with_placeholders(yaml_parse(path.read_text()), path)
    translator = Translator(None, Parser(), boto_session=isolated_session(region))
    try:
        body = translator.translate(source, parameter_values=dict(parameters))
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        raise StackError(f"{path}: {causes}") from error
    translator.metrics.publish()  # to nobody; unpublished it logs a warning
    return Template(body, path.parent.resolve())


def _with_placeholders(source: Any, path: Path) -> dict[str, Any]:
    """Replace local paths, which the transform refuses, by S3 locations that carry them through it."""
    if not isinstance(source, dict) or not isinstance(source.get("Resources"), dict):
        raise StackError(f"{path}: not a CloudFormation template, it has no Resources")
    copied: dict[str, Any] = copy.deepcopy(source)
    for resource in copied["Resources"].values():
        properties = resource.get("Properties", {})
        for name in _URIS:
            if isinstance(properties.get(name), str) and "://" not in properties[name]:
                properties[name] = {"Bucket": LOCAL, "Key": properties[name]}
    return copied
