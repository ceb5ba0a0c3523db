"""Tables made to harm whoever reads them, by name; each is small when it is packed, or made in about a second."""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import polars as pl

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MEGABYTE = 1024 * 1024
# More than the function keeps of a table, in memory or on its disk.
TOO_MUCH = 2 * 1024 * MEGABYTE + MEGABYTE
ROWS = b"1,2\n" * (MEGABYTE // 4)


def many(piece: bytes, size: int) -> Iterable[bytes]:
    return (piece for _ in range(size // len(piece)))


def zipped(files: dict[str, bytes], **options: Any) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", **{"compression": zipfile.ZIP_DEFLATED, **options}) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return body.getvalue()


def gzip_bomb() -> bytes:
    packer = zlib.compressobj(1, wbits=31)
    pieces = [packer.compress(piece) for piece in (b"a,b\n", *many(ROWS, TOO_MUCH))]
    return b"".join([*pieces, packer.flush()])


def bzip2_bomb() -> bytes:
    """Return streams one after the other: packing them once is enough."""
    return bz2.compress(b"a,b\n") + bz2.compress(ROWS * 32) * (TOO_MUCH // len(ROWS) // 32 + 1)


def zstd_bomb() -> bytes:
    """Return frames one after the other, as above."""
    return bytes(zstd.compress(b"a,b\n")) + bytes(zstd.compress(ROWS * 32)) * (TOO_MUCH // len(ROWS) // 32 + 1)


def zip_bomb() -> bytes:
    body = io.BytesIO()
    with (
        zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("a.csv", "w", force_zip64=True) as file,
    ):
        for piece in (b"a,b\n", *many(ROWS, TOO_MUCH)):
            file.write(piece)
    return body.getvalue()


def zip_of_many() -> bytes:
    return zipped({f"{number}.csv": b"" for number in range(30_000)})


def billion_laughs() -> bytes:
    entities = ['<!ENTITY a0 "ha">'] + [f'<!ENTITY a{number} "{f"&a{number - 1};" * 10}">' for number in range(1, 10)]
    return f"<!DOCTYPE rows [{''.join(entities)}]><rows><row><a>&a9;</a></row></rows>".encode()


def external_entity() -> bytes:
    return b'<!DOCTYPE rows [<!ENTITY x SYSTEM "file:///etc/passwd">]><rows><row><a>&x;</a></row></rows>'


def wide(columns: int, rows: int) -> bytes:
    header = ",".join(f"c{number}" for number in range(columns))
    return (header + "\n" + (",".join(["7"] * columns) + "\n") * rows).encode()


def long_cell(size: int) -> bytes:
    return b"a,b\n1," + b"x" * size + b"\n"


def parquet_of_one_text(length: int, rows: int) -> bytes:
    """Return a text many times over: it is there once, in a dictionary."""
    body = io.BytesIO()
    frame = pl.DataFrame({"a": ["x" * length]}).select(pl.col("a").repeat_by(rows).explode())
    frame.write_parquet(body, compression="zstd", row_group_size=rows)
    return body.getvalue()


def arrow_with(length: int) -> bytes:
    """Return an Arrow file in which the length of a buffer is another."""
    body = io.BytesIO()
    pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "a text of more than twelve bytes"]}).write_ipc(body)
    content = body.getvalue()
    known = struct.pack("<q", len("a text of more than twelve bytes"))
    return content.replace(known, struct.pack("<q", length))


HARMFUL: dict[str, Callable[[], bytes]] = {
    "a gzip bomb": gzip_bomb,
    "a bzip2 bomb": bzip2_bomb,
    "a zstd bomb": zstd_bomb,
    "a zip bomb": zip_bomb,
    "a gzip of zeros": lambda: gzip.compress(bytes(300 * MEGABYTE), 1),
    "a zip of many": zip_of_many,
    "billion laughs": billion_laughs,
    "10,000 columns": lambda: wide(10_000, 100),
    "10,001 columns": lambda: wide(10_001, 1),
    "a line of 64 MB": lambda: long_cell(64 * MEGABYTE),
    "a line of 200 MB": lambda: long_cell(200 * MEGABYTE),
    "a header of 64 MB": lambda: b"x" * 64 * MEGABYTE,
    "64 MB of commas": lambda: b"," * 64 * MEGABYTE,
    "an object of 64 MB": lambda: b'{"a": [' + b"1," * 32 * MEGABYTE + b"1]}",
    "a list with an object of 64 MB": lambda: b'[{"a": [' + b"1," * 32 * MEGABYTE + b"1]}]",
    "brackets": lambda: b"[" * 64 * MEGABYTE,
    "an open quote": lambda: b'a,b\n1,"' + b"x,y\n" * 50 * MEGABYTE,
    "a Parquet of one long text": lambda: parquet_of_one_text(MEGABYTE, 600),
    "an Arrow file with a long buffer": lambda: arrow_with(2**62),
    "elements within elements": lambda: b"<a>" * 10 * MEGABYTE,
    "a row of 100 MB": lambda: b"<a><b>" + b"x" * 100 * MEGABYTE + b"</b><b/></a>",
}
