"""The formats that are written: their names, what pixels they hold, and the settings of their encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from functions.image_resize.colour import fitted
from itemkit import Output


@dataclass(frozen=True)
class Encoding:
    """A format to write.

    Attributes:
        name: what options and records call it; Pillow's name in small letters.
        extensions: of file names; the first is the one we give.
        modes: Pillow modes it holds, beside ``RGB``.
        longest_side: pixels.
        settings: of Pillow's encoder.
        has_quality: it takes the option ``quality``.
        animated: it holds several frames.
    """

    name: str
    content_type: str
    extensions: tuple[str, ...]
    modes: tuple[str, ...]
    longest_side: int
    settings: tuple[tuple[str, Any], ...] = ()
    has_quality: bool = False
    animated: bool = False


# The settings are the measured ones: WebP method 2 is within 2 % of the size of 4 and AVIF speed 10 of the default
# speed, at half and at a quarter of the time.
ENCODINGS = {
    encoding.name: encoding
    for encoding in (
        Encoding("jpeg", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), ("L",), 65_500, (), True),
        Encoding("png", "image/png", (".png",), ("L", "LA", "RGBA", "I;16"), 2**31 - 1),
        Encoding("webp", "image/webp", (".webp",), ("RGBA",), 16_383, (("method", 2),), True, True),
        Encoding("avif", "image/avif", (".avif",), ("L", "RGBA"), 65_535, (("speed", 10),), True),
        Encoding("gif", "image/gif", (".gif",), ("L", "RGBA"), 65_535, (), False, True),
        Encoding("tiff", "image/tiff", (".tif", ".tiff"), ("L", "LA", "RGBA", "I;16"), 2**31 - 1,
                 (("compression", "tiff_adobe_deflate"),)),
        Encoding("bmp", "image/bmp", (".bmp",), ("L",), 2**31 - 1),
    )
}  # fmt: skip
# A picture of several views (MPO) is written as its first one.
KEPT_AS = {"MPO": "jpeg", **{name.upper(): name for name in ENCODINGS}}


@dataclass(frozen=True)
class Timing:
    """How an animation plays: milliseconds of each frame, and how often (0: for ever, ``None``: once)."""

    durations: tuple[int, ...]
    loop: int | None


def encoding_of(wanted: str, source_format: str) -> Encoding:
    """Return the encoding for the option ``format`` and the source's format as Pillow names it."""
    return ENCODINGS[KEPT_AS[source_format] if wanted == "keep" else wanted]


def encode(frames: Sequence[Image.Image], timing: Timing, encoding: Encoding, quality: int) -> Output:
    """Write one picture, or an animation of several frames, without any metadata."""
    first, *rest = [_bare(fitted(frame, encoding.modes)) for frame in frames]
    settings = dict(encoding.settings)
    if encoding.has_quality:
        settings["quality"] = quality
    if rest:
        settings |= _animation(first, rest, timing, encoding)
    body = BytesIO()
    first.save(body, encoding.name.upper(), **settings)
    return Output(body.getvalue(), encoding.content_type)


def _animation(first: Image.Image, rest: list[Image.Image], timing: Timing, encoding: Encoding) -> dict[str, Any]:
    settings: dict[str, Any] = {"save_all": True, "append_images": rest, "duration": list(timing.durations)}
    if encoding.name == "webp":
        return {**settings, "loop": 1 if timing.loop is None else timing.loop}
    # A GIF frame that is partly transparent would else show the one before it through its holes.
    disposal = 2 if any(frame.mode == "RGBA" for frame in (first, *rest)) else 1
    return {**settings, "disposal": disposal, **({} if timing.loop is None else {"loop": timing.loop})}


def _bare(image: Image.Image) -> Image.Image:
    """Forget what encoders would copy from the source: comments, profiles, densities."""
    image.info = {}
    return image
