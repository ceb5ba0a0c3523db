"""``fanfold run DIRECTORY``: the shipped workflow and functions on files in place, as a user starts it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import PROJECT

pytestmark = pytest.mark.e2e

HOSTILE = (
    "plain.jpg",
    "-rf.jpg",
    "a b+c%20&d.jpg",
    "new\nline.jpg",
    "quo'te\".jpg",
    "$(touch x);`y`.jpg",
    "Größe/日本/ö.jpg",
    "deep/er/..hidden/.a.jpg",
    "back\\slash.jpg",
    os.fsdecode(b"no-text-\xff.jpg"),
)


def call(*words: str | Path, cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    """Run the program as a shell would, with no AWS account anywhere near."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "fanfold"), *map(str, words)],
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), "FANFOLD_FILES": "/"},
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=240,
        check=False,
    )


def picture(path: Path, colour: str = "teal") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 48), colour).save(path, "JPEG")


def names(folder: Path) -> list[str]:
    """Return the files below a folder that are not Fanfold's own."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != ".fanfold")


@dataclass(frozen=True)
class Ran:
    """Two runs over the same directory, the second after one picture changed."""

    photos: Path
    thumbs: Path
    first: subprocess.CompletedProcess[str]
    second: subprocess.CompletedProcess[str]

    @property
    def summaries(self) -> list[dict[str, Any]]:
        return [json.loads(each.stdout) for each in (self.first, self.second)]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("directories").resolve()
    photos, thumbs = folder / "photos", folder / "thumbs"
    for name in HOSTILE:
        try:
            picture(photos / name)
        except OSError as error:
            pytest.skip(f"this file system does not take {name!r}: {error}")
    (photos / "broken.jpg").write_text("no picture")
    picture(folder / "secret.jpg")
    (photos / "link.jpg").symlink_to(folder / "secret.jpg")
    (photos / "folder").symlink_to(folder)
    words = ("run", photos, "--operation", "image-resize", "-o", "width=16", "--to", thumbs, "--json")
    first = call(*words, cwd=folder)
    picture(photos / "plain.jpg", "crimson")
    return Ran(photos, thumbs, first, call(*words[:1], "image-resize", photos, *words[4:], cwd=folder))


def test_every_file_becomes_an_output_under_its_own_name(ran):
    summary = ran.summaries[0]

    assert ran.first.returncode == 1, ran.first.stderr
    assert (summary["state"], summary["reconciled"]) == ("SUCCEEDED", True)
    counts = {name: count for name, count in summary["items"].items() if count}
    assert counts == {"listed": len(HOSTILE) + 1, "succeeded": len(HOSTILE), "failed": 1}
    assert names(ran.thumbs) == sorted(HOSTILE)
    assert {Image.open(ran.thumbs / name).size for name in HOSTILE} == {(16, 12)}
    assert (summary["source"], summary["destination"]) == (f"file://{ran.photos}/", f"file://{ran.thumbs}/")


def test_the_source_stays_as_it_was(ran):
    links = ["link.jpg"]

    assert names(ran.photos) == sorted([*HOSTILE, "broken.jpg", *links])
    assert not (ran.photos / ".fanfold").exists()


def test_a_second_run_does_what_changed_and_no_more(ran):
    counts = {name: count for name, count in ran.summaries[1]["items"].items() if count}

    assert ran.second.returncode == 1, ran.second.stderr
    assert counts == {"listed": len(HOSTILE) + 1, "skipped": len(HOSTILE) - 1, "succeeded": 1, "failed": 1}
    red, _, blue = Image.open(ran.thumbs / "plain.jpg").getpixel((8, 6))
    assert red > 2 * blue


def test_what_a_run_tells_lies_in_a_folder_of_its_own(ran):
    for done, summary in zip((ran.first, ran.second), ran.summaries, strict=True):
        home = ran.thumbs / ".fanfold" / "runs" / summary["run"]
        # Nobody watches, so nothing is told but the summary.
        assert done.stderr == ""
        assert json.loads((home / "summary.json").read_text()) == summary
        (failed,) = csv.DictReader(io.StringIO((home / "failures.csv").read_text()))
        assert (failed["uri"], failed["error"]) == (f"file://{ran.photos}/broken.jpg", "UnreadableImage")
        page = (home / "report.html").read_text()
        assert f"file://{ran.photos}/broken.jpg" in page
        # The console shows no files of this machine.
        assert "region=us-east-1&amp;prefix=" + str(ran.photos)[1:].replace("/", "%2F") not in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["photos", "--operation", "image-resize"], "with --to DIRECTORY"),
        (["photos", "--operation", "image-resize", "--to", "thumbs", "-s", "destination=s3://b/"], "nothing else"),
        (["photos", "--operation", "image-resize", "--to", "photos/small"], "lie in one another"),
        (["photos/raw", "--operation", "image-resize", "--to", "photos"], "lie in one another"),
        (["photos", "--operation", "image-resize", "--to", "alias/small"], "lie in one another"),
        (["image-resize", "fotos", "--to", "thumbs"], "the source fotos is neither an S3 URI nor a directory"),
        (["image-resize", "photos", "--to", "thumbs", "--detach"], "--detach does not wait"),
        (["image-resize", "photos", "--operation", "image-resize", "--to", "thumbs"], "name an operation and a source"),
        (["photos", "--to", "thumbs"], "name an operation and a source"),
        (["image-resize", "s3://b/x/", "--local"], "--local runs over a directory"),
        (["image-resize", "photos", "--to", "a:b"], "must not have ':'"),
        (["image-resize", "photos", "--to", "file"], "cannot be made: File exists"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(tmp_path, words, message):
    (tmp_path / "photos" / "raw").mkdir(parents=True)
    (tmp_path / "alias").symlink_to(tmp_path / "photos")
    (tmp_path / "file").touch()

    done = call("run", *words, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(os.listdir(tmp_path / "photos")) == ["raw"]


def test_an_unknown_option_of_the_operation_ends_with_2_and_leaves_no_outputs(tmp_path):
    picture(tmp_path / "photos" / "a.jpg")

    done = call("run", tmp_path / "photos", "--operation", "image-resize", "-o", "widht=3", "--to", tmp_path / "thumbs")

    assert (done.returncode, done.stdout) == (2, "")
    assert "widht" in done.stderr
    assert names(tmp_path / "thumbs") == []
