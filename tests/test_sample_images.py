"""The sample images: drawn by their script, and resized."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from sample_data.draw_images import IMAGES
from tests.functions.pictures import (
    BROKEN,
    SAMPLES,
    difference,
    resize,
)


@pytest.mark.parametrize("name", IMAGES)
def test_samples_are_what_the_script_draws(name: str):
    """Pixels are compared, since an encoder may write other bytes on another processor."""
    drawn, kept = IMAGES[name](), (SAMPLES / name).read_bytes()
    if drawn != kept:
        assert name not in BROKEN
        drawn_image, kept_image = Image.open(BytesIO(drawn)), Image.open(BytesIO(kept))
        assert (drawn_image.size, drawn_image.mode) == (kept_image.size, kept_image.mode)
        assert difference(drawn_image, kept_image) < 2


def test_samples_lie_beside_nothing_else():
    names = {path.relative_to(SAMPLES).as_posix() for path in SAMPLES.rglob("*") if path.is_file()}

    assert names == set(IMAGES)


@pytest.mark.parametrize("format_", ["keep", "jpeg", "webp", "avif", "png"])
@pytest.mark.parametrize("name", sorted(set(IMAGES) - BROKEN - {"landscape-12mp.jpg"}))
def test_every_sample_becomes_every_format(name: str, format_: str):
    result = resize((SAMPLES / name).read_bytes(), width=64, height=64, format=format_)

    image = Image.open(BytesIO(result.outputs[0].body))
    image.load()
    assert image.size == (result.facts["width"], result.facts["height"])
    assert max(image.size) == 64
    assert result.outputs[0].content_type == f"image/{result.facts['format']}"
    assert result.facts["format"] == str(image.format).lower()
    assert "notes" not in result.facts or result.facts["notes"] == [
        f"it has several frames; only the first is kept as {format_}"
    ]
