"""Finding what is done by what the outputs tell of themselves, as the batches write them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from fanfold.done import look, told_by
from fanfold.problems import UsageProblem
from itemkit import Operation, Output, Result
from itemkit.destination import Destination, Mark, fingerprint
from itemkit.item import Item
from tests.memory_store import MemoryStore, Stored


@dataclass(frozen=True)
class Options:
    width: int = 3
    sizes: tuple[int, ...] = (1, 2)


OPERATION = Operation("op", "7", "", Options, lambda name, options: [name, f"{name}.2"], lambda *_: Result([]))
ITEM = Item("s3://in/a b/é.jpg", "é.jpg", 5, "etag")
CHECK = {"operation": "op", "version": "7", "normalised": {"width": 3, "sizes": [1, 2]}, "references": []}


def written(*references: str) -> MemoryStore:
    store, destination = MemoryStore(), Destination("s3://out/x/")
    mark = Mark(ITEM, fingerprint("etag", OPERATION, Options(), references))
    uris = destination.output_uris(ITEM, OPERATION, Options())
    destination.write(store, uris, [Output(b"1", "x/y"), Output(b"2", "x/y")], mark)
    store.objects["s3://out/x/foreign"] = Stored(b"somebody's")
    return store


def looked(store: MemoryStore, check: dict):
    return look(store, sorted(store.objects), told_by(check), lambda more: None)


def test_an_item_is_done_as_it_is_now_and_no_other():
    done = looked(written(), CHECK)

    assert done.is_done(ITEM)
    assert not done.is_done(replace(ITEM, etag="another"))
    assert not done.is_done(replace(ITEM, uri="s3://in/other.jpg"))
    assert (done.has_output(replace(ITEM, etag=None)), done.has_output(replace(ITEM, uri="s3://in/o"))) == (True, False)


@pytest.mark.parametrize(
    "changed", [{"version": "8"}, {"normalised": {"width": 4, "sizes": [1, 2]}}, {"references": ["r"]}]
)
def test_another_version_other_options_and_other_references_make_it_anew(changed):
    assert not looked(written(), CHECK | changed).is_done(ITEM)


def test_what_the_options_refer_to_counts():
    assert looked(written("r1", "r2"), CHECK | {"references": ["r1", "r2"]}).is_done(ITEM)
    assert not looked(written("r1", "r2"), CHECK).is_done(ITEM)


def test_each_object_at_the_destination_is_asked_once():
    store = written()
    store.requests.clear()

    looked(store, CHECK)

    assert store.requests == {"head": 3}


def test_a_function_that_tells_no_version_cannot_be_asked():
    with pytest.raises(UsageProblem, match="'version'"):
        told_by({"operation": "op", "normalised": {}, "references": []})
