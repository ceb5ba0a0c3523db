"""A radargram as a PNG: along the orbit from left to right, down into Mars from top to bottom, bright by echo."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from radargram.layers import FARTHEST, Layers
from radargram.product import Real

# Samples of sky above the highest surface that are shown, and of ground below the deepest reflector there could be.
_SKY, _GROUND = 24, 12
# Decibels below the noise that are black, so that the noise is seen.
_DARKEST = 6.0
# Pixels for a frame, and for a sample.
_WIDE, _HIGH = 2, 3


def draw(power: Real, layers: Layers, decibels: float, told: dict[str, str]) -> bytes:
    """Draw power over height in grey: nearly black is the noise, white ``decibels`` above it.

    Args:
        power: a row a frame, a column a sample.
        layers: what was found in it; the picture shows the samples around them.
        decibels: of the grey scale.
        told: texts that the file carries, such as where the data came from.
    """
    first = max(int(layers.surface.min()) - _SKY, 0)
    end = int(layers.surface.max()) + FARTHEST + _GROUND
    level = 10 * np.log10(np.maximum(power[:, first:end] / layers.noise, 1e-3))
    grey = np.clip((level + _DARKEST) / (decibels + _DARKEST) * 255, 0, 255).astype(np.uint8)
    texts = PngInfo()
    for name, text in told.items():
        texts.add_text(name, text)
    png = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(grey.T))
    enlarged = picture.resize((picture.width * _WIDE, picture.height * _HIGH), Image.Resampling.BILINEAR)
    enlarged.save(png, "PNG", pnginfo=texts)
    return png.getvalue()
