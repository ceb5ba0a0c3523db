"""Text of any usual encoding, as UTF-8.

Not UTF-8 and no byte order mark means a Western code page, the usual case of old exports. It is never taken for one
where most of the text is UTF-8: that is a damaged file, and reading it otherwise would garble every accent.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from functions.table_transform.errors import UnreadableTable
from functions.table_transform.spool import PIECE, Content, Scratch

# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WHAT = "the text as UTF-8"
_ASCII = bytes(range(128))
_CONTROL = bytes(set(range(32)) - set(b"\t\n\x0b\x0c\r\x1a\x1b"))
_MARKUP = re.compile(r"\s*<[a-zA-Z!?]")
_HTML = re.compile(r"\s*(<\?xml[^>]*>\s*|<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


@dataclass(frozen=True)
class Text:
    """Text in UTF-8.

    Attributes:
        content: may begin with a byte order mark.
        encoding: that it was in.
        longest_line: bytes; of lines of less than a mebibyte not exactly.
    """

    content: Content
    encoding: str
    longest_line: int = 0

    def beginning(self, most: int) -> bytes:
        """Return about the first ``most`` bytes, without the byte order mark."""
        return self.content.beginning(most).removeprefix(codecs.BOM_UTF8)

    def unmarked(self, scratch: Scratch) -> Text:
        """Return the text without a byte order mark."""
        if not self.content.beginning(3).startswith(codecs.BOM_UTF8):
            return self
        return replace(self, content=scratch.keep(_unmarked(self.content.pieces()), _WHAT))


def to_utf8(content: bytes) -> tuple[bytes, str]:
    """Return text as UTF-8 without a byte order mark, and the encoding it was in; all of it in memory.

    Raises:
        UnreadableTable: it is binary, markup, or damaged.
    """
    if markup(Content(content)):
        raise UnreadableTable("this is HTML or XML and no delimited text")
    text = as_utf8(Content(content), Scratch.without_disk())
    return text.beginning(text.content.size), text.encoding


def as_utf8(content: Content, scratch: Scratch) -> Text:
    """Return the text as UTF-8.

    Raises:
        UnreadableTable: it is binary, or damaged.
    """
    beginning = content.beginning(4)
    for mark, encoding in _MARKS:
        if beginning.startswith(mark):
            return _transcoded(content, encoding, scratch)
    longest_line = _LongestLine()
    invalid = _first_invalid(content, longest_line)
    if invalid is None:
        return Text(content, "utf-8", longest_line.length)
    _refuse_damaged(content, invalid)
    try:
        return _transcoded(content, "cp1252", scratch)
    except UnreadableTable:
        return _transcoded(content, "latin-1", scratch)


def markup(content: Content) -> Literal["html", "xml"] | None:
    """Tell which markup the bytes begin as, if any."""
    beginning = content.beginning(1024)
    encoding = next((name for mark, name in _MARKS if beginning.startswith(mark)), "utf-8-sig")
    text = beginning.decode(encoding, errors="ignore")
    if _HTML.match(text):
        return "html"
    return "xml" if _MARKUP.match(text) else None


def _unmarked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield next(pieces).removeprefix(codecs.BOM_UTF8)
    yield from pieces


def _transcoded(content: Content, encoding: str, scratch: Scratch) -> Text:
    decoder = codecs.getincrementaldecoder(encoding)()
    pieces = (decoder.decode(piece).encode() for piece in content.pieces())
    try:
        longest_line = _LongestLine()
        text = scratch.keep(longest_line.of(_without_zeros(pieces)), _WHAT)
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise UnreadableTable(f"the text is not the {encoding} it begins as ({error}): save it as UTF-8") from error
    return Text(text, encoding, longest_line.length)


class _LongestLine:
    """Watches pieces of text for the longest line that begins and ends in different ones."""

    def __init__(self) -> None:
        self.length = 0
        self._open = 0

    def of(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Pass on the pieces."""
        for piece in pieces:
            self.see(piece)
            yield piece

    def see(self, piece: bytes) -> None:
        """Take the next piece into account."""
        end = piece.find(b"\n")
        self.length = max(self.length, self._open + (len(piece) if end < 0 else end))
        self._open = self._open + len(piece) if end < 0 else len(piece) - piece.rfind(b"\n") - 1


def _without_zeros(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass on the pieces; raises UnreadableTable at a zero byte."""
    lines = 0
    for piece in pieces:
        zero = piece.find(b"\x00")
        if zero >= 0:
            raise UnreadableTable(
                f"line {lines + piece.count(bytes([10]), 0, zero) + 1} has a zero byte: this is binary, or UTF-16 "
                "without a byte order mark; save it as UTF-8"
            )
        yield piece
        lines += piece.count(b"\n")


def _first_invalid(content: Content, longest_line: _LongestLine) -> int | None:
    """Return where the text ceases to be UTF-8; ``None`` if nowhere. Raises UnreadableTable at a zero byte."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    done = 0
    for piece in longest_line.of(content.pieces()):
        if b"\x00" in piece:
            for _ in _without_zeros(content.pieces()):
                pass
        begun = len(decoder.getstate()[0])
        if begun or not piece.isascii():
            try:
                decoder.decode(piece)
            except UnicodeDecodeError as error:
                return done - begun + error.start
        done += len(piece)
    begun = len(decoder.getstate()[0])
    return done - begun if begun else None


def _refuse_damaged(content: Content, invalid: int) -> None:
    """Raise UnreadableTable for what is no code page: binary, or UTF-8 but for some bytes."""
    with content.open() as stream:
        stream.seek(max(0, invalid - PIECE))
        around = stream.read(2 * PIECE)
    where = f"line {_line(content, invalid)}"
    if len(around.translate(None, _CONTROL)) < len(around):
        raise UnreadableTable(f"this is binary ({where} is neither text nor UTF-8): give a table")
    in_sequences = sum(len(sequence) for sequence in _SEQUENCE.findall(around))
    if 2 * in_sequences > len(around.translate(None, _ASCII)):
        raise UnreadableTable(
            f"{where} has a byte that is not UTF-8, as the rest is: the file is damaged or two encodings are mixed; "
            "write it again as UTF-8"
        )


def _line(content: Content, position: int) -> int:
    lines = 1
    for piece in content.pieces():
        lines += piece.count(b"\n", 0, max(0, position))
        position -= len(piece)
        if position <= 0:
            break
    return lines
