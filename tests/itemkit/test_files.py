"""Files as a store: the same contract as S3, safe against links and lost processes, errors told apart by type."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from itemkit.errors import InvalidItem, ObjectForbidden, ObjectNotFound, PermanentError, TransientError
from itemkit.files import FileStore
from itemkit.item import FILES, Part, join_uri, split_uri
from itemkit.store import ChangedUnderneath, Put, S3Store
from tests.memory_store import MemoryStore

NAMES = ("a.jpg", "a/b", "a/c d%20+é", "a b\n'\"&<x>.txt")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore([tmp_path])


def uri(path: Path) -> str:
    return f"file://{path}"


# --- the contract -----------------------------------------------------------------------------------------------------


@dataclass
class Player:
    """Plays steps on a store and notes what can be seen; ETags are named by the write that made them."""

    store: Any
    base: str
    etags: list[str] = field(default_factory=list)

    def play(self, steps: list[tuple[Any, ...]]) -> list[Any]:
        return [self._step(*step) for step in steps]

    def _step(self, kind: str, name: str, *rest: Any) -> Any:
        try:
            return getattr(self, kind)(self.base + name, *rest)
        except (PermanentError, TransientError) as error:
            return type(error).__name__, self.base + name in str(error)

    def head(self, place: str) -> Any:
        head = self.store.head(place)
        return head and (head.size, dict(head.metadata), self._number(head.etag))

    def read(self, place: str) -> Any:
        with self.store.open(place) as (head, stream):
            return head.size, stream.read(2), stream.read(), self._number(head.etag)

    def part(self, place: str, first: int, last: int, which: int) -> Any:
        head = self.store.head(place)
        if head is None or last >= head.size or first > last:
            return None
        with self.store.open(place, Part(first, last, self._etag(which, head.etag), "")) as (part, stream):
            return part.size, stream.read()

    def put(self, place: str, body: bytes, which: int | None) -> None:
        head = self.store.head(place)
        replaces = None if which is None or head is None else self._etag(which, head.etag)
        self.store.put(Put(place, body, metadata={"made-by": body.decode()}, replaces=replaces))
        self.etags.append(self.store.head(place).etag)

    def write(self, place: str, body: bytes) -> None:
        self.store.write(place, body, "text/plain")
        self.etags.append(self.store.head(place).etag)

    def _etag(self, which: int, current: str) -> str:
        """Return the present ETag, or that of a write long ago."""
        return current if which == 0 or not self.etags else self.etags[which % len(self.etags)]

    def _number(self, etag: str) -> int:
        return len(self.etags) - 1 - self.etags[::-1].index(etag)


# Each body once: to S3 and the store in memory an equal body is the same ETag, to a file a later one.
BODIES = st.integers(0, 10**9).map(lambda number: f"{number:010}".encode())
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("head"), st.sampled_from(NAMES)),
        st.tuples(st.just("read"), st.sampled_from(NAMES)),
        st.tuples(st.just("part"), st.sampled_from(NAMES), st.integers(0, 12), st.integers(0, 12), st.integers(0, 3)),
        st.tuples(st.just("put"), st.sampled_from(NAMES), BODIES, st.none() | st.integers(0, 3)),
        st.tuples(st.just("write"), st.sampled_from(NAMES), BODIES),
    ),
    min_size=4,
    max_size=24,
    unique_by=lambda step: step[2] if step[0] in ("put", "write") else object(),
)


@given(STEPS)
@settings(max_examples=60, deadline=None)
def test_whatever_is_done_looks_as_in_the_store_in_memory(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        of_files = Player(FileStore([folder]), f"file://{os.path.realpath(folder)}/").play(steps)

    assert of_files == Player(MemoryStore(), "s3://bucket/").play(steps)


@contextlib.contextmanager
def s3_store() -> Iterator[S3Store]:
    with mock_aws():
        client = boto3.Session("any", "any", region_name="us-east-1").client("s3")
        client.create_bucket(Bucket="bucket")
        yield S3Store(client)


@given(STEPS)
@settings(max_examples=6, deadline=None)
def test_whatever_is_done_looks_as_in_s3(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder, s3_store() as s3:
        of_files = Player(FileStore([folder]), f"file://{os.path.realpath(folder)}/").play(steps)

        assert of_files == Player(s3, "s3://bucket/").play(steps)


PIECES = st.lists(st.sampled_from(["a", "b", "a.", "a-", "a0", "é", "日", " ", "\n", "~"]), min_size=1, max_size=3)


@given(st.sets(PIECES.map("/".join), min_size=1, max_size=12), st.sampled_from(["", "a", "a/", "a.", "a/b"]))
@settings(max_examples=15, deadline=None)
def test_a_listing_is_in_the_order_and_the_form_of_s3(names: set[str], prefix: str) -> None:
    # A name cannot be a file and a directory.
    files = {name for name in names if not any(other.startswith(f"{name}/") for other in names)}
    with tempfile.TemporaryDirectory() as folder, s3_store() as s3:
        base = os.path.realpath(folder)
        for name in files:
            place = Path(base, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"text")
            s3.write(f"s3://bucket/in/{name}", b"text", "text/plain")
        if not Path(base, prefix + "x").parent.is_dir():
            return  # S3 knows no directories; that one is gone is told here

        found = list(FileStore([base]).list(f"file://{base}/{prefix}"))
        expected = list(s3.list(f"s3://bucket/in/{prefix}"))

    assert [entry["Key"].removeprefix(base[1:]) for entry in found] == [e["Key"].removeprefix("in") for e in expected]
    assert {frozenset(entry) for entry in found} <= {frozenset({"Key", "Size", "Etag", "LastModified"})}
    assert {(entry["Size"], type(entry["LastModified"])) for entry in found} <= {(4, float)}


def test_a_listed_file_has_the_etag_of_its_head(store, tmp_path):
    (tmp_path / "a").write_bytes(b"text")

    (entry,) = store.list(uri(tmp_path) + "/")
    head = store.head(uri(tmp_path / "a"))

    assert entry == {"Key": f"{tmp_path}/a"[1:], "Size": 4, "Etag": f'"{head.etag}"', "LastModified": head.modified}
    assert store.requests == {"list": 1, "head": 1}


# --- writing ----------------------------------------------------------------------------------------------------------


def test_every_write_is_another_etag_even_within_a_tick_of_the_clock(store, tmp_path):
    etags = set()
    for number in range(300):
        store.write(uri(tmp_path / "a"), b"%03d" % number, "text/plain")
        etags.add(store.head(uri(tmp_path / "a")).etag)

    assert len(etags) == 300
    (entry,) = store.list(uri(tmp_path) + "/")
    assert entry["Etag"].strip('"') in etags


def test_a_file_that_somebody_else_replaced_has_no_metadata(store, tmp_path):
    place = uri(tmp_path / "a")
    store.put(Put(place, b"ours", metadata={"m": "1"}))
    assert store.head(place).metadata == {"m": "1"}

    (tmp_path / "a").write_bytes(b"theirs")

    assert store.head(place).metadata == {}


def test_metadata_moves_with_the_directory(tmp_path):
    FileStore([tmp_path / "one"]).put(Put(uri(tmp_path / "one" / "x" / "a"), b"ours", metadata={"m": "1"}))

    (tmp_path / "one").rename(tmp_path / "two")

    assert FileStore([tmp_path / "two"]).head(uri(tmp_path / "two" / "x" / "a")).metadata == {"m": "1"}


class Died(BaseException):
    """The process ended here."""


@pytest.mark.parametrize("before", [None, b"before"])
@pytest.mark.parametrize("step", [("makedirs", 1), ("replace", 1), ("makedirs", 2), ("link", 1), ("replace", 2)])
def test_whenever_the_writing_process_dies_the_file_is_whole_and_known(store, tmp_path, monkeypatch, before, step):
    place, (function, number) = uri(tmp_path / "a"), step
    if before:
        store.put(Put(place, before, metadata={"m": "before"}))
    head = store.head(place)
    after = Put(place, b"after!", metadata={"m": "after"}, replaces=head.etag if head else None)

    with monkeypatch.context() as patched:
        patched.setattr(os, function, dying(getattr(os, function), number))
        with contextlib.suppress(Died):
            store.put(after)

    known = store.head(place)
    if known == head:
        store.put(after)
        known = store.head(place)
    assert (known.metadata, (tmp_path / "a").read_bytes()) == ({"m": "after"}, b"after!")


def dying(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    """Return a function whose call of this number is the process's last."""
    calls = iter(range(1, 100))

    def call(*words: Any, **more: Any) -> Any:
        if next(calls) == number:
            raise Died
        return function(*words, **more)

    return call


def test_of_many_who_write_a_new_name_one_succeeds(store, tmp_path):
    outcomes = at_once(16, lambda number: store.put(Put(uri(tmp_path / "deep" / "a"), b"%d" % number)))

    assert sorted(outcomes) == ["ChangedUnderneath"] * 15 + ["done"]


def test_of_many_who_replace_a_file_one_succeeds_and_the_others_look_again(store, tmp_path):
    store.put(Put(uri(tmp_path / "a"), b"x", metadata={"m": "x"}))
    etag = store.head(uri(tmp_path / "a")).etag

    outcomes = at_once(
        16, lambda number: store.put(Put(uri(tmp_path / "a"), b"y", metadata={"m": f"{number}"}, replaces=etag))
    )

    assert sorted(outcomes) == ["ChangedUnderneath"] * 15 + ["done"]
    assert store.head(uri(tmp_path / "a")).metadata == {"m": str(outcomes.index("done"))}


def at_once(count: int, call: Callable[[int], None]) -> list[str]:
    """Make calls as nearly at once as threads can, and return what became of each."""
    start = threading.Barrier(count)

    def one(number: int) -> str:
        start.wait()
        try:
            call(number)
        except ChangedUnderneath as error:
            return type(error).__name__
        return "done"

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(one, range(count)))


def test_a_file_system_without_links_will_do(store, tmp_path, monkeypatch):
    def refuse(*_: Any) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    store.put(Put(uri(tmp_path / "a"), b"one"))

    with pytest.raises(ChangedUnderneath):
        store.put(Put(uri(tmp_path / "a"), b"two"))
    assert (tmp_path / "a").read_bytes() == b"one"


def test_bodies_may_be_files_and_streams_and_what_is_still_being_made(store, tmp_path):
    (tmp_path / "body").write_bytes(b"from disk")

    store.put(Put(uri(tmp_path / "a"), tmp_path / "body"))
    store.upload_chunks(uri(tmp_path / "b"), (b"%d," % number for number in range(3)), "text/plain")

    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"from disk", b"0,1,2,")


def test_outputs_may_be_read_by_whom_files_usually_may(store, tmp_path):
    (tmp_path / "usual").touch()

    store.put(Put(uri(tmp_path / "a"), b"one"))

    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert sorted(each.name for each in tmp_path.iterdir()) == [".fanfold", "a", "usual"]


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [b"longer than before", b"", b"other"])
def test_a_file_that_changes_while_it_is_read_is_read_again_later(store, tmp_path, change):
    (tmp_path / "a").write_bytes(b"bytes")

    with store.open(uri(tmp_path / "a")) as (_, stream):
        (tmp_path / "a").write_bytes(change)
        os.utime(tmp_path / "a", ns=(1, 1))
        with pytest.raises(TransientError, match="it changed while"):
            stream.read()


def test_an_empty_file_is_an_object_of_no_bytes(store, tmp_path):
    (tmp_path / "a").touch()

    with store.open(uri(tmp_path / "a")) as (head, stream):
        assert (head.size, stream.read()) == (0, b"")


def test_pipes_and_directories_are_no_objects_and_nobody_waits_for_them(store, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()

    for name in ("pipe", "folder"):
        with pytest.raises(ObjectNotFound), store.open(uri(tmp_path / name)):
            pass
        assert store.head(uri(tmp_path / name)) is None
        with pytest.raises(PermanentError, match="something that is not a file"):
            store.put(Put(uri(tmp_path / name), b"x"))
    assert list(store.list(uri(tmp_path) + "/")) == []


# --- what is out of bounds --------------------------------------------------------------------------------------------


def test_nothing_outside_the_directories_is_read_written_or_listed(store, tmp_path):
    outside = tmp_path.parent / "outside.txt"
    outside.write_bytes(b"secret")
    for call in uses(store, uri(outside)):
        with pytest.raises(ObjectForbidden, match="is not below"):
            call()
    assert outside.read_bytes() == b"secret"


def test_a_link_that_leads_outside_is_refused_and_no_link_is_listed(store, tmp_path):
    outside = tmp_path.parent / "outside"
    outside.mkdir()
    (outside / "a").write_bytes(b"secret")
    (tmp_path / "inside").write_bytes(b"text")
    (tmp_path / "file").symlink_to(outside / "a")
    (tmp_path / "folder").symlink_to(outside)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "alias").symlink_to(tmp_path / "inside")

    for place in (tmp_path / "file", tmp_path / "folder" / "a", tmp_path / "folder" / "new"):
        for call in uses(store, uri(place)):
            with pytest.raises(ObjectForbidden):
                call()
    with store.open(uri(tmp_path / "alias")) as (_, stream):
        assert stream.read() == b"text"
    assert [entry["Key"] for entry in store.list(uri(tmp_path) + "/")] == [f"{tmp_path}/inside"[1:]]
    assert ((outside / "a").read_bytes(), sorted(os.listdir(outside))) == (b"secret", ["a"])


def test_our_own_folder_is_no_data(store, tmp_path):
    store.put(Put(uri(tmp_path / "a"), b"x", metadata={"m": "1"}))
    (mark,) = (tmp_path / ".fanfold").rglob("*.json")

    for call in uses(store, uri(mark)):
        with pytest.raises(ObjectForbidden, match=r"\.fanfold is Fanfold's own folder"):
            call()
    assert [entry["Key"] for entry in store.list(uri(tmp_path) + "/")] == [f"{tmp_path}/a"[1:]]


def uses(store: FileStore, place: str) -> list[Callable[[], Any]]:
    return [
        lambda: store.head(place),
        lambda: store.open(place).__enter__(),
        lambda: store.put(Put(place, b"x")),
        lambda: store.write(place, b"x", "text/plain"),
        lambda: list(store.list(f"{place}/")),
    ]


@pytest.mark.parametrize(
    "wrong",
    ["file://host/a", "file://a", "file://", "file:///a/../b", "file:///..", "file:///a/./b", "file:///a//b",
     "file:////a", "file:///a\0b", "file://localhost/a"],
)  # fmt: skip
def test_a_uri_of_a_file_is_absolute_and_plain(wrong):
    with pytest.raises(InvalidItem, match="file"):
        split_uri(wrong)


@pytest.mark.parametrize(
    "right", ["file:///", "file:///a", "file:///a/", "file:///a/b c/..d/.e/f..%20?#", "s3://b/../k"]
)
def test_a_uri_comes_back_as_it_was(right):
    assert join_uri(*split_uri(right)) == right
    assert split_uri("file:///a/b") == (FILES, "a/b")


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, ObjectForbidden),
        (errno.EROFS, ObjectForbidden),
        (errno.ENAMETOOLONG, PermanentError),
        (errno.EFBIG, PermanentError),
        (errno.ENOSPC, TransientError),
        (errno.EDQUOT, TransientError),
        (errno.EIO, TransientError),
        (errno.EMFILE, TransientError),
    ],
)
def test_every_error_of_the_system_becomes_one_of_ours(store, tmp_path, monkeypatch, number, kind):
    (tmp_path / "a").write_bytes(b"x")
    monkeypatch.setattr(os, "open", lambda *_, **__: (_ for _ in ()).throw(OSError(number, os.strerror(number))))

    with pytest.raises(kind) as reading, store.open(uri(tmp_path / "a")):
        pass
    with pytest.raises(kind) as writing:
        store.put(Put(uri(tmp_path / "b"), b"x"))

    assert (type(reading.value), type(writing.value)) == (kind, kind)
    assert (uri(tmp_path / "a") in str(reading.value), uri(tmp_path / "b") in str(writing.value)) == (True, True)


def test_names_that_cannot_be_are_permanent(store, tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / ("x" * 300), tmp_path / "file" / "below"):
        with pytest.raises(PermanentError):
            store.put(Put(uri(place), b"x"))
    with pytest.raises(ObjectNotFound), store.open(uri(tmp_path / "file" / "below")):
        pass
    with pytest.raises(ObjectNotFound, match="cannot list"):
        list(store.list(uri(tmp_path / "nowhere") + "/"))
    with pytest.raises(InvalidItem, match="does not name a file"):
        store.put(Put(uri(tmp_path) + "/folder/", b"x"))


def test_a_name_that_is_no_text_is_a_name_all_the_same(store, tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    try:
        (tmp_path / name).write_bytes(b"x")
    except OSError as error:
        pytest.skip(f"this file system takes no such name: {error}")

    (entry,) = store.list(uri(tmp_path) + "/")
    with store.open(join_uri(FILES, entry["Key"])) as (_, stream):
        assert stream.read() == b"x"
