"""Text of any usual encoding, as UTF-8.

Not UTF-8 and no byte order mark means a Western code page, the usual case of old exports. It is never taken for one
where most of the text is UTF-8: that is a damaged file, and reading it otherwise would garble every accent.
"""

from __future__ import annotations

import codecs
import io
import re

from functions.table_transform.errors import UnreadableTable

_PIECE = 1024 * 1024
# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ASCII = bytes(range(128))
_CONTROL = bytes(set(range(32)) - set(b"\t\n\x0b\x0c\r\x1a\x1b"))
_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_MARKUP = re.compile(rb"\s*<[a-zA-Z!?]")


def to_utf8(content: bytes) -> tuple[bytes, str]:
    """Return the text as UTF-8 without a byte order mark, and the encoding it was in.

    Raises:
        UnreadableTable: it is binary, markup (HTML, XML), or damaged.
    """
    text, encoding = _decoded(content)
    if _MARKUP.match(text):
        raise UnreadableTable("this is HTML or XML, often the error page of a server: fetch the table again")
    return text, encoding


def _decoded(content: bytes) -> tuple[bytes, str]:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return _transcoded(content, encoding), encoding
    zero = content.find(b"\x00")
    if zero >= 0:
        raise UnreadableTable(
            f"line {_line(content, zero)} has a zero byte: this is binary, or UTF-16 without a byte order mark; "
            "save it as UTF-8"
        )
    invalid = -1 if content.isascii() else _first_invalid(content)
    if invalid < 0:
        return content.removeprefix(codecs.BOM_UTF8), "utf-8"
    _refuse_damaged(content, invalid)
    try:
        return _transcoded(content, "cp1252"), "cp1252"
    except UnreadableTable:
        return _transcoded(content, "latin-1"), "latin-1"


def _transcoded(content: bytes, encoding: str) -> bytes:
    text = io.BytesIO()
    try:
        with io.TextIOWrapper(io.BytesIO(content), encoding, newline="") as stream:
            while piece := stream.read(_PIECE):
                text.write(piece.encode())
    except UnicodeError as error:
        raise UnreadableTable(f"the text is not the {encoding} it begins as ({error}): save it as UTF-8") from error
    return text.getvalue()


def _first_invalid(content: bytes) -> int:
    """Return where the text ceases to be UTF-8, -1 if nowhere; by pieces, as a str takes up to four times the bytes."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start + _PIECE) + 1 or len(content)
        try:
            content[start:end].decode()
        except UnicodeDecodeError as error:
            return start + error.start
        start = end
    return -1


def _refuse_damaged(content: bytes, invalid: int) -> None:
    """Raise UnreadableTable for what is no code page: binary, or UTF-8 but for some bytes."""
    around = content[max(0, invalid - _PIECE) : invalid + _PIECE]
    where = f"line {_line(content, invalid)}"
    if len(around.translate(None, _CONTROL)) < len(around):
        raise UnreadableTable(f"this is binary ({where} is neither text nor UTF-8): give a table")
    in_sequences = sum(len(sequence) for sequence in _SEQUENCE.findall(around))
    if 2 * in_sequences > len(around.translate(None, _ASCII)):
        raise UnreadableTable(
            f"{where} has a byte that is not UTF-8, as the rest is: the file is damaged or two encodings are mixed; "
            "write it again as UTF-8"
        )


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1
