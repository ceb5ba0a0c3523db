"""CSV as Step Functions reads it: RFC 4180 with a backslash that escapes, and rows made to fit the header."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fanfold.local.stepfunctions.failure import ITEM_READER_FAILED, Failure

DELIMITERS: Final = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}
_HEADER_LIMIT: Final = 10_240  # characters
_RECORD_LIMIT: Final = 8 * 1024**2  # characters


def records(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    """Yield the fields of each record; ``lines`` keep their line ends, a quoted field may span several.

    A line of nothing at all is no record; one of spaces or delimiters is.
    """
    waiting: list[str] = []
    length = 0
    for line in lines:
        plain = '"' not in line
        if plain and not waiting and "\\" not in line:
            bare = line.rstrip("\r\n")
            if bare:
                yield bare.split(delimiter)
            continue
        waiting.append(line)
        length += len(line)
        if length > _RECORD_LIMIT:
            raise Failure(ITEM_READER_FAILED, "A CSV row is larger than 8 MB; is a quote left open?")
        fields = None if plain and len(waiting) > 1 else _fields("".join(waiting), delimiter)
        if fields is not None:
            waiting, length = [], 0
            yield fields
    if waiting:
        yield _fields("".join(waiting) + '"', delimiter) or ["".join(waiting)]


def _fields(text: str, delimiter: str) -> list[str] | None:
    """Split one record; ``None`` if a quoted field is still open at its end."""
    fields, field, quoted, index = list[str](), list[str](), False, 0
    end = len(text.rstrip("\r\n")) if not text.isspace() else 0
    while index < len(text):
        character = text[index]
        if character == "\\" and index + 1 < len(text) and text[index + 1] not in "\r\n":
            index += 1
            field.append(text[index])
        elif character == '"' and quoted and text[index + 1 : index + 2] == '"':
            index += 1
            field.append('"')
        elif character == '"' and (quoted or not field):
            quoted = not quoted
        elif quoted or (character != delimiter and index < end):
            field.append(character)
        elif character == delimiter:
            fields.append("".join(field))
            field.clear()
        index += 1
    return None if quoted else [*fields, "".join(field)]


def items(rows: Iterable[list[str]], headers: Sequence[str] | None) -> Iterator[dict[str, str]]:
    """Yield a dictionary for each row; without ``headers`` the first row names the columns.

    Short rows are filled with ``""``, long ones cut. Raises Failure for headers that repeat or are too long.
    """
    source = iter(rows)
    names = list(headers) if headers is not None else next(source, [])
    if len(set(names)) != len(names):
        raise Failure(ITEM_READER_FAILED, "CSV headers cannot contain duplicates.")
    if sum(map(len, names)) + len(names) > _HEADER_LIMIT:
        raise Failure(ITEM_READER_FAILED, "CSV headers cannot exceed 10 KiB.")
    width = len(names)
    for row in source:
        row.extend([""] * (width - len(row)))
        yield dict(zip(names, row, strict=False))
