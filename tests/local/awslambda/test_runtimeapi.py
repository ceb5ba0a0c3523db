"""The Runtime API understands a runtime client however its bytes arrive."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.local.awslambda.runtimeapi import MAX_BODY, RuntimeApi, RuntimeCall

_REQUEST = b"POST /2018-06-01/runtime/invocation/1/response HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"


class Wire:
    """A Runtime API and a client's connection to it."""

    def __init__(self) -> None:
        self.output, self.writer = os.pipe()
        self.api = RuntimeApi(self.output)
        host, port = self.api.address.split(":")
        self.client = socket.create_connection((host, int(port)))
        self.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def next_call(self) -> RuntimeCall:
        for _ in range(200):
            call, _ = self.api.wait(0.1)
            if call:
                return call
        raise AssertionError("no call arrived")

    def close(self) -> None:
        self.client.close()
        self.api.close()
        os.close(self.output)
        os.close(self.writer)


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


@settings(max_examples=60, deadline=None)
@given(body=st.binary(min_size=9, max_size=9), cuts=st.sets(st.integers(1, len(_REQUEST) + 8), max_size=6))
def test_a_request_in_any_pieces_is_the_same_request(wire: Wire, body: bytes, cuts: set[int]) -> None:
    text = _REQUEST + body
    edges = [0, *sorted(cuts), len(text)]

    for start, end in itertools.pairwise(edges):
        wire.client.sendall(text[start:end])
        if end < len(text):
            assert wire.api.wait(0.02)[0] is None
    call = wire.next_call()

    assert (call.method, call.path, call.length, call.body) == (
        "POST",
        "/2018-06-01/runtime/invocation/1/response",
        9,
        body,
    )


def test_a_body_over_the_limit_is_known_before_it_arrives(wire: Wire) -> None:
    with socket.create_connection(wire.client.getpeername()) as client:
        client.sendall(b"POST /x HTTP/1.1\r\ncontent-length: %d\r\n\r\nxxx" % (MAX_BODY + 1))
        call = wire.next_call()

    assert (call.length, call.body) == (MAX_BODY + 1, b"")


@pytest.mark.parametrize("rubbish", [b"\x00\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_a_client_that_does_not_speak_http_is_dropped(wire: Wire, rubbish: bytes) -> None:
    ends: list[bytes] = []
    with socket.create_connection(wire.client.getpeername(), timeout=10) as client:
        client.sendall(rubbish)
        heard = threading.Thread(target=lambda: ends.append(client.recv(1)))
        heard.start()
        while heard.is_alive():
            assert wire.api.wait(0.01)[0] is None

    assert ends == [b""]


def test_an_answer_has_its_length_and_headers(wire: Wire) -> None:
    wire.client.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\n\r\n")

    wire.next_call().answer("200 OK", "A: b\r\n", b"{}")

    assert wire.client.recv(1000) == b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n{}"


def test_waiting_output_is_told(wire: Wire) -> None:
    os.write(wire.writer, b"x")

    assert wire.api.wait(1.0) == (None, True)


def test_a_client_that_goes_away_is_dropped_and_another_is_heard(wire: Wire) -> None:
    with socket.create_connection(wire.client.getpeername()) as gone:
        gone.sendall(b"GET /half")
    os.read(wire.output, 1)
    with socket.create_connection(wire.client.getpeername()) as client:
        client.sendall(b"GET /whole HTTP/1.1\r\n\r\n")

        assert wire.next_call().path == "/whole"
