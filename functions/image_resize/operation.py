"""image-resize: smaller pictures, upright, in sRGB, without metadata.

The way of a picture: its header says format, size and orientation; a JPEG is then decoded at the least fraction of its
size that serves; each size is resampled from the next larger one, turned upright and brought to sRGB when it is small,
and encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from PIL.Image import Image

from functions.image_resize.colour import on_canvas, to_srgb
from functions.image_resize.encoding import Timing, encode
from functions.image_resize.errors import ImageTooLarge, UnsupportedImage
from functions.image_resize.formats import Encoding, encoding_of
from functions.image_resize.geometry import Placement, place
from functions.image_resize.metadata import MOST_BYTES, Metadata
from functions.image_resize.options import ResizeOptions, output_names
from functions.image_resize.picture import Picture
from functions.image_resize.source import BYTES_A_DECODED_PIXEL, Source
from itemkit import Item, Operation, Result

MEGABYTE = 1024 * 1024
# One whole vCPU.
DEFAULT_MEMORY = 1769
# Megabytes for what is beside the picture at work: runtime and libraries, bodies read ahead, outputs being written.
_BESIDE = 384


def image_resize(memory: int = DEFAULT_MEMORY) -> Operation[ResizeOptions]:
    """Make the operation for a function of ``memory`` megabytes, which bounds the pixels it takes."""
    for_pictures = max(memory - _BESIDE, memory // 4) * MEGABYTE
    return Operation(
        name="image-resize",
        version="2",
        summary="smaller pictures: upright, in sRGB, in one or several sizes, as JPEG, WebP, AVIF or PNG",
        options=ResizeOptions,
        names=output_names,
        process=partial(_process, for_pictures),
        most_bytes=min(128, memory // 8) * MEGABYTE,
    )


def _process(memory: int, item: Item, body: bytes, options: ResizeOptions) -> Result:
    source = Source(item.uri, body, memory)
    encoding = encoding_of(options.format, source.format)
    placements = [place(source.size, box, options) for box in options.boxes]
    _check_outputs(item.uri, placements, encoding, memory)
    metadata = _metadata(source, encoding, options)
    moving = options.animation == "all" and _stays_animated(source, encoding)
    frames, timing = (_moving if moving else _still)(source, placements, options)
    try:
        outputs = [encode(size, timing, encoding, options, metadata) for size in frames]
    except OverflowError as error:
        # Equal neighbours become one frame, and its time no longer fits: 16 bits of hundredths of a second.
        raise UnsupportedImage(
            f"{item.uri} shows one picture for longer than the 655 seconds of a GIF's frame: write 'format': 'webp'"
        ) from error
    if source.is_animated and not moving and options.animation == "all":
        source.notes.append(f"it has several frames; only the first is kept as {encoding.name}")
    return Result(outputs, facts=_facts(source, encoding, placements, len(timing.durations)))


def _stays_animated(source: Source, encoding: Encoding) -> bool:
    """Tell whether all frames are kept: of what people call animations, and where the format is made for them."""
    return source.is_animated and encoding.animated and source.format in ("GIF", "WEBP")


def _still(source: Source, placements: Sequence[Placement], options: ResizeOptions) -> tuple[list[list[Image]], Timing]:
    """Return for each size its one frame."""
    encoding = encoding_of(options.format, source.format)
    for_jpeg = encoding.name == "jpeg" and options.fit != "contain"
    picture = source.picture(placements[0].whole, best=options.best, for_jpeg=for_jpeg)
    return [[made] for made in _made(picture, source, placements, options)], Timing((0,), None)


def _moving(
    source: Source, placements: Sequence[Placement], options: ResizeOptions
) -> tuple[list[list[Image]], Timing]:
    """Return for each size its frames, and their timing."""
    pixels = sum(width * height for width, height in (placement.canvas for placement in placements))
    frames, durations = [], []
    for picture, duration in source.frames(pixels):
        frames.append(_made(picture, source, placements, options))
        durations.append(duration)
    return [list(size) for size in zip(*frames, strict=True)], Timing(tuple(durations), source.loop)


def _made(picture: Picture, source: Source, placements: Sequence[Placement], options: ResizeOptions) -> list[Image]:
    """Return a picture in all sizes, in sRGB: what surrounds it is painted in sRGB too."""
    images = [to_srgb(image, source.icc) for image in picture.renditions(placements)]
    return [on_canvas(*each, options.ground) for each in zip(images, placements, strict=True)]


def _metadata(source: Source, encoding: Encoding, options: ResizeOptions) -> Metadata:
    """Return what is kept and what the format holds of it; the rest is told."""
    metadata, lost = source.metadata(options.metadata).up_to(MOST_BYTES if encoding.metadata else 0)
    if lost:
        source.notes.append(f"its {' and '.join(lost)} does not go into {encoding.name}: not kept")
    return metadata


def _check_outputs(uri: str, placements: Sequence[Placement], encoding: Encoding, memory: int) -> None:
    """Refuse what an extreme shape or ``enlarge`` would make of it."""
    for width, height in (placement.canvas for placement in placements):
        if max(width, height) > encoding.longest_side:
            raise ImageTooLarge(
                f"{uri} would become {width} x {height} pixels, and {encoding.name} holds {encoding.longest_side} a "
                "side: give both 'width' and 'height'"
            )
        if width * height * BYTES_A_DECODED_PIXEL > memory:
            raise ImageTooLarge(
                f"{uri} would become {width} x {height} pixels, too many for the function's memory: give it more, or "
                "write smaller 'width' and 'height'"
            )


def _facts(source: Source, encoding: Encoding, placements: Sequence[Placement], frames: int) -> dict[str, Any]:
    widths, heights = zip(*(placement.canvas for placement in placements), strict=True)
    facts: dict[str, Any] = {
        "source_format": source.format.lower(),
        "source_width": source.size[0],
        "source_height": source.size[1],
        "format": encoding.name,
        "width": widths[0],
        "height": heights[0],
    }
    if len(placements) > 1:
        facts |= {"widths": list(widths), "heights": list(heights)}
    if source.is_animated:
        facts["frames"] = frames
    return facts | ({"notes": source.notes} if source.notes else {})


OPERATION = image_resize()


def resize(body: bytes, **options: Any) -> Result:
    """Resize one image without S3: ``resize(body, width=512).outputs[0].body``.

    ``options`` are those of a job. Raises InvalidJob over them, and PermanentError over the image.
    """
    return OPERATION.process(Item("the image", "image"), body, OPERATION.parse(options))
