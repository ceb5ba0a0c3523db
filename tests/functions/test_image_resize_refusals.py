"""image-resize: what it refuses, and that it never does anything else over hostile bytes."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from functions.image_resize.errors import ImageTooLarge, UnreadableImage, UnsupportedImage
from functions.image_resize.operation import image_resize
from itemkit import PermanentError
from sample_data.draw_images import encoded
from tests.functions.pictures import (
    ITEM,
    SAMPLES,
    quarters,
    resize,
    resized,
)

# Muted by the operation's own import; pytest starts every test with filters of its own.
pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


def png_header(width: int, height: int) -> bytes:
    """Build a PNG that says how large it is and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        (b"", UnreadableImage, "is empty"),
        (b"just text", UnreadableImage, r"no image of a known format .* begins with b'just text'"),
        (b"\xff\xd8\xff", UnreadableImage, "s3://photos/a.jpg"),
        (b"%PDF-1.7\n", UnreadableImage, "no image"),
        (HEIC, UnsupportedImage, "is HEIC"),
        (png_header(50_000, 50_000), ImageTooLarge, "give the function more memory"),
        (png_header(65_535, 1), UnreadableImage, "is damaged"),
        (encoded(Image.new("F", (8, 8)), "TIFF"), UnsupportedImage, "mode F"),
    ],
)
def test_refused(body: bytes, error: type[PermanentError], message: str):
    with pytest.raises(error, match=message) as caught:
        resize(body)

    assert str(caught.value).startswith("s3://photos/a.jpg ")


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP"])
def test_a_truncated_image_is_refused(format_: str):
    noise = Image.frombytes("RGB", (200, 150), random.Random(1).randbytes(200 * 150 * 3))
    body = encoded(noise, format_)

    for part in (0.9, 0.5, 0.1):
        with pytest.raises(UnreadableImage, match=r"upload it again|no image"):
            resize(body[: int(len(body) * part)])


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_the_pixels_taken_follow_from_the_memory(format_: str):
    """A JPEG made small takes far less, because it is never decoded in full."""
    body = encoded(Image.new("RGB", (3000, 2000)), format_)
    small, large = image_resize(memory=256), image_resize(memory=1024)

    assert large.process(ITEM, body, large.parse({})).facts["width"] == 512
    if format_ == "JPEG":
        assert small.process(ITEM, body, small.parse({})).facts["width"] == 512
    with pytest.raises(ImageTooLarge, match="give the function more memory"):
        small.process(ITEM, body, small.parse({"width": 2000}))


def test_a_shape_no_format_holds_is_refused():
    body = encoded(Image.new("L", (1, 4000)), "PNG")

    with pytest.raises(ImageTooLarge, match="write smaller 'width' and 'height'"):
        resize(body, width=1000, enlarge=True)
    with pytest.raises(ImageTooLarge, match="webp holds 16383 a side"):
        resize(body, width=5, enlarge=True, format="webp")


def test_the_content_decides_not_the_name():
    result = resize(encoded(quarters(), "PNG"), width=64)

    assert (result.outputs[0].content_type, result.facts["format"]) == ("image/png", "png")


def outcome(body: bytes) -> str:
    try:
        image = resized(body, width=32, metadata="all")
    except PermanentError as error:
        return "refused" if str(error).startswith(f"{ITEM.uri} ") else str(error)
    return "resized" if image.width <= 32 else f"{image.size}"


MUTATED = ["orientation-6.jpg", "leaf-palette.png", "landscape.webp", "animated.gif", "album/tiny.jpg"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(MUTATED),
    edits=st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), min_size=1, max_size=8),
    head=st.booleans(),
    cut=st.floats(0.05, 1),
)
def test_mutated_images_are_resized_or_refused(name: str, edits: Sequence[tuple[int, int]], head: bool, cut: float):
    body = bytearray((SAMPLES / name).read_bytes())
    for place_, value in edits:
        body[place_ % min(len(body), 400 if head else len(body))] = value

    assert outcome(bytes(body[: int(len(body) * cut)])) in ("resized", "refused")
