"""Which store a function gets: S3 and, only where the environment names directories, the files below these too."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, BinaryIO

from itemkit.files import FileStore
from itemkit.item import FILES, Part, split_uri
from itemkit.store import Head, Put, S3Store

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Directories, separated as in PATH. ``fanfold run DIRECTORY`` sets it for the functions of its own endpoint. The
# template never does, so on AWS no manifest names files of the function's machine.
VARIABLE = "FANFOLD_FILES"


def connect(client: S3Client | None = None) -> S3Store:
    """Return the store that the environment asks for; an S3 client is made where none is given."""
    allowed = directories()
    return _S3AndFiles(allowed, client) if allowed else S3Store(client)


def directories() -> Sequence[str]:
    """Return the directories whose files may be read and written; none, unless the environment names some."""
    return [directory for directory in os.environ.get(VARIABLE, "").split(os.pathsep) if directory]


class _S3AndFiles(S3Store):
    """Both stores behind one door; the URI's scheme decides."""

    def __init__(self, allowed: Sequence[str], client: S3Client | None) -> None:
        super().__init__(client)
        self._files = FileStore(allowed, self._count)

    def head(self, uri: str) -> Head | None:
        return self._files.head(uri) if _is_file(uri) else super().head(uri)

    @contextmanager
    def open(self, uri: str, part: Part | None = None) -> Iterator[tuple[Head, BinaryIO]]:
        with self._files.open(uri, part) if _is_file(uri) else super().open(uri, part) as opened:
            yield opened

    def put(self, put: Put) -> None:
        self._files.put(put) if _is_file(put.uri) else super().put(put)

    def write(self, uri: str, body: bytes, content_type: str) -> None:
        self._files.write(uri, body, content_type) if _is_file(uri) else super().write(uri, body, content_type)

    def upload(self, uri: str, body: IO[bytes], content_type: str) -> None:
        self._files.upload(uri, body, content_type) if _is_file(uri) else super().upload(uri, body, content_type)

    def list(self, uri: str) -> Iterator[dict[str, Any]]:
        return self._files.list(uri) if _is_file(uri) else super().list(uri)


def _is_file(uri: str) -> bool:
    return split_uri(uri)[0] == FILES
