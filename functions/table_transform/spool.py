"""The bytes of a table: in memory while they are few, in a file while they are many."""

from __future__ import annotations

import codecs
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from functions.table_transform.errors import UnreadableTable

# Of a table in memory, unpacked: the function holds the bytes, what is decoded of them and the output at once.
MOST_BYTES = 256 * 1024 * 1024
# Of a table on disk, unpacked. The function's disk is to hold the object, this, and the output.
MOST_SPOOLED = 2 * 1024 * 1024 * 1024
# A larger object, and what is made of a table, such as the unpacked bytes, is kept on disk.
SPOOL_ABOVE = 128 * 1024 * 1024
# Time and memory of polars grow with the square of them.
MOST_COLUMNS = 10_000
PIECE = 1024 * 1024
# polars holds several pieces of a text that it reads: with those of its own choice a table of 300 MB took 390 MB of
# memory, with these 220, and no more time. It has no other switch for it.
os.environ.setdefault("POLARS_CSV_CHUNK_SIZE", str(4 * PIECE))
os.environ.setdefault("POLARS_NDJSON_CHUNK_SIZE", str(4 * PIECE))
# Rows taken together, however wide: each turn has its own cost.
_FEWEST_ROWS = 1_000
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Content:
    """Bytes in memory or in a file, read alike."""

    body: bytes | Path

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.body.stat().st_size if isinstance(self.body, Path) else len(self.body)

    @property
    def source(self) -> io.BytesIO | Path:
        """What polars scans."""
        return self.body if isinstance(self.body, Path) else io.BytesIO(self.body)

    def open(self) -> BinaryIO:
        """Return a stream of the bytes, from their beginning."""
        return self.body.open("rb") if isinstance(self.body, Path) else io.BytesIO(self.body)

    def beginning(self, most: int) -> bytes:
        """Return the first bytes, at most ``most``."""
        with self.open() as stream:
            return stream.read(most)

    def ending(self, most: int) -> bytes:
        """Return the last bytes, at most ``most``."""
        with self.open() as stream:
            stream.seek(max(0, self.size - most))
            return stream.read()

    def pieces(self, size: int = PIECE) -> Iterator[bytes]:
        """Yield the bytes, so many at a time."""
        with self.open() as stream:
            while piece := stream.read(size):
                yield piece


class Scratch:
    """Where what is made of a table is kept while it is worked on: in memory, and in files from some size on.

    Attributes:
        most: bytes it keeps of one thing.
    """

    def __init__(self, in_memory: int = SPOOL_ABOVE, most: int = MOST_SPOOLED) -> None:
        self.most = most
        self._in_memory = in_memory
        self._folder: Path | None = None
        self._files = 0
        self._cleaning = ExitStack()

    @classmethod
    def without_disk(cls) -> Scratch:
        """Return one that keeps everything in memory and need not be closed."""
        return cls(in_memory=MOST_BYTES, most=MOST_BYTES)

    def __enter__(self) -> Scratch:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Delete the files."""
        self._cleaning.close()

    def file(self) -> Path:
        """Name a new file, which is deleted when the scratch is closed."""
        if self._folder is None:
            self._folder = Path(self._cleaning.enter_context(tempfile.TemporaryDirectory(prefix="table-")))
        self._files += 1
        return self._folder / str(self._files)

    def keep(self, pieces: Iterable[bytes], what: str) -> Content:
        """Keep the pieces as one; ``what`` they are, for messages.

        Raises:
            UnreadableTable: they are more than ``most`` bytes, or more than the disk has room for.
        """
        memory = io.BytesIO()
        pieces = iter(pieces)
        for piece in pieces:
            memory.write(piece)
            self._refuse_if_over(memory.tell(), what)
            if memory.tell() > self._in_memory:
                return self._spooled(memory, pieces, what)
        return Content(memory.getvalue())

    def _spooled(self, first: io.BytesIO, pieces: Iterator[bytes], what: str) -> Content:
        path = self.file()
        try:
            with path.open("wb") as file:
                file.write(first.getbuffer())
                for piece in pieces:
                    file.write(piece)
                    self._refuse_if_over(file.tell(), what)
        except OSError as error:
            raise UnreadableTable(
                f"{what} does not fit on the function's disk ({error.strerror}): split the table, or give the function "
                "more ephemeral storage"
            ) from error
        return Content(path)

    def _refuse_if_over(self, size: int, what: str) -> None:
        if size > self.most:
            raise UnreadableTable(f"{what} has more than {self.most:,} bytes: split it into smaller tables")


def rows_at_once(columns: int, cells: int, most: int) -> int:
    """Return how many rows of so many columns to take together: about ``cells`` in all, and no more than ``most``."""
    return max(_FEWEST_ROWS, min(most, cells // max(1, columns)))


def whole_lines(content: bytes, *, cut_off: bool) -> bytes:
    """Leave out the row that the beginning of a text, in UTF-8 or UTF-16, was cut in."""
    if not cut_off:
        return content
    if content.startswith(_WIDE):
        newline = "\n".encode("utf-16-le" if content.startswith(codecs.BOM_UTF16_LE) else "utf-16-be")
        quote = newline.replace(b"\n", b'"')
    else:
        newline, quote = b"\n", b'"'
    end = len(content)
    while (end := content.rfind(newline, 0, end)) >= 0:
        if content.count(quote, 0, end) % 2 == 0 and end % len(newline) == 0:
            return content[: end + len(newline)]
    return b""
