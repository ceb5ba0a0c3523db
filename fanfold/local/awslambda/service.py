"""The Lambda service: the functions there are, and the one way to invoke them."""

from __future__ import annotations

import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from fanfold.local.awslambda import code, naming
from fanfold.local.awslambda.api import Api
from fanfold.local.awslambda.client import Client, preferred
from fanfold.local.awslambda.config import FunctionConfig, Mount
from fanfold.local.awslambda.environment import Environment, Function, Gone, Request
from fanfold.local.awslambda.later import EventInvokeConfig, Later
from fanfold.local.awslambda.log import FunctionLog
from fanfold.local.awslambda.pool import Pool
from fanfold.local.awslambda.staging import stage
from fanfold.local.awslambda.variables import Site, variables
from fanfold.local.protocol import Clients, Invocation, ServiceError

if TYPE_CHECKING:
    from werkzeug.wrappers import Request as HttpRequest
    from werkzeug.wrappers import Response as HttpResponse

_MAX_PAYLOAD = 6 * 1024 * 1024  # bytes of a synchronous event


@dataclass(frozen=True)
class Deployed:
    """A function with what the API tells of it beside its settings."""

    function: Function
    code: code.CodeFacts
    modified: str
    revision: str

    @property
    def config(self) -> FunctionConfig:
        """The function's settings."""
        return self.function.config


class Lambda:
    """Lambda on a laptop: each environment a process, all of them together at most ``concurrency``.

    Function logs are files below ``log_dir``, one a function; ``verbose`` repeats them on stderr. ``client`` is the
    runtime client of its processes, `awslambdaric` wherever there is one; ``more`` are further environment variables.
    """

    def __init__(  # noqa: PLR0913 - the endpoint is the one caller
        self,
        *,
        region: str,
        account: str,
        endpoint_url: str,
        clients: Clients,
        concurrency: int,
        log_dir: Path,
        verbose: bool = False,
        client: Client | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.site = Site(region, account, endpoint_url, more or {})
        self.clients = clients
        self._log_dir = log_dir
        self._verbose = verbose
        self._client = client or preferred()
        self._work = tempfile.TemporaryDirectory(prefix="fanfold-lambda-", ignore_cleanup_errors=True)
        self._lock = threading.Lock()
        self._functions: dict[str, Deployed] = {}
        self._logs: dict[str, FunctionLog] = {}
        self._pool = Pool(concurrency)
        self._api = Api(self)
        self._later = Later(self.invoke, self.arn, clients, concurrency)

    def put(self, function: FunctionConfig) -> None:
        """Put a function made of folders of this machine in place; one of that name is replaced."""
        self.deploy(function, code.facts(function.task + function.layers), new=False)

    def deploy(self, config: FunctionConfig, facts: code.CodeFacts, *, new: bool) -> Deployed:
        """Put a function in place; one that is there already is replaced unless it has to be ``new``."""
        with self._lock:
            before = self._functions.get(config.name)
            if new and before is not None:
                raise ServiceError("ResourceConflictException", f"Function already exist: {config.name}", 409)
            deployed = Deployed(self._function(config), facts, _now(), str(uuid.uuid4()))
            self._functions[config.name] = deployed
        if before is not None:
            self._pool.retire(before.function)
        return deployed

    def unpack(self, archive: bytes) -> tuple[Mount, code.CodeFacts]:
        """Unpack an uploaded archive and return it as the task root of a function."""
        folder = self._folder("code")
        facts = code.unpack(archive, folder)
        return Mount(folder, PurePosixPath(".")), facts

    def find(self, function_name: str, qualifier: str = "") -> Deployed:
        """Return the function of that name or ARN; raises ServiceError (ResourceNotFoundException, ...)."""
        reference = naming.parse(function_name, qualifier)
        deployed = self._functions.get(reference.name)
        if deployed is None or reference.qualifier not in {"", naming.LATEST}:
            suffix = f":{reference.qualifier}" if reference.qualifier else ""
            arn = self.arn(reference.name) + suffix
            raise ServiceError("ResourceNotFoundException", f"Function not found: {arn}", 404)
        return deployed

    def listed(self) -> list[Deployed]:
        """Return all functions by name."""
        return [self._functions[name] for name in sorted(self._functions)]

    def delete(self, function_name: str, qualifier: str = "") -> None:
        """Delete a function; invocations under way end as they would have."""
        deployed = self.find(function_name, qualifier)
        with self._lock:
            self._functions.pop(deployed.config.name, None)
        self._pool.retire(deployed.function)

    def invoke(self, function_name: str, payload: bytes, client_context: str = "") -> Invocation:
        """Invoke a function and wait for its answer, in the queue first when every environment is busy.

        ``client_context`` is JSON in one line of ASCII.
        Raises ServiceError (ResourceNotFoundException, RequestTooLargeException, ...).
        """
        if len(payload) > _MAX_PAYLOAD:
            limit = f"Request must be smaller than {_MAX_PAYLOAD} bytes for the InvokeFunction operation"
            raise ServiceError("RequestTooLargeException", limit, 413)
        function = self.find(function_name).function
        request = Request(str(uuid.uuid4()), function.arn, payload or b"{}", client_context)
        while True:
            environment = self._lease(function)
            try:
                return environment.invoke(request)
            except Gone:
                continue  # it died between two invocations; Lambda, too, starts another without a word
            finally:
                self._pool.release(environment)

    def invoke_later(self, function_name: str, payload: bytes) -> None:
        """Queue an asynchronous event; after a function error it is run again, as its configuration says."""
        self._later.submit(self.find(function_name).config.name, payload)

    def configure_later(self, function_name: str, config: EventInvokeConfig) -> None:
        """Say what becomes of a function's asynchronous events."""
        self._later.configure(self.find(function_name).config.name, config)

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer a request of the Lambda REST API."""
        return self._api.handle(request)

    def close(self) -> None:
        """End every environment and forget the functions."""
        self._pool.close()
        self._later.close()
        while self._logs:
            self._logs.popitem()[1].close()
        self._work.cleanup()

    def arn(self, name: str) -> str:
        """Return the ARN of the function ``name``."""
        return f"arn:aws:lambda:{self.site.region}:{self.site.account}:function:{name}"

    def _function(self, config: FunctionConfig) -> Function:
        staging = stage(config, self._folder(config.name))
        if config.name not in self._logs:
            self._logs[config.name] = FunctionLog(self._log_dir / f"{config.name}.log", verbose=self._verbose)
        base = variables(config, self.site, staging)
        return Function(config, self.arn(config.name), staging, base, self._logs[config.name], self._client)

    def _folder(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._work.name))

    def _lease(self, function: Function) -> Environment:
        try:
            return self._pool.lease(function)
        except OSError as error:
            message = f"No process could be started for {function.config.name}: {error}"
            raise ServiceError("ServiceException", message, 500) from error


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())
