"""The formats that are written: their names, what they hold, and the settings of their encoders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

EFFORTS = ("low", "medium", "high")
_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Encoding:
    """A format to write.

    Attributes:
        name: what options and records call it; Pillow's name in small letters.
        extensions: of file names; the first is the one we give.
        modes: Pillow modes it holds, beside ``RGB``.
        longest_side: pixels.
        efforts: settings of Pillow's encoder for each of ``EFFORTS``.
        has_quality: it takes the option ``quality``.
        animated: it holds several frames.
        metadata: EXIF and XMP are written into it; Pillow's TIFF writer damages both.
    """

    name: str
    content_type: str
    extensions: tuple[str, ...]
    modes: tuple[str, ...]
    longest_side: int
    efforts: tuple[Mapping[str, Any], ...] = (_NONE, _NONE, _NONE)
    has_quality: bool = False
    animated: bool = False
    metadata: bool = False

    def settings(self, effort: str) -> dict[str, Any]:
        """Return the encoder's settings for an effort."""
        return dict(self.efforts[EFFORTS.index(effort)])


_DEFLATED = {"compression": "tiff_adobe_deflate"}

# The settings are measured ones (docs/image-resize.md has the figures). Low is where more time begins to buy little.
ENCODINGS = {
    encoding.name: encoding
    for encoding in (
        Encoding("jpeg", "image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif"), ("L",), 65_500,
                 ({}, {"optimize": True}, {"optimize": True}), True, False, True),
        Encoding("png", "image/png", (".png",), ("L", "LA", "RGBA", "I;16"), 2**31 - 1,
                 ({"compress_level": 4}, {"compress_level": 6}, {"compress_level": 9}), False, False, True),
        Encoding("webp", "image/webp", (".webp",), ("RGBA",), 16_383,
                 ({"method": 2}, {"method": 4}, {"method": 6}), True, True, True),
        Encoding("avif", "image/avif", (".avif",), ("L", "RGBA"), 65_535,
                 ({"speed": 10}, {"speed": 8}, {"speed": 6}), True, False, True),
        Encoding("gif", "image/gif", (".gif",), ("L", "RGBA"), 65_535, animated=True),
        Encoding("tiff", "image/tiff", (".tif", ".tiff"), ("L", "LA", "RGBA", "I;16"), 2**31 - 1,
                 (_DEFLATED, _DEFLATED, _DEFLATED)),
        Encoding("bmp", "image/bmp", (".bmp",), ("L",), 2**31 - 1),
    )
}  # fmt: skip
# A picture of several views (MPO) is written as its first one.
KEPT_AS = {"MPO": "jpeg", **{name.upper(): name for name in ENCODINGS}}


def encoding_of(wanted: str, source_format: str) -> Encoding:
    """Return the encoding for the option ``format`` and the source's format as Pillow names it."""
    return ENCODINGS[KEPT_AS[source_format] if wanted == "keep" else wanted]
