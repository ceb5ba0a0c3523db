"""Which items of the dataset a job wants: by suffix, glob, size and date."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from itemkit.item import Item

FOLDER_MARKER = "folder marker"


@dataclass(frozen=True)
class Select:
    """The ``select`` of a job; the defaults take everything but folder markers.

    Attributes:
        suffix: endings, without regard to case; any of them.
        glob: over the item's name: ``*`` within a folder, ``**`` across folders, ``?`` one character.
        min_bytes, max_bytes: size, both inclusive.
        modified_after: an ISO 8601 instant; UTC where it names no zone.
    """

    suffix: tuple[str, ...] = ()
    glob: str | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None
    modified_after: str | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Select:
        """Read the JSON form, in which ``suffix`` is a list."""
        return cls(**{**value, "suffix": tuple(value.get("suffix") or ())})

    @property
    def needs_head(self) -> bool:
        """Tell whether sizes or dates are asked for, which manifest rows do not carry."""
        return any(limit is not None for limit in (self.min_bytes, self.max_bytes, self.modified_after))

    def refusal(self, item: Item) -> str | None:
        """Return why ``item`` is excluded, ``None`` when it is wanted.

        Size and date rules need ``item.size`` and ``item.modified``. A part is wanted: what the rules say of its object
        was asked before that was split.
        """
        if item.part:
            return None
        if item.is_folder_marker:
            return FOLDER_MARKER
        if self.suffix and not item.uri.lower().endswith(tuple(ending.lower() for ending in self.suffix)):
            return f"suffix is none of {', '.join(self.suffix)}"
        if self.glob is not None and not _pattern(self.glob).fullmatch(item.name):
            return f"name does not match {self.glob}"
        return self._size_refusal(item.size or 0) or self._date_refusal(item.modified or 0.0)

    def _size_refusal(self, size: int) -> str | None:
        if self.min_bytes is not None and size < self.min_bytes:
            return f"{size} bytes are less than {self.min_bytes}"
        if self.max_bytes is not None and size > self.max_bytes:
            return f"{size} bytes are more than {self.max_bytes}"
        return None

    def _date_refusal(self, modified: float) -> str | None:
        if self.modified_after is not None and modified <= instant(self.modified_after):
            return f"not modified after {self.modified_after}"
        return None


@functools.cache
def instant(text: str) -> float:
    """Return the seconds since the epoch of an ISO 8601 instant; raises ValueError."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@functools.cache
def _pattern(glob: str) -> re.Pattern[str]:
    """Translate a glob; ``fnmatch`` would let ``*`` cross folders."""
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    return re.compile("".join(parts.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)
