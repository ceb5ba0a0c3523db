"""A table of the Glue catalog over the Parquet files that a run wrote, with the columns that are in them."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from itemkit.errors import ItemError
from itemkit.item import split_uri
from itemkit.store import Store

if TYPE_CHECKING:
    import polars as pl

    from functions.publish.hive import Columns

logger = Logger(service="publish", child=True)
SUFFIX = ".parquet"
# A Parquet file ends with its schema; Step Functions reads footers of up to 5 MB.
FOOTER_BYTES = 5_000_000
MOST_FILES = 4
_CHUNK = 1 << 20
_MADE_BY = {"made-by": "fanfold"}
_LONGEST_NAME = 100
_LONGEST_DESCRIPTION = 2048  # of Glue
_PARTITION = re.compile(r"(\w+)=([^/]+)", re.ASCII)
_FORMAT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquet"
_SERDE = {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"}


class NotRegistered(Exception):
    """There is no table for the outputs; the message says why and what to do."""


@dataclass(frozen=True)
class Partitions:
    """Folders ``name=value`` below a destination.

    Attributes:
        names: those that become columns, outermost first.
        note: what an analyst has to know of them.
    """

    names: Sequence[str] = ()
    note: str = ""


def register(glue: Any, store: Store, database: str, summary: Mapping[str, Any], outputs: Sequence[str]) -> str | None:
    """Create or update the table over a run's destination, and return its name.

    Without Parquet among the outputs nothing is done. What hinders a table is logged, and is no error: the files are
    there all the same.

    Args:
        glue: the Glue client.
        store: reads the ends of at most ``MOST_FILES`` outputs.
        database: the catalog's database.
        summary: the run's; the table lies over its ``destination``.
        outputs: URIs of some outputs.
    """
    destination = str(summary["destination"])
    # Hive and Athena pass over what begins with an underscore: rejected rows, and lists of partitions.
    seen = [uri for uri in outputs if not uri.removeprefix(destination).startswith("_")]
    if not any(uri.endswith(SUFFIX) for uri in seen):
        return None
    try:
        return _register(glue, store, database, destination, seen)
    except NotRegistered as error:
        logger.warning("no table for the outputs: %s", error)
    except (ItemError, ClientError, BotoCoreError) as error:
        logger.warning("no table for the outputs: %s: %s", type(error).__name__, error)
    return None


def _register(glue: Any, store: Store, database: str, destination: str, outputs: Sequence[str]) -> str:
    # Not at the top: most runs write no Parquet, and polars takes a third of a second to load.
    from functions.publish import hive  # noqa: PLC0415

    if others := [uri for uri in outputs if not uri.endswith(SUFFIX)]:
        raise NotRegistered(f"{destination} has other files too, such as {others[0]}: give them a place of their own")
    schemas = [_read_schema(store, uri) for uri in _spread(outputs)]
    name, before = _place(glue, database, destination)
    try:
        columns = hive.columns(schemas, _types(before) if before else {})
    except hive.Unfit as error:
        anew = f", or delete the table {database}.{name} when its files are gone" if before else ""
        raise NotRegistered(f"{error}; write the files to different destinations{anew}") from error
    if not columns.types:
        raise NotRegistered(f"no column of {destination} has a type that Hive knows: {'; '.join(columns.left_out)}")
    table = _table(name, destination, columns, find_partitions(destination, outputs, columns.types))
    if before:
        glue.update_table(DatabaseName=database, TableInput=table, SkipArchive=True)
    else:
        glue.create_table(DatabaseName=database, TableInput=table)
    return name


def table_names(destination: str) -> tuple[str, str]:
    """Return what the table over a destination is called: after its last two folders, and where that is taken, longer.

    ``s3://bucket/out/table-transform/`` gives ``out_table_transform`` and ``out_table_transform_`` with eight digits of
    the destination's hash.
    """
    bucket, prefix = split_uri(destination)
    folders = [folder for folder in prefix.split("/") if folder][-2:] or [bucket]
    words = re.sub(r"[^a-z0-9]+", "_", "_".join(folders).lower()).strip("_")
    name = f"out_{words.removeprefix('out_')}"[:_LONGEST_NAME].rstrip("_")
    return name, f"{name}_{hashlib.sha256(destination.encode()).hexdigest()[:8]}"


def _place(glue: Any, database: str, destination: str) -> tuple[str, dict[str, Any] | None]:
    """Return the name of the table and, where it is there, the table."""
    names = table_names(destination)
    for name in names:
        try:
            table: dict[str, Any] = glue.get_table(DatabaseName=database, Name=name)["Table"]
        except glue.exceptions.EntityNotFoundException:
            return name, None
        if not table.get("Parameters", {}).items() >= _MADE_BY.items():
            raise NotRegistered(f"the table {database}.{name} is not Fanfold's: rename it to have one made")
        if table["StorageDescriptor"]["Location"] == destination:
            return name, table
    raise NotRegistered(f"the tables {' and '.join(names)} of {database} lie over other destinations: delete one")


def find_partitions(destination: str, outputs: Sequence[str], columns: Container[str]) -> Partitions:
    """Find the folders ``name=value`` that all outputs have first below the destination, under the same names."""
    folders = [uri.removeprefix(destination).split("/")[:-1] for uri in outputs]
    found = [[match[1] for folder in each if (match := _PARTITION.fullmatch(folder))] for each in folders]
    names = found[0]
    if not any(found):
        return Partitions()
    first = all(_PARTITION.fullmatch(folder) for each in folders for folder in each[: len(names)])
    if any(each != names for each in found) or not first or len({name.lower() for name in names}) < len(names):
        return Partitions(note='The folders name=value are no columns, not all files have the same: see "$path".')
    if twice := [name for name in names if name.lower() in columns]:
        return Partitions(note=f"The folders name=value are no columns, the files have {', '.join(twice)} themselves.")
    return Partitions(names, "Every query gives a value of each folder: WHERE " + _conditions(names))


def _conditions(names: Sequence[str]) -> str:
    return " AND ".join(f"{name.lower()} = '...'" for name in names)


def _table(name: str, destination: str, columns: Columns, partitions: Partitions) -> dict[str, Any]:
    """Return the TableInput; partitions are projected, so that none has to be added when the next run writes one."""
    parameters = {"classification": "parquet", "EXTERNAL": "TRUE", **_MADE_BY}
    if partitions.names:
        folders = "".join(f"{each}=${{{each.lower()}}}/" for each in partitions.names)
        parameters |= {"projection.enabled": "true", "storage.location.template": destination + folders}
        parameters |= {f"projection.{each.lower()}.type": "injected" for each in partitions.names}
    left_out = f"Left out: {'; '.join(columns.left_out)}." if columns.left_out else ""
    return {
        "Name": name,
        "Description": " ".join(filter(None, (partitions.note, left_out)))[:_LONGEST_DESCRIPTION],
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": [{"Name": each.lower(), "Type": "string"} for each in partitions.names],
        "StorageDescriptor": {
            "Location": destination,
            "InputFormat": f"{_FORMAT}InputFormat",
            "OutputFormat": f"{_FORMAT}OutputFormat",
            "SerdeInfo": _SERDE,
            "Columns": [{"Name": column, "Type": kind} for column, kind in columns.types.items()],
        },
    }


def _types(table: Mapping[str, Any]) -> dict[str, str]:
    return {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}


def _read_schema(store: Store, uri: str) -> Mapping[str, pl.DataType]:
    """Read a file's schema from its end; of what comes before, nothing is kept."""
    import polars as pl  # noqa: PLC0415

    with store.open(uri) as (head, stream):
        before = max(0, head.size - FOOTER_BYTES)
        while before and (passed := stream.read(min(before, _CHUNK))):
            before -= len(passed)
        end = io.BytesIO(stream.read())
    try:
        return pl.read_parquet_schema(end)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise NotRegistered(f"{uri} cannot be read as Parquet: {str(error).splitlines()[0]}") from error


def _spread(outputs: Sequence[str]) -> Sequence[str]:
    """Return at most ``MOST_FILES`` outputs at even distances."""
    return outputs[:: -(-len(outputs) // MOST_FILES)]
