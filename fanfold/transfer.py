"""Folders to S3 and back, for local runs and for copies of what a run left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fanfold.application import Application
from fanfold.problems import UsageProblem
from itemkit.item import split_uri


def upload(application: Application, folder: Path, bucket: str, prefix: str = "") -> int:
    """Copy a folder's files below ``prefix`` and return their number.

    Each sub-folder also gets the zero-byte marker object the S3 console makes for one, as real buckets have them.
    """
    s3, count = application.client("s3"), 0
    for path in sorted(folder.rglob("*")):
        key = prefix + path.relative_to(folder).as_posix()
        if path.is_dir():
            s3.put_object(Bucket=bucket, Key=key + "/", Body=b"")
        else:
            s3.upload_file(str(path), bucket, key)
            count += 1
    return count


def download(application: Application, uri: str, target: Path) -> Path:
    """Copy one object to a file, making its folders."""
    bucket, key = split_uri(uri)
    target.parent.mkdir(parents=True, exist_ok=True)
    application.client("s3").download_file(bucket, key, str(target))
    return target


def download_prefix(application: Application, uri: str, target: Path) -> int:
    """Copy every object below a prefix into a folder and return their number.

    Raises:
        UsageProblem: a key would lead outside the folder.
    """
    bucket, prefix = split_uri(uri)
    count = 0
    for key in _keys(application, bucket, prefix):
        path = (target / key.removeprefix(prefix)).resolve()
        if not path.is_relative_to(target.resolve()):
            raise UsageProblem(f"the key {key!r} leads outside {target}: fetch it with 'aws s3 cp'")
        path.parent.mkdir(parents=True, exist_ok=True)
        application.client("s3").download_file(bucket, key, str(path))
        count += 1
    return count


def _keys(application: Application, bucket: str, prefix: str) -> Iterator[str]:
    pages: Any = application.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for entry in page.get("Contents", []):
            if not entry["Key"].endswith("/"):
                yield entry["Key"]
