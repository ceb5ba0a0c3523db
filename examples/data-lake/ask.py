"""Asks the Parquet files of the lake with SQL, as Athena would: ``python ask.py FOLDER QUERY.sql``."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl


def main(lake: Path, query: Path) -> None:
    """Print the answer as a table; folders such as region=north are a column."""
    orders = pl.scan_parquet(lake / "region=*" / "*.parquet", hive_partitioning=True)
    answer = pl.SQLContext(out_lake_orders=orders).execute(query.read_text(), eager=True)
    with pl.Config(
        tbl_formatting="ASCII_MARKDOWN", tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True, tbl_rows=-1
    ):
        print(answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
