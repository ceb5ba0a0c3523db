"""Moving an object in S3: a copy of the very object that is meant, then its deletion if it is still that one.

Whenever this is cut off, doing it again ends in the same place: before the deletion the object is copied again, after
it the copy is found. Nothing is deleted by version, because an older version would come to light.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from boto3.s3.transfer import TransferConfig

from itemkit.errors import ObjectNotFound, PermanentError
from itemkit.item import split_uri
from itemkit.store import ChangedUnderneath, told_apart

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Bytes that go in one request, which takes 5 GB; parts that are copied side by side take less time.
LARGEST_COPY = 1024**3
# Bytes that can be copied in a fraction of a function's time, at some hundreds of MB a second.
LARGEST = 100 * 1024**3
# Bytes of an object's user metadata, names and values: https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
MOST_METADATA = 2048
_PREFIX = "x-amz-meta-"
# What a copy with metadata of its own has to be told again.
_HEADERS = ("ContentType", "CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "Expires")
_HEADERS_KEPT = (*_HEADERS, "StorageClass", "WebsiteRedirectLocation")
_PLAIN = string.punctuation.replace("%", "") + " "


class Outcome(Enum):
    """What became of an object that was to be moved."""

    MOVED = auto()
    REPLACED = auto()
    GONE = auto()


@dataclass(frozen=True)
class Move:
    """An object to move.

    Attributes:
        etag: of the object that is meant.
        size: its bytes, where they are known.
        metadata: what the copy carries beside the object's own metadata.
    """

    uri: str
    target: str
    etag: str
    size: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def condition(self) -> str:
        """The ETag as HTTP has it."""
        return f'"{self.etag}"'


@dataclass(frozen=True)
class Mover:
    """Moves objects. Thread-safe, as its boto3 client is."""

    s3: S3Client

    def head(self, uri: str) -> Any | None:
        """Return S3's answer to HEAD, ``None`` where there is no object; raises as ``itemkit.store`` does."""
        bucket, key = split_uri(uri)
        try:
            with told_apart("read", uri):
                return self.s3.head_object(Bucket=bucket, Key=key)
        except ObjectNotFound:
            return None

    def move(self, move: Move) -> Outcome:
        """Move an object, or find that it is moved already.

        Raises:
            PermanentError, TransientError: S3 refuses, or does not answer; the object is still where it was.
        """
        try:
            self._copy(move)
        except ObjectNotFound:
            return Outcome.MOVED if self.head(move.target) else Outcome.GONE
        except ChangedUnderneath:
            return Outcome.REPLACED
        return self._delete(move)

    def _delete(self, move: Move) -> Outcome:
        bucket, key = split_uri(move.uri)
        try:
            with told_apart("delete", move.uri):
                self.s3.delete_object(Bucket=bucket, Key=key, IfMatch=move.condition)
        except ObjectNotFound:
            return Outcome.MOVED
        except ChangedUnderneath:
            return Outcome.REPLACED
        return Outcome.MOVED

    def _copy(self, move: Move) -> None:
        small = move.size is not None and move.size <= LARGEST_COPY
        if small and not move.metadata:
            self._copy_whole(move, {})
            return
        head = self.head(move.uri)
        if head is None:
            raise ObjectNotFound(f"{move.uri} is not there any more")
        if head["ContentLength"] > LARGEST:
            raise PermanentError(f"{move.uri} has {head['ContentLength']:,} bytes: move it by other means")
        described = {name: head[name] for name in _HEADERS_KEPT if name in head}
        described["Metadata"] = {**head["Metadata"], **fitting(move.metadata, head["Metadata"])}
        if head["ContentLength"] <= LARGEST_COPY:
            self._copy_whole(move, {**described, "MetadataDirective": "REPLACE"})
        else:
            self._copy_in_parts(move, described)

    def _copy_whole(self, move: Move, described: dict[str, Any]) -> None:
        bucket, key = split_uri(move.target)
        with told_apart("move", move.uri):
            self.s3.copy_object(
                Bucket=bucket, Key=key, CopySource=_source(move), CopySourceIfMatch=move.condition, **described
            )

    def _copy_in_parts(self, move: Move, described: dict[str, Any]) -> None:
        """Copy a large object; its tags, which S3 copies along only in one request, are read and written."""
        source, (bucket, key) = _source(move), split_uri(move.target)
        config = TransferConfig(multipart_threshold=LARGEST_COPY, multipart_chunksize=256 * 1024**2)
        with told_apart("move", move.uri):
            tags = self.s3.get_object_tagging(Bucket=source["Bucket"], Key=source["Key"])["TagSet"]
            more = {**described, "CopySourceIfMatch": move.condition}
            more |= {"MetadataDirective": "REPLACE", "TaggingDirective": "REPLACE"}
            if tags:
                more["Tagging"] = urlencode([(tag["Key"], tag["Value"]) for tag in tags])
            self.s3.copy(source, bucket, key, ExtraArgs=more, Config=config)


def _source(move: Move) -> Any:
    bucket, key = split_uri(move.uri)
    return {"Bucket": bucket, "Key": key}


def fitting(wanted: Mapping[str, str], existing: Mapping[str, str]) -> dict[str, str]:
    """Return metadata as S3 takes it beside what an object has: US-ASCII, the last ones cut or left out for space.

    What S3 does not take as it is becomes percent-encoded UTF-8.
    """
    kept = {name: value for name, value in existing.items() if name not in wanted}
    left = MOST_METADATA - sum(len(_PREFIX + name) + len(value.encode()) for name, value in kept.items())
    told: dict[str, str] = {}
    for name, value in wanted.items():
        room = left - len(_PREFIX + name)
        encoded = ""
        for character in value.strip():
            step = quote(character, safe=_PLAIN, errors="surrogatepass")
            if len(encoded) + len(step) > room:
                break
            encoded += step
        if encoded.strip():
            told[name] = encoded.strip()
            left = room - len(told[name])
    return told
