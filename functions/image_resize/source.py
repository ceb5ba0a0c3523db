"""A source image: what its bytes are, whether they fit into memory, and its frames, decoded one at a time."""

from __future__ import annotations

import itertools
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

# Pillow imports these when it meets them, and with them every plugin it has.
from PIL import (
    AvifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from functions.image_resize.colour import is_known, is_usable, levelled, resampleable
from functions.image_resize.errors import ImageTooLarge, UnreadableImage, UnsupportedImage
from functions.image_resize.geometry import Size
from functions.image_resize.metadata import Metadata, kept_exif, kept_xmp
from functions.image_resize.picture import SIDEWAYS, TURNS, Picture

_LOADED_EARLY = (AvifImagePlugin, TiffImagePlugin, WebPImagePlugin)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP")
# Those whose decoder scales while it decodes (an MPO is opened as the JPEG it begins with), and how they begin.
_SCALED_BY_DECODER = ("JPEG", "MPO")
_JPEG_MAGIC = b"\xff\xd8"
# The most memory a pixel of the file takes (a progressive JPEG keeps its coefficients), and one of the decoded picture
# (the decoder's own frames, their copies, a converted one); measured for every format.
BYTES_A_STORED_PIXEL = 8
BYTES_A_DECODED_PIXEL = 12
# A JPEG is decoded at the least eighth of its size that is this many times the size wanted, for ``best`` the second.
_DRAFT, _BEST_DRAFT = 1.5, 2.0
# Of all frames of an animation together; they take about half a minute. A frame costs as much as this many pixels
# however small it is, and keeping it as much memory as so many.
_MOST_ANIMATED_PIXELS = 2_000_000_000
_PIXELS_A_FRAME = 65_536
_KEPT_PIXELS_A_FRAME = 256
# Of all scans of a JPEG together: about twelve seconds. An empty scan takes ten bytes and a pass over all pixels;
# encoders write about ten of them.
_MOST_SCANNED_PIXELS = 15_000_000_000
_SCAN, _ARITHMETIC = b"\xff\xda", b"\xff\xc9\0"
_TILE_SIDES = (322, 323)
_ORIENTATION = 0x0112
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0
_PNG_COLOUR_TYPE, _GREY_AND_ALPHA = 25, 4
_DEEP_GREY = ("I;16", "I;16B")
_ONE_BLOCK = 1 << 30
# Pillow keeps so many blocks of memory, of 16 MB at most, for the next picture: else the system maps and clears them
# anew each time, 7 % of a JPEG's time.
_BLOCKS_KEPT = 4
# Of files in a format that is read; an AVIF is known by its brand. Two letters, as in a BMP, begin texts too.
_BEGINNINGS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF.{4}WEBP|II\*\0|MM\0\*|.{4}ftypavi[fs]", re.DOTALL
)
# Brands of the ISO media container that mean HEVC inside.
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

# Pillow warns where it passes something over, and a hostile file makes it do so thousands of times: log lines that cost
# money. And of large images: its limit is set to half of ours, because it warns at its limit and refuses at twice that.
warnings.filterwarnings("ignore", module=r"PIL\.")
Image.core.set_blocks_max(_BLOCKS_KEPT)  # type: ignore[attr-defined]


class Source:
    """An image of one item.

    Attributes:
        format: as Pillow names it.
        size: (width, height) upright, in pixels.
        icc: its colour profile, where it has a usable one.
        is_animated: it has several frames; the further pictures of an MPO are other views of the first, and no frames.
        notes: what was amiss and passed over, for the record.
    """

    def __init__(self, uri: str, body: bytes, memory: int) -> None:
        """Read the header of ``body``, and all of it where size and orientation are not in the header alone.

        ``memory`` is what there is for the picture, in bytes. This and every other method raise UnreadableImage,
        UnsupportedImage or ImageTooLarge, and nothing else.
        """
        self.notes: list[str] = []
        self._uri, self._body, self._memory = uri, body, memory
        with self._reading():
            # Run-length BMPs are read byte by byte, in as many steps as they have pixels at most.
            self._file = BytesIO(body) if body.startswith(b"BM") else _Pieces(body)
            self._image: Image.Image = Image.open(self._file, formats=FORMATS)
            # In one block: Pillow then copies nothing, 3 % of a JPEG's time.
            if isinstance(self._image, ImageFile.ImageFile):
                self._image.decodermaxblock = _ONE_BLOCK
            self.format = str(self._image.format)
            self.is_animated = self.format != "MPO" and bool(getattr(self._image, "is_animated", False))
        self._stored = self._image.size
        if self.format in _SCALED_BY_DECODER:
            self._check_scans()
        else:
            self._load()
            self._stored = self._image.size
            if self._image.mode == "RGBA" and self.format == "PNG" and body[_PNG_COLOUR_TYPE] == _GREY_AND_ALPHA:
                # It has 16 bits, of which Pillow makes colours.
                self._image = self._image.convert("LA")
        self._turn = self._read_turn()
        self.size: Size = self._stored[::-1] if self._turn in SIDEWAYS else self._stored
        self.icc = self._read_profile()

    @property
    def loop(self) -> int | None:
        """How often an animation plays: 0 for ever, ``None`` once."""
        return self._image.info.get("loop")

    def picture(self, wanted: Size, *, best: bool = False, for_jpeg: bool = False) -> Picture:
        """Decode the first frame, as small as ``wanted`` (upright, of the whole picture) lets it be.

        ``for_jpeg``: it is to be a JPEG without anything around it, so one whose colours have half the resolution as
        they are stored may stay in YCbCr.
        """
        if self.format not in _SCALED_BY_DECODER:
            return Picture.of(self._levelled(), self._turn)
        draft = _BEST_DRAFT if best else _DRAFT
        width, height = wanted[::-1] if self._turn in SIDEWAYS else wanted
        mode = "YCbCr" if for_jpeg and not best and self._has_half_colours() else None
        with self._reading():
            drafted = self._image.draft(mode, (round(width * draft) or 1, round(height * draft) or 1))
        self._load()
        image = self._image if self._image.mode == "YCbCr" else resampleable(self._image)
        extent = drafted[1][2:] if drafted else image.size
        return Picture(image, extent, self._turn, reduced=image.size != self._stored)

    def _has_half_colours(self) -> bool:
        """Tell whether this is a JPEG in YCbCr, 4:2:0, without a profile of its own."""
        if not isinstance(self._image, JpegImagePlugin.JpegImageFile) or self.icc or len(self._image.layer) != 3:
            return False
        sampled = [layer[1:3] for layer in self._image.layer]
        is_ycc = "jfif" in self._image.info or self._image.info.get("adobe_transform") == 1
        return is_ycc and sampled == [(2, 2), (1, 1), (1, 1)]

    def metadata(self, kept: str) -> Metadata:
        """Return what the option ``metadata`` keeps; damaged EXIF does not make the picture unreadable."""
        if kept == "strip":
            return Metadata()
        xmp = kept_xmp(self._image.info.get("xmp", b"")) if kept == "all" else b""
        try:
            return Metadata(kept_exif(self._image.getexif(), kept), xmp)
        except Exception:  # as in _read_turn
            self.notes.append("its EXIF is damaged: not kept")
            return Metadata(xmp=xmp)

    def frames(self, output_pixels: int) -> Iterator[tuple[Picture, int]]:
        """Decode all frames, each with its milliseconds; ``output_pixels`` are made and kept of each."""
        pixels = self._stored[0] * self._stored[1]
        for number in itertools.count():
            if not self._seek(number):
                return
            kept = (number + 1) * max(output_pixels, _KEPT_PIXELS_A_FRAME) * BYTES_A_DECODED_PIXEL
            if kept > self._memory or (number + 1) * max(pixels, _PIXELS_A_FRAME) > _MOST_ANIMATED_PIXELS:
                raise ImageTooLarge(
                    f"{self._uri} has more frames than can be kept ({number} of this size): choose a smaller size, "
                    "or 'format': 'jpeg' for the first frame alone"
                )
            yield Picture.of(self._image, self._turn), int(self._image.info.get("duration", 0))

    def _seek(self, number: int) -> bool:
        """Go to a frame and decode it; false: there is none."""
        with self._reading():
            try:
                self._image.seek(number)
            except EOFError:
                return False
        self._load()
        return True

    def _load(self) -> None:
        """Decode, if it fits into memory."""
        decoded = self._image.size
        stored = max(_area(self._stored), self._tile_area())
        needed = stored * BYTES_A_STORED_PIXEL + _area(decoded) * BYTES_A_DECODED_PIXEL
        if needed > self._memory:
            raise self._too_large()
        with self._reading():
            self._image.load()
        if not is_known(self._image.mode):
            raise UnsupportedImage(
                f"{self._uri} has pixels of mode {self._image.mode}, whose white is unknown: convert them to 8 or "
                "16 bits, grey or RGB"
            )

    def _levelled(self) -> Image.Image:
        """Return the decoded picture; Pillow leaves a TIFF's deep grey as it is stored: of 12 bits, or inverted."""
        if not isinstance(self._image, TiffImagePlugin.TiffImageFile) or self._image.mode not in _DEEP_GREY:
            return self._image
        tags = self._image.tag_v2
        black, white = 0, 4_095 if tags.get(_BITS_PER_SAMPLE) == (12,) else 65_535
        if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            black, white = white, black
        return self._image if (black, white) == (0, 65_535) else levelled(self._image, black, white)

    def _tile_area(self) -> int:
        """Return the pixels of a TIFF's tile, which is decoded in full and may be larger than its picture."""
        if not isinstance(self._image, TiffImagePlugin.TiffImageFile):
            return 0
        sides = [self._image.tag_v2.get(tag, 0) for tag in _TILE_SIDES]
        return math.prod(side for side in sides if isinstance(side, int))

    def _check_scans(self) -> None:
        """Refuse a JPEG whose scans take a few bytes and pass over all pixels, each."""
        many = "progressive" in self._image.info or _ARITHMETIC in self._body[: self._file.tell()]
        if many and (scans := self._body.count(_SCAN)) * _area(self._stored) > _MOST_SCANNED_PIXELS:
            raise UnreadableImage(
                f"{self._uri} is drawn in {scans:,} passes over its pixels, which no encoder does: save it anew"
            )

    def _read_turn(self) -> Image.Transpose | None:
        """Read the EXIF orientation; damaged EXIF does not make the picture unreadable."""
        try:
            return TURNS.get(self._image.getexif().get(_ORIENTATION, 1))
        except Exception:  # whatever its TIFF reader met: Pillow has no error of its own for it
            self.notes.append("its EXIF is damaged: taken as upright")
            return None

    def _read_profile(self) -> bytes | None:
        icc: bytes | None = self._image.info.get("icc_profile")
        if icc and not is_usable(icc, self._image.mode):
            self.notes.append("its ICC profile is damaged or for other colours: colours taken as sRGB")
            return None
        return icc

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn whatever Pillow raises over hostile bytes into our errors; the one place that does.

        Pillow has no error tree: decoders raise OSError, SyntaxError, ValueError, struct.error, zlib.error, EOFError,
        IndexError and more. So nothing but calls of Pillow stands under this.
        """
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = self._memory // self._bytes_a_pixel // 2
        try:
            yield
        except UnidentifiedImageError as error:
            raise self._unidentified() from error
        except (Image.DecompressionBombError, MemoryError) as error:
            raise self._too_large() from error
        except Exception as error:
            raise UnreadableImage(
                f"{self._uri} is damaged ({error or type(error).__name__}): upload it again from its origin"
            ) from error
        finally:
            Image.MAX_IMAGE_PIXELS = before

    @property
    def _bytes_a_pixel(self) -> int:
        """What a pixel of the file takes at least."""
        scaled = self._body.startswith(_JPEG_MAGIC)
        return BYTES_A_STORED_PIXEL if scaled else BYTES_A_STORED_PIXEL + BYTES_A_DECODED_PIXEL

    def _too_large(self) -> ImageTooLarge:
        most = self._memory / self._bytes_a_pixel / 1e6
        return ImageTooLarge(
            f"{self._uri} has too many pixels for the function's memory, which holds {most:.1f} million of this "
            "format: give the function more memory, or exclude the image with 'select'"
        )

    def _unidentified(self) -> UnreadableImage | UnsupportedImage:
        if not self._body:
            return UnreadableImage(f"{self._uri} is empty: upload it again, or exclude it with 'select': min_bytes 1")
        if self._body[4:8] == b"ftyp" and self._body[8:12] in _HEIC_BRANDS:
            return UnsupportedImage(f"{self._uri} is HEIC, which is not read here: convert it to JPEG or AVIF first")
        if _BEGINNINGS.match(self._body):
            return UnreadableImage(f"{self._uri} is damaged in its header: upload it again from its origin")
        known = ", ".join(FORMATS)
        return UnreadableImage(
            f"{self._uri} is no image of a known format ({known}), whatever its name says: it begins with "
            f"{self._body[:16]!r}; correct it or exclude it with 'select'"
        )


class _Pieces(BytesIO):
    """A file that refuses to be read in more pieces than any picture needs.

    Pillow makes objects of every JPEG marker and PNG chunk. These can be four bytes each, and then 128 MB of them are
    minutes and gigabytes. EXIF in several segments is joined with a copy for each.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self._left = 500_000 + len(body) // 64

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._left -= 10_000 if data.startswith(b"Exif\0\0") else 1
        if self._left < 0:
            raise ValueError("it is in more pieces than any picture needs")
        return data


def _area(size: Size) -> int:
    return size[0] * size[1]
