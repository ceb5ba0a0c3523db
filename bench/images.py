"""How fast image-resize is, and how good its pictures are: against tutorial Pillow, ``Image.thumbnail`` and sharp.

Each side is a process of its own and all of them have one and the same core; they take turns, and figures are medians
of the CPU time from the bytes of the file to the bytes of the outputs, a picture. sharp is installed by npm into a
throw-away folder and runs with one thread and no cache. Pictures are compared by SSIM (see ``similarity``) with the
source decoded in full and resampled by Lanczos in floats. The batch row is of wall time, with a store that waits.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any

from peers.emulator import CannotRun
from peers.resizer import SHARP, Resizer
from PIL import Image, features
from rows import Row, Target, arguments, facts, finish, interleave, rows_table, spread
from scenes import SCENES, Size, encoded
from similarity import luma, reference, ssim

BATCH_SIDE = Path(__file__).with_name("peers") / "batch_side.py"
SEVERAL_KINDS = {"4:4:4": "jpg", "progressive": "jpg", "PNG": "png", "WebP": "webp"}
PEERS = {"naive": "Pillow open + resize + save", "thumbnail": "Image.thumbnail", "sharp": SHARP}


@dataclass(frozen=True)
class Sizes:
    """How large the pictures are and how often each job is measured.

    Attributes:
        large, small: pixels of the pictures, 12 and 2 megapixels.
        widths: of the outputs, in pixels, the largest first.
        rounds: of each job on each side.
        items: of the batch.
        batches: runs of the batch on each side.
    """

    large: Size = (4000, 3000)
    small: Size = (1632, 1224)
    widths: tuple[int, int, int] = (1024, 512, 256)
    rounds: int = 15
    items: int = 96
    batches: int = 5

    def scaled(self, factor: float) -> Sizes:
        """Return smaller pictures, measured once."""
        large, small, widths = (
            tuple(round(side * factor) for side in sides) for sides in (self.large, self.small, self.widths)
        )
        return Sizes(large, small, widths, rounds=1, items=6, batches=1)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Corpus:
    """The files: JPEG 4:2:0 of all scenes in both sizes, and one scene in other kinds of file."""

    large: Sequence[Path]
    small: Sequence[Path]
    kinds: Mapping[str, Path]

    @classmethod
    def write(cls, sizes: Sizes, folder: Path) -> Corpus:
        """Draw and encode all of them into a folder."""
        large, small, kinds = [], [], {}
        for scene in SCENES:
            picture = scene.draw(sizes.large)
            less = picture.resize(sizes.small, Image.Resampling.LANCZOS)
            large.append(_jpeg(picture, folder / f"{scene.name}.jpg"))
            small.append(_jpeg(less, folder / f"{scene.name}-small.jpg"))
            if scene.name == "town":
                kinds = _other_kinds(picture, folder)
        return cls(large, small, kinds)

    def __str__(self) -> str:
        """Return the sizes of the files in words."""
        files = [*self.large, *self.small, *self.kinds.values()]
        return ", ".join(f"{file.name} {file.stat().st_size / 1e6:.2f} MB" for file in files)


class Contest:
    """All sides, running, and what they came to so far."""

    def __init__(self, sides: Mapping[str, Resizer], missing: Mapping[str, str], folder: Path, rounds: int) -> None:
        self._sides, self._missing, self._folder, self._rounds = sides, missing, folder, rounds
        self._took: dict[tuple[Path, tuple[int, ...]], dict[str, list[float]]] = {}

    def compare(self, what: str, paths: Sequence[Path], widths: tuple[int, ...], targets: Targets) -> Iterator[Row]:
        """Yield a row for each peer in ``targets``: CPU time of ours and the peer, the mean over the pictures."""
        took = [self._measure(path, widths) for path in paths]
        ours = mean(median(each["ours"]) for each in took)
        for side, target in targets.items():
            row = f"{what} against {side}"
            if side in self._missing:
                yield Row(row, "CPU ms", ours, None, PEERS[side], target, f"SKIPPED: {self._missing[side]}")
                continue
            peer = mean(median(each[side]) for each in took)
            ratios = ", ".join(f"{median(each[side]) / median(each['ours']):.2f}" for each in took)
            noise = ", ".join(f"{name} {max(_noise(each[name]) for each in took):.1%}" for name in ("ours", side))
            note = f"{ratios} times as fast; quartiles apart by at most {noise}"
            yield Row(row, "CPU ms", ours, peer, PEERS[side], target, note)

    def pictures(self, what: str, paths: Sequence[Path], width: int, format_: str, target: Target | None) -> Row:
        """Return the row that compares the pictures of ours and sharp with what they should be."""
        if "sharp" in self._missing:
            found = [self._picture("ours", path, width, format_)[0] for path in paths]
            return Row(what, "SSIM", mean(found), None, SHARP, target, f"SKIPPED: {self._missing['sharp']}")
        both = [[self._picture(side, path, width, format_) for side in ("ours", "sharp")] for path in paths]
        (ours, our_bytes), (peer, peer_bytes) = (
            [mean(values) for values in zip(*side, strict=True)] for side in zip(*both, strict=True)
        )
        scenes = ", ".join(f"{one[0]:.5f} and {other[0]:.5f}" for one, other in both)
        note = f"ours {ours:.5f} in {our_bytes / 1000:.1f} kB, sharp {peer:.5f} in {peer_bytes / 1000:.1f} kB; {scenes}"
        return Row(what, "SSIM", ours, peer, SHARP, target, note)

    def _measure(self, path: Path, widths: tuple[int, ...]) -> dict[str, list[float]]:
        """Return the milliseconds of all sides, measured in turn after a first round that is not counted."""
        if (path, widths) not in self._took:
            runs = {
                name: functools.partial(lambda side: side.make(path, widths).milliseconds, side)
                for name, side in self._sides.items()
            }
            interleave(runs, 1)
            self._took[path, widths] = interleave(runs, self._rounds)
        return self._took[path, widths]

    def _picture(self, side: str, path: Path, width: int, format_: str) -> tuple[float, int]:
        """Return the SSIM of a side's output, and its bytes."""
        output = self._folder / f"output.{format_}"
        made = self._sides[side].make(path, [width], format_, [output])
        shown = luma(output)
        return ssim(_reference(path, shown.size), shown), made.bytes


Targets = Mapping[str, Target | None]


def main() -> int:
    """Run what the command line asks for."""
    parser = arguments(__doc__)
    parser.add_argument("--scale", type=float, default=None, help="multiply all sizes with this, run each case once")
    options = parser.parse_args()
    sizes = Sizes().scaled(options.scale) if options.scale else Sizes(rounds=2, batches=1) if options.quick else Sizes()
    about = facts(("fanfold", "pillow")) | {"libjpeg-turbo": features.version_feature("libjpeg_turbo")}
    if hasattr(os, "sched_setaffinity"):  # inherited by every side
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="fanfold-images-", ignore_cleanup_errors=True) as name:
        corpus = Corpus.write(sizes, Path(name))
        rows = [*resizing(sizes, corpus, Path(name)), *batch(sizes, corpus)]
        about["files"] = str(corpus)
    print(rows_table(rows))
    return finish(rows, about, options.json)


def resizing(sizes: Sizes, corpus: Corpus, folder: Path) -> Iterator[Row]:
    """Run everything that is about single pictures."""
    with ExitStack() as stack:
        sides = {name: stack.enter_context(Resizer.of_pillow(name)) for name in ("ours", "naive", "thumbnail")}
        missing = {}
        try:
            sides["sharp"] = stack.enter_context(Resizer.of_sharp(folder))
        except CannotRun as error:
            missing["sharp"] = str(error)
        contest = Contest(sides, missing, folder, sizes.rounds)
        yield from photographs(sizes, corpus.large, contest)
        yield from others(sizes, corpus, contest)


def photographs(sizes: Sizes, paths: Sequence[Path], contest: Contest) -> Iterator[Row]:
    """Compare JPEG 4:2:0, the size of a telephone's photograph."""
    large, middle, least = sizes.widths
    times = {
        least: {"naive": _faster(4), "thumbnail": None, "sharp": Target("at most", 1.1)},
        middle: {"naive": _faster(3.3), "thumbnail": _faster(1.4), "sharp": Target("at most", 1.1)},
        large: {"naive": _faster(1.8), "thumbnail": _faster(1.7), "sharp": Target("at most", 1.25)},
    }
    name = f"{_megapixels(sizes.large)} JPEG"
    for width, targets in times.items():
        yield from contest.compare(f"{name} at {width}", paths, (width,), targets)
    together = " + ".join(map(str, sorted(sizes.widths)))
    several: Targets = {"naive": _faster(4.5), "thumbnail": _faster(2.5), "sharp": None}
    yield from contest.compare(f"{name} at {together}", paths, sizes.widths, several)
    for width in times:
        yield contest.pictures(f"{name} at {width}", paths, width, "jpeg", Target("at least", 1))
    for width in times:
        yield contest.pictures(f"{name} at {width}, before encoding", paths, width, "png", None)


def others(sizes: Sizes, corpus: Corpus, contest: Contest) -> Iterator[Row]:
    """Compare small pictures, and large ones in other kinds of file."""
    large, middle, least = sizes.widths
    name = f"{_megapixels(sizes.small)} JPEG"
    for width in (least, middle):
        yield from contest.compare(f"{name} at {width}", corpus.small, (width,), {"naive": None, "sharp": None})
    targets = {"naive": Target("at most", 1.05), "sharp": None}
    yield from contest.compare(f"{name} at {large}", corpus.small, (large,), targets)
    for kind, path in corpus.kinds.items():
        for width in (middle, large):
            what = f"{_megapixels(sizes.large)} {kind} at {width}"
            yield from contest.compare(what, [path], (width,), {"naive": None, "sharp": None})


def batch(sizes: Sizes, corpus: Corpus) -> Iterator[Row]:
    """Compare a batch with a loop over its items, where each GET and PUT waits, and its memory with one item's."""
    width = sizes.widths[1]
    counts = {"pipeline": sizes.items, "sequential": sizes.items, "one": 1}
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in counts}

    def run(name: str) -> float:
        way = "sequential" if name == "sequential" else "pipeline"
        command = [sys.executable, str(BATCH_SIDE), way, str(counts[name]), str(width), *map(str, corpus.large)]
        told[name].append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
        return 1000 * told[name][-1]["seconds"] / counts[name]

    took = interleave({name: functools.partial(run, name) for name in counts}, sizes.batches)
    ours, peer = median(took["pipeline"]), median(took["sequential"])
    what = f"batch of {sizes.items}, {_megapixels(sizes.large)} JPEG at {width}, GET 30 ms, PUT 40 ms"
    queued = 1000 * median(each["queued"] for each in told["pipeline"]) / sizes.items
    noise = "; ".join(spread(name, took[name]) for name in ("pipeline", "sequential"))
    note = f"{noise}; of the pipeline's, {queued:.1f} ms went by while others had the core"
    yield Row(what, "ms/item", ours, peer, "one after the other", _faster(2.8), note)
    peaks = {name: max(each["megabytes"] or float("nan") for each in told[name]) for name in ("pipeline", "one")}
    note = f"peak RSS {peaks['pipeline']:.0f} MB and {peaks['one']:.0f} MB; nan: a process tells it in /proc alone"
    above = peaks["pipeline"] - peaks["one"]
    yield Row("the batch's memory above one item's", "MB", above, target=Target("at most", 40, of="ours"), note=note)


def _faster(times: float) -> Target:
    """Return the target of taking at most this part of the peer's time."""
    return Target("at most", 1 / times)


def _noise(values: Sequence[float]) -> float:
    """Return the distance of the quartiles, as a part of the median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = quantiles(values, n=4)
    return (high - low) / middle


@functools.cache
def _reference(path: Path, size: Size) -> Image.Image:
    return reference(path, size)


def _jpeg(picture: Image.Image, path: Path, **settings: Any) -> Path:
    path.write_bytes(encoded(picture, "JPEG", **{"quality": 90, "subsampling": "4:2:0", **settings}))
    return path


def _other_kinds(picture: Image.Image, folder: Path) -> dict[str, Path]:
    """Encode a picture as 4:4:4 and as progressive JPEG, as PNG and as WebP."""
    png, webp = folder / "town.png", folder / "town.webp"
    png.write_bytes(encoded(picture, "PNG"))
    webp.write_bytes(encoded(picture, "WEBP", quality=80, method=2))
    full = _jpeg(picture, folder / "town-444.jpg", subsampling="4:4:4")
    progressive = _jpeg(picture, folder / "town-progressive.jpg", progressive=True)
    return {"JPEG 4:4:4": full, "progressive JPEG": progressive, "PNG": png, "WebP": webp}


def _megapixels(size: Size) -> str:
    return f"{size[0] * size[1] / 1e6:.3g} MP"


if __name__ == "__main__":
    sys.exit(main())
