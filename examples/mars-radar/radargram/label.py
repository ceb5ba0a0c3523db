"""PDS3 labels: the keywords and objects that a data product says of itself.

A strict, small part of the Object Description Language (PDS Standards Reference, chapter 12): ``NAME = VALUE`` with
numbers, words, texts in quotes and unread sequences, units in ``<>``, comments, nested objects, ``END``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from radargram.errors import InvalidLabel

MOST_BYTES = 64 * 1024
_DEEPEST = 4
_BEGINNING = b"PDS_VERSION_ID"
_SPACE = r"(?:\s|/\*[^*]*\*/)*"
_STATEMENT = re.compile(
    rf"""{_SPACE}
    (?P<name>\^?[A-Z][A-Z0-9_:]{{0,63}})
    (?:[ \t]*=\s*
        (?P<value>"[^"]*" | '[^']*' | \([^()]*\) | {{[^{{}}]*}} | [^\s"'(){{}}=<>]{{1,200}})
        (?:[ \t]*<[^<>\n]{{1,40}}>)?
    )?
    [ \t]*(?:/\*[^*\n]*\*/)?[ \t]*\r?\n""",
    re.VERBOSE,
)
# Of more digits than any size has, they stay texts.
_WHOLE = re.compile(r"[+-]?\d{1,15}")
_REAL = re.compile(r"[+-]?\d{1,15}\.\d{0,15}(?:[Ee][+-]?\d{1,2})?")

Value = int | float | str


@dataclass(frozen=True)
class Label:
    """A label, or an object within one.

    Attributes:
        values: by keyword; pointers with their ``^``.
        objects: those within it, by their class such as ``TABLE``, in their order.
    """

    values: Mapping[str, Value]
    objects: Sequence[tuple[str, Label]]

    def text(self, keyword: str) -> str:
        """Return a value as text; raises InvalidLabel where there is none."""
        if keyword not in self.values:
            raise InvalidLabel(f"the label has no {keyword}")
        return str(self.values[keyword])

    def count(self, keyword: str, least: int = 1) -> int:
        """Return a whole number of at least ``least``; raises InvalidLabel for anything else."""
        value = self.values.get(keyword)
        if not isinstance(value, int) or value < least:
            raise InvalidLabel(f"{keyword} is {self.text(keyword)!r}: it must be a whole number, {least} or more")
        return value

    def one(self, kind: str) -> Label:
        """Return the one object of a class; raises InvalidLabel where there is none, or are several."""
        found = self.all(kind)
        if len(found) != 1:
            raise InvalidLabel(f"the label describes {len(found)} objects {kind}: it must be one")
        return found[0]

    def all(self, kind: str) -> list[Label]:
        """Return the objects of a class."""
        return [label for name, label in self.objects if name == kind]


@dataclass
class _Open:
    """An object whose end was not read yet."""

    kind: str
    values: dict[str, Value] = field(default_factory=dict)
    objects: list[tuple[str, Label]] = field(default_factory=list)


def read_label(body: bytes) -> Label:
    """Read the label that an object begins with; at most ``MOST_BYTES`` of it are looked at.

    Raises:
        InvalidLabel: it begins with none, or with one that is not in the form above.
    """
    if not body.startswith(_BEGINNING):
        raise InvalidLabel(f"no PDS3 label: it begins with {body[:16]!r}, not with {_BEGINNING.decode()}")
    text = body[:MOST_BYTES].decode("latin-1")
    stack, position = [_Open("")], 0
    while found := _STATEMENT.match(text, position):
        position = found.end()
        name, value = found["name"], found["value"]
        if name == "END" and value is None:
            return _whole(stack, text[:position])
        _take(stack, name, value, line=text.count("\n", 0, found.start("name")) + 1)
    raise InvalidLabel(f"line {text.count(chr(10), 0, position) + 1} of the label is no statement, or END never comes")


def _whole(stack: list[_Open], text: str) -> Label:
    if len(stack) > 1:
        raise InvalidLabel(f"the label ends within OBJECT = {stack[-1].kind}")
    if not text.isascii():
        raise InvalidLabel("the label holds characters beyond ASCII")
    label = Label(stack[0].values, stack[0].objects)
    if (version := label.text("PDS_VERSION_ID")) != "PDS3":
        raise InvalidLabel(f"PDS_VERSION_ID is {version!r}: only PDS3 is read")
    return label


def _take(stack: list[_Open], name: str, value: str | None, line: int) -> None:
    """Take in one statement."""
    if name == "END_OBJECT":
        ended = stack.pop()
        if not stack or value not in {None, ended.kind}:
            raise InvalidLabel(f"line {line} of the label ends an object {value} that is not open")
        stack[-1].objects.append((ended.kind, Label(ended.values, ended.objects)))
    elif value is None:
        raise InvalidLabel(f"line {line} of the label gives {name} no value")
    elif name == "OBJECT":
        if len(stack) > _DEEPEST:
            raise InvalidLabel(f"line {line} of the label nests objects deeper than {_DEEPEST}")
        stack.append(_Open(value))
    elif name in stack[-1].values:
        raise InvalidLabel(f"line {line} of the label says {name} a second time")
    else:
        stack[-1].values[name] = _value(value)


def _value(text: str) -> Value:
    if _WHOLE.fullmatch(text):
        return int(text)
    if _REAL.fullmatch(text):
        return float(text)
    return text[1:-1] if text[0] in "\"'" else text
