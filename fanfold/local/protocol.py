"""What the services behind the local endpoint agree on: the API error, the invocation, the client factory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class ServiceError(Exception):
    """An error an AWS API answers with: its code, its message and its HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Invocation:
    """What one synchronous Lambda invocation came to.

    Attributes:
        payload: the JSON the function answered, or AWS's error object when ``function_error`` is set.
        function_error: ``None``, or ``"Unhandled"`` as the X-Amz-Function-Error header has it.
        log: the last 4 KB of the invocation's log, START to REPORT.
        executed_version: the version that ran; ``$LATEST`` for an unqualified name.
    """

    payload: bytes
    function_error: str | None
    log: bytes = b""
    executed_version: str = "$LATEST"


class Invoke(Protocol):
    """Invoke a function and wait: the one door from Step Functions to Lambda.

    ``function_name`` is a name, a partial ARN or a full ARN, with or without a qualifier.
    Raises ServiceError (ResourceNotFoundException, TooManyRequestsException, ...).
    """

    def __call__(self, function_name: str, payload: bytes) -> Invocation:
        """Invoke ``function_name`` with ``payload`` (JSON, UTF-8) and wait for its answer."""
        ...


class Clients(Protocol):
    """Make (or hand out again) a thread-safe boto3 client of a service on this endpoint."""

    def __call__(self, service: str) -> Any:
        """Return the client of ``service``, such as ``s3``."""
        ...
