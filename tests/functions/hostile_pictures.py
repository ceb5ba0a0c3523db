"""Files made to harm whoever decodes them, by name; each is small and made in well under a second.

Formats are written by hand where no library would write such a thing.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

from sample_data.draw_images import encoded

# The longest side that 16 bits hold.
LONGEST = 65_535
FRAMES = 10_000
Maker = Callable[[], bytes]


# PNG: https://www.w3.org/TR/png-3/


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int,
    height: int,
    *,
    colour: int = 2,
    depth: int = 8,
    interlaced: bool = False,
    raw_bytes: int = 0,
    chunks: Sequence[bytes] = (),
) -> bytes:
    """Build a PNG whose data unpacks to ``raw_bytes`` zeros; ``chunks`` come before them."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)
    parts = [png_chunk(b"IHDR", header), *chunks, png_chunk(b"IDAT", zeros(raw_bytes)), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def zeros(count: int) -> bytes:
    """Return ``count`` zeros in zlib's format (RFC 1950), packed about a thousandfold."""
    packer = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    whole, rest = divmod(count, 1 << 20)
    end = packer.compress(bytes(rest)) + packer.flush()
    return b"\x78\x01" + block * whole + end + struct.pack(">I", (count % 65_521) << 16 | 1)


def apng(width: int, height: int, frames: int) -> bytes:
    control = [
        png_chunk(b"acTL", struct.pack(">II", frames, 0)),
        png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 100, 0, 0)),
    ]
    body = png(width, height, raw_bytes=height * (1 + 3 * width), chunks=control)
    more = b"".join(
        png_chunk(b"fcTL", struct.pack(">IIIIIHHBB", 2 * number + 1, 1, 1, 0, 0, 1, 100, 0, 0))
        + png_chunk(b"fdAT", struct.pack(">I", 2 * number + 2) + zlib.compress(bytes(4)))
        for number in range(frames - 1)
    )
    return body[:-12] + more + body[-12:]


# JPEG: ITU-T T.81


@cache
def jpeg(width: int = 64, height: int = 48, mode: str = "RGB", **settings: Any) -> bytes:
    return encoded(Image.new(mode, (width, height)), "JPEG", **settings)


def segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def after_start(body: bytes, segments: Iterable[bytes]) -> bytes:
    """Put segments behind a JPEG's first two bytes."""
    return body[:2] + b"".join(segments) + body[2:]


def jpeg_of_size(body: bytes, width: int, height: int) -> bytes:
    """Have a JPEG's frame header tell other sides than it has."""
    frame = next(body.index(marker) for marker in (b"\xff\xc0\x00\x11", b"\xff\xc2\x00\x11") if marker in body)
    return body[: frame + 5] + struct.pack(">HH", height, width) + body[frame + 9 :]


def many_scans(width: int, height: int, scans: int) -> bytes:
    """Repeat the last scan of a progressive JPEG: a few bytes each, and a pass over all pixels."""
    body = jpeg(width, height, progressive=True)
    last = body[body.rindex(b"\xff\xda") : -2]
    return body[:-2] + last * scans + body[-2:]


def restarts(count: int) -> bytes:
    """Put restart markers where none belong."""
    body = jpeg(512, 512)
    start = body.index(b"\xff\xda") + 14
    return body[:start] + b"\xff\xd0" * count + body[start:]


# GIF: https://www.w3.org/Graphics/GIF/spec-gif89a.txt

GIF_PIXEL = b"\x02\x02\x44\x01\x00"


def gif(width: int, height: int, frames: int, *, extensions: bytes = b"") -> bytes:
    """Build a GIF with frames of one pixel each on a canvas of any size."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x21\xf9\x04\x04\x01\x00\x00\x00\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + GIF_PIXEL
    return head + extensions + frame * frames + b"\x3b"


def gif_comment(blocks: int) -> bytes:
    return b"\x21\xfe" + (b"\xff" + b"c" * 255) * blocks + b"\x00"


# WebP: RFC 9649


def riff_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def riff(*chunks: bytes) -> bytes:
    return riff_chunk(b"RIFF", b"WEBP" + b"".join(chunks))


def three_bytes(value: int) -> bytes:
    return struct.pack("<I", value)[:3]


def webp(width: int, height: int, frames: int, *, profile: bytes = b"", exif_data: bytes = b"") -> bytes:
    """Build an animated WebP with frames of one pixel each on a canvas of any size."""
    still = encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    flags = 0x02 | 0x20 * bool(profile) | 0x08 * bool(exif_data)
    place = three_bytes(0) * 4 + three_bytes(10) + b"\0"
    return riff(
        riff_chunk(b"VP8X", struct.pack("<I", flags) + three_bytes(width - 1) + three_bytes(height - 1)),
        riff_chunk(b"ICCP", profile) if profile else b"",
        riff_chunk(b"ANIM", bytes(6)),
        riff_chunk(b"ANMF", place + still) * frames,
        riff_chunk(b"EXIF", exif_data) if exif_data else b"",
    )


def webp_header(width: int, height: int) -> bytes:
    """Have a lossless WebP tell other sides than it has; 14 bits each."""
    body = bytearray(encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True))
    start = body.index(b"\x2f", 20) + 1
    body[start : start + 4] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(body)


# TIFF: revision 6.0


def tiff(tags: dict[int, tuple[int, int, int]], data: bytes = b"", *, following: int = 0) -> bytes:
    """Build a TIFF of one directory: number to (type, count, value or offset); ``data`` begins at byte 8."""
    entries = b"".join(struct.pack("<HHII", number, *entry) for number, entry in sorted(tags.items()))
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory


def grey_tiff(width: int, height: int, *, compression: int = 1, **changed: tuple[int, int, int]) -> dict[int, Any]:
    """Return the tags of a grey picture in one strip; further tags by ``tNUMBER``."""
    tags = {
        256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, compression), 262: (3, 1, 1),
        273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, width * height % 2**32),
    }  # fmt: skip
    return tags | {int(name[1:]): entry for name, entry in changed.items()}


def huge_tile(side: int) -> bytes:
    """A picture of 16 x 16 in one tile of ``side`` x ``side``."""
    packed = zeros(side * side)
    tags = grey_tiff(16, 16, compression=8, t322=(4, 1, side), t323=(4, 1, side), t324=(4, 1, 8))
    tags |= {325: (4, 1, len(packed))}
    return tiff({number: entry for number, entry in tags.items() if number not in (273, 278, 279)}, packed)


def huge_strip(rows: int) -> bytes:
    """A picture of 16 rows in a strip of many more."""
    packed = zeros(16 * rows)
    return tiff(grey_tiff(16, 16, compression=8, t278=(4, 1, rows), t279=(4, 1, len(packed))), packed)


def many_directories(count: int) -> bytes:
    """Chain empty directories behind a sound one."""
    sound = grey_tiff(8, 8)
    first = 8 + 64
    more = first + 2 + 12 * len(sound) + 4
    chain = b"".join(struct.pack("<HI", 0, more + 6 * (number + 1)) for number in range(count - 1))
    return tiff(sound, bytes(64), following=more) + chain + struct.pack("<HI", 0, 0)


# BMP


def bmp(width: int, height: int, *, bits: int = 24, compression: int = 0, data: bytes = b"") -> bytes:
    palette = bytes(4 * 256) if bits == 8 else b""
    start = 54 + len(palette)
    head = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start)
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    return head + info + palette + data


# EXIF, which is a TIFF inside


def exif(*entries: bytes, following: int = 0) -> bytes:
    """Build EXIF of raw entries of 12 bytes, big-endian; its first directory is at byte 8."""
    directory = struct.pack(">H", len(entries)) + b"".join(entries) + struct.pack(">I", following)
    return b"Exif\0\0MM\0*" + struct.pack(">I", 8) + directory


def exif_entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack(">HHI", tag, kind, count) + value.ljust(4, b"\0")


def with_exif(data: bytes) -> bytes:
    return after_start(jpeg(64, 48), [segment(0xE1, data)])


def many_entries(data_bytes: int) -> bytes:
    """EXIF in which every entry is as large as all of it."""
    count = data_bytes // 12
    size = struct.pack(">I", 8)
    return exif(*(exif_entry(1000 + number, 7, data_bytes - 100, size) for number in range(min(count, 60_000))))


EXIFS = {
    "next directory is itself": exif(exif_entry(0x0112, 3, 1, b"\0\6"), following=8),
    "exif directory is itself": exif(exif_entry(0x8769, 4, 1, struct.pack(">I", 8))),
    "huge count": exif(exif_entry(0x0112, 3, 2**32 - 1, struct.pack(">I", 8))),
    "offset outside": exif(exif_entry(0x0112, 3, 9, struct.pack(">I", 2**31))),
    "orientation as text": exif(exif_entry(0x0112, 2, 2, b"6")),
    "orientation as bytes": exif(exif_entry(0x0112, 7, 4, b"6666")),
    "two orientations": exif(exif_entry(0x0112, 3, 2, b"\0\6\0\6")),
    "no orientation": exif(exif_entry(0x0112, 3, 0, b"\0\6")),
    "orientation 0": exif(exif_entry(0x0112, 3, 1, b"\0\0")),
    "orientation 65535": exif(exif_entry(0x0112, 3, 1, b"\xff\xff")),
    "orientation by zero": exif(exif_entry(0x0112, 5, 1, struct.pack(">I", 26))) + bytes(16),
    "unknown type": exif(exif_entry(0x0112, 99, 1, b"\0\6")),
    "more entries than bytes": b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + exif_entry(0x0112, 3, 1, b"\0\6"),
    "first directory outside": b"Exif\0\0MM\0*\xff\xff\xff\xff",
    "no byte order": b"Exif\0\0XX\0*\0\0\0\x08",
    "nothing": b"Exif\0\0",
    "entries over each other": many_entries(65_000),
}

# ICC

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def with_icc(profile: bytes) -> bytes:
    return jpeg(64, 48, icc_profile=profile)


ICCS = {
    "noise": random.Random(1).randbytes(3000),
    "truncated": SRGB[: len(SRGB) // 2],
    "header alone": SRGB[:128],
    "for CMYK": SRGB[:16] + b"CMYK" + SRGB[20:],
    "for grey": SRGB[:16] + b"GRAY" + SRGB[20:],
    "for LAB": ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    "of a link": SRGB[:12] + b"link" + SRGB[16:],
    "a million tags": SRGB[:128] + struct.pack(">I", 1_000_000) + SRGB[132:],
    "tags outside": SRGB[:128] + struct.pack(">I", 3) + (b"rTRC" + b"\x7f\xff\xff\xf0" * 2) * 3 + SRGB[168:],
    "a megabyte": SRGB[:128] + bytes(1_000_000),
}


def iccp(profile: bytes) -> bytes:
    return png_chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile, 1))


def text_bomb(kind: bytes, unpacked: int, count: int = 1) -> list[bytes]:
    """PNG text chunks that unpack to ``unpacked`` bytes each."""
    between = {b"zTXt": b"\0\0", b"iTXt": b"\0\1\0\0\0"}[kind]
    packed = zeros(unpacked)
    return [png_chunk(kind, b"k%d" % number + between + packed) for number in range(count)]


def saved(format_: str, mode: str = "RGB", size: tuple[int, int] = (64, 64), **settings: Any) -> bytes:
    body = BytesIO()
    Image.new(mode, size).save(body, format_, **settings)
    return body.getvalue()


def avif_of_size(width: int, height: int) -> bytes:
    """Have an AVIF's ``ispe`` box tell other sides than its picture has."""
    body = encoded(Image.new("RGB", (64, 64)), "AVIF")
    box = body.index(b"ispe") + 8
    return body[:box] + struct.pack(">II", width, height) + body[box + 8 :]
