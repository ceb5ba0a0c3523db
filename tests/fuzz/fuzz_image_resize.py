"""Fuzz image-resize: whatever the bytes, they are resized or refused by one of its own errors.

``python -m tests.fuzz.fuzz_image_resize --seconds 60``
"""

from __future__ import annotations

import random
import warnings
from io import BytesIO
from typing import Any

from PIL import Image

from functions.image_resize.operation import image_resize
from itemkit import Item, PermanentError
from itemkit.errors import OperationFailed
from itemkit.record import LONGEST_MESSAGE
from sample_data.draw_images import encoded
from tests.functions import hostile_pictures as hostile
from tests.functions.pictures import SAMPLES, quarters
from tests.fuzz.campaign import Target, main

MEGABYTE = 1024 * 1024
# Small, so that what it should refuse takes little of the machine.
MEMORY = 512
OPERATION = image_resize(MEMORY)
ITEM = Item("s3://photos/a.jpg", "a.jpg")
_GIVEN: tuple[dict[str, Any], ...] = (
    {},
    {"width": 20},
    {"widths": [60, 20]},
    {"width": 30, "height": 30, "fit": "cover"},
    {"width": 30, "height": 30, "fit": "contain", "format": "png"},
    {"width": 40, "height": 10, "fit": "fill", "enlarge": True, "format": "webp"},
    {"width": 16, "format": "jpeg"},
    {"width": 16, "format": "avif"},
    {"width": 20, "metadata": "all"},
    {"width": 20, "metadata": "copyright", "format": "png", "best": True},
    {"width": 20, "metadata": "all", "format": "webp", "animation": "poster"},
)
OPTIONS = [OPERATION.parse(given) for given in _GIVEN]
# Larger files are slow and break in the same places.
LARGEST_SAMPLE = 64 * 1024
MODES = {
    "JPEG": ("L", "RGB", "CMYK"),
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "GIF": ("L", "P", "RGBA"),
    "AVIF": ("L", "RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
}
TIFF_COMPRESSIONS = ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits", "tiff_ccitt", "group4", "zstd", "lzma")


def samples() -> dict[str, bytes]:
    """Return sound pictures of every format that is read, most of them small."""
    files = {path.name: path.read_bytes() for path in SAMPLES.rglob("*.*")}
    drawn = quarters((72, 54))
    made = {f"{format_}-{mode}": encoded(drawn.convert(mode), format_) for format_, modes in MODES.items()
            for mode in modes}  # fmt: skip
    for name in TIFF_COMPRESSIONS:
        bits = name in ("tiff_ccitt", "group4")
        made[f"TIFF-{name}"] = encoded(drawn.convert("1") if bits else drawn, "TIFF", compression=name)
    made |= {
        "JPEG-progressive": encoded(drawn, "JPEG", progressive=True),
        "JPEG-with-all": encoded(drawn, "JPEG", exif=hostile.EXIFS["two orientations"], icc_profile=hostile.SRGB),
        "MPO": animated("MPO"),
        "PNG-with-all": encoded(drawn, "PNG", exif=hostile.EXIFS["orientation by zero"], icc_profile=hostile.SRGB),
        "PNG-interlaced": hostile.png(16, 16, interlaced=True, raw_bytes=1000),
        "GIF-equal": hostile.gif(16, 16, 30),
        "TIFF-pages": animated("TIFF"),
        "TIFF-directories": hostile.many_directories(20),
        "BMP-rle": hostile.bmp(16, 16, bits=8, compression=1, data=b"\x04\x05\x00\x02\x03\x03\x08\x01\x00\x01"),
        **{f"{name}-animated": animated(name) for name in ("GIF", "WEBP", "PNG", "AVIF")},
    }
    return made | {name: body for name, body in files.items() if len(body) <= LARGEST_SAMPLE}


def animated(format_: str) -> bytes:
    """Return four frames of one picture turned round."""
    first, *rest = [quarters((36, 36)).rotate(90 * turn) for turn in range(4)]
    return encoded(first, format_, save_all=True, append_images=rest)


def check(body: bytes, rnd: random.Random) -> None:
    """Resize with options by chance; the outputs can be read, or the refusal tells which object it is about."""
    options = rnd.choice(OPTIONS)
    with warnings.catch_warnings(action="ignore"):
        try:
            result = OPERATION.process(ITEM, body, options)
        except OperationFailed:
            raise
        except PermanentError as error:
            message = str(error)
            assert message.startswith(f"{ITEM.uri} "), message
            assert len(message) <= LONGEST_MESSAGE, f"{len(message)} characters: {message}"
            return
    assert len(result.outputs) == len(OPERATION.names(ITEM.name, options))
    for output in result.outputs:
        Image.open(BytesIO(output.body)).load()


TARGET = Target("image_resize", samples(), check, most_seconds=10, most_bytes=MEMORY * MEGABYTE)

if __name__ == "__main__":
    raise SystemExit(main(TARGET))
