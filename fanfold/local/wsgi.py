"""An HTTP/1.1 server for one WSGI application: a thread a connection, kept alive, bodies read once and never copied.

What clients do cannot harm it: there are so many connections and no more, who waits longest in vain makes room for who
comes, and a connection is closed as soon as it is unclear where its next request begins.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from moto.moto_server.werkzeug_app import MotoRequestHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

_log = logging.getLogger(__name__)
_IDLE_SECONDS = 120  # a connection that neither sends nor takes a byte for so long is closed
_MOST_CONNECTIONS = 512  # each has a thread
_DRAIN_BYTES = 1 << 20  # of a body nobody read; more than that closes the connection instead
_BODILESS = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
_MAX_BODY = 5 << 30  # bytes S3 takes in one request
_MAX_LINE = 4096  # bytes of a line between two chunks
_CHUNK_LENGTH = re.compile(rb"[0-9A-Fa-f]{1,16}")


class ClientGone(ConnectionError):
    """The client closed the connection, or fell silent, in the middle of a request or an answer."""


class BrokenBody(Exception):
    """The client sends a body whose end cannot be found."""


class Body:
    """A request body of known length, read straight from the connection; ``remaining`` bytes are still to come."""

    def __init__(self, stream: io.BufferedIOBase, length: int) -> None:
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
        except OSError as error:
            raise ClientGone(f"the client went away in the middle of its request body: {error}") from error

    def _took(self, data: bytes, *, complete: bool) -> None:
        self.remaining -= len(data)
        if not complete:
            raise ClientGone(f"the client went away {self.remaining} bytes before the end of its request body")


class Chunks(io.RawIOBase):
    """A request body that comes in chunks, each after its length; raises ClientGone and BrokenBody while it is read."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self._chunk = Body(stream, 0)
        self._begun = False
        self._ended = False
        self._room = _MAX_BODY

    def readable(self) -> bool:
        """Tell that it is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes, of one chunk at most; none after the last."""
        if not self._chunk.remaining and not self._ended:
            self._chunk = self._next()
        data = self._chunk.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _next(self) -> Body:
        """Return the next chunk; trailers after the last, the empty one, are left to the connection's end."""
        if self._begun and self._line():
            raise BrokenBody("a chunk of the request body is longer than it says")
        digits = self._line().partition(b";")[0].strip()
        if not _CHUNK_LENGTH.fullmatch(digits):
            raise BrokenBody(f"a chunk of the request body begins with {digits[:20]!r} instead of its length")
        length = int(digits, 16)
        self._begun, self._ended, self._room = True, length == 0, self._room - length
        if self._room < 0:
            raise BrokenBody(f"a body may have at most {_MAX_BODY} bytes")
        return Body(self._stream, length)

    def _line(self) -> bytes:
        return Body(self._stream, _MAX_LINE).readline().rstrip(b"\r\n")


class Handler(MotoRequestHandler):
    """One connection: request after request until the client closes it or falls silent."""

    server: Server  # type: ignore[assignment]  # not werkzeug's
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_SECONDS
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_expect_100(self) -> bool:
        """Tell the client at once to send its body."""
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def handle_one_request(self) -> None:
        """Wait for a request and answer it."""
        self.server.waits(self.connection)
        super().handle_one_request()

    def run_wsgi(self) -> None:
        """Answer one request by the application."""
        self.server.works(self.connection)
        try:
            body = self._body()
        except BrokenBody as error:
            self.send_error(HTTPStatus.BAD_REQUEST, str(error))
            return
        environ = self.make_environ() | {"wsgi.input": body, "wsgi.input_terminated": True}
        try:
            Answer(self).send(self.server.app, environ)
        except ClientGone as error:
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

    def _body(self) -> Body | io.BufferedReader:
        """Return the body of the request as its headers announce it; raises BrokenBody when they do not make sense."""
        if coding := self.headers.get("Transfer-Encoding"):
            self.close_connection = True  # a connection ends with its chunks: nothing after them can be mistaken
            if coding.strip().lower() != "chunked":
                raise BrokenBody(f"Transfer-Encoding {coding} is not known here; send chunked")
            return io.BufferedReader(Chunks(self.rfile))
        lengths = {text.strip() for text in self.headers.get_all("Content-Length", ["0"])}
        text = lengths.pop()
        if lengths or not (text.isascii() and text.isdigit()):
            raise BrokenBody("Content-Length is not a number of bytes")
        if len(text) > len(str(_MAX_BODY)) or int(text) > _MAX_BODY:
            raise BrokenBody(f"a body may have at most {_MAX_BODY} bytes")
        return Body(self.rfile, int(text))

    def _drain(self, body: Body | io.BufferedReader) -> None:
        if self.close_connection or not isinstance(body, Body):
            return
        if body.remaining > _DRAIN_BYTES:
            self.close_connection = True
        elif body.remaining:
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
        except ClientGone:
            raise
        except BrokenBody as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except Exception:
            _log.exception("%s failed", self._handler.requestline)
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalFailure")

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self._handler.close_connection = True
        if not self._begun:
            self._handler.send_error(status, message)

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
        self._status, self._headers = status, headers
        return self._write

    def _pass_on(self, blocks: Iterable[bytes]) -> None:
        try:
            for block in blocks:
                self._write(block)
            if not self._begun:
                self._begin()
            with _to_client():
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
        with _to_client():
            self._handler.wfile.write(b"%x\r\n%b\r\n" % (len(block), block) if self._chunked else block)

    def _begin(self) -> None:
        self._begun = True
        handler, code = self._handler, int(self._status.split(None, 1)[0])
        handler.send_response(code, self._status[4:])
        for name, value in self._headers:
            handler.send_header(name, value)
        measured = any(name.lower() == "content-length" for name, _ in self._headers)
        self._bodiless = self._bodiless or code in _BODILESS
        endless = not (measured or self._bodiless)
        self._chunked = endless and handler.request_version >= "HTTP/1.1"
        if self._chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        if handler.close_connection or (endless and not self._chunked):
            handler.send_header("Connection", "close")
        with _to_client():
            handler.end_headers()


@contextlib.contextmanager
def _to_client() -> Iterator[None]:
    """Tell a connection that fails from an application that does."""
    try:
        yield
    except OSError as error:
        raise ClientGone(f"the client does not take its answer: {error}") from error


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
        self._waiting: dict[socket.socket, None] = {}  # for a request; who waits longest comes first
        self._lock = threading.Lock()

    def start(self, app: WSGIApplication) -> None:
        """Serve ``app`` until close()."""
        self.app = app
        threading.Thread(target=self.serve_forever, args=(0.1,), name="endpoint", daemon=True).start()

    def get_request(self) -> Any:
        """Accept a connection; when this process can have no more of them, one makes room for the next attempt."""
        try:
            return super().get_request()
        except OSError:
            self._make_room()
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Take a new connection; when there are too many, the one that waits longest for a request is closed."""
        with self._lock:
            self._connections.add(request)
            self._waiting[request] = None
            crowded = len(self._connections) > _MOST_CONNECTIONS
        if crowded:
            self._make_room()
        super().process_request(request, client_address)

    def waits(self, connection: socket.socket) -> None:
        """Note that a connection waits for a request: it may be closed."""
        with self._lock:
            self._waiting[connection] = None

    def works(self, connection: socket.socket) -> None:
        """Note that a connection has a request to answer."""
        with self._lock:
            self._waiting.pop(connection, None)

    def shutdown_request(self, request: Any) -> None:
        """Let a connection go."""
        with self._lock:
            self._connections.discard(request)
            self._waiting.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what a connection failed of, a client that went away for debug output only; the server goes on."""
        level = logging.DEBUG if isinstance(sys.exc_info()[1], OSError) else logging.ERROR
        _log.log(level, "connection of %s failed", client_address, exc_info=True)

    def close(self) -> None:
        """Stop listening and close every connection."""
        self.shutdown()
        self.server_close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            _hang_up(connection)

    def _make_room(self) -> None:
        with self._lock:
            longest = next(iter(self._waiting), None)
            if longest is not None:
                del self._waiting[longest]
                _hang_up(longest)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the client was faster
        connection.shutdown(socket.SHUT_RDWR)


def _not_ready(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    raise RuntimeError("the server was not started")
