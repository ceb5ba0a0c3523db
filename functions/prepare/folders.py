"""Questions to the file system before anything is done, as ``preflight`` asks them of AWS."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from itemkit import InvalidJob, PermanentError
from itemkit.files import FileStore


class Folders:
    """The directories that jobs may name; none of them, unless the environment allows some."""

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._files = FileStore(allowed) if allowed else None

    def require_bucket(self, uri: str) -> None:
        """Raise InvalidJob unless the directory of ``uri`` is there, by its own path, and is one that jobs may name.

        A path by way of a symbolic link would hide that source and destination are the same, or one in the other.
        """
        folder = uri[: uri.rindex("/")] or uri
        with _asking(uri):
            found = self._store(uri).find(folder)
        if not found.is_dir():
            raise InvalidJob(f"{uri}: there is no directory {found}; check the path, or make it")
        if str(found) != folder.removeprefix("file://"):
            raise InvalidJob(f"{uri} leads through a symbolic link: write file://{found}/")

    def first_objects(self, uri: str, most: int) -> list[dict[str, Any]]:
        """Return the first listing entries below ``uri``; raises InvalidJob when it cannot be listed."""
        with _asking(uri):
            return list(islice(self._store(uri).list(uri), most))

    def require_writable(self, uri: str) -> None:
        """Raise InvalidJob unless files can be written into the directory; nothing is left of the attempt."""
        with _asking(uri):
            folder: Path = self._store(uri).find(uri)
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise InvalidJob(f"{uri}: nothing can be written there: {os.strerror(error.errno or 0)}") from error

    def _store(self, uri: str) -> FileStore:
        if self._files is None:
            raise InvalidJob(
                f"{uri} is a directory of some machine, and this stack sees none: put the files into S3, or run "
                "'fanfold run DIRECTORY --operation NAME --to DIRECTORY' on that machine"
            )
        return self._files


@contextmanager
def _asking(uri: str) -> Iterator[None]:
    try:
        yield
    except PermanentError as error:
        raise InvalidJob(f"{uri} cannot be used: {error}") from error
