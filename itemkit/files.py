"""Files of this machine as objects of a store: the contract of ``S3Store`` over some directories, and nothing outside.

A file's ETag is its size and the time of its last change, in nanoseconds: what make and rsync go by. To hash 150 GB of
pictures would take longer than to resize many of them. Only who changes a file and keeps both, or twice within the few
milliseconds of the clock's tick, goes unnoticed; what is written here never keeps both.

Metadata lies beside the files, in ``.fanfold/marks/`` of the allowed directory: not every file system has extended
attributes, and few programs copy them. A mark counts for the ETag it was written for, so a file that somebody else
replaced has none, as in S3. The mark is written first and tells of the file before as well; so whenever the writing
process dies, the file that is there is known for what it is.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import shutil
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, BinaryIO

from itemkit.errors import InvalidItem, ItemError, ObjectForbidden, ObjectNotFound, PermanentError, TransientError
from itemkit.item import FILES, Part, join_uri, split_uri
from itemkit.store import ChangedUnderneath, Chunks, Head, Put

# Our own folder in a directory; it is neither listed, read nor written as an object.
OWN = ".fanfold"
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP})
_UNFIT = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EFBIG, errno.EXDEV, errno.EEXIST})
# What file systems without hard links answer.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
# Nanoseconds by which a file is made newer than the one it replaces; FAT counts in two seconds.
_NEWER = (1, 2_000_000_000)
_BUFFER = 1 << 20


class FileStore:
    """The files below some directories, by ``file:`` URIs. For threads and processes side by side.

    Symbolic links are never listed, and followed only as far as they stay below the directories.

    Args:
        roots: the directories; whatever lies elsewhere is ObjectForbidden.
        count: told each request, by its kind; ``requests`` counts them where nobody is named.
    """

    def __init__(self, roots: Sequence[str | Path], count: Callable[[str], None] | None = None) -> None:
        self.requests: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._count = count or self._count_here
        # The innermost first, so that a directory keeps the marks of what is below it.
        self._roots = sorted((os.path.realpath(root) for root in roots), key=len, reverse=True)

    def head(self, uri: str) -> Head | None:
        """Return what is known of a file, ``None`` where there is none."""
        self._count("head")
        path, root = self._find("read", uri)
        with _told_apart("read", uri):
            known = _status(path)
            return None if known is None else _head(known, _Marks(root, path).of(_etag(known)))

    @contextmanager
    def open(self, uri: str, part: Part | None = None) -> Iterator[tuple[Head, BinaryIO]]:
        """Open a file, or a part of one, for reading, as its head and a stream of its bytes.

        Raises ChangedUnderneath when the file is another than the part was cut from; the stream raises TransientError
        when the file changes while it is read.
        """
        self._count("get")
        path, root = self._find("read", uri)
        with _told_apart("read", uri):
            # Not to wait for whoever writes to a pipe of that name.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with _closing(descriptor):
            known = os.fstat(descriptor)
            if not stat.S_ISREG(known.st_mode):
                raise ObjectNotFound(f"cannot read {uri}: it is not a file")
            with _told_apart("read", uri):
                head = _head(known, _Marks(root, path).of(_etag(known)))
            if part and part.etag != head.etag:
                raise ChangedUnderneath(f"cannot read {uri}: it changed meanwhile")
            first, size = (part.first, min(part.size, known.st_size - part.first)) if part else (0, known.st_size)
            yield replace(head, size=size), io.BufferedReader(_Reading(descriptor, uri, first, size), _BUFFER)

    def put(self, put: Put) -> None:
        """Write a file under its condition; raises ChangedUnderneath when the condition does not hold."""
        if isinstance(put.body, Path):
            with put.body.open("rb") as body:
                self._write(put.uri, body, lambda etag: etag == put.replaces, put.metadata)
        else:
            self._write(put.uri, io.BytesIO(put.body), lambda etag: etag == put.replaces, put.metadata)

    def write(self, uri: str, body: bytes, content_type: str) -> None:
        """Write a file without a condition; its name tells the type."""
        self.upload(uri, io.BytesIO(body), content_type)

    def upload(self, uri: str, body: IO[bytes], content_type: str) -> None:
        """Write a stream of any length; the name tells the type."""
        self._write(uri, body, lambda _: True, {})

    def upload_chunks(self, uri: str, chunks: Iterable[bytes], content_type: str) -> None:
        """Write what is still being made, of any length."""
        self.upload(uri, io.BufferedReader(Chunks(chunks), _BUFFER), content_type)

    def list(self, uri: str) -> Iterator[dict[str, Any]]:
        """Yield the files whose paths begin with a URI, in the order and the form of ``S3Store.list``.

        Memory grows with the largest single directory (its names), not with the number of files.

        Raises:
            ObjectNotFound: the directory is not there.
            ObjectForbidden: it, or one below it, may not be read.
        """
        bucket, key = split_uri(uri)
        folder, slash, beginning = key.rpartition("/")
        self._count("list")
        path, _ = self._find("list", join_uri(bucket, folder))
        with _told_apart("list", uri):
            for name, known in _walk(os.fsencode(path), os.fsencode(beginning)):
                relative = os.fsdecode(name)
                yield {
                    "Key": f"{folder}{slash}{relative}",
                    "Size": known.st_size,
                    "Etag": f'"{_etag(known)}"',
                    "LastModified": known.st_mtime,
                }

    def find(self, uri: str) -> Path:
        """Return the path that a URI means; raises ObjectForbidden where it lies outside the directories."""
        return Path(self._find("use", uri.removesuffix("/"))[0])

    def _find(self, verb: str, uri: str) -> tuple[str, str]:
        """Return the path of a URI without symbolic links, and the directory it is below."""
        bucket, key = split_uri(uri)
        if bucket != FILES or key.endswith("/"):
            raise InvalidItem(f"cannot {verb} {uri}: it does not name a file; write file:///FOLDER/NAME")
        path = os.path.realpath(f"/{key}")
        root = next((each for each in self._roots if path == each or path.startswith(each.rstrip("/") + "/")), None)
        if root is None:
            raise ObjectForbidden(f"cannot {verb} {uri}: it is not below {' or '.join(self._roots)}")
        if OWN in path[len(root) :].split("/"):
            raise ObjectForbidden(f"cannot {verb} {uri}: {OWN} is Fanfold's own folder; choose another name")
        return path, root

    def _write(
        self, uri: str, body: IO[bytes], allows: Callable[[str | None], bool], metadata: Mapping[str, str]
    ) -> None:
        """Write a file where ``allows`` says yes to the ETag of the one that is there (``None``: there is none)."""
        self._count("put")
        path, root = self._find("write", uri)
        with _told_apart("write", uri), _Marks(root, path).locked() as marks:
            known = _status_before(path, uri)
            before = known and _etag(known)
            if not allows(before):
                raise ChangedUnderneath(f"cannot write {uri}: it changed meanwhile")
            with open(marks.part, "wb") as part:
                shutil.copyfileobj(body, part, _BUFFER)
            etag = _made_newer(marks.part, known)
            if metadata:
                marks.write(etag, metadata, before)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            try:
                _move(marks.part, path, anew=before is None)
            except FileExistsError as error:
                raise ChangedUnderneath(f"cannot write {uri}: it changed meanwhile") from error

    def _count_here(self, kind: str) -> None:
        with self._counting:
            self.requests[kind] += 1


class _Marks:
    """What is known of one file beside its bytes, under the ETags it is known for."""

    def __init__(self, root: str, path: str) -> None:
        name = hashlib.blake2b(os.fsencode(os.path.relpath(path, root)), digest_size=20).hexdigest()
        self._folder = os.path.join(root, OWN, "marks", name[:2])
        self._file = os.path.join(self._folder, f"{name[2:]}.json")
        self.part = os.path.join(self._folder, f"{name[2:]}.part")

    def of(self, etag: str) -> Mapping[str, str]:
        """Return the metadata of the file with this ETag; a mark that is damaged is none."""
        try:
            with open(self._file, encoding="ascii") as file:
                metadata: dict[str, str] = json.load(file).get(etag, {})
        except (FileNotFoundError, NotADirectoryError, ValueError, AttributeError):
            return {}
        return metadata

    @contextmanager
    def locked(self) -> Iterator[_Marks]:
        """Keep all other writers away from this file; the lock ends with the process that holds it."""
        os.makedirs(self._folder, exist_ok=True)
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield self
        finally:
            with suppress(FileNotFoundError):
                os.unlink(self.part)
            os.close(descriptor)

    def write(self, etag: str, metadata: Mapping[str, str], before: str | None) -> None:
        """Note the metadata of the file that is to come, beside that of the one it replaces."""
        known = {before: dict(self.of(before))} if before else {}
        fresh = f"{self._file}.new"
        with open(fresh, "w", encoding="ascii") as file:
            json.dump({**known, etag: dict(metadata)}, file)
        os.replace(fresh, self._file)


class _Reading(io.RawIOBase):
    """Some bytes of a file; one that changes meanwhile is a TransientError, because half of each is no content."""

    def __init__(self, descriptor: int, uri: str, first: int, size: int) -> None:
        self._descriptor, self._uri, self._left = descriptor, uri, size
        self._etag = _etag(os.fstat(descriptor))
        os.lseek(descriptor, first, os.SEEK_SET)

    def readable(self) -> bool:
        return True

    def readall(self) -> bytes:
        pieces = []
        while piece := self._next(self._left):
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _next(self, most: int) -> bytes:
        with _told_apart("read", self._uri):
            data = os.read(self._descriptor, min(most, self._left))
            self._left -= len(data)
            if (not data and self._left) or (not self._left and _etag(os.fstat(self._descriptor)) != self._etag):
                raise TransientError(f"cannot read {self._uri}: it changed while it was read")
        return data


def _walk(folder: bytes, beginning: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """Yield the regular files below a directory whose path in it begins so, by the bytes of their paths."""
    with os.scandir(folder) as entries:
        # With its slash a directory stands where S3 lists what is below it.
        names = sorted(
            entry.name + b"/" * entry.is_dir(follow_symlinks=False)
            for entry in entries
            if entry.name.startswith(beginning) and entry.name != os.fsencode(OWN)
        )
    for name in names:
        path = folder.rstrip(b"/") + b"/" + name
        if name.endswith(b"/"):
            yield from ((name + below, known) for below, known in _walk(path, b""))
            continue
        # What was removed since is not there, as in a listing a moment later.
        with suppress(FileNotFoundError):
            known = os.lstat(path)
            if stat.S_ISREG(known.st_mode):
                yield name, known


def _status(path: str) -> os.stat_result | None:
    try:
        known = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return known if stat.S_ISREG(known.st_mode) else None


def _status_before(path: str, uri: str) -> os.stat_result | None:
    known = _status(path)
    if known is None and os.path.lexists(path):
        raise PermanentError(f"cannot write {uri}: something that is not a file has this name; move it")
    return known


def _etag(known: os.stat_result) -> str:
    return f"{known.st_size:x}-{known.st_mtime_ns:x}"


def _head(known: os.stat_result, metadata: Mapping[str, str]) -> Head:
    return Head(known.st_size, _etag(known), metadata, known.st_mtime)


def _made_newer(path: str, before: os.stat_result | None) -> str:
    """Return the ETag of a file that is to replace another one, after making sure that it is the newer one."""
    known = os.stat(path)
    for step in _NEWER:
        if before is None or known.st_mtime_ns > before.st_mtime_ns:
            break
        os.utime(path, ns=(known.st_atime_ns, before.st_mtime_ns + step))
        known = os.stat(path)
    return _etag(known)


@contextmanager
def _closing(descriptor: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(descriptor)


def _move(source: str, target: str, *, anew: bool) -> None:
    """Move a file to its place; ``anew`` raises FileExistsError where something is there by now."""
    if not anew:
        os.replace(source, target)
        return
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # The lock keeps our own writers away; this file system has nothing against others.
        os.replace(source, target)


@contextmanager
def _told_apart(verb: str, uri: str) -> Iterator[None]:
    """Turn the system's errors into permanent and transient ones.

    A full disk is transient: nothing is wrong with the item, and once there is room it succeeds.
    """
    try:
        yield
    except OSError as error:
        raise _item_error(error, verb, uri) from error


def _item_error(error: OSError, verb: str, uri: str) -> ItemError:
    if error.errno in _FORBIDDEN:
        return ObjectForbidden(f"cannot {verb} {uri}: {error.strerror}; change its permissions")
    if error.errno in _MISSING and verb != "write":
        return ObjectNotFound(f"cannot {verb} {uri}: it does not exist; check the path")
    if error.errno in _MISSING | _UNFIT:
        return PermanentError(f"cannot {verb} {uri}: {error.strerror}; choose another place or name")
    return TransientError(f"cannot {verb} {uri}: {error.strerror}; try again when this is mended")
