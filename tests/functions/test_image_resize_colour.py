"""image-resize: colours, transparency and animations."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageDraw

from functions.image_resize.errors import ImageTooLarge
from functions.image_resize.operation import image_resize
from sample_data.draw_images import adobe_rgb_profile, encoded
from tests.functions.pictures import (
    BLUE,
    GREEN,
    ITEM,
    RED,
    WHITE,
    corners,
    difference,
    exif,
    quarters,
    resize,
    resized,
)


def test_a_profile_is_brought_to_srgb():
    adobe = ImageCms.ImageCmsProfile(BytesIO(adobe_rgb_profile()))
    wanted = Image.new("RGB", (64, 64), (60, 160, 90))
    stored = ImageCms.profileToProfile(wanted, ImageCms.createProfile("sRGB"), adobe)
    assert stored is not None
    assert difference(stored, wanted) > 10

    image = resized(encoded(stored, "PNG", icc_profile=adobe_rgb_profile()), width=16)

    assert difference(image, wanted.resize((16, 16))) <= 1


@pytest.mark.parametrize("icc", [b"no profile at all", adobe_rgb_profile()[:200]])
def test_a_damaged_profile_is_passed_over_and_told(icc: bytes):
    result = resize(encoded(quarters(), "JPEG", icc_profile=icc), width=64)

    assert corners(Image.open(BytesIO(result.outputs[0].body))) == [RED, GREEN, BLUE, WHITE]
    assert result.facts["notes"] == ["its ICC profile is damaged or for other colours: colours taken as sRGB"]


def test_a_profile_for_other_colours_is_passed_over_and_told():
    result = resize(encoded(Image.new("L", (64, 64), 77), "JPEG", icc_profile=adobe_rgb_profile()), width=16)

    assert Image.open(BytesIO(result.outputs[0].body)).getextrema() == (77, 77)
    assert len(result.facts["notes"]) == 1


@pytest.mark.parametrize("format_", ["keep", "png", "webp", "avif"])
def test_cmyk_becomes_rgb(format_: str):
    image = resized(encoded(quarters().convert("CMYK"), "JPEG"), width=64, format=format_)

    assert (image.mode, corners(image)) == ("RGB", [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("format_", ["jpeg", "png"])
def test_grey_stays_grey(format_: str):
    assert resized(encoded(quarters().convert("L"), "JPEG"), width=64, format=format_).mode == "L"


def sixteen_bits() -> Image.Image:
    """Draw four vertical bands of 16-bit grey."""
    image = Image.new("I;16", (80, 40))
    for band, value in enumerate((0, 257, 32_896, 65_535)):
        image.paste(value, (20 * band, 0, 20 * band + 20, 40))
    return image


@pytest.mark.parametrize("source_format", ["PNG", "TIFF"])
def test_16_bit_grey_is_kept_where_the_format_can(source_format: str):
    image = resized(encoded(sixteen_bits(), source_format), width=40)

    assert image.mode == "I;16"
    assert [image.getpixel((x, 10)) for x in (5, 15, 25, 35)] == [0, 257, 32_896, 65_535]


@pytest.mark.parametrize("format_", ["jpeg", "webp", "avif"])
def test_16_bit_grey_is_scaled_not_clipped(format_: str):
    image = resized(encoded(sixteen_bits(), "PNG"), width=40, format=format_, quality=100).convert("L")

    levels: list[Any] = [image.getpixel((x, 10)) for x in (5, 15, 25, 35)]
    assert [abs(level - wanted) <= 3 for level, wanted in zip(levels, (0, 1, 128, 255), strict=True)] == [True] * 4


def with_hidden_colour() -> Image.Image:
    """Draw a white disc on transparent pixels that are red below."""
    image = Image.new("RGBA", (200, 200), (*RED, 0))
    ImageDraw.Draw(image).ellipse((20, 20, 180, 180), fill=(*WHITE, 255))
    return image


@pytest.mark.parametrize("mode", ["RGBA", "P"])
@pytest.mark.parametrize("format_", ["keep", "jpeg", "webp", "avif"])
def test_hidden_colours_do_not_bleed(mode: str, format_: str):
    source = with_hidden_colour() if mode == "RGBA" else with_hidden_colour().quantize(16)

    image = resized(encoded(source, "PNG"), width=50, format=format_, quality=95).convert("RGBA")

    ground = Image.new("RGBA", image.size, "white")
    seen = Image.alpha_composite(ground, image).convert("RGB")
    assert min(low for low, _ in seen.getextrema()) > 235


def test_a_palette_with_a_transparent_index_keeps_its_transparency():
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.paste(0, (0, 0, 20, 40))

    image = resized(encoded(palette, "PNG", transparency=0), width=20)

    assert [image.getpixel((x, 10)) for x in (2, 17)] == [(0, 0, 0, 0), (*BLUE, 255)]


def test_metadata_is_stripped():
    body = encoded(
        quarters(), "JPEG", exif=exif(3), icc_profile=adobe_rgb_profile(), comment=b"made by me", dpi=(300, 300)
    )

    for format_ in ("jpeg", "png", "webp", "avif"):
        image = resized(body, width=64, format=format_)
        assert not {"exif", "icc_profile", "comment", "xmp", "dpi"} & set(image.info)


def blinking(format_: str, **how: Any) -> bytes:
    frames = [Image.new("RGB", (60, 40), colour) for colour in (RED, GREEN, BLUE)]
    return encoded(frames[0], format_, save_all=True, append_images=frames[1:], duration=[100, 200, 300], loop=0, **how)


def played(image: Image.Image) -> list[tuple[Any, int]]:
    """Return the colour in the middle and the milliseconds of each frame."""
    frames = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()
        middle: Any = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
        frames.append((tuple(255 * (value > 127) for value in middle), image.info.get("duration", 0)))
    return frames


@pytest.mark.parametrize("source_format", ["GIF", "WEBP"])
@pytest.mark.parametrize("format_", ["keep", "webp"])
def test_an_animation_keeps_its_frames_and_their_times(source_format: str, format_: str):
    image = resized(blinking(source_format), width=30, format=format_)

    assert (image.size, image.info["loop"], played(image)) == (
        (30, 20),
        0,
        [(RED, 100), (GREEN, 200), (BLUE, 300)],
    )


def test_an_animation_in_several_sizes():
    result = resize(blinking("GIF"), widths=[40, 20])

    assert [played(Image.open(BytesIO(output.body))) for output in result.outputs] == [
        [(RED, 100), (GREEN, 200), (BLUE, 300)]
    ] * 2


@pytest.mark.parametrize(("source_format", "format_"), [("GIF", "jpeg"), ("WEBP", "png"), ("PNG", "keep")])
def test_an_animation_becomes_its_first_frame_elsewhere_and_says_so(source_format: str, format_: str):
    result = resize(blinking(source_format), width=30, format=format_)

    image = Image.open(BytesIO(result.outputs[0].body))
    assert played(image) == [(RED, 0)]
    assert result.facts["frames"] == 1
    assert result.facts["notes"] == [f"it has several frames; only the first is kept as {result.facts['format']}"]


@pytest.mark.parametrize(("source_format", "format_"), [("GIF", "keep"), ("WEBP", "keep"), ("GIF", "jpeg")])
def test_a_poster_is_the_first_frame_and_needs_no_note(source_format: str, format_: str):
    result = resize(blinking(source_format), widths=[40, 20], format=format_, animation="poster")

    assert [played(Image.open(BytesIO(output.body))) for output in result.outputs] == [[(RED, 0)]] * 2
    assert (result.facts["frames"], "notes" in result.facts) == (1, False)


def test_a_transparent_animation_leaves_no_trail():
    frames = []
    for x in (0, 40, 80):
        frame = Image.new("RGBA", (120, 40))
        frame.paste((*BLUE, 255), (x, 0, x + 40, 40))
        frames.append(frame)
    body = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50, disposal=2)

    image = resized(body, width=60)

    seen = []
    for number in range(3):
        image.seek(number)
        frame = image.convert("RGBA")
        seen.append([bool(frame.getpixel((x, 10))[3]) for x in (10, 30, 50)])
    assert seen == [[True, False, False], [False, True, False], [False, False, True]]


def test_an_animation_too_long_for_memory_is_refused():
    frames = [Image.new("L", (400, 400), number) for number in range(60)]
    body = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    small = image_resize(memory=64)

    with pytest.raises(ImageTooLarge, match="choose a smaller size"):
        small.process(ITEM, body, small.parse({}))

    assert len(small.process(ITEM, body, small.parse({"width": 100})).outputs) == 1


def test_a_picture_of_several_views_becomes_its_first_as_jpeg():
    body = encoded(
        Image.new("RGB", (60, 40), RED), "MPO", save_all=True, append_images=[Image.new("RGB", (60, 40), BLUE)]
    )

    result = resize(body, width=30)

    assert (result.facts["source_format"], result.facts["format"], "notes" in result.facts) == ("mpo", "jpeg", False)
    assert played(Image.open(BytesIO(result.outputs[0].body))) == [(RED, 0)]
