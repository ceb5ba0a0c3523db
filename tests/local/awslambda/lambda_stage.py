"""A Lambda service with functions made of a few lines of Python."""

from __future__ import annotations

import itertools
import json
import textwrap
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from fanfold.local.awslambda import FunctionConfig, Lambda, Mount
from fanfold.local.awslambda.client import Client, preferred

_NUMBERS = itertools.count()


class Stage:
    """The service, and a folder to write functions into."""

    def __init__(self, folder: Path, client: Client, *, concurrency: int = 2, verbose: bool = False) -> None:
        self.folder = folder
        self.client = client
        self.log_dir = folder / "logs"
        self.service = Lambda(
            region="us-east-1",
            account="123456789012",
            endpoint_url="http://127.0.0.1:1",
            clients=_no_clients,
            concurrency=concurrency,
            log_dir=self.log_dir,
            verbose=verbose,
            client=client,
        )

    def create(self, source: str, **settings: Any) -> str:
        """Create a function whose module `index` is ``source`` and return its name."""
        name = settings.pop("name", f"f{next(_NUMBERS)}")
        code = self.folder / name
        code.mkdir()
        (code / "index.py").write_text(textwrap.dedent(source))
        defaults = {"handler": "index.handler", "timeout": 10, "task": (Mount(code, PurePosixPath()),)}
        self.service.put(FunctionConfig(name=name, **(defaults | settings)))
        return name

    def call(self, name: str, event: Any = None) -> Any:
        """Invoke, assert that the handler answered, and return its answer."""
        outcome = self.service.invoke(name, json.dumps(event).encode())
        assert outcome.function_error is None, outcome.payload
        return json.loads(outcome.payload)

    def fail(self, name: str, event: Any = None) -> dict[str, Any]:
        """Invoke, assert that it failed, and return the error object."""
        outcome = self.service.invoke(name, json.dumps(event).encode())
        assert outcome.function_error == "Unhandled", outcome.payload
        return json.loads(outcome.payload)


def require(client: Client) -> Client:
    """Return ``client``, or skip the test where AWS's client cannot run: its wheels and its lifeline are Linux's."""
    if client is Client.AWS and preferred() is not Client.AWS:
        pytest.skip("awslambdaric runs on Linux only, where it is installed")
    return client


def _no_clients(service: str) -> Any:
    raise AssertionError(f"nothing here needs {service}")
