"""Pictures that make codecs and filters work as photographs do, drawn the same by every run.

Overlapping discs and leaves of all sizes, few large and many small, have the edges and the spectrum of natural scenes
("dead leaves"); fractal noise gives them texture, a slight blur the lens, and grain the sensor. Three densities, from
the open field to the wood, make JPEG of quality 90 of 0.16 to 0.25 bytes a pixel.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Size = tuple[int, int]
# Sides of the leaves are as in a picture this wide.
_UNIT_WIDTH = 2000


@dataclass(frozen=True)
class Scene:
    """What a picture shows.

    Attributes:
        leaves: how many; it decides how much detail there is.
        roughness: how much weaker each octave of the texture is than the one before it, 0 to 1.
        grain: the highest value of the sensor's noise, 0 to 255.
    """

    name: str
    leaves: int
    roughness: float
    grain: int

    def draw(self, size: Size) -> Image.Image:
        """Draw the scene as RGB of this size."""
        chance = random.Random(self.name)
        image = Image.new("RGB", size, "#7a8894")
        brush = ImageDraw.Draw(image)
        for _ in range(self.leaves):
            _leaf(brush, size, chance)
        texture = _fractal(size, chance, self.roughness)
        image = ImageChops.overlay(image, Image.merge("RGB", (texture,) * 3)).filter(ImageFilter.GaussianBlur(0.8))
        grain = _noise(size, chance).point(lambda value: value * self.grain >> 8)
        return ImageChops.add(image, Image.merge("RGB", (grain,) * 3), offset=-self.grain // 2)


SCENES = (Scene("field", 6_000, 0.75, 3), Scene("town", 20_000, 0.8, 4), Scene("wood", 60_000, 0.9, 6))


def encoded(image: Image.Image, format_: str, **settings: Any) -> bytes:
    """Return the image as a file."""
    body = BytesIO()
    image.save(body, format_, **settings)
    return body.getvalue()


def _leaf(brush: ImageDraw.ImageDraw, size: Size, chance: random.Random) -> None:
    """Draw a disc, or a leaf of four corners, at any place; areas are as likely as they are small."""
    width, height = size
    radius = min(3 / math.sqrt(1 - chance.random()) * width / _UNIT_WIDTH, height / 3)
    x, y = chance.uniform(0, width), chance.uniform(0, height)
    light, warm, green = chance.gauss(120, 50), chance.gauss(0, 18), chance.gauss(0, 10)
    colour = tuple(min(max(round(value), 0), 255) for value in (light + warm, light + green, light - warm))
    if chance.random() < 0.5:
        brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        return
    turn = chance.uniform(0, math.tau)
    corners = ((turn + quarter * math.tau / 4, radius * reach) for quarter, reach in enumerate((2, 0.4, 2, 0.4)))
    brush.polygon([(x + far * math.cos(angle), y + far * math.sin(angle)) for angle, far in corners], fill=colour)


def _fractal(size: Size, chance: random.Random, roughness: float) -> Image.Image:
    """Add up octaves of noise, each twice as fine as the one before it."""
    image, weight, total = Image.new("L", size, 128), 1.0, 0.0
    for octave in range(2, 13):
        cells = _noise((2**octave, 2**octave), chance).resize(size, Image.Resampling.BICUBIC)
        total += weight
        image = Image.blend(image, cells, weight / total)
        weight *= roughness
    return image


def _noise(size: Size, chance: random.Random) -> Image.Image:
    return Image.frombytes("L", size, chance.randbytes(size[0] * size[1]))
