"""What S3 promises of conditional copies and deletions, asked of the local endpoint over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fanfold.local.server import Endpoint

# Keys that have to be escaped on the way.
KEYS = ["a.txt", "in/ü ñ+%41?x=1&y.txt", "in/#1;2.txt"]


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    with Endpoint() as endpoint:
        s3 = endpoint.client("s3")
        s3.create_bucket(Bucket="origin")
        s3.create_bucket(Bucket="target")
        s3.put_bucket_versioning(Bucket="origin", VersioningConfiguration={"Status": "Enabled"})
        yield s3


def put(s3: Any, key: str, body: bytes) -> str:
    return s3.put_object(Bucket="origin", Key=key, Body=body)["ETag"]


def body(s3: Any, bucket: str, key: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def refused(call: Any, **arguments: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    response = raised.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("quotes", ['"', ""])
def test_the_object_that_is_meant_is_copied_and_no_other(s3, key, quotes):
    etag = put(s3, key, b"first").strip('"')
    copy = {"Bucket": "target", "Key": key, "CopySource": {"Bucket": "origin", "Key": key}}

    s3.copy_object(**copy, CopySourceIfMatch=f"{quotes}{etag}{quotes}")
    put(s3, key, b"second")

    assert refused(s3.copy_object, **copy, CopySourceIfMatch=etag) == (412, "PreconditionFailed")
    assert body(s3, "target", key) == b"first"


def test_an_earlier_version_is_meant_by_its_own_etag(s3):
    first = s3.put_object(Bucket="origin", Key="versions", Body=b"first")
    second = put(s3, "versions", b"second")
    source = {"Bucket": "origin", "Key": "versions", "VersionId": first["VersionId"]}
    copy = {"Bucket": "target", "Key": "versions", "CopySource": source}

    assert refused(s3.copy_object, **copy, CopySourceIfMatch=second) == (412, "PreconditionFailed")
    s3.copy_object(**copy, CopySourceIfMatch=first["ETag"])
    assert body(s3, "target", "versions") == b"first"


def test_a_copy_of_what_is_not_there_is_not_found(s3):
    copy = {"Bucket": "target", "Key": "x", "CopySource": {"Bucket": "origin", "Key": "never"}}

    assert refused(s3.copy_object, **copy, CopySourceIfMatch="x") == (404, "NoSuchKey")


def test_parts_are_copied_of_the_object_that_is_meant(s3):
    etag = put(s3, "large", b"0123456789")
    upload = s3.create_multipart_upload(Bucket="target", Key="large")["UploadId"]
    part = {"Bucket": "target", "Key": "large", "UploadId": upload, "PartNumber": 1, "CopySourceRange": "bytes=0-4"}
    part |= {"CopySource": {"Bucket": "origin", "Key": "large"}}

    assert refused(s3.upload_part_copy, **part, CopySourceIfMatch="another") == (412, "PreconditionFailed")
    assert s3.upload_part_copy(**part, CopySourceIfMatch=etag)["CopyPartResult"]["ETag"]


def test_the_object_that_is_meant_is_deleted_and_no_other(s3):
    etag = put(s3, "gone", b"first")
    put(s3, "gone", b"second")

    assert refused(s3.delete_object, Bucket="origin", Key="gone", IfMatch=etag) == (412, "PreconditionFailed")
    s3.delete_object(Bucket="origin", Key="gone", IfMatch=put(s3, "gone", b"third"))
    assert refused(s3.get_object, Bucket="origin", Key="gone") == (404, "NoSuchKey")
    assert refused(s3.delete_object, Bucket="origin", Key="gone", IfMatch=etag) == (404, "NoSuchKey")
