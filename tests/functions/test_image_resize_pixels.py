"""image-resize: every way pixels are stored: inks, 12 and 16 bits, palettes, arithmetic coding, several pictures."""

from __future__ import annotations

import base64
import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageChops

from sample_data.draw_images import encoded
from tests.functions.pictures import BLUE, GREEN, RED, WHITE, corners, difference, quarters, resize, resized

# The quarters of 64 x 48 pixels as Pillow encodes them at quality 90, coded anew with libjpeg-turbo's arithmetic coder
# (T.81, annex D), which Pillow reads and does not write: sequential and progressive.
ARITHMETIC = {
    "sequential": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8X"
        "GBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/yQAR"
        "CAAwAEADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwD/ANlLDFuAlROZdBxhko3PtugoRiFCeTzBph5ivuVmFABy1aHGl3/0"
        "3Od+7segVLcmQkLVbng8g7eYqBVV0x4q0gbD2hFYg4NGi/qTBv62IFTBianNDrmwxA73cvP/2Q=="
    ),
    "progressive": (
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8X"
        "GBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBT/ygAR"
        "CAAwAEADASIAAhEBAxEB/8wABgAQARD/2gAMAwEAAhADEAAAAf8AsqwHNSZ9JVHULSUEjQV9G1JOXz5eCuAcL7NLL8R1nbtCTj1W+nBAVStQ"
        "/8wABBAF/9oACAEBAAEFAqj/zAAEEQX/2gAIAQMBAT8B1T+4L6bOi9TuxEUahBGM3UwJ/TB8w+iw/8wABBEF/9oACAECAQE/AdX0AWO54kVL"
        "hblcz5W0w8FRTtxECPRrjID/zAAEEAX/2gAIAQEABj8CqP/MAAQQBf/aAAgBAQABPyGo/9oADAMBAAIAAwAAABD/AP8ApFKBQQwVEf/MAAQR"
        "Bf/aAAgBAwEBPxCpU46AEOWZnkP2/8wABBEF/9oACAECAQE/EKkmhaHVodFLR+D/zAAEEAX/2gAIAQEAAT8QqP/Z"
    ),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_jpeg_is_the_same_picture(name: str):
    plain = encoded(quarters((64, 48)), "JPEG", quality=90)

    for width in (64, 32, 8):
        image = resized(base64.b64decode(ARITHMETIC[name]), width=width, format="png")
        assert image.tobytes() == resized(plain, width=width, format="png").tobytes()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_progressive_jpeg_is_the_same_picture(mode: str, subsampling: Any):
    plain, progressive = (
        encoded(quarters().convert(mode), "JPEG", progressive=progressive, subsampling=subsampling)
        for progressive in (False, True)
    )

    assert resized(progressive, width=50, format="png").tobytes() == resized(plain, width=50, format="png").tobytes()


def ycck(image: Image.Image) -> bytes:
    """Encode a picture as Photoshop does: black inverted, the other inks as YCbCr, which the Adobe marker says."""
    *inks, black = image.convert("CMYK").split()
    luminance = Image.merge("RGB", inks).convert("YCbCr").split()
    # Pillow writes CMYK inverted and without a transform: give it what is then stored.
    stored = Image.merge("CMYK", [*(ImageChops.invert(each) for each in luminance), black])
    body = bytearray(encoded(stored, "JPEG", quality=95))
    body[body.index(b"Adobe") + len(b"Adobe") + 6] = 2
    return bytes(body)


@pytest.mark.parametrize("format_", ["keep", "png", "webp", "avif"])
def test_ycck_becomes_rgb(format_: str):
    body = ycck(quarters())
    assert Image.open(BytesIO(body)).info["adobe_transform"] == 2

    image = resized(body, width=64, format=format_)

    assert (image.mode, corners(image)) == ("RGB", [RED, GREEN, BLUE, WHITE])


def test_cmyk_and_ycck_are_the_same_picture():
    ramp = Image.merge("RGB", [Image.linear_gradient("L").rotate(90 * turns) for turns in range(3)])

    one = resized(encoded(ramp.convert("CMYK"), "JPEG", quality=95), width=64, format="png")

    assert difference(one, resized(ycck(ramp), width=64, format="png")) < 3
    assert difference(one, ramp.resize((64, 64))) < 3


def deep_png(colour: int, width: int, rows: list[bytes]) -> bytes:
    """Encode a PNG of 16 bits a sample, of which Pillow writes grey alone (https://www.w3.org/TR/png-3/)."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, len(rows), 16, colour, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))),
        (b"IEND", b""),
    )
    framed = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
              for kind, data in chunks)  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def plain_tiff(size: tuple[int, int], bits: int, samples: int, photometric: int, data: bytes) -> bytes:
    """Encode an uncompressed little-endian TIFF of one strip (TIFF 6.0, section 2); tags as type, count and value."""
    entries = [
        (256, 3, 1, size[0]),
        (257, 3, 1, size[1]),
        # Several values do not fit into an entry and lie before the data.
        (258, 3, samples, bits if samples == 1 else 8),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, 16),
        (277, 3, 1, samples),
        (278, 3, 1, size[1]),
        (279, 4, 1, len(data)),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    values = struct.pack("<4H", *[bits] * 4)
    return struct.pack("<2sHI", b"II", 42, 16 + len(data)) + values + data + directory + bytes(4)


# Four bands of ten pixels: what 16 bits say, and what of it 8 bits keep.
BANDS = (0, 1_000, 32_896, 65_535)
KEPT = (0, 3, 128, 255)


def seen(image: Image.Image) -> list[Any]:
    return [image.getpixel((image.width * (2 * band + 1) // 8, image.height // 2)) for band in range(4)]


@pytest.mark.parametrize("format_", ["keep", "jpeg", "webp", "avif"])
def test_16_bit_rgb_is_scaled_not_clipped(format_: str):
    samples = [value for value in BANDS for _ in range(20) for _ in range(3)]
    body = deep_png(2, 80, [struct.pack(">240H", *samples)] * 20)

    image = resized(body, width=40, format=format_, quality=95)

    assert image.mode == "RGB"
    for pixel, wanted in zip(seen(image), KEPT, strict=True):
        assert max(abs(value - wanted) for value in pixel) <= 3


def test_16_bit_grey_with_alpha_is_scaled_not_clipped():
    samples = [value for band in BANDS for _ in range(20) for value in (band, 65_535)]

    image = resized(deep_png(4, 80, [struct.pack(">160H", *samples)] * 20), width=40)

    assert (image.mode, seen(image)) == ("LA", [(value, 255) for value in KEPT])


def test_16_bit_rgb_tiff_is_scaled_not_clipped():
    samples = [value for value in BANDS for _ in range(20) for _ in range(3)]
    body = plain_tiff((80, 20), 16, 3, 2, struct.pack("<240H", *samples) * 20)

    assert seen(resized(body, width=40)) == [(value,) * 3 for value in KEPT]


@pytest.mark.parametrize("format_", ["keep", "jpeg"])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_16_bit_grey_tiff_may_be_stored_inverted(white_is_zero: bool, format_: str):
    samples = [65_535 - value if white_is_zero else value for value in BANDS for _ in range(20)]
    body = plain_tiff((80, 20), 16, 1, 0 if white_is_zero else 1, struct.pack("<80H", *samples) * 20)

    image = resized(body, width=40, format=format_, quality=95)

    wanted = BANDS if format_ == "keep" else KEPT
    assert [abs(value - level) <= 2 for value, level in zip(seen(image), wanted, strict=True)] == [True] * 4


def test_12_bit_grey_tiff_is_as_light_as_it_is():
    pairs = [(0, 0), (0x800, 0x800), (0xFFF, 0xFFF), (0x400, 0x400)]
    packed = b"".join(bytes((a >> 4, (a & 15) << 4 | b >> 8, b & 255)) * 10 for a, b in pairs)
    body = plain_tiff((80, 20), 12, 1, 1, packed * 20)

    image = resized(body, width=40, format="jpeg", quality=95)

    assert [abs(value - wanted) <= 2 for value, wanted in zip(seen(image), (0, 128, 255, 64), strict=True)] == [
        True
    ] * 4


@pytest.mark.parametrize("format_", ["jpeg", "png", "avif"])
@pytest.mark.parametrize("source_format", ["JPEG", "PNG", "TIFF", "BMP", "GIF"])
def test_grey_stays_grey_from_everywhere(source_format: str, format_: str):
    body = encoded(Image.linear_gradient("L"), source_format)

    image = resized(body, width=64, format=format_)

    assert image.mode == "L"
    assert difference(image, Image.linear_gradient("L").resize((64, 64))) < 3


def test_a_picture_of_two_colours_gets_those_between():
    dots = Image.effect_noise((200, 200), 200).convert("1")

    assert resized(encoded(dots, "PNG"), width=20).mode == "L"


def test_a_soft_edge_is_averaged_by_its_alpha():
    """Half of the pixels opaque blue, half invisible red: blue, half visible."""
    image = Image.new("RGBA", (200, 200), (*RED, 0))
    for x in range(0, 200, 2):
        image.paste((*BLUE, 255), (x, 0, x + 1, 200))

    pixel: Any = resized(encoded(image, "PNG"), width=20).getpixel((10, 10))

    assert pixel[:3] == BLUE
    assert abs(pixel[3] - 128) <= 3


@pytest.mark.parametrize(("mode", "format_"), [("LA", "PNG"), ("LA", "WEBP"), ("RGBA", "AVIF"), ("RGBA", "TIFF")])
def test_alpha_survives_in_every_mode(mode: str, format_: str):
    image = Image.new("RGBA", (80, 60), (120, 120, 120, 255))
    image.paste((0, 0, 0, 0), (0, 0, 40, 60))

    small = resized(encoded(image.convert(mode), format_), width=40).convert("RGBA")

    assert [small.getpixel((x, 15))[3] for x in (5, 35)] == [0, 255]


def test_the_pages_of_a_tiff_become_the_first_and_say_so():
    pages = [Image.new("RGB", (60, 40), colour) for colour in (RED, BLUE)]

    result = resize(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]), width=30)

    image = Image.open(BytesIO(result.outputs[0].body))
    assert (getattr(image, "n_frames", 1), corners(image)[0]) == (1, RED)
    assert result.facts["notes"] == ["it has several frames; only the first is kept as tiff"]


def test_the_pictures_of_an_mpo_are_turned_as_the_first_one_says():
    first = quarters().transpose(Image.Transpose.ROTATE_90)
    tags = Image.Exif()
    tags[0x0112] = 6
    body = encoded(first, "MPO", save_all=True, append_images=[Image.new("RGB", (60, 40), BLUE)], exif=tags)

    assert corners(resized(body, width=80)) == [RED, GREEN, BLUE, WHITE]
