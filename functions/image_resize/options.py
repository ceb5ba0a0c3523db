"""The options of image-resize, and the boxes and names they ask for."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from PIL import ImageColor

from functions.image_resize.formats import EFFORTS, ENCODINGS
from functions.image_resize.metadata import METADATA
from functions.image_resize.naming import EXAMPLE, Template
from itemkit import option, rename

Colour = tuple[int, int, int]

# The longest side of a WebP, the least of the formats that can be asked for.
LONGEST_SIDE = 16_383
DEFAULT_SIDE = 512
DEFAULT_QUALITY = 80
# Shares of the room that is left over: before the picture from the left and from the top.
GRAVITIES = {
    "centre": (0.5, 0.5),
    "north": (0.5, 0.0),
    "northeast": (1.0, 0.0),
    "east": (1.0, 0.5),
    "southeast": (1.0, 1.0),
    "south": (0.5, 1.0),
    "southwest": (0.0, 1.0),
    "west": (0.0, 0.5),
    "northwest": (0.0, 0.0),
}
_PLACED = ("cover", "contain")
# Formats that hold transparency, of those that can be asked for.
_SEE_THROUGH = ("webp", "avif", "png")


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
        help="inside: whole, within the box; cover: fills the box, the rest is cut off; "
        "contain: whole, on a box of background; fill: stretched to the box",
        choices=("inside", "cover", "contain", "fill"),
        example="cover",
    )
    gravity: str = option(
        "centre",
        help="cover: the part that stays; contain: where in the box the picture lies",
        choices=tuple(GRAVITIES),
        example="north",
    )
    enlarge: bool = option(False, help="make small images larger too", example=True)
    background: str | None = option(
        None,
        help="#rrggbb or a CSS name: what transparency becomes where the format has none, and the box of contain; "
        "left out: white, and around transparent pictures nothing",
        example="#f4f4f4",
    )
    format: str = option(
        "keep",
        help="an animation stays one where kept and as webp, else it becomes its first frame",
        choices=("keep", "jpeg", "webp", "avif", "png"),
        example="webp",
    )
    quality: int = option(DEFAULT_QUALITY, help="of jpeg, webp and avif", least=1, most=100, example=DEFAULT_QUALITY)
    effort: str = option("low", help="encoding time spent on smaller files", choices=EFFORTS, example="medium")
    best: bool = option(False, help="decode JPEG at twice the size wanted instead of 1.5 times", example=True)
    animation: str = option(
        "all", help="all: every frame; poster: the first one", choices=("all", "poster"), example="poster"
    )
    metadata: str = option(
        "strip",
        help="strip: none; copyright: EXIF artist and copyright; all: EXIF and XMP, upright. ICC profiles never: "
        "colours are sRGB",
        choices=METADATA,
        example="copyright",
    )
    name: str | None = option(
        None,
        help="template of output names, of {dir} {stem} {width} {height} {ext} {format}; left out: the item's name, "
        "with _WIDTH where there are widths and with the extension of another format added",
        example=EXAMPLE,
    )
    cache_control: str | None = option(
        None, help="the outputs' HTTP header Cache-Control", example="public, max-age=31536000, immutable"
    )

    def __post_init__(self) -> None:
        """Refuse options that do not fit together; raises ValueError."""
        self._check_sizes()
        self._check_appearance()
        if self.name is not None:
            self._check_name(self.name)
        header = self.cache_control
        if header is not None and not (header.strip() and header.isascii() and header.isprintable()):
            raise ValueError(f"'cache_control' {header!r} is no HTTP header: write for example 'max-age=86400'")

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The sizes asked for, the largest first."""
        if self.widths:
            return tuple(Box(width, None) for width in sorted(self.widths, reverse=True))
        if self.width or self.height:
            return (Box(self.width, self.height),)
        return (Box(DEFAULT_SIDE, DEFAULT_SIDE),)

    @property
    def ground(self) -> Colour | None:
        """The colour of ``background``, red, green and blue; ``None`` where it is left out."""
        return None if self.background is None else parse_colour(self.background)

    def _check_sizes(self) -> None:
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
        if self.gravity != "centre" and self.fit not in _PLACED:
            raise ValueError(
                f"'gravity' means nothing with 'fit': {self.fit!r}: leave it out, or write 'fit': 'cover' or 'contain'"
            )

    def _check_appearance(self) -> None:
        if self.background is not None:
            parse_colour(self.background)
            if self.fit != "contain" and self.format in _SEE_THROUGH:
                raise ValueError(
                    f"'background' is never seen: {self.format} holds transparency; leave it out, or write "
                    "'format': 'jpeg' or 'fit': 'contain'"
                )
        if self.quality != DEFAULT_QUALITY and self.format == "png":
            raise ValueError("png keeps every pixel as it is: leave out 'quality', or write another 'format'")

    def _check_name(self, text: str) -> None:
        fields = Template.parse(text).fields
        if len(self.boxes) > 1 and "width" not in fields:
            raise ValueError(f"'name' {text!r} gives all 'widths' one name: write {{width}}, for example {EXAMPLE!r}")
        for side in ("width", "height"):
            if side in fields and any(getattr(box, side) is None for box in self.boxes):
                raise ValueError(
                    f"'name' {text!r}: {{{side}}} is known only when the picture is read; leave it out, or write a "
                    f"{side!r}"
                )
        if "format" in fields and self.format == "keep":
            raise ValueError(f"'name' {text!r}: {{format}} needs a 'format'; write one, or {{ext}}")


def parse_colour(text: str) -> Colour:
    """Return the red, green and blue of ``#rrggbb`` or of a CSS name; raises ValueError."""
    if text.lower() in ImageColor.colormap or (text.startswith("#") and len(text) == len("#rrggbb")):
        try:
            red, green, blue = ImageColor.getrgb(text)[:3]
        except ValueError:
            pass
        else:
            return red, green, blue
    raise ValueError(f"'background' {text!r} is no colour: write '#rrggbb' or a CSS name, for example 'white'")


def output_names(name: str, options: ResizeOptions) -> list[str]:
    """Name the outputs of an item, the largest first; decided by the name, since nothing is read yet."""
    extension = _extension(name, options.format)
    if options.name is None:
        suffixes = [f"_{box.width}" for box in options.boxes] if options.widths else [""]
        return [rename(name, suffix=suffix, extension=extension) for suffix in suffixes]
    told = {"ext": (extension or posixpath.splitext(name)[1]).removeprefix("."), "format": options.format}
    template = Template.parse(options.name)
    return [template.fill(name, {**told, "width": str(box.width), "height": str(box.height)}) for box in options.boxes]


def _extension(name: str, format_: str) -> str | None:
    """Return the extension to add, ``None`` where the name has one of the format's already."""
    if format_ == "keep" or name.lower().endswith(ENCODINGS[format_].extensions):
        return None
    return ENCODINGS[format_].extensions[0]
