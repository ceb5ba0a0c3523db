"""image-resize: colour profiles to sRGB, judged by littleCMS itself in floating point."""

from __future__ import annotations

import ctypes
import itertools
import struct
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL
import pytest
from PIL import Image, ImageCms

from sample_data.draw_images import adobe_rgb_profile, encoded
from tests.functions.pictures import SAMPLES, difference, resize, resized

RELATIVE_COLORIMETRIC, WITHOUT_CACHE = 1, 0x40
# littleCMS's pixel formats: doubles (size 0), three channels, of RGB (4) and of Lab (10); lcms2.h, TYPE_RGB_DBL.
RGB_DOUBLES, LAB_DOUBLES = (1 << 22 | space << 16 | 3 << 3 for space in (4, 10))
Colours = list[tuple[float, float, float]]


@cache
def littlecms() -> Any:
    """Load the very library that Pillow brings along; its Python face knows no floating point."""
    found = sorted((Path(PIL.__file__).parents[1] / "pillow.libs").glob("liblcms2*"))
    if not found:
        pytest.skip("this Pillow brings no littleCMS library of its own that could be asked")
    library = ctypes.CDLL(str(found[0]))
    opened, numbered = ctypes.c_void_p, ctypes.c_uint32
    for name, answer, *asked in (
        ("cmsOpenProfileFromMem", opened, ctypes.c_char_p, numbered),
        ("cmsCreate_sRGBProfile", opened),
        ("cmsCreateLab4Profile", opened, ctypes.c_void_p),
        ("cmsCreateTransform", opened, opened, numbered, opened, numbered, numbered, numbered),
        ("cmsDoTransform", None, opened, ctypes.c_void_p, ctypes.c_void_p, numbered),
        ("cmsCIE2000DeltaE", ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_double] * 3),
    ):
        getattr(library, name).restype, getattr(library, name).argtypes = answer, asked
    return library


def in_lab(colours: Colours, icc: bytes | None = None) -> Colours:
    """Return what colours from 0 to 1 look like in CIE Lab: of sRGB, or as sRGB shows those of a profile."""
    library = littlecms()
    srgb = library.cmsCreate_sRGBProfile()
    if icc:
        shown = transformed(colours, library.cmsOpenProfileFromMem(icc, len(icc)), srgb, RGB_DOUBLES)
        colours = [(min(1.0, max(0.0, r)), min(1.0, max(0.0, g)), min(1.0, max(0.0, b))) for r, g, b in shown]
    return transformed(colours, srgb, library.cmsCreateLab4Profile(None), LAB_DOUBLES)


def transformed(colours: Colours, source: int, target: int, target_format: int) -> Colours:
    library, count = littlecms(), 3 * len(colours)
    numbers, result = (ctypes.c_double * count)(*itertools.chain(*colours)), (ctypes.c_double * count)()
    way = library.cmsCreateTransform(source, RGB_DOUBLES, target, target_format, RELATIVE_COLORIMETRIC, WITHOUT_CACHE)
    library.cmsDoTransform(way, numbers, result, len(colours))
    return list(zip(result[::3], result[1::3], result[2::3], strict=True))


def delta_e(one: Colours, other: Colours) -> list[float]:
    """Return the CIEDE2000 difference of each pair of Lab colours."""
    triple = ctypes.c_double * 3
    return [littlecms().cmsCIE2000DeltaE(triple(*a), triple(*b), 1, 1, 1) for a, b in zip(one, other, strict=True)]


def tag(name: bytes, *numbers: float) -> bytes:
    """Encode s15Fixed16 numbers as an ICC tag."""
    return name + bytes(4) + struct.pack(f">{len(numbers)}i", *(round(number * 65_536) for number in numbers))


def profile(space: bytes, connection: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Join an ICC 2.4 profile of its header, its table of tags and their data (ICC.1:2001-04, section 6)."""
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(tags) + len(data), len(value))
        data += value.ljust(-(-len(value) // 4) * 4, b"\0")
    head = struct.pack(">I4xI4s4s4s12x4s", 128 + len(table + data), 0x02400000, kind, space, connection, b"acsp")
    illuminant = tag(b"XYZ ", 0.9642, 1.0, 0.8249)[8:]
    return (head + bytes(28) + illuminant).ljust(128, b"\0") + table + data


def prophoto_profile() -> bytes:
    """Build the profile of ROMM RGB, called ProPhoto: its primaries relative to D50 (ISO 22028-2), and gamma 1.8."""
    curve = struct.pack(">4s4xIHxx", b"curv", 1, round(1.8 * 256))
    return profile(b"RGB ", b"XYZ ", b"mntr", {
        b"wtpt": tag(b"XYZ ", 0.9642, 1.0, 0.8249),
        b"rXYZ": tag(b"XYZ ", 0.79767, 0.28804, 0.0),
        b"gXYZ": tag(b"XYZ ", 0.13519, 0.71188, 0.0),
        b"bXYZ": tag(b"XYZ ", 0.03134, 0.00008, 0.82491),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    })  # fmt: skip


RED_INK = (127, 128 + 60, 128 + 40)


def ink_profile() -> bytes:
    """Build a profile of a printer whose first ink is red, whose last is black, and whose others do not show.

    Its table has two steps of each ink and answers in 8-bit Lab (ICC.1:2001-04, 6.5.10, lut8Type).
    """
    straight = bytes(range(256))
    table = b"".join(
        bytes((0, 128, 128) if black else RED_INK if red else (255, 128, 128))
        for red, _, _, black in itertools.product((0, 1), repeat=4)
    )
    identity = struct.pack(">9i", *(65_536 * (place % 4 == 0) for place in range(9)))
    lut = b"mft1" + bytes(4) + bytes((4, 3, 2, 0)) + identity + straight * 4 + table + straight * 3
    return profile(b"CMYK", b"Lab ", b"prtr", {b"wtpt": tag(b"XYZ ", 0.9642, 1.0, 0.8249), b"A2B0": lut})


def grey_profile() -> bytes:
    """Build the profile of linear grey."""
    return profile(b"GRAY", b"XYZ ", b"mntr", {
        b"wtpt": tag(b"XYZ ", 0.9642, 1.0, 0.8249), b"kTRC": struct.pack(">4s4xI", b"curv", 0)
    })  # fmt: skip


def pixels(image: Image.Image) -> Colours:
    """Return the colours of an RGB image, from 0 to 1."""
    values = [value / 255 for value in image.tobytes()]
    return list(zip(values[::3], values[1::3], values[2::3], strict=True))


def patches(levels: int) -> Image.Image:
    """Draw patches of 24 pixels of all colours that have so many levels."""
    steps = [round(255 * step / (levels - 1)) for step in range(levels)]
    colours = bytes(itertools.chain(*itertools.product(steps, repeat=3)))
    row = Image.frombytes("RGB", (levels**2, levels), colours)
    return row.resize((24 * row.width, 24 * row.height), Image.Resampling.NEAREST)


PROFILES = {"AdobeRGB": adobe_rgb_profile(), "ProPhoto": prophoto_profile()}


@pytest.mark.parametrize("source_format", ["PNG", "TIFF"])
@pytest.mark.parametrize("name", PROFILES)
def test_wide_colours_look_as_littlecms_shows_them(name: str, source_format: str):
    icc, image = PROFILES[name], patches(9)

    small = resized(encoded(image, source_format, icc_profile=icc), width=image.width // 2, format="png")

    # One pixel in the middle of each patch, where the resampling filter sees that patch alone.
    middles = small.resize((81, 9), Image.Resampling.NEAREST)
    stored = pixels(image.resize((81, 9), Image.Resampling.NEAREST))
    assert max(delta_e(in_lab(stored, icc), in_lab(pixels(middles)))) < 1.7
    assert max(delta_e(in_lab(stored, icc), in_lab(stored))) > 5


@pytest.mark.parametrize("name", PROFILES)
def test_a_photograph_looks_as_littlecms_shows_it(name: str):
    """On the way through JPEG twice, in its mean, which is what the eye sees of a picture."""
    icc, scene = PROFILES[name], Image.open(SAMPLES / "landscape-12mp.jpg").resize((800, 600))
    wide = ImageCms.profileToProfile(scene, ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(BytesIO(icc)))
    assert wide is not None
    body = encoded(wide, "JPEG", quality=95, icc_profile=icc)

    small = resized(body, width=200, quality=95)

    reference = Image.open(BytesIO(body)).resize(small.size, Image.Resampling.LANCZOS)
    differences = delta_e(in_lab(pixels(reference), icc), in_lab(pixels(small)))
    assert sum(differences) / len(differences) < 1.7


def test_cmyk_follows_its_profile():
    body = encoded(Image.new("CMYK", (80, 60), (255, 0, 0, 0)), "JPEG", quality=95, icc_profile=ink_profile())

    image = resized(body, width=20, format="png")

    lightness, a, b = RED_INK
    assert image.mode == "RGB"
    assert delta_e([(lightness / 2.55, a - 128, b - 128)], in_lab(pixels(image.crop((9, 7, 10, 8)))))[0] < 1.7


@pytest.mark.parametrize("deep", [False, True])
def test_grey_follows_its_profile_and_stays_grey(deep: bool):
    image = Image.new("I;16", (80, 60), 55 * 257) if deep else Image.new("L", (80, 60), 55)

    result = resize(encoded(image, "PNG", icc_profile=grey_profile()), width=20)

    small = Image.open(BytesIO(result.outputs[0].body))
    # Linear 55 / 255 is 128 / 255 in sRGB (IEC 61966-2-1).
    assert (small.mode, small.getextrema(), "notes" in result.facts) == ("L", (128, 128), False)


def test_alpha_is_no_colour():
    icc = PROFILES["ProPhoto"]
    image = Image.new("RGBA", (80, 60), (130, 120, 110, 128))

    small = resized(encoded(image, "PNG", icc_profile=icc), width=20)

    opaque = resized(encoded(image.convert("RGB"), "PNG", icc_profile=icc), width=20)
    assert small.getchannel("A").getextrema() == (128, 128)
    assert difference(small, opaque) < 3
    assert difference(small, image.resize(small.size)) > 10
