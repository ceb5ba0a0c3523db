"""Resizes as it is asked to on standard input, a JSON line a job, and answers with the CPU time it took.

Run as ``pillow_side.py ours``, ``naive`` or ``thumbnail``.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
Resize = Callable[[bytes, Sequence[int], str], list[bytes]]


def ours() -> Resize:
    """Return our side: one job for all widths, through the public operation."""
    sys.path.insert(0, str(ROOT))
    from functions.image_resize.operation import OPERATION  # noqa: PLC0415 - the peers do without
    from itemkit import Item  # noqa: PLC0415

    def resize(body: bytes, widths: Sequence[int], format_: str) -> list[bytes]:
        options = OPERATION.parse({"widths": list(widths), "format": format_, "quality": 80})
        made = OPERATION.process(Item("s3://bench/picture", "picture"), body, options)
        return [output.body for output in made.outputs]

    return resize


def naive() -> Resize:
    """Return the peer every tutorial has: open, resize, save, for each width."""

    def one(body: bytes, width: int, format_: str) -> bytes:
        image = Image.open(BytesIO(body))
        return _saved(image.resize((width, round(width * image.height / image.width))), format_)

    return lambda body, widths, format_: [one(body, width, format_) for width in widths]


def thumbnail() -> Resize:
    """Return the peer of those who know Pillow: ``Image.thumbnail``, for each width."""

    def one(body: bytes, width: int, format_: str) -> bytes:
        image = Image.open(BytesIO(body))
        image.thumbnail((width, width))
        return _saved(image, format_)

    return lambda body, widths, format_: [one(body, width, format_) for width in widths]


def _saved(image: Image.Image, format_: str) -> bytes:
    body = BytesIO()
    image.save(body, format_, quality=80)
    return body.getvalue()


def _serve(resize: Resize) -> None:
    """Do the jobs of standard input until it ends."""
    read = functools.cache(lambda path: Path(path).read_bytes())
    for line in sys.stdin:
        job = json.loads(line)
        body = read(job["path"])
        before = time.process_time()
        made = resize(body, job["widths"], job["format"])
        milliseconds = 1000 * (time.process_time() - before)
        for output, content in zip(job["outputs"], made, strict=False):
            Path(output).write_bytes(content)
        print(json.dumps({"milliseconds": milliseconds, "bytes": sum(map(len, made))}), flush=True)


if __name__ == "__main__":
    _serve({"ours": ours, "naive": naive, "thumbnail": thumbnail}[sys.argv[1]]())
