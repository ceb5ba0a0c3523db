"""Where the items of a Map come from: the state's data, a listing of S3, or the rows of files in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from fanfold.local.stepfunctions import rows
from fanfold.local.stepfunctions.datasets import lines, open_object, parquet_rows
from fanfold.local.stepfunctions.document import loads
from fanfold.local.stepfunctions.failure import ITEM_READER_FAILED, RUNTIME, Failure
from fanfold.local.stepfunctions.pointer import resolve

STATE_DATA: Final = "STATE_DATA"
# What stands for a bucket where directories of this machine are listed; no bucket can be called so.
FILES: Final = "file:"
# Lists what is below a prefix of paths, as ``{"Key", "Size", "Etag", "LastModified"}``; raises OSError or ValueError.
Lister = Callable[[str], Iterator[dict[str, Any]]]


@dataclass(slots=True)
class Entry:
    """One item before selection; ``key`` is set for the members of an object."""

    value: Any
    source: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """An evaluated ItemReader; ``most`` is MaxItems, ``None`` for all."""

    listing: bool
    arguments: Mapping[str, Any]
    config: Mapping[str, Any]
    most: int | None


def entries_of(value: list[Any] | dict[str, Any]) -> Iterator[Entry]:
    """Yield the elements of an array, or the members of an object as ``{"Key", "Value"}``."""
    if isinstance(value, list):
        return (Entry(each, STATE_DATA) for each in value)
    return (Entry({"Key": key, "Value": each}, STATE_DATA, key) for key, each in value.items())


def read(source: Source, s3: Any, directories: Lister | None = None) -> Iterator[Entry]:
    """Yield the items of a reader; raises Failure States.ItemReaderFailed.

    With ``directories``, listing the bucket ``file:`` lists directories; without, there is no such bucket.
    """
    try:
        yield from itertools.islice(_read(source, s3, directories), source.most)
    except (ClientError, BotoCoreError) as problem:
        raise Failure(ITEM_READER_FAILED, _describe(problem, source.arguments)) from None
    except (ValueError, OSError, EOFError, KeyError) as problem:
        where = (
            f"s3://{source.arguments.get('Bucket')}/{source.arguments.get('Key', source.arguments.get('Prefix', ''))}"
        )
        raise Failure(ITEM_READER_FAILED, f"The dataset {where} could not be read: {problem}") from None


def _describe(problem: ClientError | BotoCoreError, arguments: Mapping[str, Any]) -> str:
    if isinstance(problem, ClientError):
        error, metadata = problem.response["Error"], problem.response.get("ResponseMetadata", {})
        return (
            f"{error.get('Message')} (Service: Amazon S3; Status Code: {metadata.get('HTTPStatusCode')}; "
            f"Error Code: {error.get('Code')}; Bucket: {arguments.get('Bucket')})"
        )
    return str(problem)


def _read(source: Source, s3: Any, directories: Lister | None) -> Iterator[Entry]:
    bucket = source.arguments.get("Bucket")
    if not isinstance(bucket, str):
        raise Failure(RUNTIME, "The Arguments of an ItemReader need a Bucket.")
    config = source.config
    if source.listing and config.get("Transformation") == "LOAD_AND_FLATTEN":
        for listed in _listed(s3, source.arguments):
            if not (listed["Key"].endswith("/") and listed["Size"] == 0):
                yield from _file(s3, {"Bucket": bucket, "Key": listed["Key"]}, config)
    elif source.listing:
        yield from _entries(s3, source.arguments, directories)
    elif config.get("ManifestType") == "ATHENA_DATA":
        yield from _athena(s3, source.arguments, config)
    elif config.get("InputType", "MANIFEST") == "MANIFEST":
        yield from _inventory(s3, source.arguments)
    else:
        yield from _file(s3, source.arguments, config)


def _entries(s3: Any, arguments: Mapping[str, Any], directories: Lister | None) -> Iterator[Entry]:
    bucket = arguments["Bucket"]
    if bucket == FILES and directories is not None:
        for listed in directories(arguments.get("Prefix", "")):
            yield Entry({**listed, "StorageClass": "STANDARD"}, f"{FILES}//")
    else:
        for listed in _listed(s3, arguments):
            yield Entry(listed, f"s3://{bucket}")


def _listed(s3: Any, arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_objects_v2").paginate(**arguments):
        for found in page.get("Contents", ()):
            yield {
                "Etag": found["ETag"],
                "Key": found["Key"],
                "LastModified": found["LastModified"].timestamp(),
                "Size": found["Size"],
                "StorageClass": found.get("StorageClass", "STANDARD"),
            }


def _file(s3: Any, arguments: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Entry]:
    source = f"s3://{arguments['Bucket']}/{arguments.get('Key')}"
    with open_object(s3, arguments) as body:
        yield from _FORMATS[config["InputType"]](body, config, source)


def _csv(body: Any, config: Mapping[str, Any], source: str) -> Iterator[Entry]:
    delimiter = rows.DELIMITERS[config.get("CSVDelimiter", "COMMA")]
    headers = config["CSVHeaders"] if config.get("CSVHeaderLocation") == "GIVEN" else None
    for item in rows.items(rows.records(lines(body), delimiter), headers):
        yield Entry(item, source)


def _jsonl(body: Any, config: Mapping[str, Any], source: str) -> Iterator[Entry]:
    for line in lines(body):
        if not line.isspace():
            yield Entry(loads(line), source)


def _json(body: Any, config: Mapping[str, Any], source: str) -> Iterator[Entry]:
    value = loads(body.read())
    pointer = config.get("ItemsPointer")
    if pointer is not None:
        value = resolve(value, pointer)
    if not isinstance(value, list | dict):
        raise Failure(ITEM_READER_FAILED, "Attempting to map over non-iterable node.")
    for entry in entries_of(value):
        yield Entry(entry.value, source, entry.key)


def _parquet(body: Any, config: Mapping[str, Any], source: str) -> Iterator[Entry]:
    for row in parquet_rows(body):
        yield Entry(row, source)


_FORMATS: Final[Mapping[str, Callable[[Any, Mapping[str, Any], str], Iterator[Entry]]]] = {
    "CSV": _csv,
    "JSON": _json,
    "JSONL": _jsonl,
    "PARQUET": _parquet,
}


def _inventory(s3: Any, arguments: Mapping[str, Any]) -> Iterator[Entry]:
    """Yield the rows of the files an S3 Inventory manifest names."""
    with open_object(s3, arguments) as body:
        manifest = loads(body.read())
    if manifest.get("fileFormat", "CSV") != "CSV":
        raise Failure(ITEM_READER_FAILED, f"The inventory is {manifest['fileFormat']}; only CSV can be read.")
    bucket = manifest["destinationBucket"].rsplit(":", 1)[-1]
    columns = [name.strip() for name in manifest["fileSchema"].split(",")]
    config = {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": columns}
    for file in manifest["files"]:
        yield from _file(s3, {"Bucket": bucket, "Key": file["key"]}, config)


def _athena(s3: Any, arguments: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Entry]:
    """Yield the rows of the files whose S3 URIs an Athena data manifest lists, one on a line."""
    with open_object(s3, arguments) as body:
        uris = [line.strip().strip('"') for line in lines(body) if line.strip()]
    for uri in uris:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        yield from _file(s3, {"Bucket": bucket, "Key": key}, config)
