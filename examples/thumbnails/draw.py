"""Draws the pictures to upload: ``python draw.py DIRECTORY``; the same ones every time.

They are what people upload: a wide one, one that the camera stored lying, a transparent one, and one that broke off.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

Extent = tuple[float, float, float, float]
ORIENTATION = 0x0112
TURNED_RIGHT = 6  # of EXIF: what is stored has to be turned by 90 degrees clockwise


def fractal(size: tuple[int, int], extent: Extent, *colours: str) -> Image.Image:
    """Draw a part of the Mandelbrot set in three colours, from far outside to within."""
    far, near, within = colours
    return ImageOps.colorize(Image.effect_mandelbrot(size, extent, 100), far, within, near)


def encoded(image: Image.Image, kind: str, **settings: Any) -> bytes:
    """Encode a picture."""
    body = BytesIO()
    image.save(body, kind, **settings)
    return body.getvalue()


def turned(image: Image.Image) -> bytes:
    """Encode a picture as a camera does that was held upright: stored lying, and said so in its EXIF."""
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED_RIGHT
    return encoded(image.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=85, exif=exif)


def badge() -> bytes:
    """Draw a disc with nothing around it."""
    image = fractal((800, 800), (-0.8, 0.05, -0.7, 0.15), "#1b4332", "#52b788", "#d8f3dc")
    image.putalpha(Image.radial_gradient("L").resize(image.size).point(lambda distance: 255 if distance < 176 else 0))
    return encoded(image, "PNG")


def pictures() -> dict[str, bytes]:
    """Return the pictures by name."""
    wide = encoded(fractal((1600, 900), (-2.2, -1.0, 1.3, 1.0), "#03045e", "#ffb703", "#fefae0"), "JPEG", quality=85)
    upright = fractal((900, 1200), (-0.2, 0.6, 0.1, 1.0), "#10002b", "#c77dff", "#fff1e6")
    return {
        "wide.jpg": wide,
        "holiday/turned.jpg": turned(upright),
        "badge.png": badge(),
        "broken.jpg": wide[: len(wide) // 2],
    }


def main(directory: Path) -> None:
    """Draw all pictures into a directory."""
    for name, body in pictures().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
