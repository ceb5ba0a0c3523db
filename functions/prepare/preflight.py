"""Questions to AWS before anything is spent: does it exist, may we read and write it, is it in the same Region."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from itemkit import InvalidJob, TransientError
from itemkit.item import split_uri

_FORBIDDEN = frozenset({"403", "AccessDenied", "AccessDeniedException"})
_MISSING = frozenset({"404", "NoSuchBucket", "NotFound"})
_BUSY = frozenset({"SlowDown", "ThrottlingException", "TooManyRequestsException"})


@dataclass(frozen=True)
class Aws:
    """The boto3 clients Prepare asks with, and the Region it runs in."""

    s3: Any
    functions: Any
    region: str

    def require_bucket(self, uri: str) -> None:
        """Raise InvalidJob unless the bucket of ``uri`` exists, is ours to use and lies in this Region."""
        bucket, _ = split_uri(uri)
        with _asking(uri, f"the bucket {bucket}"):
            answer = self.s3.head_bucket(Bucket=bucket)
        region = answer.get("BucketRegion", self.region)
        if region != self.region:
            raise InvalidJob(
                f"{uri}: the bucket {bucket} lies in {region} and this stack in {self.region}: a Distributed Map reads "
                f"and writes in its own Region; deploy the stack there, or replicate the bucket"
            )

    def first_objects(self, uri: str, most: int) -> list[dict[str, Any]]:
        """Return the first entries below a prefix, as ``listed_item`` takes them; raises InvalidJob when it cannot."""
        bucket, prefix = split_uri(uri)
        with _asking(uri, "the prefix"):
            answer = self.s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=most)
        return [
            {**entry, "Etag": entry["ETag"], "LastModified": entry["LastModified"].timestamp()}
            for entry in answer.get("Contents", [])
        ]

    def require_writable(self, uri: str) -> None:
        """Raise InvalidJob unless objects can be written below ``uri``.

        Begins and aborts a multipart upload: the permission and the key are used as by a write, and nothing is left.
        """
        bucket, prefix = split_uri(uri)
        key = f"{prefix}.fanfold-write-check"
        with _asking(uri, "the destination"):
            upload = self.s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
            self.s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)

    def require_operation(self, operation: str, prefix: str) -> str:
        """Return the name of the operation's function; raises InvalidJob naming the nearest one there is."""
        name = prefix + operation
        with _asking(name, "the function"):
            try:
                self.functions.get_function_configuration(FunctionName=name)
            except self.functions.exceptions.ResourceNotFoundException as error:
                known = self._operations(prefix)
                near = difflib.get_close_matches(operation, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known) or 'none'}"
                raise InvalidJob(f"unknown operation {operation!r} (there is no function {name}): {hint}") from error
        return name

    def _operations(self, prefix: str) -> list[str]:
        pages = self.functions.get_paginator("list_functions").paginate()
        names = [function["FunctionName"] for page in pages for function in page["Functions"]]
        return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))


@contextmanager
def _asking(subject: str, what: str) -> Iterator[None]:
    """Turn a refused question into what it means: the job is wrong, or AWS is busy."""
    try:
        yield
    except ClientError as error:
        raise _told_apart(error, subject, what) from error
    except ParamValidationError as error:
        raise InvalidJob(f"{subject}: {what} cannot exist under such a name; correct it") from error
    except BotoCoreError as error:
        raise TransientError(f"{subject}: AWS cannot be reached: {error}") from error


def _told_apart(error: ClientError, subject: str, what: str) -> InvalidJob | TransientError:
    code = error.response["Error"].get("Code", "unknown")
    if code in _BUSY or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
        return TransientError(f"{subject}: AWS answered {code}; it passes")
    if code in _MISSING:
        return InvalidJob(f"{subject}: {what} does not exist; check the name")
    if code in _FORBIDDEN:
        grant = "grant it to the stack with the parameters SourceBucketArns and DestinationBucketArns"
        return InvalidJob(f"{subject}: access to {what} is denied; {grant}")
    return InvalidJob(f"{subject}: {what} cannot be used: {code}: {error.response['Error'].get('Message')}")
