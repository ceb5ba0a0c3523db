"""Which items are done already: the outputs at the destination tell what they were made from.

A listing does not carry the metadata in which they tell it, so each output takes a HEAD. No operation is asked for its
outputs' names: every output carries its item's URI, and the fingerprint of content, operation and options.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fanfold.listing import THREADS, Tell
from fanfold.problems import UsageProblem
from itemkit.destination import FINGERPRINT, SOURCE, digest, source_mark
from itemkit.item import Item
from itemkit.store import Store


@dataclass(frozen=True)
class Done:
    """What lies at the destination.

    Attributes:
        marks: of the items that have an output, whatever it was made from.
        outputs: (mark, fingerprint) of each.
        told: what a fingerprint depends on beside the item's version, see ``itemkit.destination.digest``.
    """

    marks: frozenset[str]
    outputs: frozenset[tuple[str, str]]
    told: tuple[str, str, Any, Sequence[str]]

    def has_output(self, item: Item) -> bool:
        """Tell whether there is an output of the item, be it of other content or options."""
        return source_mark(item.uri) in self.marks

    def is_done(self, item: Item) -> bool:
        """Tell whether there is an output of the item as it is now, whose version is known."""
        mark = source_mark(item.uri)
        return mark in self.marks and (mark, digest(item.version or "", *self.told)) in self.outputs


def told_by(check: dict[str, Any]) -> tuple[str, str, Any, Sequence[str]]:
    """Return what an operation's answer to Check says of its fingerprints.

    Raises:
        UsageProblem: it does not say it, as a function without the kit.
    """
    try:
        return check["operation"], check["version"], check["normalised"], check["references"]
    except KeyError as error:
        raise UsageProblem(
            f"--check-done needs the operation's {error} and its function does not tell it: leave --check-done out"
        ) from error


def look(store: Store, uris: Sequence[str], told: tuple[str, str, Any, Sequence[str]], tell: Tell) -> Done:
    """Ask every output what it was made from: a HEAD each."""

    def ask(uri: str) -> tuple[str, str] | None:
        head = store.head(uri)
        tell(1)
        if head is None or SOURCE not in head.metadata:
            return None
        return head.metadata[SOURCE], head.metadata.get(FINGERPRINT, "")

    with ThreadPoolExecutor(THREADS) as threads:
        outputs = frozenset(filter(None, threads.map(ask, uris)))
    return Done(frozenset(mark for mark, _ in outputs), outputs, told)
