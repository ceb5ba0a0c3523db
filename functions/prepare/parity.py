"""Where the rows of delimited text end for certain, though fields in quotes may hold line breaks.

A line break ends a row where the number of quotes before it is even, provided that quotes stand only around whole
fields and are doubled within (RFC 4180). Every quote of the text is held to that, so nothing is taken on trust: text in
which a quote stands elsewhere has no certain rows and is refused. Pure: bytes in, offsets out.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

# Bytes of a field in quotes, all of which are in memory: more is a quote that was not closed.
LONGEST_FIELD = 16 * 1024 * 1024
_BLOCK = 64 * 1024
DELIMITERS = (",", ";", "\t", "|")
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_QUOTED = re.compile(rb'"[^"]*+"')
# From outside a field in quotes, and to the end of its row.
_ROW = re.compile(rb'[^"\n]*+(?:"[^"]*+"[^"\n]*+)*+\n')
_BEGUN = re.compile(rb'"[^"]*+(?:""[^"]*+)*+"?')


class Unsplittable(Exception):
    """The rows of a text have no certain ends; the message says why and what to do, and does not name the object."""


@dataclass(frozen=True)
class Header:
    """The first row of a delimited text.

    Attributes:
        row: its bytes with a byte order mark and the CR of its line break, without the LF.
        delimiter: one ASCII character; empty where the header is a single column.
    """

    row: bytes
    delimiter: str

    @property
    def first(self) -> int:
        """The offset behind the byte order mark."""
        return len(codecs.BOM_UTF8) if self.row.startswith(codecs.BOM_UTF8) else 0

    @property
    def end(self) -> int:
        """The offset of the row after it."""
        return len(self.row) + 1


def find_header(beginning: bytes, delimiter: str | None) -> Header:
    """Find the header in the first bytes of a text; without a ``delimiter`` it is the commonest in the header.

    Raises:
        Unsplittable: there is none, or other readers would see another one.
    """
    bom = len(codecs.BOM_UTF8) if beginning.startswith(codecs.BOM_UTF8) else 0
    found = _ROW.match(beginning, bom)
    if not found:
        raise Unsplittable(
            f"no line ends in its first {len(beginning):,} bytes, where its header should: end lines in LF or CRLF, "
            "close its quotes, or give it a shorter header"
        )
    row = beginning[: found.end() - 1]
    plain = _QUOTED.sub(b"", row[bom:]).removesuffix(b"\r")
    if b"\r" in plain:
        raise Unsplittable("its lines end in CR alone: end them in LF or CRLF")
    if not row[bom:].strip():
        raise Unsplittable("its first line is blank, where its header should be: remove it")
    commonest = max(DELIMITERS, key=lambda each: plain.count(each.encode()))
    return Header(row, delimiter or (commonest if commonest.encode() in plain else ""))


def row_ends(chunks: Iterable[bytes], first: int, targets: Sequence[int], delimiter: str) -> Iterator[int]:
    """Yield, for each target, the offset behind the row that holds it; one row's offset once.

    Args:
        chunks: the text, from the offset ``first`` (where a row begins) to its end; read to the end.
        first: offset of the first chunk.
        targets: offsets, ascending.
        delimiter: as in ``Header``.

    Raises:
        Unsplittable: it is not UTF-8, or a quote stands where none may.
    """
    scan = _Scan(first, targets, delimiter)
    for chunk in proven_text(chunks, first):
        yield from scan.feed(chunk)
    # The last row may end without a line break.
    yield from scan.feed(b"\n")
    scan.finish()


def proven_text(chunks: Iterable[bytes], first: int = 0, *, whole: bool = True) -> Iterator[bytes]:
    """Yield the chunks; raises Unsplittable where they are not UTF-8, or end within a character of a ``whole`` text."""
    offset, begun = first, b""
    for chunk in chunks:
        if b"\0" in chunk or (offset == 0 and chunk.startswith(_WIDE)):
            raise Unsplittable("it is UTF-16 or no text: save it as UTF-8")
        if begun or not chunk.isascii():
            begun = _begun_character(begun + chunk, offset - len(begun))
        yield chunk
        offset += len(chunk)
    if whole and begun:
        raise _not_utf8(offset - len(begun))


def _begun_character(text: bytes, offset: int) -> bytes:
    """Return the bytes of a character that is only begun at the end of UTF-8 text; in blocks the cache holds."""
    view, start, taken = memoryview(text), 0, 1
    while taken:
        try:
            _, taken = codecs.utf_8_decode(view[start : start + _BLOCK], "strict", False)
        except UnicodeDecodeError as error:
            raise _not_utf8(offset + start + error.start) from error
        start += taken
    return text[start:]


def _not_utf8(offset: int) -> Unsplittable:
    return Unsplittable(
        f"it is not UTF-8 at byte {offset:,}, and each part would be taken for an encoding of its own: save it as UTF-8"
    )


class _Scan:
    """Goes through a text and remembers no more of it than a field that is not closed yet."""

    def __init__(self, first: int, targets: Sequence[int], delimiter: str) -> None:
        boundary = re.escape(delimiter.encode("ascii"))
        self._boundaries = (delimiter.encode("ascii"), b"\n")
        # Possessive throughout: nothing is kept to go back to, so memory does not grow with the matches.
        self._regular = re.compile(
            rb'[^"]*+(?:(?<=[\n%b])"[^"]*+(?:""[^"]*+)*+"(?=[\n%b]|\r\n)[^"]*+)*+' % (boundary, boundary)
        )
        self._targets = deque(targets)
        # Begins outside quotes, with the last byte of what is done: what is before a quote decides about it.
        self._rest = b"\n"
        self._offset = first - 1

    def feed(self, chunk: bytes) -> Iterator[int]:
        """Take the next chunk and yield the ends that are certain now."""
        buffer = self._rest + chunk
        # Most text has no quotes, and looking for one is faster than matching.
        found = self._regular.match(buffer) if b'"' in buffer else None
        end = found.end() if found else len(buffer)
        if end < len(buffer):
            self._require_begun(buffer, end)
        yield from self._ends(buffer, end)
        self._rest = buffer[end - 1 :]
        self._offset += end - 1

    def finish(self) -> None:
        """Raise Unsplittable when the text ended within quotes."""
        if len(self._rest) > 1:
            raise Unsplittable(f"the quote at byte {self._offset + 1:,} is never closed: close it")

    def _require_begun(self, buffer: bytes, quote: int) -> None:
        """Raise Unsplittable unless the text goes on where a field in quotes is only begun."""
        if buffer[quote - 1 : quote] not in self._boundaries:
            raise self._misplaced(quote)
        found = _BEGUN.match(buffer, quote)
        end = found.end() if found else quote
        if buffer[end:] not in (b"", b"\r"):
            raise self._misplaced(end - 1)
        if len(buffer) - quote > LONGEST_FIELD:
            raise Unsplittable(
                f"the quote at byte {self._offset + quote:,} is not closed within {LONGEST_FIELD:,} bytes: close it"
            )

    def _misplaced(self, quote: int) -> Unsplittable:
        return Unsplittable(
            f"the quote at byte {self._offset + quote:,} is neither around a whole field nor doubled within one, so "
            "where its row ends is not certain: put the field in quotes and double the quotes in it"
        )

    def _ends(self, buffer: bytes, end: int) -> Iterator[int]:
        """Yield the ends of the targets' rows in a buffer that is regular up to ``end``."""
        known = 0
        while self._targets and (place := max(self._targets[0] - self._offset, known)) < end:
            if buffer.count(b'"', known, place) % 2:
                place = buffer.index(b'"', place, end) + 1
            found = _ROW.match(buffer, place, end)
            if not found:
                return
            known = found.end()
            yield self._offset + known
            while self._targets and self._targets[0] < self._offset + known:
                self._targets.popleft()
