"""How an invocation fails when the handler gives no answer: the error object and the log line Lambda shows."""

from __future__ import annotations

import json
import signal
import time


class Failure(Exception):
    """The invocation ended without an answer: ``error_type`` and ``message`` as Lambda names them."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.message = message

    def payload(self, request_id: str) -> bytes:
        """Return the error object the caller receives."""
        return json.dumps({"errorType": self.error_type, "errorMessage": self._text(request_id)}).encode()

    def line(self, request_id: str) -> bytes:
        """Return what Lambda writes into the function's log."""
        return f"{self._text(request_id)}\n{self.error_type}\n".encode()

    def _text(self, request_id: str) -> str:
        return f"RequestId: {request_id} Error: {self.message}"


class TimedOut(Failure):
    """The handler took longer than the function's timeout."""

    def __init__(self, seconds: int) -> None:
        super().__init__("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")

    def line(self, request_id: str) -> bytes:
        """Return the line with its time stamp, as CloudWatch has it."""
        return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {request_id} {self.message}\n".encode()


class Exited(Failure):
    """The process ended before it answered."""

    def __init__(self, code: int) -> None:
        if code == 0:
            reason = "Runtime exited without providing a reason"
        elif code > 0:
            reason = f"Runtime exited with error: exit status {code}"
        else:
            reason = f"Runtime exited with error: signal: {_signal_name(-code)}"
        super().__init__("Runtime.ExitError", reason)


class TooLarge(Failure):
    """The response is over Lambda's limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            "Function.ResponseSizeTooLarge",
            f"Response payload size exceeded maximum allowed payload size ({limit} bytes).",
        )

    def _text(self, request_id: str) -> str:
        return self.message


def _signal_name(number: int) -> str:
    """Name a signal as Linux does; macOS adds its number: ``Killed: 9``."""
    return (signal.strsignal(number) or str(number)).partition(":")[0].lower()
