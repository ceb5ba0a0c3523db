"""``aws-sdk:<service>:<action>``: any API of any service, in the spelling of Step Functions."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from fanfold.local.protocol import Clients
from fanfold.local.stepfunctions.document import dumps
from fanfold.local.stepfunctions.failure import RUNTIME, Failure
from fanfold.local.stepfunctions.integrations import error_prefix, method_name, operation_model


def call_sdk(clients: Clients, service: str, action: str, arguments: dict[str, Any]) -> Any:
    """Call an API and return its answer as JSON; raises Failure named as Step Functions names the API's errors."""
    model = operation_model(service, action)
    try:
        answer = getattr(clients(service), method_name(action))(**_request(arguments, model.input_shape))
        return _response({key: value for key, value in answer.items() if key != "ResponseMetadata"}, model.output_shape)
    except ClientError as problem:
        raise _failure(problem, service, model) from None
    except BotoCoreError as problem:
        raise Failure(RUNTIME, f"The call {service}:{action} could not be made: {problem}") from None


def _request(value: Any, shape: Any) -> Any:
    """Give members their botocore spelling and blobs their bytes."""
    kind = shape.type_name if shape is not None else None
    if kind == "structure" and isinstance(value, dict):
        return {
            _member(key, shape): _request(each, shape.members.get(_member(key, shape))) for key, each in value.items()
        }
    if kind == "list" and isinstance(value, list):
        return [_request(each, shape.member) for each in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _request(each, shape.value) for key, each in value.items()}
    if kind == "blob":
        return (value if isinstance(value, str) else dumps(value)).encode()
    if kind == "string" and isinstance(value, dict | list):
        return dumps(value)
    return value


def _member(key: str, shape: Any) -> str:
    lower = key[:1].lower() + key[1:]
    return lower if key not in shape.members and lower in shape.members else key


def _response(value: Any, shape: Any) -> Any:
    """Give members their Step Functions spelling; dates become ISO text, bodies text."""
    kind = shape.type_name if shape is not None else None
    if kind == "structure" and isinstance(value, dict):
        return {key[:1].upper() + key[1:]: _response(each, shape.members.get(key)) for key, each in value.items()}
    if kind == "list" and isinstance(value, list):
        return [_response(each, shape.member) for each in value]
    if kind == "map" and isinstance(value, dict):
        return {key: _response(each, shape.value) for key, each in value.items()}
    convert = next((convert for test, convert in _CONVERSIONS if test(value)), None)
    return convert(value) if convert else value


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return base64.b64encode(body).decode()


def _moment(value: datetime) -> str:
    moment = value.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{moment.microsecond // 1000:03d}Z" if moment.microsecond else "Z")


_CONVERSIONS: tuple[tuple[Callable[[Any], bool], Callable[[Any], Any]], ...] = (
    (lambda value: isinstance(value, datetime), _moment),
    (lambda value: isinstance(value, bytes), _text),
    (lambda value: hasattr(value, "read"), lambda value: _text(value.read())),
    (lambda value: isinstance(value, set), sorted),
)


def _failure(problem: ClientError, service: str, model: Any) -> Failure:
    code = problem.response["Error"].get("Code", "")
    if code == "404" and model.error_shapes:  # the answer to a HEAD has no body to tell the code
        code = model.error_shapes[0].name
    message = problem.response["Error"].get("Message", "")
    metadata = problem.response.get("ResponseMetadata", {})
    prefix = error_prefix(service)
    modelled = {shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes}
    modelled |= {shape.name for shape in model.error_shapes} | {"NoSuchKey", "NoSuchBucket"}
    name = code if code.endswith("Exception") else f"{code}Exception"
    return Failure(
        f"{prefix}.{name if code in modelled else prefix + 'Exception'}",
        f"{message} (Service: {prefix}, Status Code: {metadata.get('HTTPStatusCode')}, "
        f"Request ID: {metadata.get('RequestId')})",
    )
