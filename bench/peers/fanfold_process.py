"""Our endpoint as a process of its own, so that its memory and its processor time are its own, too."""

from __future__ import annotations

import contextlib
import multiprocessing
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

from fanfold.local.server import Endpoint


class Fanfold:
    """The endpoint while the ``with`` block lasts.

    Attributes:
        url: where it listens.
        pid: of its process; those of its functions are others.
    """

    def __init__(self, concurrency: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, concurrency), daemon=True)
        self._process.start()
        theirs.close()
        self.url = str(self._line.recv())
        self.pid = int(self._process.pid or 0)

    def __enter__(self) -> Self:
        """Return the endpoint, which listens already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the endpoint and wait for its process."""
        self._line.close()
        self._process.join()


def _serve(line: Connection, concurrency: int) -> None:
    with Endpoint(lambda_concurrency=concurrency) as endpoint:
        line.send(endpoint.url)
        with contextlib.suppress(EOFError):  # the other end closes, or dies: both are the end
            line.recv()
