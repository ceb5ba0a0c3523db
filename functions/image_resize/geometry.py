"""Where a picture goes: from its size and the box asked for to an area, a size and a canvas."""

from __future__ import annotations

from dataclasses import dataclass

from functions.image_resize.options import Box, ResizeOptions

Size = tuple[int, int]


@dataclass(frozen=True)
class Placement:
    """What becomes of a picture.

    Attributes:
        area: the part of the picture that is kept (left, top, right, bottom), as fractions of its sides, so that it
            holds at any scale the picture is decoded at. It is centred.
        size: the pixels that part becomes.
        canvas: the pixels of the output; what ``size`` leaves of it lies around it.
    """

    area: tuple[float, float, float, float]
    size: Size
    canvas: Size

    @property
    def whole(self) -> Size:
        """The pixels the whole picture would become."""
        left, top, right, bottom = self.area
        return round(self.size[0] / (right - left)), round(self.size[1] / (bottom - top))

    def on_its_side(self) -> Placement:
        """Return the same for the picture turned by a quarter."""
        left, top, right, bottom = self.area
        return Placement((top, left, bottom, right), self.size[::-1], self.canvas[::-1])


def place(picture: Size, box: Box, options: ResizeOptions) -> Placement:
    """Place a picture into a box.

    Without ``enlarge`` no side grows beyond the picture's: ``cover`` and ``fill`` then make the box smaller and keep
    its shape.
    """
    width, height = _box_sides(picture, box)
    if options.fit in ("cover", "fill"):
        size = _scaled((width, height), 1.0 if options.enlarge else min(1.0, *_ratios(picture, (width, height))))
        area = _centred(picture, size) if options.fit == "cover" else (0.0, 0.0, 1.0, 1.0)
        return Placement(area, size, size)
    scale = min(_ratios((width, height), picture))
    size = _scaled(picture, scale if options.enlarge else min(scale, 1.0))
    canvas = (round(width), round(height)) if options.fit == "contain" else size
    return Placement((0.0, 0.0, 1.0, 1.0), size, canvas)


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


def _centred(picture: Size, size: Size) -> tuple[float, float, float, float]:
    """Return the largest centred area of the picture that has the shape of ``size``."""
    across, down = _ratios(size, picture)
    width, height = min(1.0, across / down), min(1.0, down / across)
    return (1 - width) / 2, (1 - height) / 2, (1 + width) / 2, (1 + height) / 2
