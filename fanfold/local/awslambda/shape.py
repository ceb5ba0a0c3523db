"""A function's settings in the API's JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fanfold.local.awslambda import naming
from fanfold.local.awslambda.config import FunctionConfig
from fanfold.local.protocol import ServiceError

if TYPE_CHECKING:
    from fanfold.local.awslambda.service import Deployed

_MEMORY = range(128, 10241)
_TIMEOUT = range(1, 901)


def configuration(deployed: Deployed) -> dict[str, Any]:
    """Return the FunctionConfiguration object."""
    config = deployed.config
    return {
        "FunctionName": config.name,
        "FunctionArn": deployed.function.arn,
        "Runtime": config.runtime,
        "Role": config.role,
        "Handler": config.handler,
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
        "PackageType": "Zip",
        "Architectures": [config.architecture],
        "EphemeralStorage": {"Size": 512},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{config.name}"},
    }


def new_config(body: Mapping[str, Any]) -> FunctionConfig:
    """Read a CreateFunction request; the code is added by the caller."""
    missing = [name for name in ("FunctionName", "Handler", "Runtime", "Role") if not body.get(name)]
    if missing:
        raise invalid(f"CreateFunction needs {', '.join(missing)}.")
    name = naming.parse(str(body["FunctionName"])).name
    config = FunctionConfig(name, str(body["Handler"]), (), role=str(body["Role"]))
    return changed_config(config, body)


def changed_config(config: FunctionConfig, body: Mapping[str, Any]) -> FunctionConfig:
    """Return ``config`` with what the request sets; raises ServiceError (InvalidParameterValueException)."""
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


def invalid(message: str) -> ServiceError:
    """Return Lambda's error for a parameter that does not fit."""
    return ServiceError("InvalidParameterValueException", message)


def _within(value: object, allowed: range, name: str) -> int:
    if not isinstance(value, int) or value not in allowed:
        raise invalid(f"{name} must be from {allowed.start} to {allowed.stop - 1}, not {value!r}.")
    return value
