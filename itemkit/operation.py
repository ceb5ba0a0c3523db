"""What an operation is: a name, a version, options, and a pure function from an object's bytes to outputs."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, TypeVar

from itemkit.item import Item
from itemkit.options import describe_options, parse_options

Options = TypeVar("Options")


@dataclass(frozen=True)
class Output:
    """One output of an item: its bytes and their content type."""

    body: bytes
    content_type: str


@dataclass(frozen=True)
class Result:
    """What an operation made of one item.

    Attributes:
        outputs: in the order of the operation's ``names``; as many as it named.
        rows_in, rows_out: for tables.
        facts: small JSON values for the item's record, such as ``{"width": 512}``.
    """

    outputs: Sequence[Output]
    rows_in: int = 0
    rows_out: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


def _nothing_to_check(options: Any, sample: bytes | None) -> None:
    """Accept any sample: the default of an operation whose options do not depend on the data."""


@dataclass(frozen=True)
class Operation(Generic[Options]):
    """An operation, whole.

    Attributes:
        name: as jobs write it, such as ``image-resize``.
        version: part of every output's fingerprint: change it when the outputs change, and items run again.
        summary: one line for people.
        options: a frozen dataclass of ``itemkit.options.option`` fields.
        names: item name and options to output names, relative to the destination; the first one is written last
            and stands for the item: it exists only when all are there.
        process: item, its bytes and options to a Result; raises PermanentError or TransientError. Pure.
        check: options and the first bytes of a sample object (``None`` when there is none): raises InvalidJob when
            they do not fit. ``sample_bytes`` says how many bytes it wants; 0: it is not asked for one.
        batch_items: items a batch, unless the job says so.
        most_bytes: the largest object it takes, in bytes.
    """

    name: str
    version: str
    summary: str
    options: type[Options]
    names: Callable[[str, Options], Sequence[str]]
    process: Callable[[Item, bytes, Options], Result]
    check: Callable[[Options, bytes | None], None] = _nothing_to_check
    sample_bytes: int = 0
    batch_items: int = 50
    most_bytes: int = 256 * 1024 * 1024

    def parse(self, given: Mapping[str, Any]) -> Options:
        """Validate JSON options; raises InvalidJob."""
        return parse_options(self.options, given)

    def describe(self) -> dict[str, Any]:
        """Describe the operation for people and for ``plan``."""
        return {
            "operation": self.name,
            "version": self.version,
            "summary": self.summary,
            "defaults": {"batch": {"items": self.batch_items}, "most_bytes": self.most_bytes},
            "options": describe_options(self.options),
        }

    def normalise(self, options: Options) -> dict[str, Any]:
        """Return parsed options as JSON, defaults filled in."""
        return asdict(options)  # type: ignore[call-overload, no-any-return]


def rename(name: str, *, suffix: str = "", extension: str | None = None) -> str:
    """Return ``name`` with ``suffix`` before its extension and, where given, with ``extension`` added or kept.

    A new extension is added to the old one rather than put in its place (``a.png`` becomes ``a.png.webp``), so that
    ``a.png`` and ``a.jpg`` never claim the same output.
    """
    stem, old = posixpath.splitext(name)
    if extension is None or old.lower() == extension:
        return f"{stem}{suffix}{old}"
    return f"{stem}{suffix}{old}{extension}"
