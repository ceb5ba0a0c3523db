"""The content of an object: unpacked, and recognised by its bytes rather than by its name."""

from __future__ import annotations

import gzip
import io
import zlib

from functions.table_transform.errors import UnreadableTable

# Of an unpacked table. The function holds the bytes, what is decoded of them and the output at once.
MOST_BYTES = 256 * 1024 * 1024
# Time and memory of polars grow with the square of them.
MOST_COLUMNS = 10_000
_PIECE = 1024 * 1024
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
# (offset, bytes, what it is): what bears the name of a table often enough.
_NO_TABLES = (
    (0, b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (0, b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (4, b"1AY&SY", "compressed with bzip2"),
    (0, b"\xfd7zXZ\x00", "compressed with xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, _GZIP, "compressed with gzip twice"),
    (0, b"ARROW1\x00\x00", "an Arrow IPC file"),
    (0, b"Obj\x01", "an Avro file"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"\x89PNG\r\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
)


def unpack(body: bytes, most: int = MOST_BYTES) -> bytes:
    """Return the bytes, decompressed where they are gzip; never more than ``most`` of them are held.

    Raises:
        UnreadableTable: a damaged archive, or more than ``most`` bytes in it.
    """
    if not body.startswith(_GZIP):
        return body
    unpacked = io.BytesIO()
    try:
        with gzip.open(io.BytesIO(body)) as stream:
            while piece := stream.read(_PIECE):
                unpacked.write(piece)
                if unpacked.tell() > most:
                    raise UnreadableTable(f"the gzip holds more than {most:,} bytes: split it into smaller tables")
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableTable(f"the gzip is damaged or cut off ({error}): write it again") from error
    return unpacked.getvalue()


def unpack_beginning(body: bytes, most: int) -> bytes:
    """Return at most ``most`` bytes of what a cut-off object begins with; raises UnreadableTable."""
    if not body.startswith(_GZIP):
        return body[:most]
    try:
        return zlib.decompressobj(wbits=31).decompress(body, most)
    except zlib.error as error:
        raise UnreadableTable(f"the gzip is damaged ({error}): write it again") from error


def is_parquet(content: bytes) -> bool:
    """Tell whether the bytes begin as a Parquet file does."""
    return content.startswith(_PARQUET)


def refuse_what_is_no_table(content: bytes) -> None:
    """Raise UnreadableTable for a known kind of file that is no table this operation reads."""
    for offset, mark, kind in _NO_TABLES:
        if content.startswith(mark, offset):
            raise UnreadableTable(
                f"this is {kind}, whatever its name says: give CSV, TSV, JSON, JSON lines or Parquet, plain or gzip"
            )
