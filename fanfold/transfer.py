"""Folders to S3 and back, for local runs and for copies of what a run left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fanfold.application import Application
from fanfold.problems import UsageProblem
from itemkit.item import split_uri

SAMPLES = ("images", "tables", "manifests")


def upload(application: Application, folder: Path, prefix: str = "") -> int:
    """Copy a folder's files below a prefix of the input bucket and return their number."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in paths:
        key = prefix + path.relative_to(folder).as_posix()
        application.client("s3").upload_file(str(path), application.input_bucket, key)
    return len(paths)


def upload_samples(application: Application, project: Path) -> int:
    """Copy the sample data to the input bucket and return the number of files.

    Each folder also gets the zero-byte object that the S3 console makes for one, as real buckets have them.
    """
    count = 0
    for name in SAMPLES:
        folder = project / "sample_data" / name
        for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            key = f"{name}/{path.relative_to(folder).as_posix()}/".replace("/./", "/")
            application.client("s3").put_object(Bucket=application.input_bucket, Key=key, Body=b"")
        count += upload(application, folder, f"{name}/")
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
