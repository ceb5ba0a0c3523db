"""Draws the sample images: ``python sample_data/draw_images.py [DIRECTORY]``.

Every run draws the same pictures: the random numbers are seeded, and Pillow's own font is used.
"""

from __future__ import annotations

import argparse
import itertools
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageFont, ImageOps

Size = tuple[int, int]
Turn = Image.Transpose

# EXIF orientation to what makes the stored picture of the upright one.
STORED = {
    1: None,
    2: Turn.FLIP_LEFT_RIGHT,
    3: Turn.ROTATE_180,
    4: Turn.FLIP_TOP_BOTTOM,
    5: Turn.TRANSPOSE,
    6: Turn.ROTATE_90,
    7: Turn.TRANSVERSE,
    8: Turn.ROTATE_270,
}
_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Light:
    """The colours of a time of day: sky from its top to the horizon, sun, and the hills from far to near."""

    zenith: str
    sky: str
    horizon: str
    sun: str
    far: tuple[int, int, int]
    near: tuple[int, int, int]


NOON = Light("#2a6fb0", "#7fb6df", "#e8f3f8", "#fffbe6", (150, 182, 204), (34, 74, 52))
EVENING = Light("#2b2a5e", "#b2577b", "#ffc27a", "#fff0c0", (176, 108, 120), (38, 26, 52))
NIGHT = Light("#060a1c", "#142650", "#3c5b8c", "#f4f2e0", (52, 76, 120), (8, 14, 30))
MORNING = Light("#5d86a8", "#c7cfd0", "#fbe5c8", "#ffffff", (178, 190, 188), (44, 66, 62))


def landscape(size: Size, light: Light, seed: int, title: str = "") -> Image.Image:
    """Draw hills over a lake, with a title and an arrow that points to the top."""
    width, height = size
    rnd = random.Random(seed)
    shore = height * 7 // 10
    image = _sky(size, light)
    _shine(image, (width * rnd.randrange(25, 75) // 100, height * 3 // 10), height // 2, light.sun)
    for layer in range(5):
        crest = shore * (52 + 9 * layer) // 100
        colour = tuple(far + (near - far) * layer // 4 for far, near in zip(light.far, light.near, strict=True))
        _hills(image, rnd, crest, height // (9 + 3 * layer), colour)
    _lake(image, shore)
    _label(image, title)
    return image


def _sky(size: Size, light: Light) -> Image.Image:
    gradient = Image.linear_gradient("L").resize(size)
    return ImageOps.colorize(gradient, light.zenith, light.horizon, light.sky, midpoint=110)


def _shine(image: Image.Image, centre: Size, radius: int, colour: str) -> None:
    """Light up a disc with a glow around it."""
    glow = ImageOps.invert(Image.radial_gradient("L").resize((2 * radius, 2 * radius)))
    glow = glow.point(lambda value: max(0, 3 * value - 380) if value < 225 else 255)
    image.paste(colour, (centre[0] - radius, centre[1] - radius), glow)


def _hills(image: Image.Image, rnd: random.Random, crest: int, rise: int, colour: tuple[int, ...]) -> None:
    heights = _ridge(rnd, 9)
    step = image.width / (len(heights) - 1)
    outline = [(round(place * step), crest - round(rise * height)) for place, height in enumerate(heights)]
    ImageDraw.Draw(image).polygon([*outline, (image.width, image.height), (0, image.height)], fill=colour)


def _ridge(rnd: random.Random, rounds: int) -> list[float]:
    """Return heights of a ridge line: each round puts a displaced point between any two."""
    heights, rough = [rnd.uniform(-1, 1), rnd.uniform(-1, 1)], 1.0
    for _ in range(rounds):
        between = [(a + b) / 2 + rnd.uniform(-rough, rough) for a, b in itertools.pairwise(heights)]
        heights = [height for pair in zip(heights, between, strict=False) for height in pair] + heights[-1:]
        rough *= 0.52
    return heights


def _lake(image: Image.Image, shore: int) -> None:
    """Mirror what is above the shore, darker."""
    depth = image.height - shore
    mirrored = ImageOps.flip(image.crop((0, shore - 2 * depth, image.width, shore))).resize((image.width, depth))
    image.paste(Image.blend(mirrored, Image.new("RGB", mirrored.size, "#12324a"), 0.35), (0, shore))


def _label(image: Image.Image, title: str) -> None:
    unit = image.height // 24
    draw = ImageDraw.Draw(image)
    draw.polygon([(2 * unit, unit), (3 * unit, 3 * unit), (unit, 3 * unit)], fill="white")
    draw.rectangle((2 * unit - unit // 4, 3 * unit, 2 * unit + unit // 4, 5 * unit), fill="white")
    draw.text((4 * unit, unit), title, fill="white", font=ImageFont.load_default(2 * unit))


def leaf(size: Size, colour: str) -> Image.Image:
    """Draw a leaf with a soft edge, around which transparent pixels hide a loud colour."""
    width, height = size
    shape = ImageChops.darker(_disc(size, -width // 3), _disc(size, width // 3))
    image = Image.new("RGB", size, "magenta")
    image.paste(ImageOps.colorize(Image.linear_gradient("L").resize((width, height)), colour, "#f6f9d0"), mask=shape)
    image.putalpha(shape)
    return image


def _disc(size: Size, shift: int) -> Image.Image:
    width, height = size
    mask = Image.new("L", (2 * width, 2 * height))
    ImageDraw.Draw(mask).ellipse((2 * shift, 0, 2 * (shift + width), 2 * height), fill=255)
    return mask.resize(size)


def encoded(image: Image.Image, format_: str, **settings: Any) -> bytes:
    """Encode an image."""
    body = BytesIO()
    image.save(body, format_, **settings)
    return body.getvalue()


def oriented(orientation: int) -> bytes:
    """Draw a picture that is stored turned and says so in its EXIF."""
    upright = landscape((640, 480), MORNING, 60 + orientation, f"orientation {orientation}")
    turn = STORED[orientation]
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return encoded(upright if turn is None else upright.transpose(turn), "JPEG", quality=85, exif=exif)


def grey_16_bit() -> bytes:
    """Draw a ramp of all 65,536 values over a landscape in its upper half."""
    ramp = struct.pack("<65536H", *range(65_536))
    image = Image.frombytes("I;16", (512, 128), ramp).resize((1024, 256), Image.Resampling.BILINEAR)
    scene = landscape((1024, 512), MORNING, 12, "16 bits").convert("L")
    high = Image.frombytes("I;16", scene.size, bytes(byte for value in scene.tobytes() for byte in (value, value)))
    whole = Image.new("I;16", (1024, 768))
    whole.paste(high, (0, 0))
    whole.paste(image, (0, 512))
    return encoded(whole, "PNG")


def animation() -> bytes:
    """Draw a boat that crosses the lake in twelve frames."""
    lake = landscape((320, 240), NIGHT, 15, "animated")
    frames = []
    for number in range(12):
        frame, x = lake.copy(), 24 * number
        draw = ImageDraw.Draw(frame)
        draw.polygon([(x, 198), (x + 44, 198), (x + 34, 210), (x + 10, 210)], fill="#8a2f2f")
        draw.polygon([(x + 22, 160), (x + 22, 194), (x + 42, 194)], fill="#f4f2e0")
        frames.append(frame.quantize(48, dither=Image.Dither.NONE))
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=120, loop=0)


def adobe_rgb() -> bytes:
    """Draw a picture in a wide-gamut colour space, whose profile says so."""
    profile = adobe_rgb_profile()
    image = ImageCms.profileToProfile(
        landscape((1200, 800), EVENING, 16, "Adobe RGB (1998)"),
        ImageCms.createProfile("sRGB"),
        ImageCms.ImageCmsProfile(BytesIO(profile)),
    )
    if image is None:
        raise AssertionError("the conversion was not asked to work in place")
    return encoded(image, "JPEG", quality=85, icc_profile=profile)


def adobe_rgb_profile() -> bytes:
    """Build an ICC 2.4 profile: the primaries of Adobe RGB (1998) adapted to D50, and its gamma, 563 / 256."""
    description = b"compatible with Adobe RGB (1998)\0"
    curve = struct.pack(">4s4xIHxx", b"curv", 1, 563)
    return _profile({
        b"desc": struct.pack(">4s4xI", b"desc", len(description)) + description + bytes(80 - len(description) % 4),
        b"cprt": b"text\0\0\0\0public domain\0\0\0",
        b"wtpt": _xyz(0.95045, 1.0, 1.08905),
        b"rXYZ": _xyz(0.60974, 0.31111, 0.01947),
        b"gXYZ": _xyz(0.20528, 0.62567, 0.06087),
        b"bXYZ": _xyz(0.14919, 0.06322, 0.74457),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    })  # fmt: skip


def _xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(value * 65_536) for value in values))


def _profile(tags: dict[bytes, bytes]) -> bytes:
    """Join an ICC profile of its header, its table of tags and their data."""
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(data), len(value))
        data += value
    date = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    header = struct.pack(
        ">I4xI4s4s4s12s4s", 128 + len(table + data), 0x02400000, b"mntr", b"RGB ", b"XYZ ", date, b"acsp"
    )
    illuminant = _xyz(0.9642, 1.0, 0.8249)[8:]
    return (header + bytes(28) + illuminant).ljust(128, b"\0") + table + data


def jpeg(size: Size, light: Light, seed: int, title: str, mode: str = "RGB", **settings: Any) -> bytes:
    """Draw a landscape as JPEG."""
    return encoded(landscape(size, light, seed, title).convert(mode), "JPEG", **{"quality": 85, **settings})


def large() -> bytes:
    """Draw the picture of 12 megapixels, with the grain that makes a camera's file as large as it is."""
    image = landscape((4000, 3000), EVENING, 1, "12 megapixels")
    grain = Image.frombytes("L", image.size, random.Random(1).randbytes(image.width * image.height))
    return encoded(Image.blend(image, grain.convert("RGB"), 0.04), "JPEG", quality=85)


def truncated() -> bytes:
    """Draw a picture of which the last part is missing, as after an upload that broke off."""
    whole = jpeg((1600, 1200), MORNING, 24, "truncated")
    return whole[: len(whole) * 2 // 5]


# Names below the directory, and what draws them.
IMAGES: dict[str, Callable[[], bytes]] = {
    "landscape-12mp.jpg": large,
    "landscape-progressive.jpg": partial(jpeg, (1600, 1200), NOON, 2, "progressive", progressive=True),
    "landscape-cmyk.jpg": partial(jpeg, (1200, 800), NOON, 3, "CMYK", "CMYK"),
    "landscape-grey.jpg": partial(jpeg, (1024, 768), MORNING, 4, "grey", "L"),
    "landscape-adobe-rgb.jpg": adobe_rgb,
    "landscape.webp": lambda: encoded(landscape((1280, 960), NIGHT, 5, "WebP"), "WEBP", quality=85),
    "leaf-transparent.png": lambda: encoded(leaf((600, 800), "#1d6b38"), "PNG"),
    "leaf-palette.png": lambda: encoded(leaf((480, 640), "#a03818").quantize(32), "PNG"),
    "grey-16-bit.png": grey_16_bit,
    "animated.gif": animation,
    **{f"orientation-{number}.jpg": partial(oriented, number) for number in STORED},
    "album/noon at the lake.jpg": partial(jpeg, (1632, 1224), NOON, 20, "2 megapixels"),
    "album/evening tall.jpg": partial(jpeg, (900, 1350), EVENING, 21, "tall"),
    "album/night wide.jpg": partial(jpeg, (1800, 600), NIGHT, 22, "wide", subsampling=0),
    "album/tiny.jpg": partial(jpeg, (96, 72), NOON, 23, ""),
    "broken-truncated.jpg": truncated,
    "broken-not-an-image.jpg": lambda: b"This is a text whose name says that it is a picture.\n",
}


def main() -> None:
    """Draw all images into a directory."""
    parser = argparse.ArgumentParser(description="Draw the sample images.")
    parser.add_argument("directory", nargs="?", type=Path, default=Path(__file__).parent / "images")
    directory = parser.parse_args().directory
    for name, draw in IMAGES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw())


if __name__ == "__main__":
    main()
