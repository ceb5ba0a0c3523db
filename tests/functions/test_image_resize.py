"""image-resize: sizes, orientation, names, options, and the Lambda function."""

from __future__ import annotations

import json
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws
from PIL import Image

from functions.image_resize.geometry import place
from functions.image_resize.operation import OPERATION
from functions.image_resize.options import Box, ResizeOptions, output_names
from itemkit import InvalidJob
from sample_data.draw_images import STORED, adobe_rgb_profile, encoded
from tests.functions.pictures import (
    BLUE,
    GREEN,
    RED,
    SAMPLES,
    WHITE,
    corners,
    difference,
    exif,
    quarters,
    resize,
    resized,
)


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


NINTHS = {
    "northwest": "0.0",
    "north": "0.1",
    "northeast": "0.2",
    "west": "1.0",
    "centre": "1.1",
    "east": "1.2",
    "southwest": "2.0",
    "south": "2.1",
    "southeast": "2.2",
}


def ninths() -> Image.Image:
    """Draw nine fields, each of a colour of its own."""
    image = Image.new("RGB", (270, 270))
    for down in range(3):
        for across in range(3):
            image.paste((127 * across, 127 * down, 60), (90 * across, 90 * down, 90 * across + 90, 90 * down + 90))
    return image


def ninth(image: Image.Image) -> str:
    """Name the field that the middle of an image shows, as row and column."""
    red, green, _ = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
    return f"{round(green / 127)}.{round(red / 127)}"


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("gravity", NINTHS)
def test_cover_keeps_the_part_that_gravity_names(gravity: str, orientation: int):
    """A wide box shows a row of the upright picture, a tall one a column."""
    turn = STORED[orientation]
    stored = ninths() if turn is None else ninths().transpose(turn)
    body = encoded(stored, "PNG", exif=exif(orientation))

    wide = resized(body, width=270, height=90, fit="cover", gravity=gravity)
    tall = resized(body, width=90, height=270, fit="cover", gravity=gravity)

    row, column = NINTHS[gravity].split(".")
    assert (ninth(wide), ninth(tall)) == (f"{row}.1", f"1.{column}")


@pytest.mark.parametrize("gravity", NINTHS)
def test_contain_puts_the_picture_where_gravity_says(gravity: str):
    """A flat picture lies higher or lower in the box, a tall one left or right."""
    row, column = (int(place) for place in NINTHS[gravity].split("."))
    flat, tall = Image.new("RGB", (90, 30), RED), Image.new("RGB", (30, 90), RED)

    lying, standing = (
        resized(encoded(image, "PNG"), width=90, height=90, fit="contain", gravity=gravity) for image in (flat, tall)
    )

    assert lying.convert("L").point(lambda value: 255 * (value < 200)).getbbox() == (0, 30 * row, 90, 30 * row + 30)
    assert standing.convert("L").point(lambda value: 255 * (value < 200)).getbbox() == (
        30 * column, 0, 30 * column + 30, 90
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "I;16"])
def test_contain_surrounds_with_the_background(mode: str):
    grey = Image.new("L", (100, 50), 90)
    picture = Image.new("I;16", (100, 50), 90 * 257) if mode == "I;16" else grey.convert(mode)

    image = resized(encoded(picture, "PNG"), width=100, height=100, fit="contain", background="#ff8000")

    seen = image.convert("RGBA")
    assert [seen.getpixel((50, y)) for y in (0, 50, 99)] == [
        (255, 128, 0, 255),
        (90, 90, 90, 255),
        (255, 128, 0, 255),
    ]


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_on_a_grey_background_grey_stays_grey(mode: str):
    picture = Image.new("I;16", (100, 50)) if mode == "I;16" else Image.new("L", (100, 50)).convert(mode)

    image = resized(encoded(picture, "PNG"), width=100, height=100, fit="contain", background="#808080")

    assert image.mode == mode
    assert image.getpixel((50, 0)) == {"L": 128, "LA": (128, 255), "I;16": 128 * 257}[mode]


def test_the_background_is_painted_in_srgb_whatever_the_profile():
    body = encoded(Image.new("RGB", (100, 50), RED), "PNG", icc_profile=adobe_rgb_profile())

    image = resized(body, width=100, height=100, fit="contain", background="teal")

    assert image.getpixel((50, 0)) == (0, 128, 128)


@pytest.mark.parametrize(("background", "wanted"), [(None, WHITE), ("#000000", (0, 0, 0)), ("Tomato", (255, 99, 71))])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_becomes_the_background_as_jpeg(mode: str, background: str | None, wanted: tuple[int, ...]):
    clear = Image.new("RGBA", (80, 60), (10, 10, 10, 0)).convert(mode)

    image = resized(encoded(clear, "PNG"), width=40, format="jpeg", background=background, quality=100)

    pixel: Any = image.convert("RGB").getpixel((20, 15))
    assert max(abs(value - each) for value, each in zip(pixel, wanted, strict=True)) <= 2
    assert image.mode == ("L" if mode == "LA" and len(set(wanted)) == 1 else "RGB")


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


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("tags", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", exif(77).tobytes()])
def test_damaged_exif_is_passed_over(tags: bytes):
    assert corners(resized(encoded(quarters(), "JPEG", exif=tags), width=64)) == [RED, GREEN, BLUE, WHITE]


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
        ("x/a.jpg", {"name": "{dir}/{stem}_{width}.{ext}"}, ["x/a_512.jpg"]),
        ("a.jpg", {"name": "{dir}/{stem}_{width}.{ext}"}, ["a_512.jpg"]),
        ("/a.jpg", {"name": "{dir}/{stem}.{ext}"}, ["/a.jpg"]),
        ("x//a.b.jpg", {"name": "{dir}/{stem}.{ext}"}, ["x//a.b.jpg"]),
        ("x/y/a.jpg", {"name": "small/{dir}/{stem}.{ext}"}, ["small/x/y/a.jpg"]),
        ("a.jpg", {"name": "small/{dir}/{stem}.{ext}"}, ["small/a.jpg"]),
        ("x/a", {"name": "{stem}.{ext}"}, ["a"]),
        ("x.y/a", {"name": "{stem}.{ext}", "format": "webp"}, ["a.webp"]),
        ("a.JPEG", {"name": "{format}/{stem}.{ext}", "format": "jpeg"}, ["jpeg/a.JPEG"]),
        ("a.png", {"name": "{width}x{height}/{stem}.{ext}", "width": 9, "height": 8, "format": "avif"}, ["9x8/a.avif"]),
        ("a.jpg", {"name": "{stem}@{height}.{ext}", "height": 8}, ["a@8.jpg"]),
        ("x/a.jpg", {"widths": [9, 99], "name": "{width}/{dir}/{stem}.{ext}"}, ["99/x/a.jpg", "9/x/a.jpg"]),
        ("a.jpg", {"name": "{{{stem}}}"}, ["{a}"]),
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
        ({"gravity": "north"}, "leave it out, or write 'fit': 'cover' or 'contain'"),
        ({"gravity": "top", "width": 9, "height": 9, "fit": "cover"}, "centre, north, northeast"),
        ({"background": "whiteish"}, "'#rrggbb' or a CSS name"),
        ({"background": "#fff"}, "'#rrggbb' or a CSS name"),
        ({"background": "#gggggg"}, "'#rrggbb' or a CSS name"),
        ({"background": "rgb(0,0,0)"}, "'#rrggbb' or a CSS name"),
        ({"background": "red", "format": "webp"}, "webp holds transparency; leave it out"),
        ({"quality": 60, "format": "png"}, "leave out 'quality'"),
        ({"effort": "max"}, "low, medium, high"),
        ({"metadata": "keep"}, "strip, copyright, all"),
        ({"animation": "first"}, "all, poster"),
        ({"best": 2}, "true or false"),
        ({"cache_control": "a\r\nx-b: c"}, "no HTTP header"),
        ({"cache_control": " "}, "no HTTP header"),
        ({"cache_control": "für immer"}, "no HTTP header"),
        ({"name": "{stem"}, "is no template"),
        ({"name": "{stem}_{size}.{ext}"}, r"has \{size\}: known are \{dir\}, \{stem\}"),
        ({"name": "{stem.upper}"}, r"has \{stem.upper\}"),
        ({"name": "{stem!r}"}, r"has \{stem!r\}"),
        ({"name": "{stem}{width:04}"}, r"has \{width:04\}"),
        ({"name": "{}{stem}"}, r"has \{\}"),
        ({"name": "{dir}/a.{ext}"}, r"different items one name: write \{stem\}"),
        ({"name": "{dir}{stem}"}, r"write '\{dir\}/'"),
        ({"name": "/{stem}"}, "stay below the destination"),
        ({"name": "../{stem}"}, "stay below the destination"),
        ({"name": "{dir}/../{stem}"}, "stay below the destination"),
        ({"name": "{dir}//{stem}"}, "stay below the destination"),
        ({"name": "{stem}/"}, "stay below the destination"),
        ({"name": ""}, "stay below the destination"),
        ({"name": "..\\{stem}"}, "backslash"),
        ({"name": "a\n{stem}"}, "control character"),
        ({"widths": [64, 32], "name": "{stem}.{ext}"}, "all 'widths' one name"),
        ({"height": 64, "name": "{stem}_{width}.{ext}"}, "write a 'width'"),
        ({"widths": [64], "name": "{stem}_{width}_{height}"}, "known only when the picture is read"),
        ({"name": "{stem}.{format}"}, "needs a 'format'"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str):
    with pytest.raises(InvalidJob, match=message):
        OPERATION.parse(options)


@given(st.from_regex(r"[a-c/.]{0,6}[a-c]", fullmatch=True), st.from_regex(r"[a-c/.]{0,6}[a-c]", fullmatch=True))
def test_the_usual_template_keeps_items_apart(one: str, other: str):
    options = OPERATION.parse({"name": "{dir}/{stem}_{width}.{ext}"})

    assert (output_names(one, options) == output_names(other, options)) == (one == other)


def test_best_is_nearer_to_resizing_the_whole():
    body = (SAMPLES / "landscape-12mp.jpg").read_bytes()
    whole = Image.open(BytesIO(body)).resize((640, 480), Image.Resampling.LANCZOS)

    quick, best = (resized(body, width=640, format="png", best=best) for best in (False, True))

    assert difference(best, whole) < 0.8 * difference(quick, whole)


@pytest.mark.parametrize("format_", ["jpeg", "png", "webp", "avif"])
def test_more_effort_makes_smaller_files(format_: str):
    body = (SAMPLES / "landscape-progressive.jpg").read_bytes()

    sizes = [
        resize(body, width=320, format=format_, effort=effort).outputs[0].size for effort in ("low", "medium", "high")
    ]

    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[2]


def test_normalised_options_survive_json():
    options = OPERATION.parse({"widths": [64, 32], "quality": 60, "name": "{stem}_{width}", "background": "red"})

    assert OPERATION.parse(json.loads(json.dumps(OPERATION.normalise(options)))) == options


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

        options = {
            "widths": [64, 32],
            "format": "webp",
            "name": "{dir}/{stem}-{width}.{ext}",
            "cache_control": "public, max-age=86400",
        }
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="photos")
        for name in names:
            s3.put_object(Bucket="photos", Key=name, Body=(SAMPLES / name).read_bytes())
        event = {
            "BatchInput": {"destination": "s3://photos/small/", "options": options},
            "Items": [{"key": name, "bucket": "photos"} for name in names],
        }

        answer = handler(event, context)

        listed = s3.list_objects_v2(Bucket="photos", Prefix="small/")["Contents"]
        heads = [s3.head_object(Bucket="photos", Key=entry["Key"]) for entry in listed]
    assert answer["counts"] == {"succeeded": 2, "failed": 1}
    assert list(answer["errors"]) == ["UnreadableImage"]
    assert [entry["Key"] for entry in listed] == [
        "small/leaf-palette-32.webp",
        "small/leaf-palette-64.webp",
        "small/orientation-6-32.webp",
        "small/orientation-6-64.webp",
    ]
    assert {(head["ContentType"], head["CacheControl"]) for head in heads} == {("image/webp", "public, max-age=86400")}
    assert all({"fanfold-source", "fanfold-fingerprint"} <= set(head["Metadata"]) for head in heads)
