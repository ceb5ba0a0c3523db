"""What an operation is: a name, a version, options, and a pure function from an object's bytes to outputs."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from itemkit.item import Item
from itemkit.options import describe_options, parse_options

Options = TypeVar("Options")


@dataclass(frozen=True)
class Output:
    """One output of an item.

    Attributes:
        body: its bytes, or a temporary file that holds them and is deleted once it is written.
        content_type: of the body.
        name: of an output beside those that the operation's ``names`` foretell, relative to the destination.
        cache_control: how long who gets it over HTTP may keep it; written as the object's ``Cache-Control``.
    """

    body: bytes | Path
    content_type: str
    name: str | None = None
    cache_control: str | None = None

    @property
    def size(self) -> int:
        """The bytes of the body."""
        return self.body.stat().st_size if isinstance(self.body, Path) else len(self.body)

    def discard(self) -> None:
        """Delete the file, if there is one."""
        if isinstance(self.body, Path):
            self.body.unlink(missing_ok=True)


@dataclass(frozen=True)
class Result:
    """What an operation made of one item.

    Attributes:
        outputs: in the order of the operation's ``names``, as many as it named; then those with names of their own.
        rows_in, rows_out: for tables.
        facts: small JSON values for the item's record, such as ``{"width": 512}``.
    """

    outputs: Sequence[Output]
    rows_in: int = 0
    rows_out: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Combined:
    """What an operation made of several items together.

    Attributes:
        output: the one output, ``None`` when no item came through.
        results: for each item its rows and facts (without outputs), or the error it failed with.
    """

    output: Output | None
    results: Sequence[Result | Exception]


def _no_references(options: Any) -> Sequence[str]:
    """Name no objects: the default of an operation that needs none beside the item."""
    return ()


def _as_they_are(options: Any, references: Mapping[str, bytes]) -> Any:
    """Return the options: there are no references to put in."""
    return options


def _no_extension(options: Any) -> str:
    """Return no extension."""
    return ""


def _never(item: Item, options: Any) -> bool:
    """Combine nothing."""
    return False


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
        process: item, its bytes and options to a Result; raises PermanentError or TransientError. Pure. An object of
            more than ``spool_above`` bytes comes as a file, which is deleted afterwards.
        check: options and the first bytes of a sample object (``None`` when there is none): raises InvalidJob when
            they do not fit. ``sample_bytes`` says how many bytes it wants; 0: it is not asked for one.
        batch_items: items a batch, unless the job says so.
        most_bytes: the largest object it takes, in bytes.
        spool_above: bytes from which an object is kept on disk; ``None``: never.
        references: options to the URIs of further objects it needs, such as tables to join. They are read once an
            execution environment and again when they change; then items run again, too.
        resolve: options and these objects' bytes to what ``process``, ``combine`` and ``check`` get in the place of the
            options; raises PermanentError when they do not fit.
        combines: whether an item is made one output with others of its batch; its size may be unknown.
        combine: such items with their bytes, and options, to one output.
        combined_extension: of that output's name, which is the run's and the batch's.
    """

    name: str
    version: str
    summary: str
    options: type[Options]
    names: Callable[[str, Options], Sequence[str]]
    process: Callable[[Item, Any, Any], Result]
    check: Callable[[Any, bytes | None], None] = _nothing_to_check
    sample_bytes: int = 0
    batch_items: int = 50
    most_bytes: int = 256 * 1024 * 1024
    spool_above: int | None = None
    references: Callable[[Options], Sequence[str]] = _no_references
    resolve: Callable[[Options, Mapping[str, bytes]], Any] = _as_they_are
    combines: Callable[[Item, Options], bool] = _never
    combine: Callable[[Sequence[tuple[Item, bytes]], Any], Combined] | None = None
    combined_extension: Callable[[Options], str] = _no_extension

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
