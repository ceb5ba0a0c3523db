"""The Lambda REST API over the service: paths to operations, JSON to settings and back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from werkzeug.wrappers import Request, Response

from fanfold.local.awslambda import shape
from fanfold.local.awslambda.naming import LATEST
from fanfold.local.protocol import ServiceError

if TYPE_CHECKING:
    from fanfold.local.awslambda.service import Deployed, Lambda

_MAX_EVENT = 1024 * 1024  # bytes of an asynchronous event
_PAGE = 50
_COUNT = re.compile("[1-9][0-9]{0,4}")
_FUNCTIONS = "/2015-03-31/functions"

_Operation = Callable[["Api", Request, str], Response]


class Api:
    """Answers requests with what the service says, errors included."""

    def __init__(self, service: Lambda) -> None:
        self._lambda = service

    def handle(self, request: Request) -> Response:
        """Find the operation by method and path and answer with its outcome."""
        for method, pattern, operation in _ROUTES:
            match = pattern.fullmatch(request.path.rstrip("/"))
            if match and method == request.method:
                return operation(self, request, *match.groups(), *[""] * (1 - pattern.groups))
        raise ServiceError(
            "UnknownOperationException", f"This endpoint has no Lambda operation {request.method} {request.path}.", 404
        )

    def list_functions(self, request: Request, _name: str) -> Response:
        """Answer one page of functions; the marker is the last name of the page before."""
        size = min(_integer(request.args.get("MaxItems", str(_PAGE)), "MaxItems"), _PAGE)
        marker = request.args.get("Marker", "")
        after = [deployed for deployed in self._lambda.listed() if deployed.config.name > marker]
        page, more = after[:size], after[size:]
        functions = [shape.configuration(deployed) for deployed in page]
        return _json({"Functions": functions} | ({"NextMarker": page[-1].config.name} if more else {}))

    def create_function(self, request: Request, _name: str) -> Response:
        """Create a function from an uploaded archive."""
        body = _request("CreateFunction", request)
        config = shape.new_config(body)
        task, facts = self._lambda.unpack(self._archive(body["Code"]))
        deployed = self._lambda.deploy(replace(config, task=(task,)), facts, new=True)
        return _json(shape.configuration(deployed), HTTPStatus.CREATED)

    def get_function(self, request: Request, name: str) -> Response:
        """Answer the settings of a function and where its code lies."""
        deployed = self._find(request, name)
        code = {"RepositoryType": "local", "Location": deployed.function.staging.task.as_uri()}
        return _json({"Configuration": shape.configuration(deployed), "Code": code, "Tags": {}})

    def get_configuration(self, request: Request, name: str) -> Response:
        """Answer the settings of a function."""
        return _json(shape.configuration(self._find(request, name)))

    def update_configuration(self, request: Request, name: str) -> Response:
        """Change settings; environments under way end with their invocation."""
        deployed = self._find(request, name)
        body = _request("UpdateFunctionConfiguration", request, name)
        _check_revision(deployed, body)
        config = shape.changed_config(deployed.config, body)
        return _json(shape.configuration(self._lambda.deploy(config, deployed.code, new=False)))

    def update_code(self, request: Request, name: str) -> Response:
        """Replace the code by an uploaded archive."""
        deployed = self._find(request, name)
        body = _request("UpdateFunctionCode", request, name)
        _check_revision(deployed, body)
        config = shape.changed_config(deployed.config, body)
        task, facts = self._lambda.unpack(self._archive(body))
        if not body.get("DryRun"):
            deployed = self._lambda.deploy(replace(config, task=(task,)), facts, new=False)
        return _json(shape.configuration(deployed))

    def delete_function(self, request: Request, name: str) -> Response:
        """Delete a function."""
        qualifier = request.args.get("Qualifier", "")
        if qualifier == LATEST:
            raise shape.invalid(f"{LATEST} version cannot be deleted without deleting the function.")
        self._lambda.delete(name, qualifier)
        return Response(status=HTTPStatus.NO_CONTENT)

    def invoke(self, request: Request, name: str) -> Response:
        """Invoke a function: wait for it, queue the event, or only check that it could be."""
        deployed = self._find(request, name)
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind not in {"RequestResponse", "Event", "DryRun"}:
            raise shape.invalid(f"Invocation type {kind} is not one of RequestResponse, Event, DryRun.")
        payload = request.get_data(cache=False)
        _check_payload(payload, kind)
        if kind == "DryRun":
            return Response(status=HTTPStatus.NO_CONTENT)
        if kind == "Event":
            self._lambda.invoke_later(deployed.config.name, payload)
            return Response(status=HTTPStatus.ACCEPTED)
        return self._answer(deployed, request, payload)

    def _answer(self, deployed: Deployed, request: Request, payload: bytes) -> Response:
        outcome = self._lambda.invoke(deployed.config.name, payload, _client_context(request))
        headers = {"X-Amz-Executed-Version": outcome.executed_version}
        if outcome.function_error:
            headers["X-Amz-Function-Error"] = outcome.function_error
        if request.headers.get("X-Amz-Log-Type") == "Tail":
            headers["X-Amz-Log-Result"] = base64.b64encode(outcome.log).decode()
        return Response(outcome.payload, headers=headers, content_type="application/json")

    def _find(self, request: Request, name: str) -> Deployed:
        return self._lambda.find(name, request.args.get("Qualifier", ""))

    def _archive(self, code: dict[str, Any]) -> bytes:
        if "ZipFile" in code:
            return _base64(code["ZipFile"], "ZipFile")
        if "S3Bucket" in code and "S3Key" in code:
            return self._uploaded(code)
        raise shape.invalid("Please provide a source for function code: ZipFile, or S3Bucket and S3Key.")

    def _uploaded(self, code: dict[str, Any]) -> bytes:
        version = {"VersionId": code["S3ObjectVersion"]} if code.get("S3ObjectVersion") else {}
        try:
            found = self._lambda.clients("s3").get_object(Bucket=code["S3Bucket"], Key=code["S3Key"], **version)
        except ClientError as error:
            raise shape.invalid(f"Error occurred while GetObject of the function code: {error}") from None
        content: bytes = found["Body"].read()
        return content


def error_response(error: ServiceError) -> Response:
    """Answer as Lambda answers errors: the code in a header, the message in the body."""
    body = {"Type": "User" if error.status < HTTPStatus.INTERNAL_SERVER_ERROR else "Service", "Message": error.message}
    return Response(json.dumps(body), error.status, {"x-amzn-ErrorType": error.code}, content_type="application/json")


def json_object(request: Request) -> dict[str, Any]:
    """Return the body of a request, a JSON object; raises ServiceError (SerializationException)."""
    try:
        body = json.loads(request.get_data(cache=False) or b"{}")
    except (ValueError, RecursionError) as error:
        raise ServiceError("SerializationException", f"The request body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ServiceError("SerializationException", "The request body is not a JSON object.")
    return body


def _request(operation: str, request: Request, name: str = "") -> dict[str, Any]:
    """Return the members a request gives, once they have the types of the API's model."""
    given = {key: value for key, value in json_object(request).items() if value is not None}
    body = given | ({"FunctionName": name} if name else {})
    shape.check(operation, body)
    if body.get("Publish"):
        raise shape.invalid(f"{operation} cannot publish: this endpoint keeps no versions but {LATEST}.")
    return body


def _check_revision(deployed: Deployed, body: dict[str, Any]) -> None:
    if body.get("RevisionId", deployed.revision) != deployed.revision:
        message = (
            f"The RevisionId given is not that of the function, which is {deployed.revision}: get it and try again."
        )
        raise ServiceError("PreconditionFailedException", message, HTTPStatus.PRECONDITION_FAILED)


def _client_context(request: Request) -> str:
    """Return the caller's client context as JSON in one line of ASCII; empty when there is none."""
    header = request.headers.get("X-Amz-Client-Context")
    if not header:
        return ""
    try:
        context = json.loads(base64.b64decode(header, validate=True))
    except (ValueError, RecursionError):
        context = None
    if not isinstance(context, dict):
        message = "Could not parse client context: it must be a JSON object in Base64"
        raise ServiceError("InvalidRequestContentException", message)
    return json.dumps(context)


def _base64(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ServiceError("SerializationException", f"{name} is not Base64: {error}") from None


def _check_payload(payload: bytes, kind: str) -> None:
    if kind == "Event" and len(payload) > _MAX_EVENT:
        message = f"{len(payload)} byte payload is too large for the Event invocation type (limit {_MAX_EVENT} bytes)"
        raise ServiceError("RequestTooLargeException", message, 413)
    try:
        json.loads(payload or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        message = f"Could not parse request body into json: Could not parse payload into json: {error}"
        raise ServiceError("InvalidRequestContentException", message) from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _integer(text: str, name: str) -> int:
    if not _COUNT.fullmatch(text):
        raise shape.invalid(f"{name} must be a number from 1 to 99999, not {text[:20]!r}.")
    return int(text)


def _json(body: dict[str, Any], status: int = HTTPStatus.OK) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")


def _route(method: str, rest: str, operation: _Operation) -> tuple[str, re.Pattern[str], _Operation]:
    return method, re.compile(_FUNCTIONS + rest), operation


_ROUTES = (
    _route("POST", "/([^/]+)/invocations", Api.invoke),
    _route("GET", "", Api.list_functions),
    _route("POST", "", Api.create_function),
    _route("GET", "/([^/]+)", Api.get_function),
    _route("DELETE", "/([^/]+)", Api.delete_function),
    _route("GET", "/([^/]+)/configuration", Api.get_configuration),
    _route("PUT", "/([^/]+)/configuration", Api.update_configuration),
    _route("PUT", "/([^/]+)/code", Api.update_code),
)
