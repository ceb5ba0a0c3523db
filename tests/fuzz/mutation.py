"""Mutations of bytes: what breaks readers of binary and text formats alike."""

from __future__ import annotations

import random
import struct

# Where lengths, counts and offsets overflow.
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
# Headers are short and matter most: half of all edits go there.
_HEADER = 512
_LONGEST_RUN = 4096


def mutated(sample: bytes, other: bytes, rnd: random.Random) -> bytes:
    """Return ``sample`` with one to eight edits; ``other`` lends bytes to it."""
    body = bytearray(sample)
    for _ in range(rnd.choice((1, 1, 1, 2, 2, 4, 8))):
        rnd.choice(_EDITS)(body, other, rnd)
    return bytes(body)


def _place(body: bytearray, rnd: random.Random) -> int:
    return rnd.randrange(min(len(body), _HEADER) if rnd.random() < 0.5 else len(body)) if body else 0


def _flip(body: bytearray, other: bytes, rnd: random.Random) -> None:
    if body:
        body[_place(body, rnd)] ^= 1 << rnd.randrange(8)


def _set(body: bytearray, other: bytes, rnd: random.Random) -> None:
    if body:
        body[_place(body, rnd)] = rnd.randrange(256)


def _number(body: bytearray, other: bytes, rnd: random.Random) -> None:
    """Write a number at the edge of its width over what is there, in either byte order."""
    width, code = rnd.choice(((2, "H"), (4, "I"), (4, "I")))
    start = _place(body, rnd)
    value = (rnd.choice(_EDGES) + rnd.choice((-1, 0, 0, 1))) % (1 << 8 * width)
    body[start : start + width] = struct.pack(rnd.choice("<>") + code, value)


def _cut(body: bytearray, other: bytes, rnd: random.Random) -> None:
    del body[_place(body, rnd) :]


def _remove(body: bytearray, other: bytes, rnd: random.Random) -> None:
    start = _place(body, rnd)
    del body[start : start + rnd.randrange(1, _LONGEST_RUN)]


def _repeat(body: bytearray, other: bytes, rnd: random.Random) -> None:
    start = _place(body, rnd)
    body[start:start] = body[start : start + rnd.randrange(1, _LONGEST_RUN)] * rnd.randrange(1, 20)


def _borrow(body: bytearray, other: bytes, rnd: random.Random) -> None:
    """Put a piece of another sample over this one, or into it."""
    start, source, length = _place(body, rnd), rnd.randrange(len(other)), rnd.randrange(1, _LONGEST_RUN)
    piece = other[source : source + length]
    body[start : start + (len(piece) if rnd.random() < 0.5 else 0)] = piece


def _noise(body: bytearray, other: bytes, rnd: random.Random) -> None:
    start = _place(body, rnd)
    length = min(rnd.randrange(1, 64), len(body) - start)
    body[start : start + length] = rnd.randbytes(length)


_EDITS = (_flip, _flip, _set, _set, _number, _number, _cut, _remove, _repeat, _borrow, _noise)
