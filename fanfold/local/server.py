"""The endpoint: one loopback address that speaks Step Functions and Lambda itself and leaves the rest to moto.

Served by `wsgi`, a thread a connection: waitress has a fixed number of threads, so waiting invocations that take them
all starve the S3 calls of their own functions; werkzeug's server closes the connection after every answer.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import re
import tempfile
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import boto3
import botocore.session
from botocore.config import Config
from moto.core.base_backend import BackendDict
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.wrappers import Request, Response

from fanfold.local import conditions, wsgi
from fanfold.local.awslambda import Lambda
from fanfold.local.awslambda.api import error_response, json_object
from fanfold.local.events import Delivery, bus
from fanfold.local.protocol import ServiceError
from fanfold.local.schedules import Schedules
from fanfold.local.stepfunctions import StepFunctions
from itemkit.connect import VARIABLE
from itemkit.errors import ItemError
from itemkit.files import FileStore
from itemkit.item import FILES, join_uri

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_CREDENTIAL = "local"  # nobody checks it; moto takes any for its one account
_NO_USER: dict[str, Any] = {
    "profile": (None, [], None, None),
    "config_file": (None, [], os.devnull, None),
    "credentials_file": (None, [], os.devnull, None),
}
_STATES = "AWSStepFunctions."
_M_MMAP_THRESHOLD = -3  # of malloc.h
_LAMBDA_PATH = re.compile(r"/\d{4}-\d\d-\d\d/(functions|event-source-mappings|layers|account-settings)(/.*)?")
_UNPRINTABLE = re.compile(r"/[^/]*[\x00-\x1f\x7f]")
_LAMBDA_SCOPE = "/lambda/aws4_request"
_READ_SECONDS = 930  # a synchronous invocation may take 900


class Endpoint:
    """AWS on this machine: S3, DynamoDB, EventBridge, CloudWatch by moto, Step Functions and Lambda by us.

    Several may serve side by side in one process. Each has its own address, state machines, executions, functions and
    logs; but what moto keeps (buckets, objects, tables) is one world a process, seen through all of them from the first
    that opens to the last that closes, which empties it. Whoever needs worlds apart needs processes apart.

    Attributes:
        url: where it listens.
        region: the Region of everything in it.
        account: the account of everything in it.
        log_dir: where each function's log is a file; without one given, a folder that ends with the endpoint.
        directories: those of this machine that functions may use and maps list, as ``file:///...``; none by default.
        stepfunctions: the Step Functions service, for callers in this process.
        functions: the Lambda service, likewise.
        schedules: what runs by the clock.
    """

    region = "us-east-1"
    account = "123456789012"

    def __init__(  # noqa: PLR0913 - settings, each by its name
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        lambda_concurrency: int | None = None,
        log_dir: Path | None = None,
        verbose: bool = False,
        directories: Sequence[Path] = (),
    ) -> None:
        _give_memory_back()
        self._server = wsgi.Server(host, port)
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self._scratch = tempfile.TemporaryDirectory(prefix="fanfold-logs-")
        self.log_dir = log_dir or Path(self._scratch.name)
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        concurrency = lambda_concurrency or os.cpu_count() or 1
        self.functions = Lambda(
            region=self.region,
            account=self.account,
            endpoint_url=self.url,
            clients=self.client,
            concurrency=concurrency,
            log_dir=self.log_dir,
            verbose=verbose,
            more={VARIABLE: os.pathsep.join(map(str, directories))} if directories else None,
        )
        self.stepfunctions = StepFunctions(
            region=self.region,
            account=self.account,
            invoke=self.functions.invoke,
            clients=self.client,
            parallel_children=_children(concurrency),
            directories=_Listing(directories) if directories else None,
        )
        self.schedules = Schedules()
        self._moto = _Moto()
        self._delivery = Delivery(self.functions.invoke_later, self.client)
        self._server.start(FrontDoor(self.stepfunctions, self.functions, self._delivery, self._moto))

    def client(self, service: str) -> Any:
        """Return the boto3 client of ``service`` on this endpoint, made once, for any thread."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make_client(service)
            return self._clients[service]

    def close(self) -> None:
        """End what runs, the processes of functions included, and stop listening."""
        self.schedules.close()
        self.stepfunctions.close()
        self.functions.close()
        self._delivery.close()
        self._server.close()
        self._moto.close()
        self._scratch.cleanup()

    def __enter__(self) -> Self:
        """Return the endpoint, which listens already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the endpoint."""
        self.close()

    def _make_client(self, service: str) -> Any:
        session: Any = isolated_session(self.region)
        config = Config(
            max_pool_connections=64, proxies={}, read_timeout=_READ_SECONDS, s3={"addressing_style": "path"}
        )
        return session.client(service, endpoint_url=self.url, config=config)


class _Listing:
    """Lists directories for maps."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._files = FileStore(directories)

    def __call__(self, prefix: str) -> Iterator[dict[str, Any]]:
        try:
            yield from self._files.list(join_uri(FILES, prefix))
        except ItemError as error:
            raise OSError(str(error)) from error


class FrontDoor:
    """The WSGI application: looks at each request and leads it to its service."""

    def __init__(
        self, stepfunctions: StepFunctions, functions: Lambda, delivery: Delivery, others: WSGIApplication
    ) -> None:
        self._stepfunctions = stepfunctions
        self._functions = functions
        self._delivery = delivery
        self._others = others
        bus.install()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith(_STATES):
            return self._states(Request(environ))(environ, start_response)
        if _LAMBDA_SCOPE in environ.get("HTTP_AUTHORIZATION", "") or _LAMBDA_PATH.fullmatch(environ["PATH_INFO"]):
            return self._lambda(Request(environ))(environ, start_response)
        if _UNPRINTABLE.match(environ["PATH_INFO"]):  # moto would take it, and its list of buckets be no XML ever after
            return _no_bucket()(environ, start_response)
        with bus.serving(self._delivery):
            return self._others(environ, start_response)

    def _states(self, request: Request) -> Response:
        operation = request.headers["X-Amz-Target"].removeprefix(_STATES)
        try:
            body = json_object(request)
            return _states_response(self._stepfunctions.handle(operation, body))
        except ServiceError as error:
            return _states_response({"__type": error.code, "message": error.message}, error)

    def _lambda(self, request: Request) -> Response:
        try:
            response = self._functions.handle(request)
        except ServiceError as error:
            response = error_response(error)
        response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        return response


class _Moto(DomainDispatcherApplication):
    """Moto's dispatcher, which finds the service of a host name by trying all; here each is looked up once."""

    _open: ClassVar[list[_Moto]] = []

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._backends: dict[str | None, Any] = {}
        self._open.append(self)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        answer: WSGIApplication = conditions.refusal(environ, super().__call__) or super().__call__
        return answer(environ, start_response)

    def get_backend_for_host(self, host: str | None) -> Any:
        """Return the name of the service behind ``host``."""
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]

    def close(self) -> None:
        """Forget what is stored; moto has one world a process, so the last endpoint to close empties it."""
        self._open.remove(self)
        if not self._open:
            BackendDict.reset()


def _give_memory_back() -> None:
    """Have glibc return blocks of a megabyte and more to the system when they are freed.

    Its own threshold grows with what is freed, so that what large uploads pass through would stay with the process:
    371 MB at the peak of a map over a million items, 262 MB with this (bench/engine.py).
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def isolated_session(region: str) -> boto3.session.Session:
    """Return a session that neither heeds nor needs the user's AWS profile, configuration and credentials."""
    core = botocore.session.Session(session_vars=_NO_USER)
    return boto3.session.Session(_CREDENTIAL, _CREDENTIAL, region_name=region, botocore_session=core)


def _no_bucket() -> Response:
    error = "<Error><Code>InvalidBucketName</Code><Message>The specified bucket is not valid.</Message></Error>"
    return Response(error, HTTPStatus.BAD_REQUEST, content_type="application/xml")


def _children(concurrency: int) -> int:
    """Tell how many children of a map run side by side: enough that no environment waits for the engine."""
    return 2 * concurrency + 2


def _states_response(body: dict[str, Any], error: ServiceError | None = None) -> Response:
    headers = {"x-amzn-RequestId": str(uuid.uuid4())}
    if error is not None:
        headers["x-amzn-ErrorType"] = error.code
    status = error.status if error is not None else 200
    return Response(json.dumps(body), status, headers, content_type="application/x-amz-json-1.0")
