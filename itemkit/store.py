"""The door to data in S3, with errors told apart by type; files of this machine have one of their own, see ``files``.

Reads are bounded, writes are conditional. Every method raises PermanentError or TransientError (see ``errors``) with
the object's URI in the message, and nothing else.
"""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError

from itemkit.errors import (
    ItemError,
    ObjectArchived,
    ObjectForbidden,
    ObjectNotFound,
    PermanentError,
    TransientError,
)
from itemkit.item import FILES, Item, Part, split_uri

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

_NOT_FOUND = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound", "NoSuchVersion"})
_FORBIDDEN = frozenset({"403", "AccessDenied", "AllAccessDisabled", "Forbidden"})
# Answers after which S3 asks to try again, beside every 5xx status.
_PASSING = frozenset({"SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "Throttling", "ThrottlingException"})
_BUFFER = 1 << 20
_CONFLICT = frozenset({"412", "409", "PreconditionFailed", "ConditionalRequestConflict"})


class ChangedUnderneath(TransientError):
    """A conditional write found another object than it expected; look again and decide."""


@dataclass(frozen=True)
class Head:
    """What is known of an object without its bytes; ``etag`` is without quotes."""

    size: int
    etag: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    modified: float | None = None


@dataclass(frozen=True)
class Put:
    """An object to write.

    Attributes:
        replaces: the ETag of the object it may replace; ``None``: there must be none.
        cache_control: the header of that name, where the object is served over HTTP.
    """

    uri: str
    body: bytes | Path
    content_type: str = "application/octet-stream"
    metadata: Mapping[str, str] = field(default_factory=dict)
    replaces: str | None = None
    cache_control: str | None = None


class _Reading(io.RawIOBase):
    """The bytes of an object as a stream; a connection that breaks off is a TransientError."""

    def __init__(self, body: StreamingBody, uri: str) -> None:
        self._body = body
        self._uri = uri

    def readable(self) -> bool:
        return True

    def readall(self) -> bytes:
        with told_apart("read", self._uri):
            return bytes(self._body.read())

    def readinto(self, buffer: Any) -> int:
        with told_apart("read", self._uri):
            data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Chunks(io.RawIOBase):
    """A readable stream over bytes that come in pieces."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        """Tell that this can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer, as buffered readers want it."""
        while not self._rest:
            try:
                self._rest = next(self._chunks)
            except StopIteration:
                break
        taken = self._rest[: len(buffer)]
        buffer[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)


class Store(Protocol):
    """What a batch needs of a store; see ``S3Store``."""

    requests: Counter[str]

    def head(self, uri: str) -> Head | None:
        """Return what is known of an object, ``None`` where there is none."""
        ...

    def open(self, uri: str, part: Part | None = None) -> Any:
        """Open an object for reading: a context manager of ``(Head, stream)``."""
        ...

    def put(self, put: Put) -> None:
        """Write an object under its condition; raises ChangedUnderneath when the condition does not hold."""
        ...

    def write(self, uri: str, body: bytes, content_type: str) -> None:
        """Write an object without a condition."""
        ...


class S3Store:
    """Objects in S3. Thread-safe, as its boto3 client is.

    Attributes:
        requests: calls made so far, by the kind S3 bills them as: ``head``, ``get``, ``put``, ``list``; what boto3
            tries again by itself is not in it.
    """

    def __init__(self, client: S3Client | None = None) -> None:
        self.requests: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._s3 = client or boto3.client(
            "s3", config=Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=32)
        )

    def head(self, uri: str) -> Head | None:
        """Return what is known of an object, ``None`` where there is none."""
        bucket, key = _split(uri)
        self._count("head")
        try:
            with told_apart("read", uri):
                answer = self._s3.head_object(Bucket=bucket, Key=key)
        except ObjectNotFound:
            return None
        return _head(answer)

    @contextmanager
    def open(self, uri: str, part: Part | None = None) -> Iterator[tuple[Head, BinaryIO]]:
        """Open an object, or a part of one, for reading, as its head and a stream of its bytes.

        Raises ChangedUnderneath when the object is another than the part was cut from.
        """
        bucket, key = _split(uri)
        wanted: Any = {"Range": f"bytes={part.first}-{part.last}", "IfMatch": part.etag} if part else {}
        self._count("get")
        with told_apart("read", uri):
            answer = self._s3.get_object(Bucket=bucket, Key=key, **wanted)
        # Entering the body itself would hand out the raw stream, which does not notice that bytes are missing.
        with closing(answer["Body"]) as stream:
            yield _head(answer), io.BufferedReader(_Reading(stream, uri), _BUFFER)

    def put(self, put: Put) -> None:
        """Write an object under its condition; raises ChangedUnderneath when the condition does not hold."""
        bucket, key = _split(put.uri)
        condition: Any = {"IfMatch": put.replaces} if put.replaces else {"IfNoneMatch": "*"}
        cache: Any = {"CacheControl": put.cache_control} if put.cache_control else {}
        self._count("put")
        with told_apart("write", put.uri), _opened(put.body) as body:
            self._s3.put_object(
                Bucket=bucket,
                Key=key,
                Body=body,
                ContentType=put.content_type,
                Metadata=dict(put.metadata),
                **cache,
                **condition,
            )

    def write(self, uri: str, body: bytes, content_type: str) -> None:
        """Write an object without a condition."""
        bucket, key = _split(uri)
        self._count("put")
        with told_apart("write", uri):
            self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=content_type)

    def upload(self, uri: str, body: IO[bytes], content_type: str) -> None:
        """Write a stream of any length, in parts where it is long."""
        bucket, key = _split(uri)
        self._count("put")
        with told_apart("write", uri):
            self._s3.upload_fileobj(body, bucket, key, ExtraArgs={"ContentType": content_type})

    def list(self, uri: str) -> Iterator[dict[str, Any]]:
        """Yield what lies below a prefix, as the map's ``s3:listObjectsV2`` reader delivers it: see ``listed_item``.

        Entries are ``{"Key", "Size", "Etag", "LastModified"}`` in the order of their keys, the date in epoch seconds.
        """
        bucket, prefix = _split(uri)
        with told_apart("list", uri):
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                self._count("list")
                for found in page.get("Contents", ()):
                    modified = found["LastModified"].timestamp()
                    yield {"Key": found["Key"], "Size": found["Size"], "Etag": found["ETag"], "LastModified": modified}

    def upload_chunks(self, uri: str, chunks: Iterable[bytes], content_type: str) -> None:
        """Write what is still being made, of any length."""
        self.upload(uri, io.BufferedReader(Chunks(chunks), _BUFFER), content_type)

    def _count(self, kind: str) -> None:
        with self._counting:
            self.requests[kind] += 1


def require_head(store: Store, uri: str) -> Head:
    """Return what is known of an object; raises ObjectNotFound where there is none."""
    head = store.head(uri)
    if head is None:
        raise _not_found("read", uri)
    return head


def with_head(store: Store, item: Item) -> Item:
    """Return an item with its size, ETag and date, which manifest rows do not carry; raises ObjectNotFound."""
    head = require_head(store, item.uri)
    return replace(item, size=head.size, etag=head.etag, modified=head.modified)


def _split(uri: str) -> tuple[str, str]:
    """Split an S3 URI; files are not to be had here, whoever names them."""
    bucket, key = split_uri(uri)
    if bucket == FILES:
        raise ObjectForbidden(f"{uri} is a file of some machine: only 'fanfold run DIRECTORY' reads and writes these")
    return bucket, key


def _head(answer: Any) -> Head:
    return Head(
        size=answer["ContentLength"],
        etag=answer["ETag"].strip('"'),
        metadata=answer.get("Metadata", {}),
        modified=answer["LastModified"].timestamp(),
    )


@contextmanager
def _opened(body: bytes | Path) -> Iterator[bytes | BinaryIO]:
    if isinstance(body, Path):
        with body.open("rb") as stream:
            yield stream
    else:
        yield body


@contextmanager
def told_apart(verb: str, uri: str) -> Iterator[None]:
    """Turn the client's exceptions into permanent and transient errors, by their code."""
    try:
        yield
    except ClientError as error:
        raise _item_error(error, verb, uri) from error
    except (BotoConnectionError, HTTPClientError, IncompleteReadError, OSError) as error:
        raise TransientError(f"cannot {verb} {uri}: {error}") from error
    except BotoCoreError as error:
        raise PermanentError(f"cannot {verb} {uri}: {error}") from error


def _item_error(error: ClientError, verb: str, uri: str) -> ItemError:
    code = error.response["Error"].get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _NOT_FOUND:
        return _not_found(verb, uri)
    if code in _FORBIDDEN:
        return ObjectForbidden(f"cannot {verb} {uri}: access denied; grant the function's role the bucket and its key")
    if code == "InvalidObjectState":
        return ObjectArchived(f"cannot {verb} {uri}: it is archived; restore it first")
    if code in _CONFLICT:
        return ChangedUnderneath(f"cannot {verb} {uri}: it changed meanwhile")
    if code in _PASSING or status >= 500:
        return TransientError(f"cannot {verb} {uri}: S3 answered {code or status}; it passes")
    return PermanentError(
        f"cannot {verb} {uri}: S3 answered {code or status}: {error.response['Error'].get('Message')}"
    )


def _not_found(verb: str, uri: str) -> ObjectNotFound:
    return ObjectNotFound(f"cannot {verb} {uri}: it does not exist; check the bucket and the key")
