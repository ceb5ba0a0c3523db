"""Fuzz table-transform: whatever the bytes, they become a table or are refused by one of its own errors.

``python -m tests.fuzz.fuzz_table_transform --seconds 60``
"""

from __future__ import annotations

import bz2
import gzip
import io
import random
import sys
import zipfile
from pathlib import Path
from typing import Any

import polars as pl

from functions.table_transform.operation import OPERATION
from itemkit import Item, PermanentError
from itemkit.errors import OperationFailed
from tests.fuzz.campaign import Target, main

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ITEM = Item("s3://tables/a.csv", "a.csv")
TABLES = Path(__file__).parents[2] / "sample_data" / "tables"
# Of the whole process; the function has 1,769 MB.
MEMORY = 1536 * 1024 * 1024
_GIVEN: tuple[dict[str, Any], ...] = (
    {},
    {"format": "csv"},
    {"format": "jsonl.gz"},
    {"sql": "SELECT COUNT(*) AS n FROM self"},
    {"drop_duplicates": True},
    {"normalize": {"*": "trim"}},
    {"types": {"id": "text"}, "format": "jsonl"},
    {"schema": {"id": {"type": "integer", "unique": True}}, "max_rejected": "50%"},
)
OPTIONS = [OPERATION.parse(given) for given in _GIVEN]
LARGEST_SAMPLE = 32 * 1024
CSV = 'id,name,amount,day,note\n1,Müller,1.50,2026-01-31,"a, ""b""\nc"\n02,,-3,2026-02-01,\n3,x,1e9,,"y"\n'
FRAME = pl.DataFrame(
    {
        "id": [1, 2, None],
        "name": ["Müller", None, ""],
        "amount": [1.5, float("nan"), -0.0],
        "tags": [["a", "b"], [], None],
        "at": [{"x": 1, "y": "a"}, {"x": None, "y": "b"}, None],
    }
)


def samples() -> dict[str, bytes]:
    """Return sound tables of every kind that is read, all of them small."""
    text = CSV.encode()
    lines = FRAME.write_ndjson().encode()
    xml = b"<?xml version='1.0'?><rows>" + b"<row><id>1</id><name a='b'>x &amp; y</name></row>" * 3 + b"</rows>"
    plain = {
        "csv": text,
        "csv-semicolon": CSV.replace(",", ";").encode(),
        "csv-utf-16": CSV.encode("utf-16"),
        "csv-cp1252": CSV.encode("cp1252"),
        "csv-mark": CSV.encode("utf-8-sig"),
        "csv-returns": CSV.replace("\n", "\r\n").encode(),
        "csv-many": b"id,v\n" + b"".join(b"%d,%d\n" % (number % 40, number) for number in range(3000)),
        "jsonl": lines,
        "json": b"[" + b",".join(lines.splitlines()) + b"]",
        "xml": xml,
        "parquet": _written("write_parquet"),
        "parquet-snappy": _written("write_parquet", compression="snappy"),
        "parquet-plain": _written("write_parquet", compression="uncompressed", statistics=False),
        "arrow": _written("write_ipc"),
        "arrow-lz4": _written("write_ipc", compression="lz4"),
        "arrow-stream": _written("write_ipc_stream"),
    }
    packed = {
        "csv-gz": gzip.compress(text, mtime=0),
        "csv-zst": zstd.compress(text),
        "csv-bz2": bz2.compress(text),
        "csv-zip": _zipped(text),
        "jsonl-gz": gzip.compress(lines, mtime=0),
        "parquet-gz": gzip.compress(plain["parquet"], mtime=0),
    }
    files = {path.name: path.read_bytes() for path in TABLES.rglob("*.*")}
    return plain | packed | {name: body for name, body in files.items() if 0 < len(body) <= LARGEST_SAMPLE}


def _written(method: str, **settings: Any) -> bytes:
    body = io.BytesIO()
    getattr(FRAME, method)(body, **settings)
    return body.getvalue()


def _zipped(text: bytes) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.csv"), text)
    return body.getvalue()


def check(body: bytes, rnd: random.Random) -> None:
    """Transform with options by chance; the output holds as many rows as are told, or the refusal names the object."""
    options = rnd.choice(OPTIONS)
    try:
        result = OPERATION.process(ITEM, body, options)
    except OperationFailed:
        raise
    except PermanentError as error:
        message = str(error)
        assert message.startswith(f"{ITEM.uri}: "), message
        return
    output = result.outputs[0].body
    assert isinstance(output, bytes)
    if options.format == "parquet":
        assert pl.read_parquet(output).height == result.rows_out
    elif options.format == "jsonl":
        assert output.count(b"\n") == result.rows_out


TARGET = Target("table_transform", samples(), check, most_seconds=20, most_bytes=MEMORY)

if __name__ == "__main__":
    raise SystemExit(main(TARGET))
