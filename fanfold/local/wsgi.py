"""An HTTP/1.1 server for one WSGI application: a thread a connection, kept alive, bodies read once and never copied."""

from __future__ import annotations

import contextlib
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.http import parse_set_header

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

_log = logging.getLogger(__name__)
_IDLE_SECONDS = 120  # a connection that neither sends nor takes a byte for so long is closed
_DRAIN_BYTES = 1 << 20  # of a body nobody read; more than that closes the connection instead
_BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
_MAX_BODY = 5 << 30  # bytes S3 takes in one request


class ClientGone(ConnectionError):
    """The client closed the connection before its body was complete."""


class Body:
    """A request body of known length, read straight from the connection; ``remaining`` bytes are still to come."""

    def __init__(self, stream: BufferedIOBase, length: int) -> None:
        self._stream = stream
        self.remaining = length

    def read(self, size: int | None = -1) -> bytes:
        """Read ``size`` bytes, or all that remain; raises ClientGone when the client sends fewer than it announced."""
        wanted = self._wanted(size)
        data = self._receive(self._stream.read, wanted)
        self._took(data, complete=len(data) == wanted)
        return data

    def readline(self, size: int | None = -1) -> bytes:
        """Read to the end of the line, at most ``size`` bytes."""
        wanted = self._wanted(size)
        line = self._receive(self._stream.readline, wanted)
        self._took(line, complete=len(line) == wanted or line.endswith(b"\n"))
        return line

    def readlines(self, _hint: int = -1) -> list[bytes]:
        """Read all remaining lines."""
        return list(self)

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the remaining lines."""
        return iter(self.readline, b"")

    def _wanted(self, size: int | None) -> int:
        return self.remaining if size is None or size < 0 else min(size, self.remaining)

    def _receive(self, source: Callable[[int], bytes], wanted: int) -> bytes:
        try:
            return source(wanted)
        except TimeoutError:
            raise ClientGone(
                f"the client sent nothing for {_IDLE_SECONDS} s in the middle of its request body"
            ) from None

    def _took(self, data: bytes, *, complete: bool) -> None:
        self.remaining -= len(data)
        if not complete:
            raise ClientGone(f"the client went away {self.remaining} bytes before the end of its request body")


class Handler(MotoRequestHandler):
    """One connection: request after request until the client closes it or falls silent."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_expect_100(self) -> bool:
        """Tell the client at once to send its body."""
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def run_wsgi(self) -> None:
        """Answer one request by the application."""
        length = self._content_length()
        if length is None:
            self.send_error(HTTPStatus.BAD_REQUEST, "Content-Length is not a number of bytes")
            return
        if length > _MAX_BODY:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body may have at most {_MAX_BODY} bytes")
            return
        environ = self.make_environ()
        body = Body(self.rfile, length)
        if "chunked" in parse_set_header(environ.get("HTTP_TRANSFER_ENCODING")):
            self.close_connection = True  # where its last chunk ends only its reader knows
        else:
            environ |= {"wsgi.input": body, "wsgi.input_terminated": True}
        try:
            Answer(self).send(self.server.app, environ)
        except ConnectionError as error:
            self.close_connection = True
            self.connection_dropped(error)
        self._drain(body)

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """Note a client that went away."""
        _log.debug("connection of %s dropped: %s", self.client_address, error)

    def log_message(self, format: str, *args: object) -> None:
        """Log requests and what is wrong with them for those who ask for debug output."""
        _log.debug(format, *args)

    log_error = log_message

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log the outcome of a request for those who ask for debug output."""
        _log.debug("%s %s %s", self.requestline, code, size)

    def _content_length(self) -> int | None:
        text = self.headers.get("Content-Length", "0").strip()
        return int(text) if text.isascii() and text.isdigit() else None

    def _drain(self, body: Body) -> None:
        if body.remaining > _DRAIN_BYTES:
            self.close_connection = True
        elif body.remaining and not self.close_connection:
            body.read()


class Answer:
    """One response on its way to the client."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._begun = False
        self._chunked = False
        self._bodiless = handler.command == "HEAD"

    def send(self, application: WSGIApplication, environ: dict[str, Any]) -> None:
        """Run the application and pass on what it answers; what it raises becomes an InternalFailure."""
        try:
            self._pass_on(application(environ, self._start))
        except ConnectionError:
            raise
        except Exception:
            _log.exception("%s failed", self._handler.requestline)
            self._handler.close_connection = True
            if not self._begun:
                self._handler.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalFailure")

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
        self._status, self._headers = status, headers
        return self._write

    def _pass_on(self, blocks: Iterable[bytes]) -> None:
        try:
            for block in blocks:
                self._write(block)
            if not self._begun:
                self._begin()
            if self._chunked:
                self._handler.wfile.write(b"0\r\n\r\n")
            self._handler.wfile.flush()
        finally:
            if isinstance(blocks, _Closable):
                blocks.close()

    def _write(self, block: bytes) -> None:
        if not self._begun:
            self._begin()
        if not block or self._bodiless:
            return
        self._handler.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if self._chunked else block)

    def _begin(self) -> None:
        self._begun = True
        handler, code = self._handler, int(self._status.split(None, 1)[0])
        handler.send_response(code, self._status[4:])
        for name, value in self._headers:
            handler.send_header(name, value)
        measured = any(name.lower() == "content-length" for name, _ in self._headers)
        self._bodiless = self._bodiless or code in _BODILESS
        self._chunked = not (measured or self._bodiless)
        if self._chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        if handler.close_connection:
            handler.send_header("Connection", "close")
        handler.end_headers()


@runtime_checkable
class _Closable(Protocol):
    def close(self) -> None: ...


class Server(socketserver.ThreadingTCPServer):
    """The listening socket and its connections; serves from a thread of its own as soon as start() is called."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024
    multithread = True
    multiprocess = False
    ssl_context = None

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), Handler)
        self.app: WSGIApplication = _not_ready
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()

    def start(self, app: WSGIApplication) -> None:
        """Serve ``app`` until close()."""
        self.app = app
        threading.Thread(target=self.serve_forever, args=(0.1,), name="endpoint", daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a new connection."""
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Let a connection go."""
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what a connection failed of; the server goes on."""
        _log.exception("connection of %s failed", client_address)

    def close(self) -> None:
        """Stop listening and close every connection."""
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)


def _not_ready(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    raise RuntimeError("the server was not started")
