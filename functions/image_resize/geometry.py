"""Where a picture goes: from its size and the box asked for to an area, a size and a canvas."""

from __future__ import annotations

from dataclasses import dataclass

from functions.image_resize.options import GRAVITIES, Box, ResizeOptions

Size = tuple[int, int]
Area = tuple[float, float, float, float]
_WHOLE: Area = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class Placement:
    """What becomes of a picture.

    Attributes:
        area: the part of the picture that is kept (left, top, right, bottom), as fractions of its sides, so that it
            holds at any scale the picture is decoded at.
        size: the pixels that part becomes.
        canvas: the pixels of the output; what ``size`` leaves of it lies around it.
        corner: where on the canvas that part begins (left, top).
    """

    area: Area
    size: Size
    canvas: Size
    corner: Size = (0, 0)

    @property
    def whole(self) -> Size:
        """The pixels the whole picture would become."""
        left, top, right, bottom = self.area
        return round(self.size[0] / (right - left)), round(self.size[1] / (bottom - top))


def place(picture: Size, box: Box, options: ResizeOptions) -> Placement:
    """Place a picture into a box.

    Without ``enlarge`` no side grows beyond the picture's: ``cover`` and ``fill`` then make the box smaller and keep
    its shape.
    """
    width, height = _box_sides(picture, box)
    gravity = GRAVITIES[options.gravity]
    if options.fit in ("cover", "fill"):
        size = _scaled((width, height), 1.0 if options.enlarge else min(1.0, *_ratios(picture, (width, height))))
        area = _cropped(picture, size, gravity) if options.fit == "cover" else _WHOLE
        return Placement(area, size, size)
    scale = min(_ratios((width, height), picture))
    size = _scaled(picture, scale if options.enlarge else min(scale, 1.0))
    canvas = (round(width), round(height)) if options.fit == "contain" else size
    corner = int((canvas[0] - size[0]) * gravity[0]), int((canvas[1] - size[1]) * gravity[1])
    return Placement(_WHOLE, size, canvas, corner)


def _box_sides(picture: Size, box: Box) -> tuple[float, float]:
    """Return both sides of the box; a missing one follows the picture's shape."""
    width, height = picture
    if box.width is None:
        wanted = float(box.height or height)
        return wanted * width / height, wanted
    return float(box.width), float(box.height or box.width * height / width)


def _ratios(wanted: tuple[float, float], had: tuple[float, float]) -> tuple[float, float]:
    return wanted[0] / had[0], wanted[1] / had[1]


def _scaled(size: tuple[float, float], scale: float) -> Size:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _cropped(picture: Size, size: Size, gravity: tuple[float, float]) -> Area:
    """Return the largest area of the picture that has the shape of ``size``."""
    across, down = _ratios(size, picture)
    width, height = min(1.0, across / down), min(1.0, down / across)
    left, top = (1 - width) * gravity[0], (1 - height) * gravity[1]
    return left, top, min(1.0, left + width), min(1.0, top + height)
