"""Objects of S3 opened for reading: streamed, and decompressed where their name says so."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fanfold.local.stepfunctions.document import loads

_CHUNK: Final = 1_048_576
_ROWS: Final = 5_000


@contextlib.contextmanager
def open_object(s3: Any, arguments: Mapping[str, Any]) -> Iterator[Any]:
    """Open an object as a stream of bytes; ``.gz`` and ``.zstd`` are decompressed on the way."""
    body = s3.get_object(**arguments)["Body"]
    key = str(arguments.get("Key", ""))
    with contextlib.closing(body):
        if key.endswith(".gz"):
            with gzip.GzipFile(fileobj=body) as plain:
                yield plain
        elif key.endswith((".zstd", ".zst")):
            yield _zstandard(body)
        else:
            yield body


def _zstandard(body: Any) -> Any:
    """Decompress in memory, by the library at hand that knows Zstandard: to polars, text is a table of one column."""
    import polars  # noqa: PLC0415 - takes a third of a second, and few need it

    text = polars.read_csv(
        body.read(),
        has_header=False,
        schema={"line": polars.String},
        separator="\x00",
        quote_char=None,
        encoding="utf8-lossy",
    )
    return io.BytesIO("".join(f"{line or ''}\n" for line in text["line"]).encode())


def lines(body: Any) -> Iterator[str]:
    """Yield the lines of a stream with their ends; bytes that are not UTF-8 become U+FFFD."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    waiting = ""
    while True:
        chunk = body.read(_CHUNK)
        waiting += decoder.decode(chunk, final=not chunk)
        *whole, waiting = waiting.split("\n")
        for line in whole:
            yield f"{line}\n"
        if not chunk:
            break
    if waiting:
        yield waiting


def parquet_rows(body: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet stream, some thousands at a time; dates and decimals become text."""
    import polars  # noqa: PLC0415 - takes a third of a second, and few need it

    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        shutil.copyfileobj(body, file, _CHUNK)
        file.flush()
        try:
            table = polars.scan_parquet(file.name)
            height = int(table.select(polars.len()).collect().item())
            for start in range(0, height, _ROWS):
                for line in table.slice(start, _ROWS).collect().write_ndjson().splitlines():
                    yield loads(line)
        except polars.exceptions.PolarsError as problem:
            raise ValueError(f"not a Parquet file: {problem}") from None
