"""The Runtime API of one environment: just enough HTTP/1.1 over loopback for a Lambda runtime client.

No thread of its own: whoever waits for an invocation reads the sockets, so an invocation costs no thread switch.
"""

from __future__ import annotations

import select
import socket
import struct
from dataclasses import dataclass

VERSION = "/2018-06-01/runtime"
NEXT = f"{VERSION}/invocation/next"
INIT_ERROR = f"{VERSION}/init/error"
MAX_BODY = 6 * 1024 * 1024 + 100  # bytes; the limit Lambda names when a response is larger
_MAX_HEAD = 2 << 20  # the runtime client puts the trace of an exception, up to 1 MB, into a header
_CHUNK = 1 << 16
_SEND_SECONDS = 30  # a runtime that stops reading its event for so long has failed


@dataclass(frozen=True)
class RuntimeCall:
    """One request of the runtime client, and the connection its answer goes to.

    A body longer than ``MAX_BODY`` is not read: ``length`` tells, ``body`` is empty.
    """

    connection: socket.socket
    method: str
    path: str
    length: int
    body: bytes

    def answer(self, status: str, headers: str, body: bytes) -> None:
        """Answer with ``status`` such as ``202 Accepted`` and ``headers``, each line ending in CRLF."""
        head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode()
        self.connection.sendall(head + body)


class RuntimeApi:
    """A listener for one environment, with the output pipe of its process beside it."""

    def __init__(self, output: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._output = output
        self._watching = True
        self._connections: dict[int, socket.socket] = {}
        self._received: dict[int, bytearray] = {}
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._poll.register(output, select.POLLIN)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    def wait(self, seconds: float) -> tuple[RuntimeCall | None, bool]:
        """Wait up to ``seconds`` and return the call that is complete, if any, and whether output is waiting."""
        output = False
        for descriptor, _ in self._poll.poll(seconds * 1000):
            if descriptor == self._output:
                output = True
            elif descriptor == self._listener.fileno():
                self._accept()
            elif call := self._receive(descriptor):
                return call, output
        return None, output

    def ignore_output(self) -> None:
        """Stop watching the output pipe: its writers are gone."""
        if self._watching:
            self._poll.unregister(self._output)
            self._watching = False

    def close(self) -> None:
        """Close the listener and every connection."""
        for connection in (self._listener, *self._connections.values()):
            connection.close()

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_SECONDS, 0))
        self._connections[connection.fileno()] = connection
        self._received[connection.fileno()] = bytearray()
        self._poll.register(connection, select.POLLIN)

    def _receive(self, descriptor: int) -> RuntimeCall | None:
        connection = self._connections[descriptor]
        try:
            data = connection.recv(_CHUNK)
        except ConnectionError:
            data = b""
        if not data:
            self._drop(descriptor)
            return None
        received = self._received[descriptor]
        received += data
        try:
            return _complete(connection, received)
        except ValueError:  # whatever this is, it is no runtime client
            self._drop(descriptor)
            return None

    def _drop(self, descriptor: int) -> None:
        self._poll.unregister(descriptor)
        del self._received[descriptor]
        self._connections.pop(descriptor).close()


def _complete(connection: socket.socket, received: bytearray) -> RuntimeCall | None:
    """Take one whole request off the front of ``received``; raises ValueError when it is no HTTP."""
    end = received.find(b"\r\n\r\n", 0, _MAX_HEAD)
    if end < 0:
        if len(received) >= _MAX_HEAD:
            raise ValueError("a request head without an end")
        return None
    head = received[:end].decode("latin-1")
    method, path, _ = head.split(" ", 2)
    length = _content_length(head)
    if length > MAX_BODY:
        return RuntimeCall(connection, method, path, length, b"")
    stop = end + 4 + length
    if len(received) < stop:
        return None
    body = bytes(received[end + 4 : stop])
    del received[:stop]
    return RuntimeCall(connection, method, path, length, body)


def _content_length(head: str) -> int:
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0
