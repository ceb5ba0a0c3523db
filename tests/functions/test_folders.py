"""Prepare over directories: what a job may name, asked of the file system and of nobody else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from functions.prepare.folders import Folders
from functions.prepare.plan import Place, Planner
from itemkit import InvalidJob
from itemkit.job import parse_job
from itemkit.store import S3Store


@pytest.fixture
def planner(s3: Any, tmp_path: Path) -> Planner:
    """A planner for two directories; to ask AWS of them would be an AttributeError."""
    for name in ("photos", "thumbs"):
        (tmp_path / name).mkdir()
    aws = SimpleNamespace(require_operation=lambda operation, prefix: prefix + operation)
    allowed = Folders([str(tmp_path / "photos"), str(tmp_path / "thumbs")])
    return Planner(aws, S3Store(s3), Place("photos", "output", "fanfold-op-"), allowed)


def job(tmp_path: Path, source: str = "photos", destination: str = "thumbs") -> dict[str, Any]:
    return {
        "operation": "image-resize",
        "source": f"file://{tmp_path}/{source}/",
        "destination": f"file://{tmp_path}/{destination}",
    }


def test_the_plan_names_directories_as_it_names_buckets_and_prefixes(planner, tmp_path):
    for name in ("a.txt", "b.jpg"):
        (tmp_path / "photos" / name).write_bytes(b"x")

    plan = planner.plan({**job(tmp_path), "select": {"suffix": [".jpg"]}}, "r1")

    assert plan["source"] == {
        "kind": "prefix",
        "uri": f"file://{tmp_path}/photos/",
        "bucket": "file:",
        "prefix": f"{tmp_path}/photos/"[1:],
    }
    assert (plan["sample"], plan["destination"]) == (f"file://{tmp_path}/photos/b.jpg", f"file://{tmp_path}/thumbs/")
    assert plan["runs"] == "s3://output/runs/r1/"
    assert os.listdir(tmp_path / "thumbs") == []
    assert json.loads(json.dumps(plan)) == plan


@pytest.mark.parametrize(
    ("source", "destination", "message"),
    [
        ("photos", "photos", "contains"),
        ("photos", "photos/small", "contains"),
        ("thumbs/raw", "thumbs", "contains"),
        ("photos/nowhere", "thumbs", "there is no directory"),
        ("photos", "thumbs/nowhere", "there is no directory"),
        ("photos/file", "thumbs", "there is no directory"),
        ("photos", "elsewhere", "is not below"),
        ("elsewhere", "thumbs", "is not below"),
        ("photos/link", "thumbs", "is not below"),
        ("photos/alias", "thumbs", "leads through a symbolic link"),
        ("photos/../thumbs", "thumbs", "not the URI of a file"),
        ("photos/.fanfold", "thumbs", "Fanfold's own folder"),
    ],
)
def test_directories_that_will_not_do_are_refused(planner, tmp_path, source, destination, message):
    for folder in ("thumbs/raw", "elsewhere", "photos/2026"):
        (tmp_path / folder).mkdir()
    (tmp_path / "photos" / "file").touch()
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "alias").symlink_to(tmp_path / "photos" / "2026")

    with pytest.raises(InvalidJob, match=message):
        planner.plan(job(tmp_path, source, destination), "r1")


def test_a_destination_that_takes_no_files_is_refused(planner, tmp_path, monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)

    with pytest.raises(InvalidJob, match="nothing can be written there: Permission denied"):
        planner.plan(job(tmp_path), "r1")


def test_where_no_directories_are_allowed_none_can_be_named(planner, tmp_path):
    elsewhere = Planner(planner.aws, planner.store, planner.place)

    with pytest.raises(InvalidJob, match="this stack sees none"):
        elsewhere.plan(job(tmp_path), "r1")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "file:///a/list.csv"}, "put the manifest into S3"),
        ({"source": {"manifest": "file:///a/list.csv"}}, "put the manifest into S3"),
        ({"source": "file://host/a/"}, "not the URI of a file"),
        ({"destination": "file:///"}, "name a directory"),
        ({"destination": "file:///a/../b/"}, "not the URI of a file"),
    ],
)
def test_a_job_names_directories_plainly(changes, message):
    with pytest.raises(InvalidJob, match=message):
        parse_job({"operation": "image-resize", "source": "file:///photos/", **changes})


def test_a_job_over_a_directory_is_a_job():
    parsed = parse_job({"operation": "image-resize", "source": "file:///photos/", "destination": "file:///out"})

    assert (parsed.source.prefix, parsed.destination) == ("file:///photos/", "file:///out/")
