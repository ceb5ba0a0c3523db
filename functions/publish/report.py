"""What a report tells, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.publish.failures import Kind
from itemkit.cost import Bill


@dataclass(frozen=True)
class Picture:
    """An output that is an image, with its bytes.

    Attributes:
        type: its MIME type, by its bytes.
        pixels: width and height, where the record tells.
    """

    uri: str
    source: str
    type: str
    body: bytes
    pixels: tuple[int, int] | None = None


@dataclass(frozen=True)
class Column:
    """A column's name, its type where the file tells, and whether its cells are numbers."""

    name: str
    type: str | None
    numeric: bool


@dataclass(frozen=True)
class Preview:
    """The beginning of a table.

    Attributes:
        columns: the first ones.
        rows: the first ones, a text for each of ``columns``; ``None`` is a null.
        more_columns: how many there are beyond.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | None]]
    more_columns: int


@dataclass(frozen=True)
class Table:
    """An output that is a table, with its beginning.

    Attributes:
        size: bytes of the object.
        rows: of the whole table, where the record tells.
    """

    uri: str
    source: str
    size: int
    preview: Preview
    rows: int | None = None


@dataclass(frozen=True)
class Unshown:
    """An output of which the page shows the name only, and why."""

    uri: str
    source: str
    reason: str


Sample = Picture | Table | Unshown


@dataclass(frozen=True)
class Report:
    """Everything that the page of a run shows.

    Attributes:
        summary: the run's summary, as summary.json has it.
        figures: the run's figures, as figures.json has them; ``None`` when they could not be read.
        kinds: its failures by kind, most frequent first.
        samples: some of its outputs.
        bill: what it cost.
        made_by: what made the page.
        gaps: what could not be read for it, in sentences.
    """

    summary: Mapping[str, Any]
    figures: Mapping[str, Any] | None
    kinds: Sequence[Kind]
    samples: Sequence[Sample]
    bill: Bill
    made_by: str
    gaps: Sequence[str] = ()
