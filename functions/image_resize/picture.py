"""A decoded picture, and the smaller ones made from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image

from functions.image_resize.colour import resampleable
from functions.image_resize.geometry import Area, Placement

Turn = Image.Transpose
Box = tuple[float, float, float, float]
# EXIF orientation (tag 0x0112) to what brings the stored picture upright.
TURNS = {
    2: Turn.FLIP_LEFT_RIGHT,
    3: Turn.ROTATE_180,
    4: Turn.FLIP_TOP_BOTTOM,
    5: Turn.TRANSPOSE,
    6: Turn.ROTATE_270,
    7: Turn.TRANSVERSE,
    8: Turn.ROTATE_90,
}
SIDEWAYS = (Turn.TRANSPOSE, Turn.ROTATE_270, Turn.TRANSVERSE, Turn.ROTATE_90)
# Turns before which the upright picture's left, or top, is stored at the far end of its side.
_FROM_RIGHT = (Turn.FLIP_LEFT_RIGHT, Turn.ROTATE_180, Turn.TRANSVERSE, Turn.ROTATE_90)
_FROM_BOTTOM = (Turn.FLIP_TOP_BOTTOM, Turn.ROTATE_180, Turn.TRANSVERSE, Turn.ROTATE_270)

# Below this reduction BICUBIC takes two thirds of LANCZOS's time and no difference is seen, unless the picture has been
# reduced before.
_LANCZOS_FROM = 1.75
# Reduce by averaging whole pixels down to this many times the target, then resample: at four to one less than half of
# the time, at eight to one a quarter.
_REDUCING_GAP = 1.9
# A picture is made from a larger one already made when that is at least this much larger.
_CASCADE_FROM = 1.5


@dataclass(frozen=True)
class Picture:
    """A picture in memory.

    Attributes:
        image: in a mode that can be resampled, as it is stored.
        extent: the part of ``image`` that is the picture, in pixels; a JPEG decoded at a fraction of its size ends
            within its last pixels.
        turn: what brings it upright.
        reduced: whether it has been made smaller before.
    """

    image: Image.Image
    extent: tuple[float, float]
    turn: Turn | None = None
    reduced: bool = False

    @classmethod
    def of(cls, image: Image.Image, turn: Turn | None = None) -> Picture:
        """Take a decoded image of a mode that ``colour.is_known``."""
        return cls(resampleable(image), image.size, turn)

    def placed(self, placement: Placement) -> Image.Image:
        """Return a new upright image of ``placement.size``. Resampled as it is stored and turned when it is small."""
        size = placement.size[::-1] if self.turn in SIDEWAYS else placement.size
        width, height = self.extent
        left, top, right, bottom = _stored(placement.area, self.turn)
        box = (left * width, top * height, right * width, bottom * height)
        small = _resampled(self.image, size, box, reduced=self.reduced)
        return small if self.turn is None else small.transpose(self.turn)

    def renditions(self, placements: Iterable[Placement]) -> list[Image.Image]:
        """Make several pictures, given largest first, each from the smallest that is large enough for it."""
        made: list[Image.Image] = []
        for placement in placements:
            large = [image for image in made if image.width >= _CASCADE_FROM * placement.size[0]]
            source = Picture(large[-1], large[-1].size, reduced=True) if large else self
            made.append(source.placed(placement))
        return made


def _stored(area: Area, turn: Turn | None) -> Area:
    """Return where an area of the upright picture lies in the stored one."""
    left, top, right, bottom = area
    if turn in SIDEWAYS:
        left, top, right, bottom = top, left, bottom, right
    if turn in _FROM_RIGHT:
        left, right = 1 - right, 1 - left
    if turn in _FROM_BOTTOM:
        top, bottom = 1 - bottom, 1 - top
    return left, top, right, bottom


def _resampled(image: Image.Image, size: tuple[int, int], box: Box, *, reduced: bool) -> Image.Image:
    """Resample the part ``box`` of an image; Pillow premultiplies alpha, so that hidden colours do not bleed.

    Of a picture in YCbCr, which is to be a JPEG, colours are kept at half the resolution, as the JPEG will have them:
    a fifth less time.
    """
    if image.mode == "YCbCr":
        luma, *chromas = image.split()
        halved: Box = (box[0] / 2, box[1] / 2, box[2] / 2, box[3] / 2)
        colours = [chroma.reduce(2).resize(size, Image.Resampling.BILINEAR, halved) for chroma in chromas]
        return Image.merge("YCbCr", [_resampled(luma, size, box, reduced=reduced), *colours])
    ratio = max((box[2] - box[0]) / size[0], (box[3] - box[1]) / size[1])
    if ratio < (1.0 if reduced else _LANCZOS_FROM):
        return image.resize(size, Image.Resampling.BICUBIC, box)
    gap = None if image.mode.startswith("I;16") else _REDUCING_GAP
    return image.resize(size, Image.Resampling.LANCZOS, box, gap)
