"""A SAM template, expanded to CloudFormation, with the local folders it names kept beside it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fanfold.local.server import isolated_session
from fanfold.local.stack.errors import StackError

LOCAL = "local-path"  # the made-up bucket, or image, under which the transform carries what is on this machine
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


def read(path: Path) -> dict[str, Any]:
    """Read a template as it is written; raises StackError when it cannot be read or is no template."""
    from samtranslator.yaml_helper import yaml_parse  # noqa: PLC0415

    try:
        source = yaml_parse(path.read_text("utf-8"))
    except OSError as error:
        raise StackError(f"the template {path} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise StackError(f"{path} is no YAML: {error}") from error
    resources = source.get("Resources") if isinstance(source, dict) else None
    if not isinstance(resources, dict) or not all(isinstance(resource, dict) for resource in resources.values()):
        raise StackError(f"{path}: not a CloudFormation template, it has no Resources")
    template: dict[str, Any] = source
    return template


def load(path: Path, region: str, parameters: Mapping[str, str]) -> Template:
    """Read and expand the template at ``path``; raises StackError when SAM finds a fault in it."""
    # Imported here: these take half a second, which an endpoint without a stack does not need to spend.
    from samtranslator.model.exceptions import InvalidDocumentException  # noqa: PLC0415
    from samtranslator.parser.parser import Parser  # noqa: PLC0415
    from samtranslator.translator.translator import Translator  # noqa: PLC0415

    source = _with_placeholders(read(path))
    translator = Translator(None, Parser(), boto_session=isolated_session(region))
    try:
        body = translator.translate(source, parameter_values=dict(parameters))
    except InvalidDocumentException as error:
        causes = "; ".join(cause.message for cause in error.causes)
        raise StackError(f"{path}: {causes}") from error
    translator.metrics.publish()  # to nobody; unpublished it logs a warning
    return Template(body, path.parent.resolve())


def _with_placeholders(source: dict[str, Any]) -> dict[str, Any]:
    """Replace local paths, which the transform refuses, by S3 locations that carry them through it.

    An image that is still to be built gets a name; SAM asks for it of functions of PackageType Image alone.
    """
    copied = copy.deepcopy(source)
    for resource in copied["Resources"].values():
        properties = resource.get("Properties", {})
        for name in _URIS:
            if isinstance(properties.get(name), str) and "://" not in properties[name]:
                properties[name] = {"Bucket": LOCAL, "Key": properties[name]}
        if resource.get("Type") == "AWS::Serverless::Function":
            properties.setdefault("ImageUri", LOCAL)
    return copied
