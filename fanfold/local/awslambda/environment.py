"""An execution environment: one OS process running a Lambda runtime client, cold once, then warm."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from fanfold.local.awslambda import memory
from fanfold.local.awslambda.client import Client
from fanfold.local.awslambda.config import FunctionConfig
from fanfold.local.awslambda.failure import Exited, Failure, TimedOut, TooLarge
from fanfold.local.awslambda.log import FunctionLog, InvocationLog, Report
from fanfold.local.awslambda.runtimeapi import INIT_ERROR, MAX_BODY, RuntimeApi, RuntimeCall
from fanfold.local.awslambda.staging import Staging
from fanfold.local.protocol import Invocation

_INIT_SECONDS = 10  # Lambda's limit of the init phase; past it Lambda inits again within the invocation's own time
_WATCH_SECONDS = 0.05  # how often a silent process is looked at: alive, and within its memory
_MEASURE_MS = 2.0  # a shorter invocation cannot move the memory peak enough to pay for reading it
_OUTPUT_CHUNK = 1 << 16
_OUTPUT_CHUNKS = 16  # of a process that never stops writing, so that its deadline is still looked at


@dataclass
class Function:
    """A function as its environments see it: settings, code roots, base variables, log, runtime client.

    ``retired`` becomes true when its code or settings were replaced: its environments end with their invocation.
    """

    config: FunctionConfig
    arn: str
    staging: Staging
    variables: dict[str, str]
    log: FunctionLog
    client: Client
    retired: bool = False


@dataclass(frozen=True)
class Request:
    """One invocation on its way: its id, the ARN it was invoked by, its event, the caller's client context as JSON."""

    id: str
    arn: str
    payload: bytes
    client_context: str = ""


class Gone(Exception):
    """The warm process had ended before the event reached it: another environment must take the request."""


class Environment:
    """One process of one function. One thread at a time uses it; any failure but a handler's exception ends it."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self._spent = False
        self._began: float | None = time.perf_counter()
        with contextlib.ExitStack() as held, contextlib.ExitStack() as given:
            self._scratch = held.enter_context(
                tempfile.TemporaryDirectory(prefix="lambda-", ignore_cleanup_errors=True)
            )
            self._output, writer = os.pipe()
            lifeline, ours = os.pipe()
            for descriptor, stack in ((self._output, held), (ours, held), (writer, given), (lifeline, given)):
                stack.callback(os.close, descriptor)
            os.set_blocking(self._output, False)
            self._api = held.enter_context(contextlib.closing(RuntimeApi(self._output)))
            self._process = self._start(writer, lifeline)
            function.client.tie(lifeline, self._process.pid)
            self._held = held.pop_all()
        self._memory = memory.watch(self._process.pid, function.config.memory)

    @property
    def alive(self) -> bool:
        """Whether the process can take an(other) invocation."""
        return not self._spent and not self.function.retired and self._process.poll() is None

    def invoke(self, request: Request) -> Invocation:
        """Run one invocation to its end, whatever end that is; raises Gone when it did not begin."""
        log = InvocationLog(self.function.log, request.id)
        init, failure = None, None
        started = time.perf_counter()
        try:
            ready, init = self._ready(log)
            started = time.perf_counter()
            call = ready if ready.path == INIT_ERROR else self._handle(ready, request, log, cold=init is not None)
        except Failure as caught:
            failure = caught
        duration = (time.perf_counter() - started) * 1000
        if failure is not None:
            self._end(failure, request, log)
            return Invocation(
                failure.payload(request.id), "Unhandled", self._report(log, duration, init, failure.error_type)
            )
        answer = self._report(log, duration, init, None)
        return Invocation(call.body, None if call.path.endswith("/response") else "Unhandled", answer)

    def abort(self) -> None:
        """End the process under the invocation it is at; that invocation then fails."""
        self._kill_group()

    def kill(self) -> None:
        """End the process and all it started, and free what it held."""
        self._kill_group()
        self._held.close()

    def _start(self, writer: int, lifeline: int) -> subprocess.Popen[bytes]:
        variables = self.function.variables | {
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d')}/[$LATEST]{Path(self._scratch).name}",
            "HOME": self._scratch,
            "TMPDIR": self._scratch,
        }
        return subprocess.Popen(  # noqa: S603 - our own command line
            self.function.client.command(self.function.config.handler, lifeline),
            cwd=self.function.staging.task,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            pass_fds=(lifeline,),
            start_new_session=True,
        )

    def _ready(self, log: InvocationLog) -> tuple[RuntimeCall, float | None]:
        """Wait until the runtime asks for an event, or reports that it could not start; on a cold start tell its ms."""
        if self._began is None:
            try:
                return self._await(time.monotonic() + self.function.config.timeout, log), None
            except Exited:
                raise Gone from None
        call = self._await(time.monotonic() + _INIT_SECONDS + self.function.config.timeout, log)
        init, self._began = (time.perf_counter() - self._began) * 1000, None
        if call.path == INIT_ERROR:
            self._spent = True
            self._accept(call)
        return call, init

    def _handle(self, ready: RuntimeCall, request: Request, log: InvocationLog, *, cold: bool) -> RuntimeCall:
        timeout = self.function.config.timeout
        deadline = time.monotonic() + timeout
        try:
            ready.answer("200 OK", _event_headers(request, timeout), request.payload)
        except OSError:
            self._kill_group()
            raise (Exited(self._process.returncode) if cold else Gone()) from None
        call = self._await(deadline, log)
        if call.length > MAX_BODY:
            raise TooLarge(MAX_BODY)
        self._accept(call)
        return call

    def _accept(self, call: RuntimeCall) -> None:
        with contextlib.suppress(OSError):  # it answered in full and then died: the answer stands
            call.answer("202 Accepted", "", b"")

    def _await(self, deadline: float, log: InvocationLog) -> RuntimeCall:
        """Return the runtime's next call; meanwhile pass its output on and watch its life, memory and time."""
        while (remaining := deadline - time.monotonic()) > 0:
            call, output = self._api.wait(min(remaining, _WATCH_SECONDS))
            if call is not None:
                return call
            if output:
                self._drain(log)
            if self._memory.exceeded():
                self._kill_group()
            if (code := self._process.poll()) is not None:
                raise Exited(code)
        raise TimedOut(self.function.config.timeout)

    def _end(self, failure: Failure, request: Request, log: InvocationLog) -> None:
        """Make sure the process is gone, and write down why."""
        self._spent = True
        self._memory.measure()
        self._kill_group()
        self._drain(log)
        log.write(failure.line(request.id))

    def _report(self, log: InvocationLog, duration: float, init: float | None, error: str | None) -> bytes:
        if duration >= _MEASURE_MS or init is not None:
            self._memory.measure()
        self._drain(log)
        return log.end(Report(duration, self.function.config.memory, self._memory.peak, init, error))

    def _drain(self, log: InvocationLog) -> None:
        """Pass on the output that has arrived."""
        for _ in range(_OUTPUT_CHUNKS):
            try:
                data = os.read(self._output, _OUTPUT_CHUNK)
            except BlockingIOError:
                return
            if not data:
                self._api.ignore_output()
                return
            log.write(data)

    def _kill_group(self) -> None:
        # It ended by itself and left nobody behind; macOS refuses to signal a group that is only waited for.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _event_headers(request: Request, timeout: int) -> str:
    trace = request.id.replace("-", "")
    context = f"Lambda-Runtime-Client-Context: {request.client_context}\r\n" if request.client_context else ""
    return (
        "Content-Type: application/json\r\n"
        f"Lambda-Runtime-Aws-Request-Id: {request.id}\r\n"
        f"Lambda-Runtime-Deadline-Ms: {int((time.time() + timeout) * 1000)}\r\n"
        f"Lambda-Runtime-Invoked-Function-Arn: {request.arn}\r\n"
        f"{context}"
        f"Lambda-Runtime-Trace-Id: Root=1-{int(time.time()):08x}-{trace[:24]};Parent={trace[16:]};Sampled=0\r\n"
    )
