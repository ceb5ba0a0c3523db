"""Objects that an operation needs beside the items, such as tables to join: read once, and again when they change."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from itemkit.errors import ObjectTooLarge
from itemkit.operation import Operation
from itemkit.store import Store, require_head

# Together; they stay in memory beside the items.
MOST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class References:
    """The references of some options.

    Attributes:
        etags: of the objects, in their order.
        resolved: what the operation made of options and objects; ``None`` where there are no references.
    """

    etags: Sequence[str] = ()
    resolved: Any = None


_lock = threading.Lock()
_latest: dict[str, tuple[Any, References]] = {}


def load(operation: Operation[Any], options: Any, store: Store) -> References:
    """Return the references of ``options``, as the objects are now; kept for the next batch of this environment.

    Raises:
        ObjectNotFound, ObjectForbidden, ObjectTooLarge: an object is not there, not allowed, or too large.
        PermanentError: the operation cannot use it.
        TransientError: S3 does not answer.
    """
    uris = operation.references(options)
    if not uris:
        return References()
    heads = [require_head(store, uri) for uri in uris]
    etags = [head.etag for head in heads]
    with _lock:
        known, references = _latest.get(operation.name, (None, References()))
        if known == options and references.etags == etags:
            return references
        if sum(head.size for head in heads) > MOST_BYTES:
            raise ObjectTooLarge(f"{', '.join(uris)} have more than {MOST_BYTES:,} bytes together: use smaller ones")
        bodies = {uri: _body(store, uri) for uri in uris}
        references = References(etags, operation.resolve(options, bodies))
        _latest[operation.name] = options, references
    return references


def _body(store: Store, uri: str) -> bytes:
    with store.open(uri) as (_, stream):
        body: bytes = stream.read()
    return body
