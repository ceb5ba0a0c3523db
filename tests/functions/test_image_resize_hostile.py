"""image-resize over hostile files: each a record that says why, within memory and time, its neighbours unharmed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from functions.image_resize.operation import OPERATION
from itemkit import Item
from itemkit.batch import Task, run_batch
from itemkit.destination import Destination
from itemkit.record import Record, Status
from sample_data.draw_images import encoded
from tests.functions import hostile_pictures as hostile
from tests.functions.hostile_pictures import LONGEST, Maker, png, png_chunk, segment
from tests.functions.pictures import quarters
from tests.memory_store import MemoryStore

# Muted by the operation's own import; pytest starts every test with filters of its own.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

# CPU time of one item.
MOST_SECONDS = 20
ROOT = Path(__file__).parents[2]
NEIGHBOUR = encoded(quarters(), "JPEG")

UNREADABLE, UNSUPPORTED, TOO_LARGE = "UnreadableImage", "UnsupportedImage", "ImageTooLarge"
MANY = "more pieces than any picture needs"
MANY_FRAMES = "more frames than can be kept"
PIXELS = "too many pixels for the function's memory"
DAMAGED = "is damaged"

# Files that would take gigabytes or minutes if they were believed: what refuses them, and in which words.
# ``None``: they are resized.
BOMBS: dict[str, tuple[Maker, tuple[str, str] | None]] = {
    "png-169-megapixels": (lambda: png(13_000, 13_000, raw_bytes=13_000 * 39_001), (TOO_LARGE, PIXELS)),
    "png-interlaced": (lambda: png(20_000, 20_000, colour=0, depth=1, interlaced=True, raw_bytes=50_100_000),
                       (TOO_LARGE, PIXELS)),
    "png-longest": (lambda: png(LONGEST, LONGEST), (TOO_LARGE, PIXELS)),
    "png-2-gigapixels-a-side": (lambda: png(2**31 - 1, 2**31 - 1), (TOO_LARGE, PIXELS)),
    "png-ztxt": (lambda: png(8, 8, raw_bytes=200, chunks=hostile.text_bomb(b"zTXt", 100_000_000)),
                 (UNREADABLE, "too large")),
    "png-itxt": (lambda: png(8, 8, raw_bytes=200, chunks=hostile.text_bomb(b"iTXt", 100_000_000)),
                 (UNREADABLE, "too large")),
    "png-many-texts": (lambda: png(8, 8, raw_bytes=200, chunks=hostile.text_bomb(b"zTXt", 1_000_000, 100)),
                       (UNREADABLE, DAMAGED)),
    "png-profile": (lambda: png(8, 8, raw_bytes=200, chunks=[hostile.iccp(bytes(200_000_000))]),
                    (UNREADABLE, "too large")),
    "png-chunks": (lambda: png(8, 8, raw_bytes=200, chunks=[png_chunk(b"prVt", b"")] * 400_000), (UNREADABLE, MANY)),
    "png-texts-of-nothing": (lambda: png(8, 8, raw_bytes=200, chunks=[png_chunk(b"tEXt", b"%d\0" % number)
                                                                      for number in range(300_000)]),
                             (UNREADABLE, MANY)),
    "png-exif": (lambda: png(8, 8, raw_bytes=200, chunks=[png_chunk(b"eXIf", hostile.many_entries(700_000)[6:])]),
                 None),
    "apng-frames": (lambda: hostile.apng(64, 64, hostile.FRAMES), None),
    "jpeg-longest": (lambda: hostile.jpeg_of_size(hostile.jpeg(), LONGEST, LONGEST), (TOO_LARGE, PIXELS)),
    "jpeg-comments": (lambda: hostile.after_start(hostile.jpeg(), [segment(0xFE, b"")] * 1_000_000),
                      (UNREADABLE, MANY)),
    "jpeg-markers": (lambda: hostile.after_start(hostile.jpeg(), [segment(0xEB, b"")] * 1_000_000),
                     (UNREADABLE, MANY)),
    "jpeg-exif-segments": (lambda: hostile.after_start(hostile.jpeg(),
                                                       [segment(0xE1, b"Exif\0\0" + bytes(60_000))] * 100),
                           (UNREADABLE, MANY)),
    "jpeg-scans": (lambda: hostile.many_scans(4000, 4000, 1500), (UNREADABLE, "passes over its pixels")),
    "jpeg-restarts": (lambda: hostile.restarts(2_000_000), None),
    "jpeg-mpf": (lambda: hostile.after_start(hostile.jpeg(),
                                             [segment(0xE2, b"MPF\0" + hostile.many_entries(65_000)[6:])]), None),
    "gif-longest": (lambda: hostile.gif(LONGEST, LONGEST, 1), (TOO_LARGE, PIXELS)),
    "gif-frames": (lambda: hostile.gif(512, 512, hostile.FRAMES), (TOO_LARGE, MANY_FRAMES)),
    "gif-large-canvas": (lambda: hostile.gif(1500, 1500, hostile.FRAMES), (TOO_LARGE, MANY_FRAMES)),
    "gif-tiny-frames": (lambda: hostile.gif(1, 1, 100_000), (TOO_LARGE, MANY_FRAMES)),
    "gif-comment": (lambda: hostile.gif(8, 8, 1, extensions=hostile.gif_comment(40_000)), None),
    "webp-longest": (lambda: hostile.webp_header(16_384, 16_384), (TOO_LARGE, PIXELS)),
    "webp-longest-canvas": (lambda: hostile.webp(16_384, 16_384, 2), (TOO_LARGE, PIXELS)),
    "webp-frames": (lambda: hostile.webp(512, 512, hostile.FRAMES), (TOO_LARGE, MANY_FRAMES)),
    "webp-tiny-frames": (lambda: hostile.webp(1, 1, 100_000), (TOO_LARGE, MANY_FRAMES)),
    "avif-longest": (lambda: hostile.avif_of_size(16_000, 16_000), (TOO_LARGE, PIXELS)),
    "avif-larger-still": (lambda: hostile.avif_of_size(LONGEST, LONGEST), (UNREADABLE, "is damaged in its header")),
    "tiff-longest": (lambda: hostile.tiff(hostile.grey_tiff(2**31 - 1, 2**31 - 1)), (TOO_LARGE, PIXELS)),
    "tiff-tile": (lambda: hostile.huge_tile(16_000), (TOO_LARGE, PIXELS)),
    "tiff-strip": (lambda: hostile.huge_strip(20_000_000), None),
    "tiff-directories": (lambda: hostile.many_directories(100_000), None),
    "tiff-tags": (lambda: hostile.tiff(hostile.grey_tiff(8, 8) | dict.fromkeys(range(1000, 9000), (7, 2_000_000, 8)),
                                       bytes(2_000_000)), None),
    "bmp-longest": (lambda: hostile.bmp(2**31 - 1, 2**31 - 1), (TOO_LARGE, PIXELS)),
    "bmp-run-length": (lambda: hostile.bmp(6_000_000, 1, bits=8, compression=1, data=b"\0\2\xff\xff" * 10), None),
}  # fmt: skip

# Damaged or mistaken, and small: see ``expected`` of each below.
OTHER_KINDS = {
    "html": b"<!DOCTYPE html><html><body>404</body></html>",
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "zip": b"PK\x03\x04" + bytes(26),
    "mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(60),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n9 9 scale showpage\n",
    "ps": b"%!PS\n9 9 scale showpage\n",
    "psd": b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x08\0\0\0\x08\0\x08\0\3" + bytes(200),
    "text": b"not an image\n",
    "zeros": bytes(1000),
    **{name: hostile.saved(name) for name in ("ICO", "PPM", "TGA", "PCX", "SGI", "DDS", "JPEG2000", "QOI", "EPS")},
    "PDF": hostile.saved("PDF"),
    **{name: hostile.saved(name, "1") for name in ("MSP", "XBM")},
    "ICNS": hostile.saved("ICNS", size=(128, 128)),
}  # fmt: skip
HEIC = {
    brand: b"\0\0\0\x18ftyp" + brand.encode() + b"\0\0\0\0mif1heic" + bytes(100) for brand in ("heic", "heix", "mif1")
}
EXTREME = {
    f"{format_} of {width} x {height}": encoded(Image.new("L", (width, height)), format_)
    for format_ in ("PNG", "JPEG", "GIF", "BMP", "TIFF")
    for width, height in ((1, 65_500), (65_500, 1))
}
DIRECTORY_OF_ITSELF = hostile.tiff(hostile.grey_tiff(8, 8), bytes(64), following=8 + 64)
BROKEN_TIFFS = {
    "strip outside": hostile.tiff(hostile.grey_tiff(8, 8, t273=(4, 1, 2**31))),
    "strip past the end": hostile.tiff(hostile.grey_tiff(8, 8, t273=(4, 1, 9_000)), bytes(64)),
    "packed strip outside": hostile.tiff(hostile.grey_tiff(8, 8, compression=8, t273=(4, 1, 2**31))),
    "packed strip of 4 GB": hostile.tiff(hostile.grey_tiff(8, 8, compression=8, t279=(4, 1, 2**32 - 1)), bytes(64)),
    "no strips": hostile.tiff({number: entry for number, entry in hostile.grey_tiff(8, 8).items() if number != 273}),
    "65,535 samples": hostile.tiff(hostile.grey_tiff(8, 8, t277=(3, 1, 65_535)), bytes(64)),
    "65,535 bits": hostile.tiff(hostile.grey_tiff(8, 8, t258=(3, 1, 65_535)), bytes(64)),
    "side 0": hostile.tiff(hostile.grey_tiff(0, 8), bytes(64)),
    "sides as text": hostile.tiff(hostile.grey_tiff(8, 8, t256=(2, 2, 56)), bytes(64)),
    "unknown compression": hostile.tiff(hostile.grey_tiff(8, 8, compression=60_000), bytes(64)),
    "directory outside": b"II*\0\xff\xff\xff\x7f",
}
WHOLE = {
    **{format_: encoded(quarters((200, 150)), format_) for format_ in ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "BMP")},
    "TIFF": encoded(quarters((200, 150)), "TIFF", compression="tiff_lzw"),
    "progressive JPEG": encoded(quarters((200, 150)), "JPEG", progressive=True),
}


def run(bodies: dict[str, bytes]) -> tuple[dict[str, Record], MemoryStore]:
    """Run files as one batch, a sound neighbour before and behind each."""
    sound = {f"{number}-neighbour.jpg": NEIGHBOUR for number in range(len(bodies) + 1)}
    order = [name for pair in zip(sound, bodies, strict=False) for name in pair] + list(sound)[-1:]
    objects = sound | bodies
    store = MemoryStore({f"s3://photos/{name}": objects[name] for name in order})
    task = Task(OPERATION, OPERATION.parse({"width": 64}), Destination("s3://out/"))
    records = run_batch([Item(f"s3://photos/{name}", name) for name in order], task, store)
    by_name = dict(zip(order, records, strict=True))
    assert {by_name[name].status for name in sound} == {Status.SUCCEEDED}
    assert len({store.objects[f"s3://out/{name}"].body for name in sound}) == 1
    return {name: by_name[name] for name in bodies}, store


def told(record: Record) -> tuple[str, str] | None:
    """Return the type and message of a failure, which is one of the operation's own and names its object."""
    if record.failure is None:
        return None
    assert record.failure.type in (UNREADABLE, UNSUPPORTED, TOO_LARGE), record.failure
    assert record.failure.message.startswith(f"{record.uri} ")
    assert not record.failure.retryable
    return record.failure.type, record.failure.message


def types(bodies: dict[str, bytes]) -> dict[str, str]:
    """Return what became of each file: the type of its failure, or ``resized``."""
    return {name: (told(record) or ("resized",))[0] for name, record in run(bodies)[0].items()}


@pytest.mark.parametrize(
    "megabytes", [pytest.param(512, marks=pytest.mark.e2e), pytest.param(1769, marks=pytest.mark.slow)]
)
def test_bombs_are_bounded(megabytes: int, tmp_path: Path):
    for name, (make, _) in BOMBS.items():
        (tmp_path / name).write_bytes(make())
        (tmp_path / f"{name}-neighbour.jpg").write_bytes(NEIGHBOUR)

    outcome = run_bounded(megabytes, tmp_path)
    records = {record.uri.rpartition("/")[2]: record for record in map(Record.from_json, outcome["records"])}

    assert {name: record.failure for name, record in records.items() if name not in BOMBS and record.failure} == {}
    assert {name: told(records[name]) for name, (_, why) in BOMBS.items() if not is_told(records[name], why)} == {}
    assert {name: taken for name, taken in outcome["seconds"].items() if taken > MOST_SECONDS} == {}
    assert outcome["peak"] < megabytes


def is_told(record: Record, expected: tuple[str, str] | None) -> bool:
    """Tell whether a record fails with this type and these words, or is resized where none are expected."""
    actual = told(record)
    if expected is None or actual is None:
        return actual is expected
    return actual[0] == expected[0] and expected[1] in actual[1]


def run_bounded(megabytes: int, folder: Path) -> Any:
    """Run a folder as a function of so much memory; return what ``bounded_batch`` prints."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc to measure memory")
    command = [sys.executable, "-m", "tests.functions.bounded_batch", str(megabytes), str(folder)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr[-1000:]
    # Log lines cost money, and these files make Pillow warn thousands of times.
    assert "Warning" not in ran.stderr
    return json.loads(ran.stdout)


def test_other_kinds_of_files_are_told_by_how_they_begin(monkeypatch):
    def started(*_: Any, **__: Any) -> None:
        raise AssertionError("a program was started, such as ghostscript")

    monkeypatch.setattr(subprocess, "Popen", started)
    records, _ = run(OTHER_KINDS)

    assert {name: told(record)[0] for name, record in records.items()} == dict.fromkeys(OTHER_KINDS, UNREADABLE)
    for name, body in OTHER_KINDS.items():
        assert f"it begins with {body[:16]!r}; correct it or exclude it with 'select'" in records[name].failure.message


def test_heic_is_refused_by_name():
    records, _ = run(HEIC)

    assert {name: told(record)[0] for name, record in records.items()} == dict.fromkeys(HEIC, UNSUPPORTED)
    assert {"is HEIC, which is not read here: convert it to JPEG or AVIF first" in record.failure.message
            for record in records.values()} == {True}  # fmt: skip


def test_an_empty_file_is_told():
    record = run({"empty": b""})[0]["empty"]

    assert told(record) == (
        UNREADABLE, "s3://photos/empty is empty: upload it again, or exclude it with 'select': min_bytes 1"
    )  # fmt: skip


@pytest.mark.parametrize("format_", WHOLE)
def test_truncated_anywhere_it_is_refused(format_: str):
    """Up to the last bytes: check sums and end marks behind the last pixel may be missing."""
    body = WHOLE[format_]
    last = min(len(body) * 98 // 100, len(body) - 64)
    cuts = sorted({*range(1, min(64, last)), *range(64, last, max(1, last // 100))})

    assert types({str(cut): body[:cut] for cut in cuts}) == dict.fromkeys(map(str, cuts), UNREADABLE)


@pytest.mark.parametrize("format_", WHOLE)
def test_garbage_behind_it_does_no_harm(format_: str):
    assert types({"zeros": WHOLE[format_] + bytes(5000), "another": WHOLE[format_] + NEIGHBOUR}) == {
        "zeros": "resized", "another": "resized"
    }  # fmt: skip


@pytest.mark.parametrize("kind", hostile.EXIFS)
def test_corrupt_exif_leaves_the_picture(kind: str):
    body = hostile.EXIFS[kind]
    files = {
        "jpeg": hostile.with_exif(body),
        "png": png(8, 8, raw_bytes=200, chunks=[png_chunk(b"eXIf", body[6:])]),
        "webp": hostile.webp(8, 8, 1, exif_data=body),
    }

    assert types(files) == dict.fromkeys(files, "resized")


@pytest.mark.parametrize("kind", hostile.ICCS)
def test_a_corrupt_profile_leaves_the_picture_and_a_note(kind: str):
    profile = hostile.ICCS[kind]
    files = {
        "jpeg": hostile.with_icc(profile),
        "png": png(8, 8, raw_bytes=200, chunks=[hostile.iccp(profile)]),
        "webp": hostile.webp(8, 8, 1, profile=profile),
    }

    records, _ = run(files)

    assert {name: told(record) for name, record in records.items()} == dict.fromkeys(files)
    assert {name: len(record.facts.get("notes", ())) for name, record in records.items()} == dict.fromkeys(files, 1)


@pytest.mark.parametrize("kind", BROKEN_TIFFS)
def test_a_broken_tiff_is_refused(kind: str):
    assert types({"a.tif": BROKEN_TIFFS[kind]}) == {"a.tif": UNREADABLE}


def test_a_directory_that_follows_itself_is_read_once():
    record = run({"a.tif": DIRECTORY_OF_ITSELF})[0]["a.tif"]

    assert (told(record), record.facts.get("frames")) == (None, None)


def test_the_longest_sides_are_resized():
    records, _ = run(EXTREME)

    assert {name: told(record) for name, record in records.items()} == dict.fromkeys(EXTREME)
    sides = {name: (record.facts["source_width"], record.facts["source_height"]) for name, record in records.items()}
    assert sides == {name: (1, 65_500) if "of 1 x" in name else (65_500, 1) for name in EXTREME}


def test_an_mpo_whose_further_pictures_are_nowhere_is_its_first():
    pair = encoded(quarters(), "MPO", save_all=True, append_images=[quarters()])
    index = pair.index(b"MPF\0") + 4
    broken = pair[:index] + pair[index:].replace(b"\xff\xd8", b"\0\0")[: len(pair)]

    assert types({"cut": pair[: pair.rindex(b"\xff\xd8\xff")], "elsewhere": broken}) == {
        "cut": "resized", "elsewhere": "resized"
    }  # fmt: skip


def test_a_picture_shown_longer_than_a_gif_can_say_is_refused() -> None:
    """Two equal frames of 600 seconds become one, of more hundredths of a second than 16 bits hold."""
    body = hostile.gif(8, 8, 2).replace(b"\x21\xf9\x04\x04\x01\x00", b"\x21\xf9\x04\x04\x60\xea")
    store = MemoryStore({"s3://photos/slow.gif": body})

    [record] = run_batch(
        [Item("s3://photos/slow.gif", "slow.gif")], Task(OPERATION, OPERATION.parse({}), Destination("s3://o/")), store
    )

    assert record.failure
    assert (record.failure.type, "'format': 'webp'" in record.failure.message) == (UNSUPPORTED, True)
