"""A source image: what its bytes are, whether they fit into memory, and its frames, decoded one at a time."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

# Pillow imports these when it meets them, and with them every plugin it has.
from PIL import AvifImagePlugin, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

from functions.image_resize.colour import is_known, is_usable
from functions.image_resize.errors import ImageTooLarge, UnreadableImage, UnsupportedImage
from functions.image_resize.geometry import Size
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
# A JPEG is decoded at the least eighth of its size that is this many times the size wanted.
_DRAFT = 1.5
# Of all frames of an animation together; they take about half a minute.
_MOST_ANIMATED_PIXELS = 2_000_000_000
_ORIENTATION = 0x0112
# Brands of the ISO media container that mean HEVC inside.
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")

# Its limit is set to half of ours, because it warns at its limit and refuses at twice that.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


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
            self._image = Image.open(BytesIO(body), formats=FORMATS)
            self.format = str(self._image.format)
            self.is_animated = self.format != "MPO" and bool(getattr(self._image, "is_animated", False))
        self._stored = self._image.size
        if self.format not in _SCALED_BY_DECODER:
            self._load()
            self._stored = self._image.size
        self._turn = self._read_turn()
        self.size: Size = self._stored[::-1] if self._turn in SIDEWAYS else self._stored
        self.icc = self._read_profile()

    @property
    def loop(self) -> int | None:
        """How often an animation plays: 0 for ever, ``None`` once."""
        return self._image.info.get("loop")

    def picture(self, wanted: Size) -> Picture:
        """Decode the first frame, as small as ``wanted`` (upright, of the whole picture) lets it be."""
        if self.format not in _SCALED_BY_DECODER:
            return Picture.of(self._image, turn=self._turn)
        width, height = wanted[::-1] if self._turn in SIDEWAYS else wanted
        with self._reading():
            drafted = self._image.draft(None, (round(width * _DRAFT) or 1, round(height * _DRAFT) or 1))
        self._load()
        return Picture.of(self._image, drafted[1][2:] if drafted else None, self._turn)

    def frames(self, output_pixels: int) -> Iterator[tuple[Picture, int]]:
        """Decode all frames, each with its milliseconds; ``output_pixels`` are made and kept of each."""
        pixels = self._stored[0] * self._stored[1]
        for number in itertools.count():
            if not self._seek(number):
                return
            kept = (number + 1) * output_pixels * BYTES_A_DECODED_PIXEL
            if kept > self._memory or (number + 1) * pixels > _MOST_ANIMATED_PIXELS:
                raise ImageTooLarge(
                    f"{self._uri} has more frames than can be kept ({number} of this size): choose a smaller size, "
                    "or 'format': 'jpeg' for the first frame alone"
                )
            yield Picture.of(self._image, turn=self._turn), int(self._image.info.get("duration", 0))

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
        needed = _area(self._stored) * BYTES_A_STORED_PIXEL + _area(decoded) * BYTES_A_DECODED_PIXEL
        if needed > self._memory:
            raise self._too_large()
        with self._reading():
            self._image.load()
        if not is_known(self._image.mode):
            raise UnsupportedImage(
                f"{self._uri} has pixels of mode {self._image.mode}, whose white is unknown: convert them to 8 or "
                "16 bits, grey or RGB"
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
        known = ", ".join(FORMATS)
        return UnreadableImage(
            f"{self._uri} is no image of a known format ({known}), whatever its name says: it begins with "
            f"{self._body[:16]!r}; correct it or exclude it with 'select'"
        )


def _area(size: Size) -> int:
    return size[0] * size[1]
