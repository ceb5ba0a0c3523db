"""Which store a function gets: files only where the environment names their directories."""

import os

import boto3
import pytest
from moto import mock_aws

from itemkit.connect import connect
from itemkit.errors import InvalidItem, ObjectForbidden
from itemkit.store import Put
from tests.conftest import PROJECT


@pytest.fixture
def s3():
    with mock_aws():
        client = boto3.Session("any", "any", region_name="us-east-1").client("s3")
        client.create_bucket(Bucket="bucket")
        yield client


@pytest.mark.parametrize("value", [None, "", os.pathsep])
def test_without_the_variable_no_file_is_to_be_had(s3, tmp_path, monkeypatch, value):
    monkeypatch.delenv("FANFOLD_FILES", raising=False)
    if value is not None:
        monkeypatch.setenv("FANFOLD_FILES", value)
    (tmp_path / "a").write_bytes(b"secret")
    store = connect(s3)

    with pytest.raises(ObjectForbidden), store.open(f"file://{tmp_path}/a"):
        pass
    with pytest.raises(ObjectForbidden):
        store.head("file:///etc/passwd")
    with pytest.raises(ObjectForbidden):
        store.write(f"file://{tmp_path}/b", b"x", "text/plain")
    with pytest.raises(ObjectForbidden):
        list(store.list(f"file://{tmp_path}/"))
    assert os.listdir(tmp_path) == ["a"]


def test_with_it_both_are_behind_one_door_and_counted_together(s3, tmp_path, monkeypatch):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    monkeypatch.setenv("FANFOLD_FILES", os.pathsep.join([str(one), str(two)]))
    store = connect(s3)

    for place in (f"file://{one}/k", f"file://{two}/k", "s3://bucket/k"):
        store.put(Put(place, b"body", metadata={"m": "1"}))
        with store.open(place) as (head, stream):
            assert (stream.read(), head.metadata) == (b"body", {"m": "1"})
        assert store.head(place) == head
        store.upload_chunks(f"{place}-streamed", [b"a", b"b"], "text/plain")
        store.write(f"{place}-written", b"c", "text/plain")
        below = [entry["Key"].rsplit("/", 1)[-1] for entry in store.list(place.removesuffix("k"))]
        assert below == ["k", "k-streamed", "k-written"]
    with pytest.raises(ObjectForbidden):
        store.head("file:///etc/passwd")

    assert store.requests == {"put": 9, "get": 3, "head": 4, "list": 3}


def test_a_uri_of_neither_kind_is_no_item(s3):
    with pytest.raises(InvalidItem):
        connect(s3).head("https://example.com/a")


def test_what_is_deployed_never_names_directories():
    deployed = [PROJECT / "template.yaml", *(PROJECT / "functions").rglob("*.py")]

    assert [path for path in deployed if "FANFOLD_FILES" in path.read_text()] == []
