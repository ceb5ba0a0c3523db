"""The images' benchmark: the shape of its rows without npm, its corpus, and SSIM against what it must be."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from bench.scenes import SCENES, encoded
from bench.similarity import luma, reference, ssim

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WITHOUT_SHARP = "SKIPPED: sharp 0.35.5 needs npm, which is not on the PATH"


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory):
    """The exit code and the rows of a run over tiny pictures, where there is no npm."""
    empty = tmp_path_factory.mktemp("path")
    written = empty / "rows.json"
    done = subprocess.run(
        [sys.executable, "bench/images.py", "--scale", "0.05", "--json", str(written)],
        cwd=ROOT, env=os.environ | {"PATH": str(empty)}, capture_output=True, text=True, check=False, timeout=180,
    )  # fmt: skip
    assert written.exists(), done.stderr
    return done.returncode, json.loads(written.read_text())["rows"]


def test_a_tiny_run_measures_every_row_and_exits_as_its_targets_say(tiny_run):
    code, rows = tiny_run

    assert [(row["what"], row["unit"], row["target"]) for row in rows if row["target"]] == [
        ("0.03 MP JPEG at 13 against naive", "CPU ms", "ratio <= 0.25"),
        ("0.03 MP JPEG at 13 against sharp", "CPU ms", "ratio <= 1.1"),
        ("0.03 MP JPEG at 26 against naive", "CPU ms", "ratio <= 0.303"),
        ("0.03 MP JPEG at 26 against thumbnail", "CPU ms", "ratio <= 0.714"),
        ("0.03 MP JPEG at 26 against sharp", "CPU ms", "ratio <= 1.1"),
        ("0.03 MP JPEG at 51 against naive", "CPU ms", "ratio <= 0.556"),
        ("0.03 MP JPEG at 51 against thumbnail", "CPU ms", "ratio <= 0.588"),
        ("0.03 MP JPEG at 51 against sharp", "CPU ms", "ratio <= 1.25"),
        ("0.03 MP JPEG at 13 + 26 + 51 against naive", "CPU ms", "ratio <= 0.222"),
        ("0.03 MP JPEG at 13 + 26 + 51 against thumbnail", "CPU ms", "ratio <= 0.4"),
        ("0.03 MP JPEG at 13", "SSIM", "ratio >= 1"),
        ("0.03 MP JPEG at 26", "SSIM", "ratio >= 1"),
        ("0.03 MP JPEG at 51", "SSIM", "ratio >= 1"),
        ("0.005 MP JPEG at 51 against naive", "CPU ms", "ratio <= 1.05"),
        ("batch of 6, 0.03 MP JPEG at 26, GET 30 ms, PUT 40 ms", "ms/item", "ratio <= 0.357"),
        ("the batch's memory above one item's", "MB", "ours <= 40"),
    ]
    assert [row for row in rows if row["unit"] != "MB" and not row["ours"] > 0] == []
    assert code == (0 if all(row["met"] in {None, True} for row in rows) else 1)


def test_without_npm_the_rows_against_sharp_say_so_and_count_as_missed(tiny_run):
    _, rows = tiny_run
    against_sharp = [row for row in rows if row["against"] == "sharp 0.35.5"]

    assert {row["note"] for row in against_sharp} == {WITHOUT_SHARP}
    assert {(row["peer"], row["met"]) for row in against_sharp if row["target"]} == {(None, False)}
    assert [row for row in rows if row not in against_sharp and row["unit"] == "CPU ms" and not row["peer"] > 0] == []


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_scene_is_drawn_the_same_every_time(scene):
    assert scene.draw((80, 60)).tobytes() == scene.draw((80, 60)).tobytes()


def test_scenes_are_as_hard_to_encode_as_photographs():
    sizes = [len(encoded(scene.draw((1000, 750)), "JPEG", quality=90)) / 750_000 for scene in SCENES]

    assert sizes == sorted(sizes)
    assert 0.15 < sizes[0] < sizes[-1] < 0.6


def test_ssim_is_one_for_the_same_picture_and_falls_with_blur():
    picture = SCENES[0].draw((160, 120))
    scores = [ssim(_floats(picture), _floats(picture.filter(ImageFilter.GaussianBlur(blur)))) for blur in (0, 0.5, 2)]

    assert scores[0] == pytest.approx(1)
    assert 1 > scores[1] > scores[2] > 0


def test_ssim_of_two_flat_pictures_is_its_formula():
    one, other = Image.new("F", (16, 8), 100), Image.new("F", (16, 8), 150)

    c1 = (0.01 * 255) ** 2
    assert ssim(one, other) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1))


def test_ssim_refuses_pictures_that_cannot_be_compared():
    with pytest.raises(ValueError, match="no SSIM of"):
        ssim(Image.new("F", (16, 16)), Image.new("F", (16, 8)))
    with pytest.raises(ValueError, match="no SSIM of"):
        ssim(Image.new("F", (7, 7)), Image.new("F", (7, 7)))


def test_the_reference_of_a_picture_at_its_own_size_is_its_luma(tmp_path):
    path = tmp_path / "scene.png"
    SCENES[1].draw((64, 48)).save(path)

    difference = ssim(reference(path, (64, 48)), luma(path))
    assert math.isclose(difference, 1, abs_tol=1e-6)


def _floats(picture: Image.Image) -> Image.Image:
    return picture.convert("L").convert("F")
