"""The job's SQL: one query over the one table ``self``, or an expression, and nothing else that polars can reach."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl
import polars.selectors as cs

from functions.table_transform.errors import POLARS_FAULTS, QueryFailed, first_line, listed, nearest
from functions.table_transform.output import Engine

# The table functions of polars read files and URLs with the function's own rights. They are refused wherever their
# names stand, in a comment or a text too: without a second parser there is nothing that quotes could fool.
_READS = re.compile(r"\b(read|scan)_(csv|parquet|ipc|json|ndjson|avro)\b", re.I)
_QUERY = re.compile(r"(\s|\(|--[^\n]*\n|/\*.*?\*/)*(select|with|from)\b", re.I | re.S)
# Steps of a plan, as polars explains it.
_SCAN = re.compile(r"^\s*\w+ SCAN\b", re.M)
_UNORDERED = re.compile(r"^\s*(AGGREGATE|UNIQUE)\[maintain_order: false", re.M)
_SORT = re.compile(r"^\s*SORT BY\b", re.M)
_SHUFFLE = re.compile(r"^\s*(AGGREGATE|UNION|UNIQUE|\w+ JOIN)\b", re.M)
_QUOTED = re.compile(r"""["']([^"']+)["']""")


@dataclass(frozen=True)
class Plan:
    """A query that fits a schema.

    Attributes:
        steps: as polars explains them.
    """

    sql: str
    schema: pl.Schema
    steps: str

    @property
    def engine(self) -> Engine:
        """The engine of polars that keeps the order of rows: streaming (bounded memory) where no step shuffles them."""
        return "in-memory" if _SHUFFLE.search(self.steps) else "streaming"

    def over(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return the query over ``frame``, not run yet.

        Groups and distinct rows that the SQL leaves unordered are sorted by their columns: polars hands them out in
        another order each time, and the same input is to give the same bytes. (It does so with one thread; several
        add floats in another order each time.)
        """
        query = parse(self.sql, frame)
        unordered, sort = _UNORDERED.search(self.steps), _SORT.search(self.steps)
        if unordered is None or (sort is not None and sort.start() < unordered.start()):
            return query
        return query.sort(~cs.nested(), nulls_last=True)

    def failed(self, error: BaseException) -> QueryFailed:
        """Describe what polars raised when the query ran."""
        return QueryFailed(_described("the SQL", error, self.schema))


def parse(sql: str, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return the query over ``frame``; columns, tables and functions are looked up only when it is used.

    Raises:
        QueryFailed: bad syntax, another statement than a query, or a function that reads files.
    """
    reads = _READS.search(sql)
    if reads:
        raise QueryFailed(f"{reads[0]} is not allowed in SQL: the only table is self, the object that is transformed")
    if not _QUERY.match(sql):
        raise QueryFailed(f"{sql.strip()[:40]!r} is no query: SQL that begins with SELECT or WITH is wanted")
    with told("the SQL", pl.Schema()):
        return pl.SQLContext({"self": frame}).execute(sql)


def plan(sql: str, schema: pl.Schema) -> Plan:
    """Plan the query over a table of ``schema``, without running it.

    Raises:
        QueryFailed: it does not fit, such as an unknown column, table or function.
    """
    query = parse(sql, pl.DataFrame(schema=schema).lazy())
    with told("the SQL", schema):
        steps = query.explain(optimized=False)
    if _SCAN.search(steps):
        raise QueryFailed("the SQL reads more than self: the only table is the object that is transformed")
    return Plan(sql, schema, steps)


def expression(sql: str, option: str, schema: pl.Schema) -> pl.Expr:
    """Return an SQL expression over the columns of ``schema``; ``option`` is where it stands.

    Raises:
        QueryFailed: bad syntax, or an unknown column or function.
    """
    if _READS.search(sql):
        raise QueryFailed(f"the option {option!r} reads files: it has an expression over the columns of a row")
    with told(f"the option {option!r}", schema):
        found = pl.sql_expr(sql)
        pl.DataFrame(schema=schema).lazy().select(found).collect_schema()
    return found


@contextmanager
def told(what: str, schema: pl.Schema) -> Iterator[None]:
    """Turn an error of polars over ``what`` into QueryFailed, with the near name or the columns there are."""
    try:
        yield
    except POLARS_FAULTS as error:
        raise QueryFailed(_described(what, error, schema)) from error


def _described(what: str, error: BaseException, schema: pl.Schema) -> str:
    """Describe an error of polars with the near name where a name is unknown, else with the columns there are."""
    line = first_line(error).split("; valid columns:")[0]
    unknown = _QUOTED.search(line)
    near = nearest(unknown[1], [*schema.names(), "self"]) if unknown else None
    if near and unknown and near != unknown[1]:
        return f"{what} does not fit: {line}; did you mean {near!r}?"
    columns = f"; self has the columns {listed([f'{name} ({dtype})' for name, dtype in schema.items()])}"
    return f"{what} does not fit: {line}{columns if schema else ''}"


def refuse_unknown(names: Iterable[str], option: str, known: Sequence[str]) -> None:
    """Raise QueryFailed for the first column that an option names and the table has not."""
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"its columns are {listed(known)}"
            raise QueryFailed(f"the table has no column {name!r}, which the option {option!r} names: {hint}")


def refuse_taken(names: Iterable[str], option: str, known: Sequence[str]) -> None:
    """Raise QueryFailed for the first column that an option adds and the table already has."""
    for name in names:
        if name in known:
            raise QueryFailed(f"the table already has a column {name!r}, which the option {option!r} adds: rename one")
