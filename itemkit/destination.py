"""Where outputs go: their keys, the fingerprint that tells what they were made from, and writing them safely.

An output is written under a condition: nothing is there, or what is there is this item's own earlier output. Two items
that claim one key, and somebody else's object, are conflicts that fail, never silent overwrites.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from itemkit.errors import OperationFailed, OutputConflict
from itemkit.item import Item, join_uri, split_uri
from itemkit.operation import Operation, Output
from itemkit.store import ChangedUnderneath, Head, Put, Store, require_head

SOURCE = "fanfold-source"
FINGERPRINT = "fanfold-fingerprint"
RUN = "fanfold-run"
# S3 takes 2 KB of user metadata an object, US-ASCII: a longer source is told by its digest.
_LONGEST_SOURCE = 1024


@dataclass(frozen=True)
class Destination:
    """The place a run writes to.

    Attributes:
        uri: ``s3://bucket/prefix/`` or ``file:///folder/``, ending in ``/``.
        overwrite: process again what is done, and replace objects that Fanfold did not write.
        run: the run that writes, so that what a lost attempt of it wrote is known again.
    """

    uri: str
    overwrite: bool = False
    run: str | None = None

    def output_uris(self, item: Item, operation: Operation[Any], options: Any) -> tuple[str, ...]:
        """Return the URIs of the item's outputs, the one that stands for the item first.

        Raises:
            OutputConflict: an output would replace the source itself.
        """
        bucket, prefix = split_uri(self.uri)
        names = operation.names(item.output or item.name, options)
        if item.output and len(names) == 1:
            names = [item.output]
        uris = tuple(join_uri(bucket, prefix + name) for name in names)
        if item.uri in uris:
            raise OutputConflict(f"the output of {item.uri} would replace it: choose another destination")
        return uris

    def existing(self, store: Store, uri: str, item: Item) -> Head | None:
        """Return what lies at an output's URI, ``None`` where there is nothing.

        Raises:
            OutputConflict: it is another item's output, or (without ``overwrite``) not Fanfold's.
        """
        head = store.head(uri)
        if head is None:
            return None
        owner = head.metadata.get(SOURCE)
        if owner is None and not self.overwrite:
            raise OutputConflict(f"{uri} exists and Fanfold did not write it: move it, or set 'overwrite': true")
        if owner is not None and owner != source_mark(item.uri):
            raise OutputConflict(f"{uri} is already the output of {owner}: choose names that keep them apart")
        return head

    def wrote(self, existing: Head) -> bool:
        """Tell whether this very run wrote an existing output: an attempt that was lost, or a pass before."""
        return self.run is not None and existing.metadata.get(RUN) == quoted(self.run)

    def write(self, store: Store, uris: Sequence[str], outputs: Sequence[Output], mark: Mark) -> tuple[str, ...]:
        """Write an item's outputs, the first one last, and return all their URIs; ``uris`` are those foretold."""
        metadata = {SOURCE: source_mark(mark.item.uri), FINGERPRINT: mark.fingerprint}
        if self.run:
            metadata[RUN] = quoted(self.run)
        named = [self.named(output, mark.item) for output in outputs[len(uris) :]]
        written = (*uris, *named)
        for place, (uri, output) in reversed(list(enumerate(zip(written, outputs, strict=True)))):
            replaces = mark.replaces if place == 0 else None
            put = Put(uri, output.body, output.content_type, metadata, replaces, output.cache_control)
            self._write_one(store, put, mark.item)
        return written

    def named(self, output: Output, item: Item) -> str:
        """Return the URI of an output that has a name of its own; raises OperationFailed where it leads elsewhere."""
        if not output.name:
            raise OperationFailed(f"the operation made more outputs of {item.uri} than it named")
        if output.name.startswith("/") or ".." in output.name.split("/"):
            raise OperationFailed(
                f"the operation named an output of {item.uri} {output.name!r}, outside its destination"
            )
        return self.uri + output.name

    def _write_one(self, store: Store, put: Put, item: Item) -> None:
        try:
            store.put(put)
        except ChangedUnderneath:
            head = self.existing(store, put.uri, item)
            store.put(replace(put, replaces=head.etag if head else None))


@dataclass(frozen=True)
class Mark:
    """What an output carries of its origin, and what it may replace.

    Attributes:
        fingerprint: of content, operation and options.
        replaces: the ETag of the item's earlier first output, where there is one.
    """

    item: Item
    fingerprint: str
    replaces: str | None = None


def fingerprint(version: str, operation: Operation[Any], options: Any, references: Sequence[str] = ()) -> str:
    """Hash what an output depends on.

    That is the source's version (``Item.version``), the operation with its own, the options, and the ETags of the
    objects that these refer to.
    """
    return digest(version, operation.name, operation.version, operation.normalise(options), references)


def digest(version: str, name: str, operation_version: str, normalised: Any, references: Sequence[str] = ()) -> str:
    """Return the fingerprint where the operation is known by what it tells of itself."""
    told = [version, name, operation_version, normalised, *([list(references)] if references else ())]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def is_done(store: Store, item: Item, existing: Head, print_of: Any) -> bool:
    """Tell whether an existing output was made from the item as it is now.

    ``print_of`` maps a version to the fingerprint; the source is asked for its ETag when the listing did not say it.
    """
    version = item.version or require_head(store, item.uri).etag
    return bool(existing.metadata.get(FINGERPRINT) == print_of(version))


def quoted(run: str) -> str:
    """Return a run's name as US-ASCII metadata."""
    return quote(run)


def source_mark(uri: str) -> str:
    """Return a source's URI as US-ASCII metadata, or its digest where it is too long."""
    # Names of files may hold bytes that are no UTF-8, which Python has as halves of surrogate pairs.
    mark = quote(uri, safe="/:", errors="surrogatepass")
    if len(mark) <= _LONGEST_SOURCE:
        return mark
    return "sha256:" + hashlib.sha256(uri.encode(errors="surrogatepass")).hexdigest()
