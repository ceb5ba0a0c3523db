"""The Task state: one way to call Lambda and every other service."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any, Final

from fanfold.local.protocol import Invocation, ServiceError
from fanfold.local.stepfunctions import history
from fanfold.local.stepfunctions.document import Document, dumps, loads
from fanfold.local.stepfunctions.eventbridge import put_events
from fanfold.local.stepfunctions.failure import (
    DATA_LIMIT_EXCEEDED,
    RUNTIME,
    TIMEOUT,
    EvaluationFailure,
    Failure,
    oversized,
)
from fanfold.local.stepfunctions.interpreter import Visit
from fanfold.local.stepfunctions.nested import SYNC, run_execution, start_execution, with_json
from fanfold.local.stepfunctions.program import TaskBody
from fanfold.local.stepfunctions.query import type_name
from fanfold.local.stepfunctions.sdk import call_sdk

Outcome = tuple[str | None, Document]

_LONGEST: Final = 99_999_999  # seconds
_LAMBDA_ARGUMENTS: Final = frozenset(
    {"FunctionName", "Payload", "Qualifier", "InvocationType", "LogType", "ClientContext"}
)


def run_task(visit: Visit) -> Outcome:
    """Call the service, and give out its answer."""
    body = visit.body(TaskBody)
    arguments = visit.evaluate(body.arguments) if body.arguments is not None else visit.document.bound
    direct = body.service == "function"
    if not direct and not isinstance(arguments, dict):
        raise EvaluationFailure(f"The field 'Arguments' must be an object, not {type_name(arguments)}.", "Arguments")
    timeout = _timeout(visit, body)
    events = _FunctionEvents(visit, body) if direct else _TaskEvents(visit, body)
    events.scheduled(arguments, timeout)
    try:
        if isinstance(events, _TaskEvents) and body.action in SYNC:
            result = _run_nested(visit, body, arguments, timeout, events)
        else:
            result = _within(timeout, lambda: _call(visit, body, arguments))
        if result.oversized:
            raise oversized(events.resource_type)
    except Failure as failure:
        events.failed(failure)
        raise
    visit.line.scope.check()
    events.succeeded(result)
    return visit.finish(result)


def _timeout(visit: Visit, body: TaskBody) -> float | None:
    if body.timeout is None:
        return None
    seconds = visit.typed(body.timeout, "TimeoutSeconds", "number", (int, float))
    if not 1 <= seconds <= _LONGEST or seconds != int(seconds):
        cause = f"The value {seconds} of the field 'TimeoutSeconds' is not a whole number from 1 to {_LONGEST}."
        raise EvaluationFailure(cause, "TimeoutSeconds")
    return float(seconds)


def _within(seconds: float | None, call: Callable[[], Document]) -> Document:
    """Call, but wait for the answer no longer than ``seconds``; a late one is dropped."""
    if seconds is None:
        return call()
    answers: list[Document | BaseException] = []

    def answer() -> None:
        try:
            answers.append(call())
        except BaseException as problem:
            answers.append(problem)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answers:
        raise Failure(TIMEOUT, None)
    if isinstance(answers[0], BaseException):
        raise answers[0]
    return answers[0]


def _call(visit: Visit, body: TaskBody, arguments: Any) -> Document:
    if body.service == "function":
        payload = _answer(visit, body.action, visit.document_of(arguments, "Arguments")).payload
        return Document(*_decoded(payload))
    if body.service == "lambda":
        return invoke_function(visit, arguments)
    clients, plain = visit.line.services.clients, loads(dumps(arguments))
    if body.service == "states":
        return Document.of(start_execution(visit.line.services.api, plain))
    if body.service == "events":
        identity = visit.line.identity
        return Document.of(put_events(clients, plain, (identity.machine_arn, identity.arn)))
    return Document.of(call_sdk(clients, body.service.removeprefix("aws-sdk:"), body.action, plain))


def _run_nested(visit: Visit, body: TaskBody, arguments: Any, timeout: float | None, events: _TaskEvents) -> Document:
    """Run another execution to its end."""
    line, plain = visit.line, loads(dumps(arguments))
    ended = run_execution(line.services.api, plain, line.scope, timeout, events.submitted)
    return Document.of(with_json(ended) if body.action.endswith(":2") else ended)


def invoke_function(visit: Visit, arguments: dict[str, Any]) -> Document:
    """Invoke a function and wait; raises Failure with the function's own error type."""
    unknown = sorted(set(arguments) - _LAMBDA_ARGUMENTS)
    if unknown or arguments.get("InvocationType", "RequestResponse") != "RequestResponse":
        fault = f"'{unknown[0]}' is unknown" if unknown else "InvocationType must be RequestResponse"
        raise Failure(RUNTIME, f"The Arguments of lambda:invoke are not valid: {fault}.")
    function = arguments.get("FunctionName")
    if not isinstance(function, str) or not function:
        raise Failure(RUNTIME, "The Arguments of lambda:invoke need a FunctionName.")
    if isinstance(arguments.get("Qualifier"), str):
        function = f"{function}:{arguments['Qualifier']}"
    answer = _answer(visit, function, visit.document_of(arguments.get("Payload", {}), "Arguments/Payload"))
    return _envelope(answer.payload, answer.executed_version)


def _answer(visit: Visit, function: str, payload: Document) -> Invocation:
    """Return what a function answers; raises Failure with its own error type, or that of Lambda."""
    if payload.oversized:
        raise Failure(DATA_LIMIT_EXCEEDED, "The Payload for the function is larger than 256 KiB.")
    try:
        answer = visit.line.services.invoke(function, payload.text.encode())
    except ServiceError as problem:
        raise Failure(f"Lambda.{_exception(problem.code)}", _cause(problem)) from None
    if answer.function_error is not None:
        raise _function_failure(answer.payload)
    return answer


def _exception(code: str) -> str:
    return code if code.endswith("Exception") else f"{code}Exception"


def _cause(problem: ServiceError) -> str:
    return f"{problem.message} (Service: Lambda, Status Code: {problem.status}, Request ID: {uuid.uuid4()})"


def _function_failure(payload: bytes) -> Failure:
    text = payload.decode("utf-8", "replace")
    try:
        error = loads(payload)
    except ValueError:
        error = None
    kind = error.get("errorType") if isinstance(error, dict) else None
    if isinstance(kind, str) and kind:
        return Failure(kind, text)
    return Failure(
        "Lambda.Unknown",
        f"The cause could not be determined because Lambda did not return an error type. Returned payload: {text}",
    )


def _decoded(payload: bytes) -> tuple[str, Any]:
    """Return the text and the value of a function's answer."""
    text = payload.decode() or "null"
    try:
        return text.strip(), loads(text)
    except ValueError as problem:
        raise Failure(RUNTIME, f"The function's answer is not JSON: {problem}") from None


def _envelope(payload: bytes, version: str) -> Document:
    """Return ``{"ExecutedVersion", "Payload", "SdkHttpMetadata", "SdkResponseMetadata", "StatusCode"}``."""
    text, value = _decoded(payload)
    request = str(uuid.uuid4())
    headers = {"Content-Type": "application/json", "X-Amz-Executed-Version": version, "x-amzn-RequestId": request}
    metadata = {"AllHttpHeaders": {k: [v] for k, v in headers.items()}, "HttpHeaders": headers, "HttpStatusCode": 200}
    rest = {"SdkHttpMetadata": metadata, "SdkResponseMetadata": {"RequestId": request}, "StatusCode": 200}
    envelope = {"ExecutedVersion": version, "Payload": value, **rest}
    head = dumps({"ExecutedVersion": version})[:-1]
    return Document(f'{head},"Payload":{text},{dumps(rest)[1:]}', envelope)


class _TaskEvents:
    """The events of one attempt, where somebody keeps them."""

    def __init__(self, visit: Visit, body: TaskBody) -> None:
        self._trail = visit.line.trail
        self._region = visit.line.services.region
        self._names = {"resource": body.action, "resourceType": body.service}
        self.resource_type = body.service

    def scheduled(self, arguments: dict[str, Any], timeout: float | None) -> None:
        if not self._trail.kept:
            return
        limit = {} if timeout is None else {"timeoutInSeconds": int(timeout)}
        details = {**self._names, "region": self._region, "parameters": dumps(arguments), **limit}
        self._trail.add("TaskScheduled", "taskScheduledEventDetails", details)
        self._trail.add("TaskStarted", "taskStartedEventDetails", dict(self._names))

    def submitted(self, answer: Any) -> None:
        """Tell that what the task waits for has begun."""
        if self._trail.kept:
            details = {**self._names, "output": dumps(answer), "outputDetails": {"truncated": False}}
            self._trail.add("TaskSubmitted", "taskSubmittedEventDetails", details)

    def succeeded(self, result: Document) -> None:
        if self._trail.kept:
            details = {**self._names, "output": result.text, "outputDetails": {"truncated": False}}
            self._trail.add("TaskSucceeded", "taskSucceededEventDetails", details)

    def failed(self, failure: Failure) -> None:
        kind = "TaskTimedOut" if failure.error == TIMEOUT else "TaskFailed"
        details = history.named(failure.error, failure.cause, **self._names)
        self._trail.add(kind, f"{kind[0].lower()}{kind[1:]}EventDetails", details)


class _FunctionEvents:
    """The events of one attempt of a Task whose resource is a function."""

    def __init__(self, visit: Visit, body: TaskBody) -> None:
        self._trail = visit.line.trail
        self.resource_type = body.action

    def scheduled(self, arguments: Any, timeout: float | None) -> None:
        if not self._trail.kept:
            return
        limit = {} if timeout is None else {"timeoutInSeconds": int(timeout)}
        details = {"resource": self.resource_type, "input": dumps(arguments), "inputDetails": {"truncated": False}}
        self._trail.add("LambdaFunctionScheduled", "lambdaFunctionScheduledEventDetails", details | limit)
        self._trail.add("LambdaFunctionStarted")

    def succeeded(self, result: Document) -> None:
        details = {"output": result.text, "outputDetails": {"truncated": False}}
        self._trail.add("LambdaFunctionSucceeded", "lambdaFunctionSucceededEventDetails", details)

    def failed(self, failure: Failure) -> None:
        kind = "TimedOut" if failure.error == TIMEOUT else "Failed"
        details = history.named(failure.error, failure.cause)
        self._trail.add(f"LambdaFunction{kind}", f"lambdaFunction{kind}EventDetails", details)
