"""The S3 store: bounded, conditional, and errors told apart by type."""

from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from itemkit.errors import ObjectArchived, ObjectForbidden, ObjectNotFound, PermanentError, TransientError
from itemkit.item import Part
from itemkit.store import ChangedUnderneath, Put, S3Store


@pytest.fixture
def s3(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        yield client


class Refusing:
    """A client all of whose calls raise one error."""

    def __init__(self, error):
        self._error = error

    def __getattr__(self, name):
        def call(**_):
            raise self._error

        return call


def answered(code, status):
    return ClientError({"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "op")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answered("NoSuchKey", 404), ObjectNotFound),
        (answered("NoSuchBucket", 404), ObjectNotFound),
        (answered("AccessDenied", 403), ObjectForbidden),
        (answered("InvalidObjectState", 403), ObjectArchived),
        (answered("SlowDown", 503), TransientError),
        (answered("InternalError", 500), TransientError),
        (answered("KeyTooLongError", 400), PermanentError),
        (EndpointConnectionError(endpoint_url="http://x"), TransientError),
        (ReadTimeoutError(endpoint_url="http://x"), TransientError),
        (ConnectionResetError("reset"), TransientError),
    ],
)
def test_every_error_of_the_client_becomes_one_of_ours(error, kind):
    with pytest.raises(kind) as raised, S3Store(Refusing(error)).open("s3://bucket/key"):
        pass

    assert type(raised.value) is kind
    assert "s3://bucket/key" in str(raised.value)


def test_reading_gives_head_and_bytes(s3):
    s3.put_object(Bucket="bucket", Key="a b/ä", Body=b"text", Metadata={"m": "1"})

    with S3Store(s3).open("s3://bucket/a b/ä") as (head, stream):
        body = stream.read()

    assert (body, head.size, dict(head.metadata)) == (b"text", 4, {"m": "1"})
    assert S3Store(s3).head("s3://bucket/a b/ä") == head


def test_the_head_of_nothing_is_none(s3):
    assert S3Store(s3).head("s3://bucket/nothing") is None


def test_a_write_wants_an_empty_key_or_the_very_object_it_replaces(s3):
    store = S3Store(s3)
    store.put(Put("s3://bucket/k", b"one"))
    first = store.head("s3://bucket/k")

    with pytest.raises(ChangedUnderneath):
        store.put(Put("s3://bucket/k", b"two"))
    with pytest.raises(ChangedUnderneath):
        store.put(Put("s3://bucket/k", b"two", replaces="0" * 32))
    store.put(Put("s3://bucket/k", b"two", "text/plain", {"m": "1"}, replaces=first.etag))

    answer = s3.get_object(Bucket="bucket", Key="k")
    assert (answer["Body"].read(), answer["ContentType"], answer["Metadata"]) == (b"two", "text/plain", {"m": "1"})


def test_a_write_says_how_long_it_may_be_kept(s3):
    store = S3Store(s3)
    store.put(Put("s3://bucket/kept", b"one", cache_control="max-age=60"))
    store.put(Put("s3://bucket/plain", b"one"))

    heads = [s3.head_object(Bucket="bucket", Key=key) for key in ("kept", "plain")]

    assert [head.get("CacheControl") for head in heads] == ["max-age=60", None]


def test_listing_goes_through_all_pages_with_keys_as_they_are(s3):
    odd = ["in/", "in/a b+c%20", "in/new\nline", "in/Größe/日本", 'in/quo"te&<x>']
    many = [f"in/many/{number:04}" for number in range(1_001)]
    for key in [*odd, *many, "inner/not-below"]:
        s3.put_object(Bucket="bucket", Key=key, Body=b"text")
    head = S3Store(s3).head("s3://bucket/in/many/0000")
    store = S3Store(s3)

    found = list(store.list("s3://bucket/in/"))

    assert [entry["Key"] for entry in found] == sorted(odd + many)
    assert next(entry for entry in found if entry["Key"] == "in/many/0000") == {
        "Key": "in/many/0000",
        "Size": 4,
        "Etag": f'"{head.etag}"',
        "LastModified": pytest.approx(head.modified, abs=1),
    }
    assert store.requests == {"list": 2}


def test_nothing_below_a_prefix_is_an_empty_listing(s3):
    assert list(S3Store(s3).list("s3://bucket")) == []


class BreakingOff:
    """A client whose listing gives one page and then an error."""

    def __init__(self, error):
        self._error = error

    def get_paginator(self, name):
        assert name == "list_objects_v2"
        return self

    def paginate(self, **_):
        yield {"Contents": [{"Key": "a", "Size": 1, "ETag": '"e"', "LastModified": datetime(2026, 11, 21, tzinfo=UTC)}]}
        raise self._error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answered("NoSuchBucket", 404), ObjectNotFound),
        (answered("AccessDenied", 403), ObjectForbidden),
        (answered("SlowDown", 503), TransientError),
        (answered("InvalidArgument", 400), PermanentError),
        (EndpointConnectionError(endpoint_url="http://x"), TransientError),
    ],
)
def test_a_listing_is_lazy_and_breaks_off_with_one_of_our_errors(error, kind):
    entries = S3Store(BreakingOff(error)).list("s3://bucket/in/")

    assert next(entries)["Key"] == "a"
    with pytest.raises(kind, match="cannot list s3://bucket/in/") as raised:
        next(entries)
    assert type(raised.value) is kind


def test_a_part_is_read_alone_and_only_of_the_object_it_was_cut_from(s3):
    etag = s3.put_object(Bucket="bucket", Key="big", Body=b"0123456789")["ETag"].strip('"')
    store = S3Store(s3)

    with store.open("s3://bucket/big", Part(2, 5, etag, "")) as (head, stream):
        assert (head.size, stream.read()) == (4, b"2345")
    s3.put_object(Bucket="bucket", Key="big", Body=b"another")
    with pytest.raises(ChangedUnderneath), store.open("s3://bucket/big", Part(2, 5, etag, "")):
        pass


def test_a_file_is_written_like_bytes(s3, tmp_path):
    (tmp_path / "body").write_bytes(b"from disk")

    S3Store(s3).put(Put("s3://bucket/key", tmp_path / "body", "text/plain"))

    assert s3.get_object(Bucket="bucket", Key="key")["Body"].read() == b"from disk"
