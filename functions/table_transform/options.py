"""The options of table-transform, and the name of its output."""

from __future__ import annotations

from dataclasses import dataclass

from functions.table_transform.columns import TYPES
from functions.table_transform.delimited import DELIMITERS
from functions.table_transform.output import CONTENT_TYPES
from itemkit import option, rename


@dataclass(frozen=True)
class TransformOptions:
    """What a job can say about its tables; without a word each becomes Parquet, row by row."""

    sql: str = option(
        "SELECT * FROM self",
        help="one query in the SQL of polars; self is the table",
        example="SELECT region, SUM(amount) AS amount FROM self GROUP BY region",
    )
    format: str = option("parquet", help="of the output", choices=tuple(CONTENT_TYPES), example="csv")
    delimiter: str | None = option(
        None, help="of delimited input; without a word it is found", choices=tuple(DELIMITERS), example="semicolon"
    )
    types: dict[str, str] | None = option(
        None,
        help=f"columns to read as one of {', '.join(TYPES)} instead of what their values look like",
        example={"postcode": "text"},
    )

    def __post_init__(self) -> None:
        """Refuse a type that there is not."""
        for column, kind in (self.types or {}).items():
            if kind not in TYPES:
                raise ValueError(f"option 'types' has {kind!r} for column {column!r}: write one of {', '.join(TYPES)}")


def output_names(name: str, options: TransformOptions) -> list[str]:
    """Name the output after the table: ``orders.csv`` becomes ``orders.csv.parquet``."""
    return [rename(name, extension=f".{options.format}")]
