"""XML: which element is the row, and its rows as CSV.

The parser is expat, which CPython ships and keeps: it took no longer than lxml over the same rows, in less memory, and
adds nothing to the function, where lxml is 12 MB. Entities are refused where they are declared, before anything
expands, and nothing is ever fetched.

The row is the element that repeats nearest to the root; of several at that depth the most frequent. Where nothing
repeats it is the root's only child, or the root. Attributes and child elements become columns; what lies deeper has its
path for a name, with dots. What occurs several times in a row is one column of JSON, as a list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from functions.table_transform.errors import EmptyTable, InvalidRows, UnreadableTable
from functions.table_transform.spool import MOST_COLUMNS, Content, Scratch
from functions.table_transform.text import Text

_DEEPEST = 100
_TEXT_AT_ONCE = 64 * 1024
_LONGEST_ROW = 64 * 1024 * 1024
# Of an element that has other things beside its text; no name in XML has this sign.
_TEXT = "#text"


def to_csv(content: Content, scratch: Scratch) -> Text:
    """Return the rows of XML as CSV with commas and a header.

    Raises:
        UnreadableTable: it is damaged, or declares entities.
        EmptyTable: there is nothing that could be a row.
        InvalidRows: a row is too long.
    """
    survey = _Survey()
    for _ in _parsed(content, survey):
        pass
    row = survey.row
    if row.is_simple and row.count == 1:
        raise EmptyTable('the XML has no rows: remove it, or leave it out with "select" in the job')
    columns = list(_columns(row, ""))
    twice = {name for name in columns if columns.count(name) > 1} if len(set(columns)) < len(columns) else set()
    if twice:
        raise UnreadableTable(f"two columns of the XML would be named {min(twice)!r}: rename one of its elements")
    return Text(scratch.keep(_lines(content, _Rows(survey.document, row), columns), "the rows of the XML"), "utf-8")


@dataclass(eq=False)
class _Node:
    """All elements of one path.

    Attributes:
        repeats: more than one of them in the same element.
    """

    name: str
    count: int = 0
    repeats: bool = False
    has_text: bool = False
    attributes: dict[str, None] = field(default_factory=dict)
    children: dict[str, _Node] = field(default_factory=dict)

    @property
    def is_simple(self) -> bool:
        """Tell whether there is nothing in it but text."""
        return not self.attributes and not self.children

    def column(self, attribute: str) -> str:
        """Return the name of an attribute's column."""
        return f"@{attribute}" if attribute in self.children else attribute


class _Survey:
    """The first reading: every path there is, and what of it repeats."""

    def __init__(self) -> None:
        self.document = _Node("")
        self._open: list[tuple[_Node, set[str]]] = [(self.document, set())]
        self._names = 0

    @property
    def row(self) -> _Node:
        """The element that is the row."""
        (root,) = self.document.children.values()
        level: Sequence[_Node] = [root]
        while level:
            repeating = [node for node in level if node.repeats]
            if repeating:
                return max(repeating, key=lambda node: node.count)
            level = [child for node in level for child in node.children.values()]
        only = next(iter(root.children.values())) if len(root.children) == 1 else root
        return root if only.is_simple else only

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        parent, siblings = self._open[-1]
        node = parent.children.get(_local(name)) or self._added(parent, _local(name))
        if attributes:
            known = len(node.attributes)
            node.attributes.update(dict.fromkeys(map(_local, _own(attributes))))
            self._names += len(node.attributes) - known
        node.count += 1
        if node.name in siblings:
            node.repeats = True
        siblings.add(node.name)
        if self._names > MOST_COLUMNS:
            raise UnreadableTable(f"the XML has more than {MOST_COLUMNS:,} kinds of elements and attributes")
        if len(self._open) > _DEEPEST:
            raise UnreadableTable(f"the XML is more than {_DEEPEST} elements deep: give a table")
        self._open.append((node, set()))

    def text(self, text: str) -> None:
        """Take the next text of the element."""
        node = self._open[-1][0]
        if not node.has_text and not text.isspace():
            node.has_text = True

    def end(self, _: str) -> None:
        """End an element."""
        self._open.pop()

    def _added(self, parent: _Node, name: str) -> _Node:
        self._names += 1
        return parent.children.setdefault(name, _Node(name))


@dataclass(slots=True)
class _Element:
    """An element of a row that is being read."""

    node: _Node
    value: dict[str, Any]
    texts: list[str] = field(default_factory=list)


class _Rows:
    """The second reading: the rows, one after the other; ``done`` are those that wait to be taken."""

    def __init__(self, document: _Node, row: _Node) -> None:
        self.done: list[dict[str, str]] = []
        self._row = row
        self._path = [document]
        self._open: list[_Element] = []
        self._number = 1
        self._length = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """Begin an element."""
        node = self._path[-1].children[_local(name)]
        self._path.append(node)
        if self._open or node is self._row:
            value = {}
            if attributes:
                self._grow(sum(map(len, attributes.values())))
                value = {node.column(_local(each)): value for each, value in _own(attributes).items()}
            self._open.append(_Element(node, value))

    def text(self, text: str) -> None:
        """Take the next text of the element."""
        if self._open:
            self._length += len(text)
            if self._length > _LONGEST_ROW:
                self._grow(0)
            self._open[-1].texts.append(text)

    def end(self, _: str) -> None:
        """End an element."""
        node = self._path.pop()
        if not self._open:
            return
        value = _value(self._open.pop())
        if self._open:
            within = self._open[-1].value
            if node.repeats:
                within.setdefault(node.name, []).append(value)
            else:
                within[node.name] = value
        else:
            self.done.append(dict(_cells(node, value, "")))
            self._number, self._length = self._number + 1, 0

    def _grow(self, length: int) -> None:
        self._length += length
        if self._length > _LONGEST_ROW:
            raise InvalidRows(f"row {self._number} ({self._row.name}) has more than {_LONGEST_ROW:,} characters")


def _value(element: _Element) -> Any:
    text = "".join(element.texts)
    if element.node.is_simple:
        return text or None
    return element.value if not text or text.isspace() else {**element.value, _TEXT: text}


def _columns(node: _Node, prefix: str) -> Iterator[str]:
    """Yield the names of the columns that a row, or what is in it, becomes."""
    if node.is_simple or node.has_text:
        yield prefix.removesuffix(".") or node.name
    for name in node.attributes:
        yield prefix + node.column(name)
    for name, child in node.children.items():
        if child.repeats:
            yield prefix + name
        else:
            yield from _columns(child, f"{prefix}{name}.")


def _cells(node: _Node, value: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield names and texts of the cells of a row; those of ``_columns``, without what is missing."""
    if not isinstance(value, dict):
        if value is not None:
            yield prefix.removesuffix(".") or node.name, value
        return
    for name, each in value.items():
        child = node.children.get(name)
        if child is None:
            yield (prefix.removesuffix(".") or node.name) if name == _TEXT else prefix + name, each
        elif child.repeats:
            yield prefix + name, json.dumps(each, ensure_ascii=False)
        else:
            yield from _cells(child, each, f"{prefix}{name}.")


def _own(attributes: Mapping[str, str]) -> Mapping[str, str]:
    """Return the attributes without declarations of namespaces."""
    return {name: value for name, value in attributes.items() if name != "xmlns" and not name.startswith("xmlns:")}


def _local(name: str) -> str:
    """Return a name without the prefix of its namespace."""
    return name.rpartition(":")[2] if ":" in name else name


def _lines(content: Content, rows: _Rows, columns: Sequence[str]) -> Iterator[bytes]:
    """Yield the lines of the CSV, some at a time."""
    yield _line(columns)
    for _ in _parsed(content, rows):
        yield b"".join(_line([row.get(column) for column in columns]) for row in rows.done)
        rows.done.clear()


def _line(cells: Sequence[str | None]) -> bytes:
    """Return a line of CSV; what is missing has no quotes, which the module csv cannot write before Python 3.12."""
    quoted = ("" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in cells)
    return (",".join(quoted) + "\n").encode()


def _parsed(content: Content, reader: _Survey | _Rows) -> Iterator[None]:
    """Parse the XML, and stop after each piece of it."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = _TEXT_AT_ONCE
    parser.StartElementHandler = reader.start
    parser.CharacterDataHandler = reader.text
    parser.EndElementHandler = reader.end
    parser.EntityDeclHandler = _refuse_entity
    parser.SkippedEntityHandler = _refuse_entity
    try:
        for piece in content.pieces():
            parser.Parse(piece, False)
            yield
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise UnreadableTable(f"the XML is damaged or cut off ({error}): write it again") from error
    except (LookupError, ValueError) as error:
        raise UnreadableTable(f"the XML cannot be read ({error}): write it again, as UTF-8") from error
    yield


def _refuse_entity(name: str, *_: Any) -> None:
    raise UnreadableTable(f"the XML has the entity {name!r}, and entities are not expanded: write it without")
