"""One item of the dataset: an object in S3 or a file of this machine, and what the manifest says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from itemkit.errors import InvalidItem

# What stands for the bucket in the URIs of files, which no bucket can be called: ``file:///a/b`` is (FILES, "a/b").
FILES = "file:"
# The columns of a manifest that name the object or its output; every other column travels with the item.
NAMING_COLUMNS = ("uri", "bucket", "key", "output", "item_name")
# Columns of rows that stand for a part of an object; they travel with the item, so that a retry takes up the same part.
PART_COLUMNS = ("byte_range", "source_etag", "header_row")
_RANGE = re.compile(r"(\d{1,16})-(\d{1,16})")
# Names between single slashes, with or without one at the end.
_PLAIN_PATH = re.compile(r"(?:(?!\.{1,2}(?:/|\Z))[^/\0]+(?:/|\Z))*")


@dataclass(frozen=True)
class Part:
    """A part of an object, whole rows of it.

    Attributes:
        first, last: bytes of the object, both included.
        etag: of the object that was split, without quotes.
        header: what goes before the part's rows, such as a CSV's header row; without its line break.
    """

    first: int
    last: int
    etag: str
    header: str

    @property
    def size(self) -> int:
        """The bytes of the part."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Item:
    """An object to process.

    Attributes:
        uri: ``s3://bucket/key``, or ``file:///folder/name``.
        name: what output names are made from: the key below the listed prefix; for a manifest row its ``item_name``
            (which failures.csv writes, so that a retry writes where the first run would have) or the whole key.
        size: bytes, where the listing said it.
        etag: the listing's ETag, without quotes.
        modified: seconds since the epoch, where the listing said it.
        output: the output key the manifest asks for instead of the derived one.
        columns: the row's other columns.
    """

    uri: str
    name: str
    size: int | None = None
    etag: str | None = None
    modified: float | None = None
    output: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def part(self) -> Part | None:
        """The part of the object that the item is, ``None``: all of it."""
        found = _RANGE.fullmatch(self.columns.get("byte_range", ""))
        if not found:
            return None
        first, last = int(found[1]), int(found[2])
        return Part(first, last, self.columns["source_etag"], self.columns.get("header_row", ""))

    @property
    def version(self) -> str | None:
        """What its content is known by, where the listing or the row told it: the ETag, with the part's bytes."""
        part = self.part
        return f"{part.etag} {part.first}-{part.last}" if part else self.etag

    @property
    def is_folder_marker(self) -> bool:
        """Tell whether this is the zero-byte object a console leaves for a folder."""
        return self.uri.endswith("/") and not self.size


def split_uri(uri: str) -> tuple[str, str]:
    """Split ``s3://bucket/key`` into bucket and key, ``file:///a/b`` into ``FILES`` and ``a/b``; the key may be empty.

    Keys and paths are taken as they are: nothing in them is percent-encoded.

    Raises:
        InvalidItem: it is neither, or its path is not absolute and plain.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme == "file":
        if bucket or not rest or not _PLAIN_PATH.fullmatch(key):
            raise InvalidItem(f"{uri!r} is not the URI of a file: write file:///FOLDER/NAME, without '..' and '//'")
        return FILES, key
    if scheme != "s3" or not bucket:
        raise InvalidItem(f"{uri!r} is not an S3 URI: write s3://BUCKET/KEY")
    return bucket, key


def join_uri(bucket: str, key: str) -> str:
    """Return ``s3://bucket/key``, or ``file:///a/b`` where the bucket is ``FILES``."""
    return f"file:///{key}" if bucket == FILES else f"s3://{bucket}/{key}"


def listed_item(entry: Mapping[str, Any], bucket: str, prefix: str) -> Item:
    """Read an item as the ``s3:listObjectsV2`` reader delivers it.

    Names are relative to the last ``/`` of the listed prefix, as ``aws s3 sync`` has it.
    """
    key = str(entry["Key"])
    return Item(
        uri=join_uri(bucket, key),
        name=key[prefix.rfind("/") + 1 :],
        size=int(entry["Size"]),
        etag=str(entry["Etag"]).strip('"'),
        modified=float(entry["LastModified"]),
    )


def manifest_item(row: Any, bucket: str) -> Item:
    """Read a row of a manifest: ``uri``, or ``key`` with an optional ``bucket``; ``output`` overrides the output key.

    ``bucket`` is the manifest's own, for rows that name none.

    Raises:
        InvalidItem: the row names no object.
    """
    if not isinstance(row, Mapping):
        raise InvalidItem(f'the row {row!r} is no object: write {{"uri": "s3://BUCKET/KEY"}}')
    uri, key = _text(row.get("uri")), _text(row.get("key"))
    if not uri and not key:
        raise InvalidItem(f"the row {dict(row)!r} names no object: give it a 'uri', or a 'key' (and a 'bucket')")
    if uri:
        bucket, key = split_uri(uri)
        if not key:
            raise InvalidItem(f"{uri!r} names a bucket and no object: write s3://BUCKET/KEY")
    else:
        bucket = _text(row.get("bucket")) or bucket
    columns = {name: _text(value) for name, value in row.items() if name not in NAMING_COLUMNS}
    _refuse_half_a_part(columns)
    name = _text(row.get("item_name")) or key
    item = Item(uri=join_uri(bucket, key), name=name, output=_text(row.get("output")) or None, columns=columns)
    return replace(item, size=item.part.size, etag=item.part.etag) if item.part else item


def _refuse_half_a_part(columns: Mapping[str, str]) -> None:
    """Refuse a row that means a part of an object and does not say which: all of it would be taken instead."""
    wanted = columns.get("byte_range")
    if not wanted:
        return
    found = _RANGE.fullmatch(wanted)
    if not found or int(found[1]) > int(found[2]) or not columns.get("source_etag"):
        raise InvalidItem(
            f"the row's 'byte_range' is {wanted!r}: write FIRST-LAST, such as 0-1023, with the object's ETag as "
            "'source_etag', or leave it out"
        )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
