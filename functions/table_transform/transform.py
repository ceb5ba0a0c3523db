"""The way of the rows, from as they are read to as they are written; planned over a schema, run over a table.

Every step is lazy and works row by row, so that a table streams through all of them; the exceptions run the rows once
more for what they must know beforehand (see ``validate``, ``Lookup.unmatched`` and ``Repeats``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import polars as pl
from polars.io.plugins import register_io_source

from functions.table_transform import enrich
from functions.table_transform.conversion import converted, normalised, refuse_misfits
from functions.table_transform.dedupe import Repeats
from functions.table_transform.enrich import Lookup
from functions.table_transform.errors import POLARS_FAULTS, QueryFailed
from functions.table_transform.options import TransformOptions
from functions.table_transform.output import Engine
from functions.table_transform.query import expression, plan, refuse_taken, refuse_unknown, told
from functions.table_transform.schema import Schema, parse_schema
from functions.table_transform.validate import as_typed, completed, validate
from itemkit import Item, PermanentError

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """A job's options with what they refer to.

    Attributes:
        schema: of the option 'schema', from the job or from S3.
        lookups: of the option 'join'.
    """

    options: TransformOptions
    schema: Schema | None = None
    lookups: tuple[Lookup, ...] = ()

    @property
    def as_text(self) -> list[str]:
        """The columns whose cells are wanted exactly as they stand in delimited text, by their names in the source."""
        options, old = self.options, {new: name for name, new in (self.options.rename or {}).items()}
        wanted = [*(options.cast or {}), *(self.schema or {}), *(options.normalize or {})]
        return [old.get(name, name) for name in dict.fromkeys(wanted) if name != "*"]


def references(options: TransformOptions) -> list[str]:
    """Return the URIs of the objects that the options refer to."""
    uris = [join["table"] for join in options.joins]
    return list(dict.fromkeys([*uris, *([options.schema] if isinstance(options.schema, str) else [])]))


def prepare(
    options: TransformOptions, objects: Mapping[str, bytes], read: Callable[[str, bytes], pl.DataFrame]
) -> Prepared:
    """Put the objects that the options refer to in their place; ``read`` makes a table of a URI and its bytes.

    Raises:
        PermanentError: one of them is not what it should be.
    """
    schema: Schema | None = None
    try:
        if isinstance(options.schema, str):
            schema = parse_schema(json.loads(objects[options.schema]))
        elif options.schema is not None:
            schema = parse_schema(options.schema)
    except ValueError as error:
        raise PermanentError(f"{options.schema} is no schema ({error})") from error
    if both := sorted(set(schema or {}) & set(options.cast or {})):
        raise PermanentError(f"the column {both[0]!r} is in 'cast' and in the schema: leave it to the schema")
    lookups = [Lookup.of(join, read(join["table"], objects[join["table"]])) for join in options.joins]
    return Prepared(options, schema, tuple(lookups))


@dataclass
class Flow:
    """The rows of one table on their way.

    Attributes:
        frame: as they are by now, not run yet.
        engine: of polars, that keeps their order.
        facts: what came up.
        rejected: the rows set aside.
    """

    frame: pl.LazyFrame
    engine: Engine = "streaming"
    facts: dict[str, Any] = field(default_factory=dict)
    rejected: pl.DataFrame | None = None

    def dropped(self, options: TransformOptions, run: Callable[[pl.LazyFrame, Engine], T]) -> T:
        """Return what ``run`` makes of the rows, without duplicates where the options want none."""
        keys = options.distinct(self.frame.collect_schema().names())
        if not keys and self.engine != "streaming":
            # A sink runs parts of a plan streaming whatever engine it is given, and unions shuffle their rows then.
            return run(self.frame.collect(engine=self.engine).lazy(), "streaming")
        if not keys:
            return run(self.frame, self.engine)
        refuse_unknown(keys, "drop_duplicates", self.frame.collect_schema().names())
        frame = self.frame if self.engine == "streaming" else self.frame.collect(engine=self.engine).lazy()
        with Repeats(frame, keys) as repeats:
            made = repeats.dropped(lambda kept: run(kept, "streaming"))
            self.facts["duplicates_dropped"] = repeats.count
        return made


def run(
    frame: pl.LazyFrame, rows: Callable[[], int], prepared: Prepared, item: Item | None, kept: Sequence[str] = ()
) -> Flow:
    """Lead the rows of an item's table through all steps but the last, which is to write them.

    ``rows`` tells how many there are. ``kept`` columns are there already and stay whatever is selected: those of rows
    of several items, for which there is no item.

    Raises:
        QueryFailed: an option does not fit the table. InvalidRows: too many rows do not fit the schema.
    """
    frame = shaped(frame, prepared.options, kept)
    flow = Flow(frame)
    if prepared.schema is not None:
        verdict = validate(completed(frame, prepared.schema), prepared.schema, prepared.options.most_rejected(rows()))
        flow.frame, flow.rejected = verdict.good, verdict.rejected
        flow.facts["rows_rejected"] = verdict.rejected.height
    for lookup in prepared.lookups:
        joined = lookup.joined(flow.frame)
        unmatched = flow.facts.setdefault("rows_unmatched", {})
        unmatched[lookup.uri] = lookup.unmatched(flow.frame)
        flow.frame = joined
    flow.frame = _computed(enrich.told(flow.frame, prepared.options, item, kept), prepared.options)
    _query(flow, prepared.options)
    return flow


def check(schema: pl.Schema, prepared: Prepared) -> None:
    """Plan all steps over a table of ``schema``, without a row; raises QueryFailed where an option does not fit it."""
    options = prepared.options
    names = _planned(pl.DataFrame(schema=schema).lazy(), prepared).collect_schema().names()
    refuse_unknown(options.distinct(names), "drop_duplicates", names)
    refuse_unknown(options.partition_by, "partition_by", names)


def used_columns(schema: pl.Schema, prepared: Prepared) -> set[str]:
    """Return the columns of a table of ``schema`` that the options use; all of them where an option does not fit it."""
    used: set[str] = set()

    def read(columns: list[str] | None, *_: object) -> Iterator[pl.DataFrame]:
        used.update(schema.names() if columns is None else columns)
        yield pl.DataFrame(schema=schema if columns is None else {name: schema[name] for name in columns})

    table = register_io_source(read, schema=schema)
    try:
        if prepared.schema is not None:
            # Rows that are set aside are told with all of their cells.
            shaped(table, prepared.options).collect()
        _planned(table, prepared).collect()
    except (QueryFailed, *POLARS_FAULTS):
        return set(schema.names())
    return used


def _planned(frame: pl.LazyFrame, prepared: Prepared) -> pl.LazyFrame:
    """Return all steps over the frame, of which none is run: rows that do not fit the schema stay."""
    frame = shaped(frame, prepared.options)
    if prepared.schema is not None:
        frame = as_typed(completed(frame, prepared.schema), prepared.schema)
    for lookup in prepared.lookups:
        frame = lookup.joined(frame)
    flow = Flow(_computed(enrich.told(frame, prepared.options, None), prepared.options))
    _query(flow, prepared.options)
    return flow.frame


def shaped(frame: pl.LazyFrame, options: TransformOptions, kept: Sequence[str] = ()) -> pl.LazyFrame:
    """Rename, select, normalize and cast; ``kept`` columns stay whatever is selected."""
    names = frame.collect_schema().names()
    if options.rename:
        refuse_unknown(options.rename, "rename", names)
        refuse_taken(options.rename.values(), "rename", [name for name in names if name not in options.rename])
        frame = frame.rename(options.rename)
    if options.select:
        refuse_unknown(options.select, "select", frame.collect_schema().names())
        frame = frame.select(*options.select, *kept)
    if options.normalize:
        frame = frame.with_columns(_normalised(frame.collect_schema(), options))
    if options.cast:
        schema = frame.collect_schema()
        refuse_unknown(options.cast, "cast", schema.names())
        with told("the option 'cast'", schema):
            frame = frame.with_columns(
                converted(name, schema[name], kind, strict=True) for name, kind in options.cast.items()
            )
            frame.collect_schema()
    return frame


def refuse_uncast(frame: pl.LazyFrame, options: TransformOptions) -> None:
    """Raise InvalidRows for the first value, of a table as it is read, that the option 'cast' does not fit."""
    if options.cast:
        # Only what is cast counts here; the rest of the options is not to be run over rows that fail.
        uncast = TransformOptions(rename=options.rename, select=options.select, normalize=options.normalize)
        refuse_misfits(shaped(frame, uncast), options.cast)


def _normalised(schema: pl.Schema, options: TransformOptions) -> list[pl.Expr]:
    refuse_unknown((name for name in options.normalize or {} if name != "*"), "normalize", schema.names())
    texts = [name for name, dtype in schema.items() if dtype in (pl.String, pl.Null)]
    for name in options.normalize or {}:
        if name not in (*texts, "*"):
            raise QueryFailed(f"the option 'normalize' names {name!r}, which is {schema[name]}: it is for texts")
    forms = {name: options.forms(name) or options.forms("*") for name in texts}
    return [normalised(name, each) for name, each in forms.items() if each and schema[name] == pl.String]


def _computed(frame: pl.LazyFrame, options: TransformOptions) -> pl.LazyFrame:
    """Filter, then compute."""
    if options.filter is not None:
        schema = frame.collect_schema()
        condition = expression(options.filter, "filter", schema)
        found = pl.DataFrame(schema=schema).lazy().select(condition).collect_schema().dtypes()
        if found[0] not in (pl.Boolean, pl.Null):
            raise QueryFailed(
                f"the option 'filter' is {options.filter!r}, which is no condition: write one, such as amount > 0"
            )
        frame = frame.filter(condition)
    for name, sql in (options.computed or {}).items():
        frame = frame.with_columns(expression(sql, f"computed.{name}", frame.collect_schema()).alias(name))
    return frame


def _query(flow: Flow, options: TransformOptions) -> None:
    planned = plan(options.sql, flow.frame.collect_schema())
    flow.frame, flow.engine = planned.over(flow.frame), planned.engine
