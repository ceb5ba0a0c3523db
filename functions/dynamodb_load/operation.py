"""dynamodb-load: the rows of CSV, JSON lines or Parquet objects as items of a DynamoDB table.

A table is gone through twice. First every row is made an item, so that a bad one is refused before anything is written,
and rows whose key comes again further on are found; then the others are written, the first ones as they were made, the
rest read again. The output is a receipt: where it is, and
carries the object's present fingerprint, the load is done.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import chain, islice

import polars as pl

from functions.dynamodb_load.conflict import Guard, fingerprint, guard
from functions.dynamodb_load.errors import InvalidRow, TableRefused, Unfinished, UnreadableTable, meant
from functions.dynamodb_load.mapping import Entry, Mapper
from functions.dynamodb_load.options import LoadOptions, output_names
from functions.dynamodb_load.source import Body, Source, read
from functions.dynamodb_load.table import Client, Table, describe
from functions.dynamodb_load.writing import OUT_OF_TIME, Pace, load_rows
from itemkit import InvalidJob, Item, Operation, Output, PermanentError, Result, TransientError
from itemkit.errors import ItemError

VERSION = "1"
# Enough for the header of some thousand columns.
SAMPLE_BYTES = 64 * 1024
SPOOL_ABOVE = 8 * 1024 * 1024
# Looking for keys that come again takes about 120 bytes a row (measured with two million): 600 MB.
MOST_ROWS = 5_000_000
_CHUNK = 10_000
# Items that stay in memory from the first time through: to make them again takes as long as to write them. 4 kB each.
_KEPT = 20_000
# A table's key never changes and its TTL attribute seldom: asked for once a minute, not for every object.
_MINUTE = 60


@dataclass(frozen=True)
class _Loader:
    """What loads objects into one table."""

    client: Client
    table: Table
    options: LoadOptions
    pace: Pace

    def load(self, item: Item, body: Body) -> Result:
        """Load an object and return the receipt."""
        source = read(body)
        _check_columns(source.columns, self.table, self.options)
        known_by = fingerprint(item, body, VERSION, self.options.content())
        guarded = guard(self.table, item, known_by) if self.options.conflict == "fingerprint" else None
        counts = self._write(source, guarded)
        facts = {"table": self.table.name, **counts}
        receipt = json.dumps({"source": item.uri, "fingerprint": known_by, **facts}, ensure_ascii=False).encode()
        output = Output(receipt + b"\n", "application/json")
        return Result([output], counts["rows"], counts["written"], {"source": source.kind, **facts})

    def _write(self, source: Source, guarded: Guard | None) -> dict[str, int]:
        """Write the rows and return how many there were and what became of them."""
        options = self.options
        mapper = Mapper(
            self.table, options.types or {}, options.ttl, options.ttl_days, guarded.marks if guarded else {}
        )
        kept: list[Entry] = []
        superseded = self._superseded(mapper.identity(entry) for entry in _keeping(kept, _entries(source, mapper)))
        entries = chain(kept, _entries(source, mapper, after=len(kept)))
        last = (entry for entry, again in zip(entries, superseded, strict=True) if not again)
        loaded = load_rows(self.client, self.table, last, self.pace, guarded)
        return {"rows": len(superseded), **asdict(loaded), "duplicates": int(superseded.sum())}

    def _superseded(self, identities: Iterator[bytes]) -> pl.Series:
        """Tell for each row whether another one further down has its key; raises for the first that is no item."""
        chunks = [pl.Series(dtype=pl.Binary)]
        while chunk := list(islice(identities, _CHUNK)):
            chunks.append(pl.Series(chunk, dtype=pl.Binary))
            if len(chunks) * _CHUNK > MOST_ROWS:
                raise UnreadableTable(f"there are more than {MOST_ROWS:,} rows: split it into smaller tables")
            if self.pace.seconds_left() <= 0:
                raise Unfinished(f"{OUT_OF_TIME}; nothing is written yet")
        return ~pl.concat(chunks).is_last_distinct()


def _entries(source: Source, mapper: Mapper, after: int = 0) -> Iterator[Entry]:
    """Make items of the rows after so many."""
    return (mapper.entry(source.place(number), row) for number, row in islice(source.numbered(), after, None))


def _keeping(kept: list[Entry], entries: Iterator[Entry]) -> Iterator[Entry]:
    """Pass on the entries and keep the first ones."""
    for entry in entries:
        if len(kept) < _KEPT:
            kept.append(entry)
        yield entry


def dynamodb_load(client: Client, seconds_left: Callable[[], float]) -> Operation[LoadOptions]:
    """Return the operation over a boto3 DynamoDB client; ``seconds_left`` tells the seconds it may still write."""

    @functools.lru_cache(maxsize=8)
    def known(name: str, with_ttl: bool, _minute: int) -> Table:
        return describe(client, name, with_ttl)

    def check(options: LoadOptions, sample: bytes | None) -> None:
        try:
            table = describe(client, options.table, bool(options.ttl))
            _check_table(table, options)
            _check_columns(_header(sample), table, options)
        except PermanentError as error:
            raise InvalidJob(str(error)) from error
        except TransientError as error:
            # Step Functions retries by the exact name.
            raise TransientError(str(error)) from error

    def process(item: Item, body: Body, options: LoadOptions) -> Result:
        try:
            table = known(options.table, bool(options.ttl), int(time.monotonic()) // _MINUTE)
            _check_table(table, options)
            return _Loader(client, table, options, Pace(options.concurrency, seconds_left)).load(item, body)
        except ItemError as error:
            raise type(error)(f"{item.uri}: {error}") from error

    return Operation(
        name="dynamodb-load",
        version=VERSION,
        summary="rows into a DynamoDB table: CSV, JSON lines or Parquet in, a receipt out",
        options=LoadOptions,
        names=output_names,
        process=process,
        check=check,
        sample_bytes=SAMPLE_BYTES,
        batch_items=10,
        spool_above=SPOOL_ABOVE,
    )


def _check_table(table: Table, options: LoadOptions) -> None:
    """Raise TableRefused where key or TTL are not as the job has them."""
    key = tuple(table.key)
    if options.key and options.key != key:
        raise TableRefused(
            f"the key of table {table.name} is {list(key)}, option 'key' says {list(options.key)}: "
            "correct the one or name another table"
        )
    if options.ttl and table.ttl is None:
        raise TableRefused(
            f"table {table.name} has no TTL attribute: enable Time to Live, or leave out the option 'ttl'"
        )


def _check_columns(columns: tuple[str, ...] | None, table: Table, options: LoadOptions) -> None:
    """Raise InvalidRow where the key or an option names a column that is not among ``columns``."""
    if columns is None:
        return
    named = {
        **({options.ttl: "the option 'ttl'"} if options.ttl else {}),
        **dict.fromkeys(options.types or {}, "the option 'types'"),
        **dict.fromkeys(table.key, f"the key of table {table.name}"),
    }
    for name, what in named.items():
        if name not in columns:
            raise InvalidRow(f"there is no column {name!r}, which {what} names: {meant(name, columns)}")


def _header(sample: bytes | None) -> tuple[str, ...] | None:
    """Return the columns a sample begins with; a sample that is no table is no fault of the job."""
    try:
        return read(sample).columns if sample else None
    except PermanentError:
        return None
