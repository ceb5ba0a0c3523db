"""The result of a query in the format the job asks for."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

Engine = Literal["streaming", "in-memory"]
CONTENT_TYPES: Mapping[str, str] = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
}


@dataclass(frozen=True)
class Written:
    """The bytes of a result and how many rows are in them."""

    body: bytes
    rows: int


def write(query: pl.LazyFrame, form: str, engine: Engine) -> Written:
    """Run the query with an engine of polars and write its rows as ``form``."""
    out = io.BytesIO()
    if form == "parquet":
        query.sink_parquet(out, compression="zstd", engine=engine)
        written = pl.scan_parquet(io.BytesIO(out.getvalue()))
    elif form == "csv":
        query.sink_csv(out, engine=engine)
        written = pl.scan_csv(io.BytesIO(out.getvalue()), infer_schema=False)
    else:
        query.sink_ndjson(out, engine=engine)
        return Written(out.getvalue(), out.getvalue().count(b"\n"))
    return Written(out.getvalue(), written.select(pl.len()).collect().item())
