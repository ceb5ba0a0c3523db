"""What of a picture's metadata goes with its outputs: who made it and whose it is, or all that is still true."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PIL import ExifTags, Image

METADATA = ("strip", "copyright", "all")
# A segment of a JPEG holds 65,533 bytes, its own signature included (ITU-T T.81, B.1.1.4).
MOST_BYTES = 65_000
_RIGHTS = (ExifTags.Base.Artist, ExifTags.Base.Copyright)
# What tells of the picture rather than of its pixels and their storage, which are new: no orientation, no thumbnail.
_DESCRIPTIVE = (
    *_RIGHTS,
    *(ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.Software),
    *(ExifTags.Base.DateTime, ExifTags.Base.HostComputer, ExifTags.Base.Rating, ExifTags.Base.XPTitle),
    *(ExifTags.Base.XPComment, ExifTags.Base.XPAuthor, ExifTags.Base.XPKeywords, ExifTags.Base.XPSubject),
)
_SUBJECT_AREA = 0x9214
# Of the directory of the shot: sizes and places in pixels, the colour space, and notes full of offsets into the file.
_UNTRUE = frozenset({
    ExifTags.Base.ExifImageWidth,
    ExifTags.Base.ExifImageHeight,
    _SUBJECT_AREA,
    ExifTags.Base.SubjectLocation,
    ExifTags.Base.ColorSpace,
    ExifTags.Base.MakerNote,
    ExifTags.IFD.Interop,
})  # fmt: skip
# As an attribute or as an element.
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|\s*>\s*))[2-8]")


@dataclass(frozen=True)
class Metadata:
    """Metadata as encoders take it; empty where there is none.

    Attributes:
        exif: with the six bytes ``Exif`` and two zeros before its TIFF header.
        xmp: the packet, UTF-8.
    """

    exif: bytes = b""
    xmp: bytes = b""

    def up_to(self, most: int) -> tuple[Metadata, list[str]]:
        """Return what has at most so many bytes, and the names of what has more."""
        both = {"EXIF": self.exif, "XMP": self.xmp}
        fitting = {kind: value if len(value) <= most else b"" for kind, value in both.items()}
        return Metadata(*fitting.values()), [kind for kind in both if both[kind] != fitting[kind]]


def kept_exif(source: Image.Exif, kept: str) -> bytes:
    """Write the tags of an upright picture that are kept; raises whatever Pillow does over damaged ones."""
    tags = Image.Exif()
    for tag in _RIGHTS if kept == "copyright" else _DESCRIPTIVE:
        if tag in source:
            tags[tag] = _as_stored(source[tag])
    if kept == "all":
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            entries = {tag: _as_stored(value) for tag, value in source.get_ifd(directory).items()}
            true = {
                tag: value for tag, value in entries.items() if directory != ExifTags.IFD.Exif or tag not in _UNTRUE
            }
            if true:
                tags[directory] = true
    return tags.tobytes() if len(tags) else b""


def kept_xmp(packet: bytes | str) -> bytes:
    """Return an XMP packet of an upright picture."""
    body = packet.encode() if isinstance(packet, str) else packet
    return _XMP_ORIENTATION.sub(rb"\g<1>1", body)


def _as_stored(value: object) -> object:
    """Return a text beyond ASCII as the bytes Pillow read it from; as a text it would be written with "?" in it."""
    return value.encode("latin-1", "replace") if isinstance(value, str) and not value.isascii() else value
