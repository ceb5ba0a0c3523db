"""SSIM: how like a picture is to what it should be.

As Wang, Bovik, Sheikh and Simoncelli (IEEE Transactions on Image Processing 13(4), 2004) define it: of the luma
(ITU-R BT.601), with K1 = 0.01, K2 = 0.03 and L = 255, in windows of 8 x 8 pixels, here one every four pixels, so that
most of them are not JPEG's own blocks; the figure is the mean over all windows. Computed in floats.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from statistics import mean
from typing import Any

from PIL import Image, ImageMath

_WINDOW, _STEP = 8, 4
_LUMA = (0.299, 0.587, 0.114)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def reference(path: Path, size: tuple[int, int]) -> Image.Image:
    """Return the luma of an image decoded in full and resampled with Lanczos in floats, never rounded."""
    with Image.open(path) as image:
        red, green, blue = (
            channel.convert("F").resize(size, Image.Resampling.LANCZOS) for channel in image.convert("RGB").split()
        )
    return _luma(red, green, blue)


def luma(path: Path) -> Image.Image:
    """Return the luma of an image, in floats."""
    with Image.open(path) as image:
        return _luma(*(channel.convert("F") for channel in image.convert("RGB").split()))


def ssim(one: Image.Image, other: Image.Image) -> float:
    """Return the structural similarity of two lumas of the same size; 1 is the same picture."""
    if one.size != other.size or min(one.size) < _WINDOW:
        raise ValueError(f"there is no SSIM of {one.size} and {other.size} pixels in windows of {_WINDOW}")
    starts = itertools.product(range(0, _WINDOW, _STEP), repeat=2)
    return mean(_side_by_side(_cut(one, *start), _cut(other, *start)) for start in starts if _fits(one.size, *start))


def _side_by_side(x: Image.Image, y: Image.Image) -> float:
    """Return the similarity in windows that lie side by side."""
    means = {
        "x": _means(x),
        "y": _means(y),
        "xx": _means(_calculated(lambda of: of["x"] * of["x"], x=x)),
        "yy": _means(_calculated(lambda of: of["y"] * of["y"], y=y)),
        "xy": _means(_calculated(lambda of: of["x"] * of["y"], x=x, y=y)),
    }
    windows = _calculated(_similarity, **means)
    return float(windows.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)))  # type: ignore[arg-type]


def _similarity(of: dict[str, Any]) -> Any:
    """Compute the similarity of each window from its means."""
    squares, product = of["x"] * of["x"] + of["y"] * of["y"], of["x"] * of["y"]
    covariance, variances = of["xy"] - product, of["xx"] + of["yy"] - squares
    return (product * 2 + _C1) * (covariance * 2 + _C2) / ((squares + _C1) * (variances + _C2))


def _fits(size: tuple[int, int], left: int, top: int) -> bool:
    return min(size[0] - left, size[1] - top) >= _WINDOW


def _cut(image: Image.Image, left: int, top: int) -> Image.Image:
    """Return the whole windows of an image from here on."""
    width, height = ((side - start) // _WINDOW * _WINDOW for side, start in zip(image.size, (left, top), strict=True))
    return image.crop((left, top, left + width, top + height))


def _means(image: Image.Image) -> Image.Image:
    return image.reduce(_WINDOW)


def _luma(red: Image.Image, green: Image.Image, blue: Image.Image) -> Image.Image:
    weigh = lambda of: of["r"] * _LUMA[0] + of["g"] * _LUMA[1] + of["b"] * _LUMA[2]  # noqa: E731
    return _calculated(weigh, r=red, g=green, b=blue)


def _calculated(formula: Any, **images: Image.Image) -> Image.Image:
    calculated: Image.Image = ImageMath.lambda_eval(formula, **images)
    return calculated
