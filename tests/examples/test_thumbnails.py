"""The thumbnail service: what is uploaded becomes thumbnails, once, and moves."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from tests.conftest import PROJECT

RUN = PROJECT / "examples" / "thumbnails" / "run"
# Widths to heights of what the pictures become: 800 x 800, 900 x 1200 upright, 1600 x 900.
SIZES = {
    "badge": {640: 640, 320: 320, 160: 160},
    "holiday/turned": {640: 853, 320: 427, 160: 213},
    "wide": {640: 360, 320: 180, 160: 90},
}


def sizes(folder: Path) -> dict[str, dict[int, int]]:
    """Return widths and heights of the thumbnails of each picture."""
    found: dict[str, dict[int, int]] = {}
    for path in folder.rglob("*.*"):
        name, _, width = path.relative_to(folder).with_suffix("").as_posix().rpartition("_")
        with Image.open(path) as image:
            assert (image.format, image.width) == ("WEBP", int(width))
            found.setdefault(name, {})[image.width] = image.height
    return found


def greys(path: Path) -> bytes:
    """Return an upright picture as a few greys."""
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("L").resize((3, 4), Image.Resampling.BOX).tobytes()


@pytest.mark.e2e
def test_uploads_become_thumbnails_once_and_move(tmp_path):
    done = subprocess.run([RUN, tmp_path], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    thumbnails = tmp_path / "thumbnails"
    assert sizes(thumbnails) == SIZES
    turned, upright = greys(thumbnails / "holiday/turned_160.webp"), greys(tmp_path / "pictures/holiday/turned.jpg")
    assert max(abs(one - other) for one, other in zip(turned, upright, strict=True)) < 4 < max(upright) - min(upright)
    with Image.open(thumbnails / "badge_160.webp") as badge:
        assert [badge.convert("RGBA").getpixel(place)[3] for place in ((0, 0), (80, 80))] == [0, 255]
    assert re.findall(r" ((?:incoming|processed|failed)/\S+)$", done.stdout, re.MULTILINE) == [
        "failed/broken.jpg",
        "processed/badge.png",
        "processed/holiday/turned.jpg",
        "processed/wide.jpg",
    ]
    assert "UnreadableImage: s3://fanfold-input-123456789012-us-east-1/incoming/broken.jpg" in done.stdout
    assert "1 listed = 0 excluded + 1 skipped + 0 succeeded" in done.stdout

    port = re.search(r"Serving http://127\.0\.0\.1:(\d+) ", (tmp_path / "logs" / "fanfold-local.txt").read_text())[1]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(port))) != 0
