"""The HTTP server: bodies, answers, and clients that fall silent, drip or go away."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.local.wsgi import Body, Chunks, ClientGone, Handler, Server


@given(st.binary(max_size=200), st.lists(st.integers(0, 50), max_size=10))
def test_a_body_is_read_to_its_length_and_no_further(content: bytes, sizes: list[int]) -> None:
    body = Body(io.BufferedReader(io.BytesIO(content + b"next request")), len(content))

    parts = [body.read(size) for size in sizes]

    assert b"".join(parts) + body.read() == content
    assert [body.read(), body.remaining] == [b"", 0]


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_a_body_is_read_line_by_line(parts: list[bytes]) -> None:
    content = b"\n".join(parts)

    lines = Body(io.BufferedReader(io.BytesIO(content + b"next")), len(content)).readlines()

    assert lines == io.BytesIO(content).readlines()


def test_a_body_that_ends_early_is_an_error() -> None:
    body = Body(io.BufferedReader(io.BytesIO(b"short")), 10)

    with pytest.raises(ClientGone, match="5 bytes before the end"):
        body.read()


@given(st.lists(st.binary(min_size=1, max_size=30), max_size=8), st.lists(st.integers(1, 50), max_size=10))
def test_chunks_become_one_body(parts: list[bytes], sizes: list[int]) -> None:
    wire = b"".join(b"%X;note=1\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    body = io.BufferedReader(Chunks(io.BufferedReader(io.BytesIO(wire))))

    read = [body.read(size) for size in sizes]

    assert b"".join(read) + body.read() == b"".join(parts)


@pytest.fixture
def small_server() -> Iterator[Callable[[Any], http.client.HTTPConnection]]:
    """Serve a WSGI application of the test."""
    server = Server("127.0.0.1", 0)
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=10)

    def serve(app: Any) -> http.client.HTTPConnection:
        server.start(app)
        return connection

    yield serve
    connection.close()
    server.close()


def test_an_answer_without_a_length_is_sent_in_chunks(small_server: Callable[[Any], Any]) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield from (b"one ", b"", b"two")

    connection = small_server(app)
    for _ in range(2):
        connection.request("GET", "/")
        response = connection.getresponse()
        assert [response.headers["Transfer-Encoding"], response.read()] == ["chunked", b"one two"]


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Same")])
def test_an_answer_that_may_have_no_body_has_none(small_server: Callable[[Any], Any], method: str, status: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(status, [])
        return [b"not to be sent"]

    connection = small_server(app)
    for _ in range(2):
        connection.request(method, "/")
        response = connection.getresponse()
        assert [response.status, response.read()] == [int(status[:3]), b""]


def test_an_application_that_raises_is_an_internal_failure_and_the_next_request_is_served(
    small_server: Callable[[Any], Any],
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/bad":
            raise KeyError("a defect")
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    connection = small_server(app)
    answers = []
    for path in ("/bad", "/good"):
        connection.request("GET", path)
        response = connection.getresponse()
        answers.append((response.status, response.read()[:2]))

    assert [answers[0][0], answers[1]] == [500, (200, b"ok")]


def fine(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"fi", b"ne"]


def test_an_old_client_gets_no_chunks(small_server: Callable[[Any], Any]) -> None:
    connection = small_server(fine)
    with socket.create_connection((connection.host, connection.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")

    assert [b"chunked" in head, b"Connection: close" in head, body] == [False, True, b"fine"]


@pytest.mark.parametrize(
    "part", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost:", b"PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"]
)
def test_a_client_that_falls_silent_is_let_go(
    small_server: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch, part: bytes
) -> None:
    def reads(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read()]

    monkeypatch.setattr(Handler, "timeout", 0.05)
    connection = small_server(reads)
    with socket.create_connection((connection.host, connection.port), timeout=10) as client:
        client.sendall(part)
        assert client.makefile("rb").read() == b""


def test_a_client_that_takes_no_answer_is_let_go(
    small_server: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended = threading.Event()

    def endless(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"x" * (1 << 20)
        finally:
            ended.set()

    monkeypatch.setattr(Handler, "timeout", 0.05)
    connection = small_server(endless)
    with socket.create_connection((connection.host, connection.port), timeout=10) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert ended.wait(10)

    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_those_who_wait_longest_without_a_request_make_room(
    small_server: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fanfold.local.wsgi._MOST_CONNECTIONS", 3)
    connection = small_server(fine)
    place = connection.host, connection.port
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(place, timeout=10)) for _ in range(3)]
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"fine"
        assert silent[0].recv(1) == b""

        silent[1].sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert silent[1].makefile("rb").read(15) == b"HTTP/1.1 200 OK"


_FEW_FILES = """
import os, resource, socket, sys
from http.client import HTTPConnection
from fanfold.local.wsgi import Server

def fine(environ, start_response):
    start_response("200 OK", [])
    return [b"fine"]

server = Server("127.0.0.1", 0)
server.start(fine)
crowd = [socket.socket() for _ in range(20)]
last = HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
last.sock = socket.socket()
resource.setrlimit(resource.RLIMIT_NOFILE, (last.sock.fileno() + 10, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for each in (*crowd, last.sock):
    each.connect(server.server_address)
last.request("GET", "/")
print(last.getresponse().read())
"""


def test_a_process_without_a_free_descriptor_makes_room_too() -> None:
    """In a process of its own, whose limit of open files is lowered."""
    ran = subprocess.run([sys.executable, "-c", _FEW_FILES], capture_output=True, text=True, timeout=60, check=True)

    assert ran.stdout == "b'fine'\n"
