"""Frames to the bytes of a file: what a format does not hold is taken away, what belongs to it goes along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image, PngImagePlugin

from functions.image_resize.colour import fitted
from functions.image_resize.formats import Encoding
from functions.image_resize.metadata import Metadata
from functions.image_resize.options import ResizeOptions
from itemkit import Output

_XMP_IN_PNG = "XML:com.adobe.xmp"


@dataclass(frozen=True)
class Timing:
    """How an animation plays: milliseconds of each frame, and how often (0: for ever, ``None``: once)."""

    durations: tuple[int, ...]
    loop: int | None


def encode(
    frames: Sequence[Image.Image], timing: Timing, encoding: Encoding, options: ResizeOptions, metadata: Metadata
) -> Output:
    """Write one picture, or an animation of several frames, with ``metadata`` and no other."""
    first, *rest = [_bare(fitted(frame, encoding.modes, options.ground)) for frame in frames]
    settings = encoding.settings(options.effort) | _described(metadata, encoding)
    if encoding.has_quality:
        settings["quality"] = options.quality
    if rest:
        settings |= _animation(first, rest, timing, encoding)
    body = BytesIO()
    first.save(body, encoding.name.upper(), **settings)
    return Output(body.getvalue(), encoding.content_type, cache_control=options.cache_control)


def _described(metadata: Metadata, encoding: Encoding) -> dict[str, Any]:
    """Return the settings that make an encoder write metadata; the format holds what there is."""
    settings: dict[str, Any] = {"exif": metadata.exif} if metadata.exif else {}
    if metadata.xmp and encoding.name == "png":
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt(_XMP_IN_PNG, metadata.xmp.decode("utf-8", "replace"))
        return {**settings, "pnginfo": texts}
    return {**settings, "xmp": metadata.xmp} if metadata.xmp else settings


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
