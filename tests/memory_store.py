"""A store in memory, with the conditions and errors of the real one; faults can be planted."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from itemkit.errors import ObjectNotFound, TransientError
from itemkit.item import Part
from itemkit.store import ChangedUnderneath, Head, Put


@dataclass(frozen=True)
class Stored:
    body: bytes
    content_type: str = "application/octet-stream"
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def head(self) -> Head:
        return Head(len(self.body), hashlib.md5(self.body).hexdigest(), self.metadata, 1_700_000_000.0)


class MemoryStore:
    """Objects by URI; ``unreadable`` and ``unwritable`` ones are transient. ``requests`` counts calls."""

    def __init__(self, objects: dict[str, bytes] | None = None) -> None:
        self.objects = {uri: Stored(body) for uri, body in (objects or {}).items()}
        self.unreadable: set[str] = set()
        self.unwritable: set[str] = set()
        self.requests: Counter[str] = Counter()
        self._lock = threading.Lock()

    def head(self, uri: str) -> Head | None:
        self.requests["head"] += 1
        stored = self.objects.get(uri)
        return stored.head if stored else None

    @contextmanager
    def open(self, uri: str, part: Part | None = None) -> Iterator[tuple[Head, io.BytesIO]]:
        self.requests["get"] += 1
        if uri in self.unreadable:
            raise TransientError(f"cannot read {uri}: planted")
        if uri not in self.objects:
            raise ObjectNotFound(f"cannot read {uri}: it does not exist")
        stored = self.objects[uri]
        if part is None:
            yield stored.head, io.BytesIO(stored.body)
            return
        if stored.head.etag != part.etag:
            raise ChangedUnderneath(f"cannot read {uri}: it changed meanwhile")
        cut = stored.body[part.first : part.last + 1]
        yield replace(stored.head, size=len(cut)), io.BytesIO(cut)

    def put(self, put: Put) -> None:
        self.requests["put"] += 1
        with self._lock:
            if put.uri in self.unwritable:
                raise TransientError(f"cannot write {put.uri}: planted")
            existing = self.objects.get(put.uri)
            if (existing.head.etag if existing else None) != put.replaces:
                raise ChangedUnderneath(f"cannot write {put.uri}: it changed meanwhile")
            body = put.body if isinstance(put.body, bytes) else put.body.read_bytes()
            self.objects[put.uri] = Stored(body, put.content_type, dict(put.metadata))

    def write(self, uri: str, body: bytes, content_type: str) -> None:
        self.requests["put"] += 1
        if uri in self.unwritable:
            raise TransientError(f"cannot write {uri}: planted")
        self.objects[uri] = Stored(body, content_type)

    def bodies(self, prefix: str) -> dict[str, bytes]:
        return {uri.removeprefix(prefix): stored.body for uri, stored in self.objects.items() if uri.startswith(prefix)}
