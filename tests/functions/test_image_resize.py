"""image-resize: pictures drawn here, resized, and looked at."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageStat

from functions.image_resize.errors import ImageTooLarge, UnreadableImage, UnsupportedImage
from functions.image_resize.geometry import place
from functions.image_resize.operation import OPERATION, image_resize
from functions.image_resize.options import Box, ResizeOptions, output_names
from itemkit import InvalidJob, Item, PermanentError, Result
from sample_data.draw_images import IMAGES, STORED, adobe_rgb_profile, encoded

SAMPLES = Path(__file__).parents[2] / "sample_data" / "images"
BROKEN = {name for name in IMAGES if name.startswith("broken-")}
ITEM = Item("s3://photos/a.jpg", "a.jpg")
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def resize(body: bytes, **options: Any) -> Result:
    return OPERATION.process(ITEM, body, OPERATION.parse(options))


def resized(body: bytes, **options: Any) -> Image.Image:
    """Return the one output, decoded."""
    (output,) = resize(body, **options).outputs
    return Image.open(BytesIO(output.body))


def quarters(size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Draw a picture whose four quarters tell which way is up."""
    image = Image.new("RGB", size, RED)
    width, height = size
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    image.paste(WHITE, (width // 2, height // 2, width, height))
    return image


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """Return the colours in the middle of the quarters, each channel none or all."""
    width, height = image.size
    places = [(width * across // 4, height * down // 4) for down in (1, 3) for across in (1, 3)]
    pixels: list[Any] = [image.convert("RGB").getpixel(place) for place in places]
    return [tuple(255 * (value > 127) for value in pixel) for pixel in pixels]


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the root mean square of what two images differ by, the worst channel."""
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).rms)


# What comes out of the samples


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


# Sizes


def test_without_a_word_it_fits_512_and_keeps_the_format():
    result = resize(encoded(quarters((1200, 900)), "PNG"))

    assert result.facts == {
        "source_format": "png",
        "source_width": 1200,
        "source_height": 900,
        "format": "png",
        "width": 512,
        "height": 384,
    }


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({"width": 100}, (100, 75)),
        ({"height": 60}, (80, 60)),
        ({"width": 100, "height": 60}, (80, 60)),
        ({"width": 100, "height": 100, "fit": "cover"}, (100, 100)),
        ({"width": 100, "height": 100, "fit": "contain"}, (100, 100)),
        ({"width": 100, "height": 100, "fit": "fill"}, (100, 100)),
        ({"width": 800}, (400, 300)),
        ({"width": 800, "enlarge": True}, (800, 600)),
        ({"width": 800, "height": 800, "fit": "cover"}, (300, 300)),
        ({"width": 800, "height": 400, "fit": "fill"}, (400, 200)),
        ({"width": 800, "height": 800, "fit": "contain"}, (800, 800)),
        ({"width": 800, "height": 800, "fit": "cover", "enlarge": True}, (800, 800)),
    ],
)
def test_fit(options: dict[str, Any], size: tuple[int, int]):
    assert resized(encoded(quarters(), "JPEG"), **options).size == size


def test_cover_keeps_the_centre():
    image = Image.new("RGB", (300, 100), RED)
    image.paste(BLUE, (100, 0, 200, 100))

    covered = resized(encoded(image, "PNG"), width=50, height=50, fit="cover")

    assert covered.crop((5, 0, 45, 50)).getcolors() == [(2000, BLUE)]


def test_contain_surrounds_with_white_or_with_nothing():
    red = resized(encoded(Image.new("RGB", (100, 50), RED), "PNG"), width=100, height=100, fit="contain")
    clear = resized(encoded(Image.new("RGBA", (100, 50), RED), "PNG"), width=100, height=100, fit="contain")

    assert [red.getpixel((50, y)) for y in (0, 50, 99)] == [WHITE, RED, WHITE]
    assert [clear.getpixel((50, y)) for y in (0, 50, 99)] == [(255, 255, 255, 0), (*RED, 255), (255, 255, 255, 0)]


def test_fill_keeps_everything():
    assert corners(resized(encoded(quarters(), "PNG"), width=90, height=300, fit="fill")) == [RED, GREEN, BLUE, WHITE]


def test_several_widths_come_from_one_picture_the_largest_first():
    result = resize((SAMPLES / "landscape-progressive.jpg").read_bytes(), widths=[128, 1024, 256, 1000])

    images = [Image.open(BytesIO(output.body)) for output in result.outputs]
    assert [image.size for image in images] == [(1024, 768), (1000, 750), (256, 192), (128, 96)]
    assert (result.facts["width"], result.facts["widths"], result.facts["heights"]) == (
        1024,
        [1024, 1000, 256, 128],
        [768, 750, 192, 96],
    )


def test_the_cascade_looks_like_resizing_the_whole():
    source = Image.open(SAMPLES / "landscape-progressive.jpg")
    result = resize((SAMPLES / "landscape-progressive.jpg").read_bytes(), widths=[1024, 512, 256], format="png")

    for output in result.outputs:
        image = Image.open(BytesIO(output.body))
        assert difference(image, source.resize(image.size, Image.Resampling.LANCZOS)) < 2.5


@given(
    picture=st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)),
    width=st.none() | st.integers(1, 4_000),
    height=st.none() | st.integers(1, 4_000),
    enlarge=st.booleans(),
)
def test_inside_fits_the_box_and_keeps_the_shape(
    picture: tuple[int, int], width: int | None, height: int | None, enlarge: bool
):
    size = place(picture, Box(width, height), ResizeOptions(enlarge=enlarge)).size

    scale = min(
        (width or 10**9) / picture[0], (height or 10**9) / picture[1], 10**9 if enlarge and (width or height) else 1
    )
    assert size[0] <= (width or 10**9)
    assert size[1] <= (height or 10**9)
    assert abs(size[0] - picture[0] * scale) < 1
    assert abs(size[1] - picture[1] * scale) < 1


@given(
    picture=st.tuples(st.integers(1, 5_000), st.integers(1, 5_000)),
    width=st.integers(1, 4_000),
    height=st.integers(1, 4_000),
)
def test_cover_is_inside_the_picture_and_has_the_box_s_shape(picture: tuple[int, int], width: int, height: int):
    placement = place(picture, Box(width, height), ResizeOptions(fit="cover", width=width, height=height))

    left, top, right, bottom = placement.area
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1
    assert placement.size[0] <= min(width, picture[0])
    assert placement.size[1] <= min(height, picture[1])
    scale = min(1, picture[0] / width, picture[1] / height)
    assert abs(placement.size[0] - width * scale) < 1
    assert abs(placement.size[1] - height * scale) < 1


@settings(max_examples=25, deadline=None)
@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    orientation=st.sampled_from(sorted(STORED)),
    width=st.integers(1, 120),
)
def test_pictures_of_any_size_have_the_size_that_was_placed(size: tuple[int, int], orientation: int, width: int):
    upright = size[::-1] if orientation > 4 else size

    image = resized(encoded(Image.new("RGB", size, RED), "JPEG", exif=exif(orientation)), width=width)

    assert image.size == place(upright, Box(width, None), ResizeOptions()).size


# Orientation


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("orientation", STORED)
def test_all_orientations_end_upright(orientation: int, format_: str):
    turn = STORED[orientation]
    stored = quarters() if turn is None else quarters().transpose(turn)

    image = resized(encoded(stored, format_, exif=exif(orientation)), width=64, format="png")

    assert (image.size, corners(image)) == ((64, 48), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("orientation", STORED)
def test_cover_crops_the_upright_picture(orientation: int):
    turn = STORED[orientation]
    upright = quarters((900, 300))
    stored = upright if turn is None else upright.transpose(turn)

    image = resized(encoded(stored, "JPEG", exif=exif(orientation)), width=60, height=40, fit="cover")

    assert (image.size, corners(image)) == ((60, 40), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("tags", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", exif(77).tobytes()])
def test_damaged_exif_is_passed_over(tags: bytes):
    assert corners(resized(encoded(quarters(), "JPEG", exif=tags), width=64)) == [RED, GREEN, BLUE, WHITE]


# Colours


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


# Animations


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


# What is refused


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
        small.process(ITEM, body, small.parse({"width": 2900}))


def test_a_shape_no_format_holds_is_refused():
    body = encoded(Image.new("L", (1, 4000)), "PNG")

    with pytest.raises(ImageTooLarge, match="give both 'width' and 'height'"):
        resize(body, width=1000, enlarge=True)
    with pytest.raises(ImageTooLarge, match="webp holds 16383 a side"):
        resize(body, width=5, enlarge=True, format="webp")


def test_the_content_decides_not_the_name():
    result = resize(encoded(quarters(), "PNG"), width=64)

    assert (result.outputs[0].content_type, result.facts["format"]) == ("image/png", "png")


def outcome(body: bytes) -> str:
    try:
        image = resized(body, width=32)
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


# Names and options


@pytest.mark.parametrize(
    ("name", "options", "names"),
    [
        ("x/a.jpg", {}, ["x/a.jpg"]),
        ("x/a.png", {"format": "webp"}, ["x/a.png.webp"]),
        ("x/a.WEBP", {"format": "webp"}, ["x/a.WEBP"]),
        ("x/a.jpeg", {"format": "jpeg"}, ["x/a.jpeg"]),
        ("a", {"format": "avif"}, ["a.avif"]),
        ("a.jpg", {"widths": [256, 1024]}, ["a_1024.jpg", "a_256.jpg"]),
        ("a.jpg", {"widths": [256, 1024], "format": "webp"}, ["a_1024.jpg.webp", "a_256.jpg.webp"]),
    ],
)
def test_names(name: str, options: dict[str, Any], names: list[str]):
    assert list(output_names(name, OPERATION.parse(options))) == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"with": 5}, "did you mean 'width'"),
        ({"width": 0}, "from 1 to 16383"),
        ({"width": "512"}, "write a whole number"),
        ({"format": "heic"}, "keep, jpeg, webp, avif, png"),
        ({"quality": 101}, "from 1 to 100"),
        ({"widths": [256], "width": 512}, "leave out one or the other"),
        ({"widths": [256, 256]}, "write each once"),
        ({"widths": [0]}, "from 1 to 16383"),
        ({"widths": [256], "fit": "cover"}, "leave out 'fit'"),
        ({"width": 256, "fit": "cover"}, "write 'height' too"),
        ({"height": 256, "fit": "fill"}, "write 'width' too"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str):
    with pytest.raises(InvalidJob, match=message):
        OPERATION.parse(options)


def test_normalised_options_survive_json():
    options = OPERATION.parse({"widths": [64, 32], "quality": 60})

    assert OPERATION.parse(json.loads(json.dumps(OPERATION.normalise(options)))) == options


# As a Lambda function


def test_the_handler_over_a_batch(monkeypatch: pytest.MonkeyPatch):
    """A broken image spoils no other one of its batch."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")
    context = SimpleNamespace(
        function_name="image-resize",
        memory_limit_in_mb=1769,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:image-resize",
        aws_request_id="0",
        get_remaining_time_in_millis=lambda: 60_000,
    )
    names = ["orientation-6.jpg", "broken-truncated.jpg", "leaf-palette.png"]
    with mock_aws():
        from functions.image_resize.handler import handler  # noqa: PLC0415

        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="photos")
        for name in names:
            s3.put_object(Bucket="photos", Key=name, Body=(SAMPLES / name).read_bytes())
        event = {
            "BatchInput": {"destination": "s3://photos/small/", "options": {"widths": [64, 32], "format": "webp"}},
            "Items": [{"key": name, "bucket": "photos"} for name in names],
        }

        answer = handler(event, context)

        listed = s3.list_objects_v2(Bucket="photos", Prefix="small/")["Contents"]
        types = {s3.head_object(Bucket="photos", Key=entry["Key"])["ContentType"] for entry in listed}
    assert answer["counts"] == {"succeeded": 2, "failed": 1}
    assert list(answer["errors"]) == ["UnreadableImage"]
    assert [entry["Key"] for entry in listed] == [
        "small/leaf-palette_32.png.webp",
        "small/leaf-palette_64.png.webp",
        "small/orientation-6_32.jpg.webp",
        "small/orientation-6_64.jpg.webp",
    ]
    assert types == {"image/webp"}
