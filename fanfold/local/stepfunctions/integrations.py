"""Which services a Task may call, and what its resource ARN means."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any, Final

from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader
from botocore.model import ServiceModel

from fanfold.local.stepfunctions.nested import START, SYNC

_RESOURCE: Final = re.compile(r"arn:aws[a-z-]*:states:[a-z0-9-]*:\d*:(?P<rest>.+)")
_FUNCTION: Final = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+(?::[A-Za-z0-9_$-]+)?")
_OPTIMISED: Final = {"lambda:invoke", "events:putEvents", f"states:{START}", *(f"states:{action}" for action in SYNC)}
# Where Step Functions names a service after its service id and botocore does not.
_BOTOCORE_NAMES: Final = {
    "applicationautoscaling": "application-autoscaling",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "costexplorer": "ce",
    "ecrpublic": "ecr-public",
    "elasticloadbalancingv2": "elbv2",
    "eventbridge": "events",
    "resourcegroupstaggingapi": "resourcegroupstaggingapi",
    "sfn": "stepfunctions",
}


@dataclass(frozen=True, slots=True)
class Integration:
    """A recognised resource.

    ``service`` is ``lambda``, ``events``, ``states`` or ``aws-sdk:<botocore service>``, ``action`` its call; for the
    ARN of a function, ``service`` is ``function`` and ``action`` the ARN.
    """

    service: str
    action: str


def recognise(resource: str) -> Integration | str:
    """Return what a Task resource calls, or the sentence that refuses it."""
    if _FUNCTION.fullmatch(resource):
        return Integration("function", resource)
    found = _RESOURCE.fullmatch(resource)
    rest = found["rest"] if found else ""
    parts = rest.split(":")
    if rest in _OPTIMISED:
        return Integration(parts[0], ":".join(parts[1:]))
    if len(parts) == 3 and parts[0] == "aws-sdk" and operation_model(botocore_name(parts[1]), parts[2]) is not None:
        return Integration(f"aws-sdk:{botocore_name(parts[1])}", parts[2])
    return (
        f"The resource provided {resource} is not recognized. The value is not a valid resource ARN, or the resource "
        "is not available here: this endpoint runs lambda:invoke, events:putEvents, the ARNs of functions, "
        "states:startExecution (also .sync and .sync:2) and aws-sdk:<service>:<action>"
    )


def botocore_name(service: str) -> str:
    """Return botocore's name of a service as a resource ARN spells it."""
    return _BOTOCORE_NAMES.get(service, service)


@functools.lru_cache(maxsize=64)
def service_model(service: str) -> Any:
    """Return botocore's model of a service; raises UnknownServiceError."""
    # Without a session, which would want the user's AWS profile to exist.
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@functools.lru_cache(maxsize=256)
def operation_model(service: str, action: str) -> Any:
    """Return botocore's model of an operation in camelCase, ``None`` where there is no such thing."""
    name = action[:1].upper() + action[1:]
    try:
        model = service_model(service)
    except UnknownServiceError:
        return None
    return model.operation_model(name) if action[:1].islower() and name in model.operation_names else None


def method_name(action: str) -> str:
    """Return the client method of an operation in camelCase."""
    return str(xform_name(action[:1].upper() + action[1:]))


@functools.lru_cache(maxsize=64)
def error_prefix(service: str) -> str:
    """Return the name errors of a service start with, such as ``S3`` or ``DynamoDb``."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", service_model(service).service_id)
    return "".join(word[:1].upper() + word[1:].lower() for word in words)
