"""Pictures of a folder, resized on this machine: ``fanfold run DIRECTORY`` against what else people would take.

The bare process pool calls the same resize on the same files and does nothing else: no ledger, no skipping, no report.
Lithops calls it too, on localhost; img2dataset has its own and reads ``file:`` URLs. Both come from PyPI into
throw-away environments. All have as many processes as there are cores, take turns, and are timed as whole commands,
from the shell and back: what starting takes is in the figures, and has a row of its own. So ``--quick``, with a tenth
of the pictures, tells more of starting than of resizing. They have 12 megapixels: three scenes under many names.
The last row runs over 50,000 of these names and tells the most memory that all processes had together: what a laptop
must have free.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

from peers.emulator import CannotRun, Emulator
from peers.memory import family_megabytes
from PIL import Image
from rows import Row, Target, arguments, facts, finish, interleave, rows_table, spread
from scenes import SCENES, encoded

SIDE = Path(__file__).with_name("peers") / "folder_side.py"
FANFOLD = Path(sys.executable).with_name("fanfold")
# Lithops calls our function, so its environment needs what that imports.
PEERS = {
    "lithops": Emulator(
        "Lithops 3.8.0", ("lithops==3.8.0", "pillow==13.0.0", "boto3", "aws-lambda-powertools[tracer]"), (), ""
    ),
    "img2dataset": Emulator("img2dataset 1.47.0", ("img2dataset==1.47.0",), (), ""),
}
AGAINST = {"pool": "bare process pool", **{name: peer.name for name, peer in PEERS.items()}}
TARGETS = {"pool": Target("at least", 0.85), "lithops": Target("at least", 1), "img2dataset": Target("at least", 1)}
_SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Sizes:
    """What is resized, and how often.

    Attributes:
        pictures: of ``size`` pixels.
        width: of the outputs.
        small: pictures of 320 x 240 for the first row of memory.
        many: pictures of ``size`` for the second.
        rounds: of each side.
    """

    pictures: int = 2_400
    size: tuple[int, int] = (4000, 3000)
    width: int = 512
    small: int = 5_000
    many: int = 50_000
    rounds: int = 3


class Failed(Exception):
    """A side did not make all outputs; the message is the last it said."""


def main() -> int:
    """Run what the command line asks for."""
    parser = arguments(__doc__)
    parser.add_argument("--scale", type=float, default=1, help="multiply the numbers and sides of pictures with this")
    parser.add_argument("--no-peers", action="store_true", help="leave out what has to be installed")
    options = parser.parse_args()
    sizes = replace(Sizes(), pictures=240, many=1_000, rounds=1) if options.quick else Sizes()
    sizes = _scaled(sizes, options.scale) if options.scale != 1 else sizes
    about = facts(("fanfold", "pillow"))
    with tempfile.TemporaryDirectory(prefix="fanfold-laptop-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        rows = [
            *resizing(sizes, folder, peers=not options.no_peers),
            starting(sizes, folder),
            small(sizes, folder),
            many(sizes, folder),
        ]
    print(rows_table(rows))
    return finish(rows, about, options.json)


def resizing(sizes: Sizes, folder: Path, *, peers: bool) -> Iterator[Row]:
    """Run all sides in turn over the same pictures."""
    source = folder / "pictures"
    megabytes = _write_pictures(source, sizes) / 1e6
    pythons, missing = {"pool": sys.executable}, dict[str, str]()
    for name, peer in PEERS.items():
        if not peers:
            missing[name] = "--no-peers"
            continue
        try:
            pythons[name] = str(peer.install(folder / f"environment-{name}") / "python")
        except CannotRun as error:
            missing[name] = str(error)
    cases = {"fanfold": partial(_fanfold, source, folder / "target", sizes.width)}
    cases |= {name: partial(_side, name, python, source, folder, sizes.width) for name, python in pythons.items()}
    for name in list(cases):
        try:
            cases[name]()  # once untimed: byte code and the page cache
        except Failed as error:
            if name in ("fanfold", "pool"):
                raise
            del cases[name]
            missing[name] = str(error)
    took = interleave(cases, sizes.rounds)
    rates = {name: [sizes.pictures / seconds for seconds in each] for name, each in took.items()}
    what = f"{sizes.pictures} pictures of {sizes.size[0] * sizes.size[1] / 1e6:.3g} MP ({megabytes:.0f} MB) to "
    for name, target in TARGETS.items():
        peer = median(rates[name]) if name in rates else None
        note = (
            f"SKIPPED: {missing[name]}"
            if name in missing
            else _noise({each: rates[each] for each in ("fanfold", name)})
        )
        against = AGAINST[name]
        yield Row(
            f"{what}{sizes.width}, against {name}", "pictures/s", median(rates["fanfold"]), peer, against, target, note
        )


def starting(sizes: Sizes, folder: Path) -> Row:
    """Return the row of what the command takes over a single picture."""
    source = folder / "one"
    _write_pictures(source, replace(sizes, pictures=1))
    took = [_fanfold(source, folder / "target", sizes.width) for _ in range(sizes.rounds)]
    return Row("the whole command over one picture", "s", median(took), note=_noise({"fanfold": took}))


def small(sizes: Sizes, folder: Path) -> Row:
    """Return the row of the memory that a run over many small pictures takes."""
    source = folder / "small"
    gradient = Image.radial_gradient("L").resize((320, 240))
    for number in range(sizes.small):
        path = source / f"{number % 50:02}" / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.merge("RGB", (gradient, gradient.rotate(number), gradient)).save(path, "JPEG")
    return _memory(f"{sizes.small} small pictures", source, sizes.small, 128, 1200)


def many(sizes: Sizes, folder: Path) -> Row:
    """Return the row of the memory that a run over very many pictures of full size takes."""
    source = folder / "many"
    megabytes = _write_pictures(source, replace(sizes, pictures=sizes.many)) / 1e6
    row = _memory(f"{sizes.many} pictures of full size", source, sizes.many, sizes.width, 4000)
    return replace(row, note=f"{megabytes / sizes.many:.2g} MB each; {row.note}")


def _memory(what: str, source: Path, count: int, width: int, most: float) -> Row:
    """Return the row of the most memory that all processes of a run had together, in MB."""
    target = source.with_name(f"{source.name}-target")
    peak, started = 0.0, time.monotonic()
    command = _fanfold_command(source, target, width)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        while running.poll() is None:
            peak = max(peak, family_megabytes(running.pid))
            time.sleep(_SAMPLE_SECONDS)
    seconds = time.monotonic() - started
    _require_outputs(target, count, "fanfold", "")
    note = f"{os.cpu_count()} functions at once, {seconds:.1f} s; pages that processes share count for each of them"
    return Row(f"all processes of a run over {what}", "MB", peak, target=Target("at most", most, of="ours"), note=note)


def _fanfold(source: Path, target: Path, width: int) -> float:
    return _timed("fanfold", _fanfold_command(source, target, width), source, target)


def _fanfold_command(source: Path, target: Path, width: int) -> list[str]:
    return [
        str(FANFOLD),
        "run",
        str(source),
        "--operation",
        "image-resize",
        "-o",
        f"width={width}",
        "--to",
        str(target),
    ]


def _side(name: str, python: str, source: Path, folder: Path, width: int) -> float:
    target = folder / "target"
    command = [python, str(SIDE), name, str(source), str(target), str(os.cpu_count() or 1), str(width)]
    # Lithops starts its workers by the name `python`, and both keep files in the home folder.
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "HOME": str(folder), "NO_ALBUMENTATIONS_UPDATE": "1"}
    return _timed(name, command, source, target, variables)


def _timed(
    name: str, command: list[str], source: Path, target: Path, variables: Mapping[str, str] | None = None
) -> float:
    """Run a side into an empty folder and return its seconds; raises Failed unless it made every output."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    started = time.monotonic()
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    _require_outputs(target, len(list(source.iterdir())), name, (done.stderr.strip().splitlines() or ["nothing"])[-1])
    return seconds


def _require_outputs(target: Path, count: int, name: str, said: str) -> None:
    made = sum(1 for path in target.rglob("*.jpg"))
    if made != count:
        raise Failed(f"{name} made {made} of {count} outputs; it said: {said}")


def _write_pictures(folder: Path, sizes: Sizes) -> int:
    """Draw the scenes, give each its share of names, and return the bytes of all."""
    folder.mkdir()
    total = 0
    for place, scene in enumerate(SCENES[: sizes.pictures]):
        body = encoded(scene.draw(sizes.size), "JPEG", quality=90, subsampling="4:2:0")
        first = folder / f"{place:05}-{scene.name}.jpg"
        first.write_bytes(body)
        for number in range(place, sizes.pictures, len(SCENES)):
            total += len(body)
            if number != place:
                os.link(first, folder / f"{number:05}-{scene.name}.jpg")
    return total


def _noise(figures: Mapping[str, list[float]]) -> str:
    return "; ".join(spread(name, figures[name]) for name in figures)


def _scaled(sizes: Sizes, factor: float) -> Sizes:
    width, height = (round(side * factor) for side in sizes.size)
    pictures, few, full = (
        max(round(count * factor), len(SCENES)) for count in (sizes.pictures, sizes.small, sizes.many)
    )
    return Sizes(pictures, (width, height), round(sizes.width * factor), few, full, rounds=1)


if __name__ == "__main__":
    sys.exit(main())
