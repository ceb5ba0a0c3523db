"""The content of an object: unpacked, and recognised by its bytes rather than by its name.

An archive is gzip, zstd, bzip2 or zip, and holds one table.
Archives are read piece by piece, so that what a bomb unpacks to costs no more than the pieces up to the limit.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, BinaryIO

from functions.table_transform.errors import UnreadableTable, listed
from functions.table_transform.spool import MOST_BYTES, PIECE, Content, Scratch

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["MOST_BYTES", "refuse_what_is_no_table", "unpack", "unpack_beginning", "unpacked"]
# (offset, bytes, what it is): what bears the name of a table often enough.
_NO_TABLES = (
    (0, b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (0, b"\xfd7zXZ\x00", "compressed with xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"Obj\x01", "an Avro file"),
    (0, b"ORC", "an ORC file"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"\x89PNG\r\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
)


_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_MAGIC: Mapping[bytes, str] = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    _ZIP: "zip",
    _EMPTY_ZIP: "zip",
}
_STREAMS: Mapping[str, Callable[[BinaryIO], io.BufferedIOBase]] = {
    "gzip": lambda stream: gzip.GzipFile(fileobj=stream),
    "zstd": zstd.ZstdFile,
    "bzip2": bz2.BZ2File,
}
_DAMAGES = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstd.ZstdError, zipfile.BadZipFile)
# What some programs put beside the files of a zip.
_BESIDE = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
# Python keeps all entries of a directory in memory; this is some thousand of them.
_LONGEST_DIRECTORY = 1024 * 1024
_ENCRYPTED = 0x1


def unpacked(content: Content, scratch: Scratch) -> Content:
    """Return the one table of an archive, or the content itself where it is no archive.

    Raises:
        UnreadableTable: a damaged archive, one that holds too much, a zip that holds another number of files than one,
            or an archive within an archive.
    """
    kind = _kind(content.beginning(4))
    if kind is None:
        return content
    unpacked = scratch.keep(_pieces(content, kind), f"what the {kind} holds")
    within = _kind(unpacked.beginning(4))
    if within is not None:
        raise UnreadableTable(f"this is compressed twice, {within} within {kind}: unpack it once")
    return unpacked


def unpack(body: bytes) -> bytes:
    """Return the bytes, unpacked where they are an archive, in memory; raises as ``unpacked`` does."""
    content = unpacked(Content(body), Scratch.without_disk()).body
    if isinstance(content, bytes):
        return content
    raise AssertionError("without a disk everything is in memory")


def unpack_beginning(body: bytes, most: int) -> bytes:
    """Return at most ``most`` bytes of what a cut-off object begins with; raises UnreadableTable."""
    kind = _kind(body)
    decompressors: Mapping[str | None, Any] = {
        "gzip": zlib.decompressobj(wbits=31),
        "zstd": zstd.ZstdDecompressor(),
        "bzip2": bz2.BZ2Decompressor(),
    }
    if kind is None:
        return body[:most]
    if kind not in decompressors:
        raise UnreadableTable("the beginning of a zip does not tell what is in it")
    try:
        unpacked: bytes = decompressors[kind].decompress(body, most)
    except _DAMAGES as error:
        raise _damaged(kind, error) from error
    return unpacked


def _kind(beginning: bytes) -> str | None:
    return next((kind for magic, kind in _MAGIC.items() if beginning.startswith(magic)), None)


def _damaged(kind: str, error: Exception) -> UnreadableTable:
    return UnreadableTable(f"the {kind} is damaged or cut off ({error}): write it again")


def _pieces(content: Content, kind: str) -> Iterator[bytes]:
    try:
        with content.open() as packed:
            if kind == "zip":
                yield from _zipped(packed, content.size)
            else:
                with _STREAMS[kind](packed) as stream:
                    yield from _read(stream)
    # What zipfile has not learned to read is a NotImplementedError, and an unknown password a RuntimeError.
    except (*_DAMAGES, NotImplementedError, RuntimeError, struct.error) as error:
        raise _damaged(kind, error) from error


def _read(stream: IO[bytes] | io.BufferedIOBase) -> Iterator[bytes]:
    while piece := stream.read(PIECE):
        yield piece


def _zipped(packed: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the bytes of the one file of a zip."""
    _refuse_long_directory(packed, size)
    with zipfile.ZipFile(packed) as archive, archive.open(_only_member(archive)) as stream:
        yield from _read(stream)


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    names = archive.namelist()
    if "[Content_Types].xml" in names:
        raise UnreadableTable("this is an Excel workbook or another office document: save its table as CSV")
    # Not by is_dir, which a nameless entry breaks.
    members = [info for info in archive.infolist() if not info.filename.endswith("/") and not _is_beside(info.filename)]
    if len(members) != 1:
        what = f"{len(members)} files ({listed([info.filename for info in members])})" if members else "no file"
        raise UnreadableTable(f"the zip holds {what} where one table is wanted: pack each table by itself")
    if members[0].flag_bits & _ENCRYPTED:
        raise UnreadableTable(f"{members[0].filename} in the zip is encrypted: pack it without a password")
    return members[0]


def _is_beside(name: str) -> bool:
    return name.startswith(_BESIDE[0]) or name.rsplit("/", 1)[-1] in _BESIDE


def _refuse_long_directory(packed: BinaryIO, size: int) -> None:
    """Raise UnreadableTable for a directory that would take gigabytes to read (APPNOTE 4.3.16: its size is 12 in)."""
    packed.seek(max(0, size - 65_557))
    ending = packed.read()
    end = ending.rfind(_EMPTY_ZIP)
    if 0 <= end <= len(ending) - 22 and struct.unpack_from("<I", ending, end + 12)[0] > _LONGEST_DIRECTORY:
        raise UnreadableTable("the zip holds thousands of files where one table is wanted: pack each table by itself")
    packed.seek(0)


def refuse_what_is_no_table(content: Content) -> None:
    """Raise UnreadableTable for a known kind of file that is no table this operation reads."""
    beginning = content.beginning(64)
    for offset, mark, kind in _NO_TABLES:
        if beginning.startswith(mark, offset):
            raise UnreadableTable(
                f"this is {kind}, whatever its name says: give CSV, JSON, JSON lines, Parquet, Arrow or XML"
            )
