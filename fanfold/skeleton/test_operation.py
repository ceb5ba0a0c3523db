"""new-operation: what it makes of an object, and what it refuses."""

from __future__ import annotations

import json

import pytest

from fanfold.skeleton.operation import OPERATION, EmptyObject
from itemkit import InvalidJob, Item

ITEM = Item("s3://photos/in/a.txt", "a.txt")
SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


def test_an_object_is_described() -> None:
    result = OPERATION.process(ITEM, b"hello", OPERATION.parse({}))

    (output,) = result.outputs
    assert isinstance(output.body, bytes)
    assert json.loads(output.body) == result.facts == {"bytes": 5, "sha256": SHA256}
    assert OPERATION.names(ITEM.name, OPERATION.parse({})) == ["a.txt.json"]


def test_an_empty_object_fails() -> None:
    with pytest.raises(EmptyObject, match="is empty"):
        OPERATION.process(ITEM, b"", OPERATION.parse({}))


def test_an_option_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidJob, match="write one of sha256, blake2b"):
        OPERATION.parse({"algorithm": "rot13"})
