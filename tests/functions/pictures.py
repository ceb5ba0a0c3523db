"""Pictures drawn in code, ways to resize them and to look at what came out."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageStat

from functions.image_resize.operation import OPERATION
from itemkit import Item, Result
from sample_data.draw_images import IMAGES

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


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags
