"""A function's settings in the API's JSON, and back."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from fanfold.local.awslambda import naming
from fanfold.local.awslambda.config import FunctionConfig
from fanfold.local.protocol import ServiceError

if TYPE_CHECKING:
    from fanfold.local.awslambda.service import Deployed

_MEMORY = range(128, 10241)
_TIMEOUT = range(1, 901)
# What says which code runs, and how; of an image, its Dockerfile and its template do.
_OF_CODE = frozenset({"Handler", "ImageConfig", "ImageUri", "Layers", "Runtime", "S3Bucket", "ZipFile"})


def configuration(deployed: Deployed) -> dict[str, Any]:
    """Return the FunctionConfiguration object."""
    config = deployed.config
    code = {"Runtime": config.runtime, "Handler": config.handler}
    image = {"ImageConfigResponse": {"ImageConfig": {"Command": [config.handler]}}}
    return {
        "FunctionName": config.name,
        "FunctionArn": deployed.function.arn,
        "Role": config.role,
        "CodeSize": deployed.code.size,
        "CodeSha256": deployed.code.sha256,
        "Description": config.description,
        "Timeout": config.timeout,
        "MemorySize": config.memory,
        "LastModified": deployed.modified,
        "Version": naming.LATEST,
        "Environment": {"Variables": dict(config.environment)},
        "TracingConfig": {"Mode": "PassThrough"},
        "RevisionId": deployed.revision,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": config.package_type,
        "Architectures": [config.architecture],
        "EphemeralStorage": {"Size": 512},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{config.name}"},
    } | (image if config.package_type == "Image" else code)


def check(operation: str, body: Mapping[str, Any]) -> None:
    """Raise ServiceError (ValidationException) when a request has not the members and types of the API's model."""
    report = ParamValidator().validate(body, _model().shape_for(f"{operation}Request"))
    if report.has_errors():
        raise ServiceError("ValidationException", f"{operation}: {report.generate_report()}")


def new_config(body: Mapping[str, Any]) -> FunctionConfig:
    """Read a CreateFunction request; the code is added by the caller."""
    if body.get("PackageType") == "Image":
        raise invalid("Images do not run here: deploy a template whose Metadata names a Dockerfile, or upload a zip.")
    if "Handler" not in body or "Runtime" not in body:
        raise invalid("A function made of an archive needs a Runtime and a Handler.")
    name = naming.parse(str(body["FunctionName"])).name
    config = FunctionConfig(name, str(body["Handler"]), (), role=str(body["Role"]))
    return changed_config(config, body)


def changed_config(config: FunctionConfig, body: Mapping[str, Any]) -> FunctionConfig:
    """Return ``config`` with what the request sets; raises ServiceError (InvalidParameterValueException)."""
    if config.package_type == "Image" and (given := sorted(_OF_CODE & body.keys())):
        raise invalid(f"{config.name} was made from a Dockerfile, not with {given[0]}: deploy its template again.")
    changed = replace(
        config,
        handler=str(body.get("Handler", config.handler)),
        runtime=str(body.get("Runtime", config.runtime)),
        description=str(body.get("Description", config.description)),
        role=str(body.get("Role", config.role)),
        timeout=_within(body.get("Timeout", config.timeout), _TIMEOUT, "Timeout"),
        memory=_within(body.get("MemorySize", config.memory), _MEMORY, "MemorySize"),
        architecture=str(body.get("Architectures", [config.architecture])[0]),
        environment=dict(body["Environment"].get("Variables", {})) if "Environment" in body else config.environment,
    )
    if not changed.runtime.startswith("python3"):
        raise invalid(f"Runtime {changed.runtime} does not run here: this endpoint runs Python functions only.")
    return changed


@functools.cache
def _model() -> ServiceModel:
    """Read botocore's model of the API, without a session, which would ask for the user's AWS profile."""
    return ServiceModel(Loader().load_service_model("lambda", "service-2"))


def invalid(message: str) -> ServiceError:
    """Return Lambda's error for a parameter that does not fit."""
    return ServiceError("InvalidParameterValueException", message)


def _within(value: object, allowed: range, name: str) -> int:
    if not isinstance(value, int) or value not in allowed:
        raise invalid(f"{name} must be from {allowed.start} to {allowed.stop - 1}, not {value!r}.")
    return value
