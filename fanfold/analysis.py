"""Queries over runs on this machine: the tables and the named queries of the template, answered by polars.

The template describes them for Athena; here its column types become polars' and its SQL runs as it is. Two things that
SQL needs and polars has not are put in its place: ``?``, which stands for the run, and the value of a map by its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl
from samtranslator.yaml_helper import yaml_parse

from fanfold.problems import UsageProblem

POLARS_FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_SIMPLE: Mapping[str, pl.DataType] = {
    "bigint": pl.Int64(),
    "boolean": pl.Boolean(),
    "double": pl.Float64(),
    "string": pl.String(),
}
_TEXT = r"'(?:[^']|'')*'"
# What quotes and comments hold is passed over, because they stand first.
_TOKEN = re.compile(
    rf"""{_TEXT} | "(?:[^"]|"")*" | --[^\n]* | /\*.*?\*/ | (?P<run>\?)
    | \b(?P<map>\w+) \s*\[\s* (?P<key>{_TEXT}) \s*\]
    | \belement_at \s*\(\s* (?P<map2>\w+) \s*,\s* (?P<key2>{_TEXT}) \s*\)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_QUERY = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:select|with)\b", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class NamedQuery:
    """A query that the template keeps for analysts."""

    name: str
    description: str
    sql: str


@dataclass(frozen=True)
class Catalog:
    """What the template offers to analysts.

    Attributes:
        tables: the columns of each table, its partition key last.
        queries: the named queries, by name.
    """

    tables: Mapping[str, pl.Schema]
    queries: Mapping[str, NamedQuery]

    def named(self, name: str) -> NamedQuery:
        """Return a named query; raises UsageProblem when there is none of that name."""
        if name not in self.queries:
            raise UsageProblem(f"there is no query {name!r}: write one of {', '.join(self.queries)}")
        return self.queries[name]


def read_catalog(template: Path) -> Catalog:
    """Read the tables and the named queries of a template."""
    resources = yaml_parse(template.read_text())["Resources"].values()
    tables = [each["Properties"]["TableInput"] for each in resources if each["Type"] == "AWS::Glue::Table"]
    queries = [each["Properties"] for each in resources if each["Type"] == "AWS::Athena::NamedQuery"]
    return Catalog(
        {table["Name"]: _schema(table) for table in tables},
        {each["Name"]: NamedQuery(each["Name"], each["Description"], each["QueryString"]) for each in queries},
    )


def _schema(table: Mapping[str, Any]) -> pl.Schema:
    columns = [*table["StorageDescriptor"]["Columns"], *table["PartitionKeys"]]
    return pl.Schema({column["Name"]: to_polars(column["Type"]) for column in columns})


def to_polars(hive: str) -> pl.DataType:
    """Return the type of polars for one of Hive, such as ``array<struct<type:string,count:bigint>>``.

    Raises:
        KeyError: a type the template has no use for so far.
    """
    kind, _, inner = hive.removesuffix(">").partition("<")
    if not inner:
        return _SIMPLE[kind]
    parts = list(_split(inner))
    if kind == "array":
        return pl.List(to_polars(inner))
    if kind == "map":
        return pl.Map(*map(to_polars, parts))
    return pl.Struct({name: to_polars(each) for name, _, each in (part.partition(":") for part in parts)})


def _split(inner: str) -> Iterator[str]:
    """Yield what the outermost commas separate."""
    depth, start = 0, 0
    for place, character in enumerate(inner):
        depth += {"<": 1, ">": -1}.get(character, 0)
        if character == "," and depth == 0:
            yield inner[start:place]
            start = place + 1
    yield inner[start:]


# The files of a table, by the value of its partition key.
Files = Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class Answer:
    """The rows of a query, each with a value a column; maps and structs are dicts, arrays are lists."""

    columns: Sequence[str]
    rows: Iterator[tuple[Any, ...]]


@dataclass(frozen=True)
class Query:
    """SQL made ready for polars.

    Attributes:
        sql: with the run in the place of ``?`` and a column in the place of each look-up in a map.
        lookups: those columns: map and key.
    """

    sql: str
    schemas: Mapping[str, pl.Schema]
    lookups: frozenset[tuple[str, str]]

    @property
    def tables(self) -> list[str]:
        """The tables that the SQL may mean."""
        return [name for name in self.schemas if re.search(rf"\b{name}\b", self.sql, re.IGNORECASE)]

    def check(self) -> None:
        """Plan the query over empty tables; raises UsageProblem when it does not fit them."""
        self._over({})

    def answer(self, files: Mapping[str, Files]) -> Answer:
        """Run the query over files of JSON lines, also gzipped, in memory that does not grow with them.

        Args:
            files: the files of each table; what a line of them lacks is null.

        Raises:
            UsageProblem: it does not fit, or a value in it cannot be computed; also while the rows are read.
        """
        planned = self._over(files)
        return Answer(planned.collect_schema().names(), self._rows(planned))

    def _rows(self, planned: pl.LazyFrame) -> Iterator[tuple[Any, ...]]:
        try:
            for batch in planned.collect_batches(engine="streaming"):
                yield from batch.iter_rows()
        except POLARS_FAULTS as error:
            raise UsageProblem(self._described(error)) from error

    def _over(self, files: Mapping[str, Files]) -> pl.LazyFrame:
        frames = {
            name: _scan(files.get(name, {}), schema).with_columns(self._looked_up(schema))
            for name, schema in self.schemas.items()
        }
        try:
            planned = pl.SQLContext(frames, eager=False).execute(self.sql)
            planned.collect_schema()
        except POLARS_FAULTS as error:
            raise UsageProblem(self._described(error)) from error
        return planned

    def _looked_up(self, schema: pl.Schema) -> list[pl.Expr]:
        maps = {name for name, dtype in schema.items() if isinstance(dtype, pl.Map)}
        return [
            pl.col(name).map.get(key).alias(_column(name, key)) for name, key in sorted(self.lookups) if name in maps
        ]

    def _described(self, error: BaseException) -> str:
        """Describe what polars said of the query, with what could be written instead."""
        line = str(error).strip().split("\n", maxsplit=1)[0].split("; valid columns:")[0]
        if isinstance(error, pl.exceptions.StructFieldNotFoundError):
            line = f"there is no field {line}"
        unknown = re.search(r"""["']([^"']+)["']""", line)
        known = [*self.schemas, *(column for table in self.tables for column in self.schemas[table])]
        if unknown and unknown[1] not in known and (near := get_close_matches(unknown[1], known, n=1)):
            return f"the query cannot be answered: {line}; did you mean {near[0]!r}?"
        columns = "; ".join(f"{table} has the columns {', '.join(self.schemas[table])}" for table in self.tables)
        return f"the query cannot be answered: {line}; {columns or 'the tables are ' + ', '.join(self.schemas)}"


def prepare(sql: str, run: str, schemas: Mapping[str, pl.Schema]) -> Query:
    """Make SQL ready, and find the faults that show before anything is fetched.

    Raises:
        UsageProblem: it is no query, or does not fit the tables.
    """
    if not _QUERY.match(sql):
        raise UsageProblem(f"{sql.strip()[:40]!r} is no query: write SQL that begins with SELECT or WITH")
    lookups: set[tuple[str, str]] = set()

    def replaced(token: re.Match[str]) -> str:
        if token["run"]:
            return _quoted(run)
        name, key = token["map"] or token["map2"], token["key"] or token["key2"]
        if not name:
            return token[0]
        lookup = name.lower(), key[1:-1].replace("''", "'")
        lookups.add(lookup)
        return '"' + _column(*lookup).replace('"', '""') + '"'

    query = Query(_TOKEN.sub(replaced, sql), schemas, frozenset(lookups))
    query.check()
    return query


def _scan(files: Files, schema: pl.Schema) -> pl.LazyFrame:
    """Return files as one table of exactly this schema, whatever they hold; its last column is their partition."""
    *columns, partition = schema.items()
    inside = pl.Schema(columns)
    groups = [
        pl.scan_ndjson(list(paths), schema=inside).with_columns(pl.lit(value).alias(partition[0]))
        for value, paths in files.items()
    ]
    return pl.concat(groups) if groups else pl.LazyFrame(schema=schema)


def _column(name: str, key: str) -> str:
    return f"{name}[{_quoted(key)}]"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
