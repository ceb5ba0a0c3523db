"""The options of table-transform, what they refuse together, and the name of the output."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.table_transform.columns import TYPES
from functions.table_transform.conversion import FORMS, KINDS
from functions.table_transform.delimited import DELIMITERS
from functions.table_transform.output import CONTENT_TYPES
from functions.table_transform.schema import parse_schema
from itemkit import option, rename

EVERYTHING = "SELECT * FROM self"
# Where the listing of a table's partitions lies; what begins with an underscore is no data to Athena and Spark.
PARTITIONS = "_partitions/"
_LIMIT = re.compile(r"(\d{1,3}(?:\.\d+)?)%")


@dataclass(frozen=True)
class TransformOptions:
    """What a job can say about its tables; without a word each becomes Parquet, row by row.

    The options apply in the order of their declaration, whatever order a job gives them in.
    """

    delimiter: str | None = option(
        None, help="of delimited input; without a word it is found", choices=tuple(DELIMITERS), example="semicolon"
    )
    types: dict[str, str] | None = option(
        None,
        help=f"columns to read as one of {', '.join(TYPES)} instead of what their values look like",
        example={"postcode": "text"},
    )
    rename: dict[str, str] | None = option(
        None, help="columns by their old name, with the new one", example={"Ordr Date": "ordered"}
    )
    select: tuple[str, ...] = option((), help="the columns to keep, in this order", example=["id", "region", "amount"])
    normalize: dict[str, str] | None = option(
        None,
        help="columns of text (* for all) to bring to forms: "
        f"{', '.join(FORMS)}; the last three are dates in this order, made ISO",
        example={"*": "trim", "email": "trim lower", "ordered": "dmy"},
    )
    cast: dict[str, str] | None = option(
        None,
        help=f"columns to make one of {', '.join(KINDS)}; a value that is none fails the table",
        example={"ordered": "date", "postcode": "text"},
    )
    schema: str | dict[str, Any] | None = option(
        None,
        help="columns and what is allowed in them, or the s3:// URI of a JSON file with that; "
        "rows that do not fit are set aside below _rejected/",
        example={"id": {"type": "integer", "unique": True}, "region": {"enum": ["north", "south"]}},
    )
    max_rejected: int | str = option(
        "10%", help="rows that may be set aside, a number or a share, before the whole table fails", example=100
    )
    join: dict[str, Any] | tuple[dict[str, Any], ...] | None = option(
        None,
        help="a reference table in S3 (or several) whose columns are added where the columns 'on' are equal",
        example={"table": "s3://BUCKET/regions.csv", "on": ["region"], "columns": ["manager"], "prefix": "region_"},
    )
    constants: dict[str, str] | None = option(
        None, help="columns to add, each with the manifest column its value stands in", example={"customer": "customer"}
    )
    source_column: str | None = option(None, help="the name of a column to add for the object's URI", example="source")
    ingested_at: str | None = option(
        None, help="the name of a column to add for the time of the transformation, in UTC", example="ingested_at"
    )
    filter: str | None = option(
        None, help="the rows to keep, an SQL condition", example="amount > 0 AND region IS NOT NULL"
    )
    computed: dict[str, str] | None = option(
        None,
        help="columns to add or replace, each an SQL expression that can use those before it",
        example={"gross": "ROUND(amount * 1.19, 2)"},
    )
    sql: str = option(
        EVERYTHING,
        help="one query in the SQL of polars; self is the table",
        example="SELECT region, SUM(amount) AS amount FROM self GROUP BY region",
    )
    drop_duplicates: bool | tuple[str, ...] = option(
        False, help="keep the first of equal rows, or of rows that are equal in these columns", example=["id"]
    )
    partition_by: tuple[str, ...] = option(
        (), help="columns to write Hive partitions by, such as region=north/NAME.parquet", example=["region"]
    )
    format: str = option("parquet", help="of the output", choices=tuple(CONTENT_TYPES), example="csv")
    compact: bool = option(False, help="make one table of all small objects of a batch")
    drift: str = option(
        "unify",
        help="compacted tables with other columns or types: unify them, or refuse those unlike most",
        choices=("unify", "refuse"),
        example="refuse",
    )

    def __post_init__(self) -> None:
        """Refuse what there is not, and what does not fit together."""
        _refuse_kinds("types", self.types or {}, TYPES)
        _refuse_kinds("cast", self.cast or {}, KINDS)
        for column in self.normalize or {}:
            self.forms(column)
        if isinstance(self.schema, Mapping):
            parse_schema(self.schema)
        elif self.schema is not None:
            _refuse_other_than_uri("schema", self.schema)
        self.most_rejected(0)
        for join in self.joins:
            _refuse_join(join)
        for fault in self._faults():
            raise ValueError(fault)

    @property
    def joins(self) -> tuple[dict[str, Any], ...]:
        """The tables to join, one or several."""
        if self.join is None:
            return ()
        return self.join if isinstance(self.join, tuple) else (self.join,)

    @property
    def source(self) -> str | None:
        """The name of the column for the object's URI: compacted rows always have one."""
        return self.source_column or ("source" if self.compact else None)

    @property
    def reads_in_passing(self) -> bool:
        """Whether the rows can be proven while they are run for the first time.

        Not where their number is wanted before, for 'max_rejected', nor where the first run reads them several times.
        """
        often = len(re.findall(r"\bself\b", self.sql or "", re.I)) > 1
        return not (often or self.schema)

    def distinct(self, columns: Sequence[str]) -> Sequence[str]:
        """Return those of a table's columns in which no two rows are to be equal; none: rows may be."""
        if isinstance(self.drop_duplicates, bool):
            return columns if self.drop_duplicates else ()
        return self.drop_duplicates

    def forms(self, column: str) -> list[str]:
        """Return the forms that ``normalize`` gives a column; raises ValueError for one that there is not."""
        forms = (self.normalize or {}).get(column, "").split()
        for form in forms:
            if form not in FORMS:
                raise ValueError(f"option 'normalize' has {form!r} for column {column!r}: write {', '.join(FORMS)}")
        return forms

    def most_rejected(self, rows: int) -> int:
        """Return how many of ``rows`` may be set aside; raises ValueError where 'max_rejected' says no number."""
        if isinstance(self.max_rejected, int):
            if self.max_rejected < 0:
                raise ValueError(f"option 'max_rejected' is {self.max_rejected}: write 0 or more")
            return self.max_rejected
        share = _LIMIT.fullmatch(self.max_rejected)
        if not share or float(share[1]) > 100:
            raise ValueError(f"option 'max_rejected' is {self.max_rejected!r}: write a number, or a share such as '5%'")
        return int(rows * float(share[1]) / 100)

    def _faults(self) -> Iterator[str]:
        renamed = list((self.rename or {}).values())
        if twice := sorted({name for name in renamed if renamed.count(name) > 1}):
            yield f"option 'rename' gives two columns the name {twice[0]!r}: give each its own"
        if twice := sorted({name for name in self.select if self.select.count(name) > 1}):
            yield f"option 'select' names {twice[0]!r} twice: leave one out"
        if len(set(self.partition_by)) < len(self.partition_by):
            yield "option 'partition_by' names a column twice: leave one out"
        if self.compact:
            yield from self._faults_of_compacting()
        elif self.drift != "unify":
            yield "option 'drift' is about tables that are compacted: add \"compact\": true, or leave it out"
        if self.schema is None and self.max_rejected != "10%":
            yield "option 'max_rejected' is about rows that do not fit a schema: add 'schema', or leave it out"

    def _faults_of_compacting(self) -> Iterator[str]:
        by_batch = {"sql": self.sql != EVERYTHING, "drop_duplicates": bool(self.drop_duplicates)}
        for name in (name for name, given in by_batch.items() if given):
            yield (
                f"options 'compact' and {name!r} do not fit: the result would depend on how the objects fall into "
                f"batches; compact first, and run {name!r} over the outputs in a job of its own"
            )
        of_one = {"schema": self.schema, "partition_by": self.partition_by, "constants": self.constants}
        for name in (name for name, given in of_one.items() if given):
            yield (
                f"options 'compact' and {name!r} do not fit, since a batch becomes one output: "
                f"run {name!r} in a job of its own"
            )


def _refuse_kinds(name: str, kinds: Mapping[str, str], known: Mapping[str, Any]) -> None:
    for column, kind in kinds.items():
        if kind not in known:
            raise ValueError(f"option {name!r} has {kind!r} for column {column!r}: write one of {', '.join(known)}")


def _refuse_other_than_uri(name: str, uri: Any) -> None:
    if not isinstance(uri, str) or not re.fullmatch(r"s3://[^/]+/.+", uri):
        raise ValueError(f"option {name!r} has {uri!r}: write s3://BUCKET/KEY")


def _refuse_join(join: Mapping[str, Any]) -> None:
    """Raise ValueError where a table to join is not told as it should be."""
    for name in join:
        if name not in ("table", "on", "columns", "prefix"):
            raise ValueError(f"option 'join' has {name!r}: known are table, on, columns, prefix")
    _refuse_other_than_uri("join.table", join.get("table"))
    for name, needed in (("on", True), ("columns", False)):
        columns = join.get(name, [])
        if (
            not isinstance(columns, list)
            or not all(isinstance(each, str) for each in columns)
            or needed > bool(columns)
        ):
            raise ValueError(
                f"option 'join.{name}' is {join.get(name)!r}: write a list of columns, such as [\"region\"]"
            )
    if not isinstance(join.get("prefix", ""), str):
        # ValueError is what the kit takes for a refusal.
        raise ValueError(f"option 'join.prefix' is {join['prefix']!r}: write a text, such as \"region_\"")  # noqa: TRY004


def output_names(name: str, options: TransformOptions) -> list[str]:
    """Name the output after the table: ``orders.csv`` becomes ``orders.csv.parquet``.

    Partitions are outputs beside that which is named here, a list of them: ``_partitions/orders.csv.json``.
    """
    if options.partition_by:
        return [f"{PARTITIONS}{name}.json"]
    return [rename(name, extension=f".{options.format}")]
