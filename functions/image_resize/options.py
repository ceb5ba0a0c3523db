"""The options of image-resize, and the boxes and names they ask for."""

from __future__ import annotations

from dataclasses import dataclass

from functions.image_resize.encoding import ENCODINGS
from itemkit import option, rename

# The longest side of a WebP, the least of the formats that can be asked for.
LONGEST_SIDE = 16_383
DEFAULT_SIDE = 512


@dataclass(frozen=True)
class Box:
    """The size asked for, in pixels; ``None``: as long as the picture's shape wants."""

    width: int | None
    height: int | None


@dataclass(frozen=True)
class ResizeOptions:
    """What a job can say about its images; without a word they fit into 512 x 512 and keep their format."""

    width: int | None = option(
        None,
        help="pixels; with neither width, height nor widths: 512 x 512",
        least=1,
        most=LONGEST_SIDE,
        example=512,
    )
    height: int | None = option(None, help="pixels", least=1, most=LONGEST_SIDE, example=512)
    widths: tuple[int, ...] = option(
        (),
        help="several sizes of each image, named a_1024.jpg, a_256.jpg",
        least=1,
        most=LONGEST_SIDE,
        example=[1024, 256],
    )
    fit: str = option(
        "inside",
        help="inside: whole, within the box; cover: fills the box, cropped around its centre; "
        "contain: whole, on a box of white or nothing; fill: stretched to the box",
        choices=("inside", "cover", "contain", "fill"),
        example="cover",
    )
    format: str = option(
        "keep",
        help="an animation stays one where kept and as webp, else it becomes its first frame",
        choices=("keep", "jpeg", "webp", "avif", "png"),
        example="webp",
    )
    quality: int = option(80, help="of jpeg, webp and avif", least=1, most=100, example=80)
    enlarge: bool = option(False, help="make small images larger too", example=True)

    def __post_init__(self) -> None:
        """Refuse options that do not fit together; raises ValueError."""
        if self.widths and (self.width or self.height):
            raise ValueError(
                "'widths' asks for several sizes, 'width' and 'height' for one: leave out one or the other"
            )
        if self.widths and self.fit != "inside":
            raise ValueError(f"'widths' keeps shapes: leave out 'fit', or write one 'width' and 'height' to {self.fit}")
        if len(set(self.widths)) < len(self.widths):
            raise ValueError(f"'widths' {list(self.widths)} names a width twice: write each once")
        if self.fit != "inside" and bool(self.width) != bool(self.height):
            missing = "height" if self.width else "width"
            raise ValueError(
                f"'fit': {self.fit!r} needs a whole box: write {missing!r} too, for example {missing!r}: 512"
            )

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The sizes asked for, the largest first."""
        if self.widths:
            return tuple(Box(width, None) for width in sorted(self.widths, reverse=True))
        if self.width or self.height:
            return (Box(self.width, self.height),)
        return (Box(DEFAULT_SIDE, DEFAULT_SIDE),)


def output_names(name: str, options: ResizeOptions) -> list[str]:
    """Name the outputs of an item, the largest first; decided by the name, since nothing is read yet."""
    suffixes = [f"_{box.width}" for box in options.boxes] if options.widths else [""]
    extension = _extension(name, options.format)
    return [rename(name, suffix=suffix, extension=extension) for suffix in suffixes]


def _extension(name: str, format_: str) -> str | None:
    """Return the extension to add, ``None`` where the name has one of the format's already."""
    if format_ == "keep" or name.lower().endswith(ENCODINGS[format_].extensions):
        return None
    return ENCODINGS[format_].extensions[0]
