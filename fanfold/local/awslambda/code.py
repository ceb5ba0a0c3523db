"""Function code as it is uploaded: an archive, unpacked into a folder of the endpoint's own."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from fanfold.local.awslambda.config import Mount
from fanfold.local.protocol import ServiceError

_MAX_UNPACKED = 262_144_000  # bytes; Lambda's quota


@dataclass(frozen=True)
class CodeFacts:
    """What the API tells of code: its size in bytes and its hash."""

    size: int
    sha256: str


def unpack(archive: bytes, folder: Path) -> CodeFacts:
    """Unpack the zip ``archive`` into ``folder``.

    Raises ServiceError (InvalidParameterValueException) when it is no zip archive, empty or too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            _check(opened)
            opened.extractall(folder)  # members that point outside end up inside
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ServiceError(
            "InvalidParameterValueException",
            f"Could not unzip uploaded file. Please check your file, then try to upload again. ({error})",
        ) from None
    return CodeFacts(len(archive), _encoded(hashlib.sha256(archive)))


def _check(archive: zipfile.ZipFile) -> None:
    size = sum(member.file_size for member in archive.infolist())
    if size > _MAX_UNPACKED:
        message = f"Unzipped size must be smaller than {_MAX_UNPACKED} bytes, not {size}"
        raise ServiceError("InvalidParameterValueException", message)
    if not archive.infolist():
        raise ServiceError("InvalidParameterValueException", "Uploaded file must be a non-empty zip")


def facts(mounts: tuple[Mount, ...]) -> CodeFacts:
    """Return the size and the hash over all files used where they lie."""
    size, digest = 0, hashlib.sha256()
    for mount in mounts:
        found = [mount.source] if mount.source.is_file() else mount.source.rglob("*")
        for path in sorted(path for path in found if path.is_file() and path.suffix != ".pyc"):
            content = path.read_bytes()
            size += len(content)
            digest.update(str(mount.at / path.relative_to(mount.source)).encode() + b"\0" + content)
    return CodeFacts(size, _encoded(digest))


def _encoded(digest: hashlib._Hash) -> str:
    return base64.b64encode(digest.digest()).decode()
