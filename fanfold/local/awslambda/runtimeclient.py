"""A small Lambda runtime client, for systems that AWS's own, `awslambdaric`, has no wheel for.

Run by its path in a process of its own, with the standard library and without `fanfold`. What a handler or its caller
can tell apart - context, JSON, error objects, log lines - is as `awslambdaric` has it: a test compares the two.
"""

from __future__ import annotations

import importlib
import json
import logging
import math
import os
import signal
import socket
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

_VERSION = "/2018-06-01/runtime"
_ASCII = sys.version_info < (3, 12)  # Lambda's runtimes from Python 3.12 on answer in UTF-8 without escapes
_RAW = uuid.uuid4().hex  # around the text of a number that the encoder would not write
_CLIENT = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")

_Handler = Callable[[Any, "LambdaContext"], Any]


class Fault(Exception):
    """What the runtime, not the handler, finds wrong: Lambda's name of it, and the trace it shows."""

    def __init__(self, kind: str, message: str, trace: list[str] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.trace = trace or []


class LambdaContext:
    """What a handler is told of its invocation beside the event."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.aws_request_id = headers["lambda-runtime-aws-request-id"]
        self.invoked_function_arn = headers["lambda-runtime-invoked-function-arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.tenant_id = None
        self.client_context = _client_context(headers.get("lambda-runtime-client-context"))
        self.identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self._deadline = int(headers["lambda-runtime-deadline-ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the invocation times out."""
        return max(self._deadline - int(time.time() * 1000), 0)

    def log(self, message: object) -> None:
        """Write ``message`` to the function's log."""
        sys.stdout.write(str(message))


class RuntimeApi:
    """The one connection to the Runtime API."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def next(self) -> tuple[dict[str, str], bytes]:
        """Wait for an invocation and return its headers, names in lower case, and its event."""
        return self._exchange("GET", "/invocation/next")

    def post(self, path: str, body: bytes) -> None:
        """Report how an invocation, or the start, ended."""
        self._exchange("POST", path, body)

    def _exchange(self, method: str, path: str, body: bytes = b"") -> tuple[dict[str, str], bytes]:
        head = f"{method} {_VERSION}{path} HTTP/1.1\r\nHost: lambda\r\nContent-Length: {len(body)}\r\n\r\n"
        self._socket.sendall(head.encode() + body)
        if not self._reader.readline():
            raise ConnectionError("the endpoint closed the Runtime API")
        headers = dict(self._headers())
        return headers, self._reader.read(int(headers["content-length"]))

    def _headers(self) -> Iterator[tuple[str, str]]:
        while line := self._reader.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            yield name.lower(), value.strip()


class LogHandler(logging.Handler):
    """Writes records of the root logger as Lambda's Python runtimes do."""

    request_id = ""

    def __init__(self) -> None:
        super().__init__()
        formatter = logging.Formatter(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n", "%Y-%m-%dT%H:%M:%S"
        )
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, which keeps the id of its request for other formatters."""
        record.aws_request_id = self.request_id
        sys.stdout.write(self.format(record))


def run(dotted: str, api: RuntimeApi) -> None:
    """Import the handler and serve invocations for ever; exits with status 1 when there is no such handler."""
    log = LogHandler()
    logging.getLogger().addHandler(log)
    try:
        handler = _find(dotted)
    except Exception as error:  # whatever a module raises is its init error
        api.post("/init/error", _report(error))
        sys.exit(1)
    while True:
        headers, event = api.next()
        log.request_id = headers["lambda-runtime-aws-request-id"]
        os.environ["_X_AMZN_TRACE_ID"] = headers["lambda-runtime-trace-id"]
        outcome, body = _invoke(handler, headers, event)
        api.post(f"/invocation/{log.request_id}/{outcome}", body)


def end_with(lifeline: int) -> None:
    """End this process and all it started as soon as the other end of the pipe ``lifeline`` closes."""
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def _find(dotted: str) -> _Handler:
    module, dot, name = dotted.rpartition(".")
    if not dot:
        reason = "not enough values to unpack (expected 2, got 1)"
        raise Fault("Runtime.MalformedHandlerName", f"Bad handler '{dotted}': {reason}")
    if module.split(".")[0] in sys.builtin_module_names:
        raise Fault("Runtime.BuiltInModuleConflict", f"Cannot use built-in module {module} as a handler module")
    imported = _import(module)
    if not hasattr(imported, name):
        raise Fault("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module}'")
    handler: _Handler = getattr(imported, name)
    return handler


def _import(module: str) -> Any:
    try:
        return importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        raise Fault("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}") from None
    except SyntaxError as error:
        line = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}", [line]) from None


def _invoke(handler: _Handler, headers: Mapping[str, str], event: bytes) -> tuple[str, bytes]:
    try:
        context = LambdaContext(headers)
        answer = _encoded(handler(_decoded(event), context))
    except Exception as error:  # whatever a handler raises is its function error
        return "error", _report(error, request_id=headers["lambda-runtime-aws-request-id"])
    return "response", answer if isinstance(answer, bytes) else answer.encode()


def _client_context(text: str | None) -> SimpleNamespace | None:
    if not text:
        return None
    try:
        given = json.loads(text)
    except ValueError as error:
        raise Fault("Runtime.LambdaContextUnmarshalError", f"Unable to parse Client Context JSON: {error}") from None
    client = given.get("client")
    known = None if client is None else SimpleNamespace(**{name: client.get(name) for name in _CLIENT})
    return SimpleNamespace(custom=given.get("custom"), env=given.get("env"), client=known)


def _decoded(event: bytes) -> Any:
    try:
        return json.loads(event)
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", f"Unable to unmarshal input: {error}") from None


def _encoded(answer: Any) -> str | bytes:
    if isinstance(answer, bytes):
        return answer
    try:
        text = json.dumps(_plain(answer), ensure_ascii=_ASCII)
    except Exception as error:
        raise Fault("Runtime.MarshalError", f"Unable to marshal response: {error}") from None
    return text.replace(f'"{_RAW}', "").replace(f'{_RAW}"', "")


def _plain(value: Any) -> Any:
    """Return ``value`` with what JSON has no form for, but Lambda's encoder has, in the form that one chooses."""
    if isinstance(value, dict):
        return {_plain_key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Decimal):
        return math.nan if value.is_nan() else f"{_RAW}{value}{_RAW}"
    return value


def _plain_key(key: Any) -> Any:
    return key.decode() if isinstance(key, bytes) else key


def _report(error: Exception, request_id: str = "") -> bytes:
    """Log ``error`` and return Lambda's error object of it."""
    kind = error.kind if isinstance(error, Fault) else type(error).__name__
    trace = error.trace if isinstance(error, Fault) else _trace(error)
    message = str(error)
    headline = f"[ERROR] {kind}: {message}" if message else f"[ERROR] {kind}"
    lines = [headline, "Traceback (most recent call last):", *"".join(trace).splitlines()]
    sys.stdout.write("\n".join(lines) + "\n")
    report = {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}
    return json.dumps(report, ensure_ascii=_ASCII).encode()


def _trace(error: Exception) -> list[str]:
    """Return the frames of ``error`` from the first that is not of this file; all of them when there is no other."""
    found = traceback.extract_tb(error.__traceback__)
    frames = [(frame.filename, frame.lineno or 0, frame.name, frame.line) for frame in found]  # columns left out
    foreign = (number for number, frame in enumerate(found) if frame.filename != __file__)
    return traceback.format_list(frames[next(foreign, 0) :])


if __name__ == "__main__":
    threading.Thread(target=end_with, args=(int(sys.argv[2]),), daemon=True).start()
    sys.path.insert(0, os.getcwd())
    run(sys.argv[1], RuntimeApi(os.environ["AWS_LAMBDA_RUNTIME_API"]))
