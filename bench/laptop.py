"""A folder on this machine: ``fanfold run DIRECTORY`` against what else people would take.

Pictures are resized, then tables transformed. The bare process pool calls the same function on the same files and does
nothing else: no ledger, no skipping, no report. Lithops calls it too, on localhost; img2dataset resizes by its own and
reads ``file:`` URLs. Both come from PyPI into throw-away environments. All have as many processes as there are cores,
take turns, and are timed as whole commands, from the shell and back: what starting takes is in the figures, and has a
row of its own. So ``--quick``, with fewer files, tells more of starting than of working. Pictures have 12 megapixels:
three scenes under many names. Beside the time stands the most memory that all processes of a side had together.
``--many`` runs over 50,000 of these names as well, which takes a quarter of an hour: what must a laptop have free?
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from orders import write_small
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
        "Lithops 3.8.0",
        (
            "lithops==3.8.0",
            "pillow==13.0.0",
            "polars==2.1.0",
            "boto3",
            "aws-lambda-powertools[tracer]",
            "backports.zstd; python_version < '3.14'",
        ),
        (),
        "",
    ),
    "img2dataset": Emulator("img2dataset 1.47.0", ("img2dataset==1.47.0",), (), ""),
}
AGAINST = {"pool": "bare process pool", **{name: peer.name for name, peer in PEERS.items()}}
TARGETS = {"pool": Target("at least", 0.85), "lithops": Target("at least", 1), "img2dataset": Target("at least", 1)}
SQL = "SELECT order_id, region, quantity * price AS total FROM self WHERE status <> 'cancelled'"
_SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Sizes:
    """What is resized, and how often.

    Attributes:
        pictures: of ``size`` pixels.
        width: of the outputs.
        tables: CSVs of 100 kB.
        small: pictures of 320 x 240 for the first row of memory.
        many: pictures of ``size`` for the second.
        rounds: of each side.
    """

    pictures: int = 2_400
    size: tuple[int, int] = (4000, 3000)
    width: int = 512
    tables: int = 1_000
    small: int = 5_000
    many: int = 50_000
    rounds: int = 3


@dataclass(frozen=True)
class Work:
    """What all sides do with a folder.

    Attributes:
        source: the folder; its files have one output each.
        extension: of the outputs; img2dataset writes tables beside its pictures.
        sides: which sides can.
        targets: by side.
    """

    source: Path
    extension: str
    operation: str
    options: Mapping[str, Any]
    sides: tuple[str, ...] = ()
    targets: Mapping[str, Target] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """How many there are."""
        return sum(1 for _ in self.source.iterdir())


@dataclass(frozen=True)
class Sides:
    """Who can take part.

    Attributes:
        folder: for what they write.
        pythons: the interpreter of each that runs here.
        missing: of the others why not.
    """

    folder: Path
    pythons: Mapping[str, str]
    missing: Mapping[str, str]

    @classmethod
    def installed(cls, folder: Path, *, peers: bool) -> Sides:
        """Install the peers that can be."""
        pythons, missing = {"pool": sys.executable}, dict[str, str]()
        for name, peer in PEERS.items():
            if not peers:
                missing[name] = "--no-peers"
                continue
            try:
                pythons[name] = str(peer.install(folder / f"environment-{name}") / "python")
            except CannotRun as error:
                missing[name] = str(error)
        return cls(folder, pythons, missing)

    def compared(self, work: Work, what: str, unit: str, rounds: int) -> Iterator[Row]:
        """Run Fanfold and the sides in turn, and return a row a side."""
        missing, peaks = dict(self.missing), dict[str, float]()
        cases = {
            name: partial(_side, name, self.pythons.get(name, ""), work, self.folder, peaks)
            for name in ("fanfold", *work.sides)
            if name not in missing
        }
        few = _few(work, self.folder / f"few-{work.operation}")
        for name in list(cases):
            try:
                # Once untimed, for the byte code.
                _side(name, self.pythons.get(name, ""), few, self.folder, {})
            except Failed as error:
                if name in ("fanfold", "pool"):
                    raise
                del cases[name]
                missing[name] = str(error)
        took = interleave(cases, rounds)
        rates = {name: [work.files / seconds for seconds in each] for name, each in took.items()}
        for name in work.sides:
            against = f"{what}, against {name}"
            ours, target = median(rates["fanfold"]), work.targets.get(name)
            if name in missing:
                yield Row(against, unit, ours, None, AGAINST[name], target, f"SKIPPED: {missing[name]}")
                continue
            note = "; ".join(f"{spread(each, rates[each])}, {peaks[each]:.0f} MB" for each in ("fanfold", name))
            yield Row(against, unit, ours, median(rates[name]), AGAINST[name], target, note)


class Failed(Exception):
    """A side did not make all outputs; the message is the last it said."""


def main() -> int:
    """Run what the command line asks for."""
    parser = arguments(__doc__)
    parser.add_argument("--scale", type=float, default=1, help="multiply the numbers and sides of pictures with this")
    parser.add_argument("--no-peers", action="store_true", help="leave out what has to be installed")
    parser.add_argument("--many", action="store_true", help="run over 50,000 pictures, too")
    options = parser.parse_args()
    sizes = replace(Sizes(), pictures=240, tables=400, many=1_000, rounds=1) if options.quick else Sizes()
    sizes = _scaled(sizes, options.scale) if options.scale != 1 else sizes
    about = facts(("fanfold", "pillow", "polars"))
    with tempfile.TemporaryDirectory(prefix="fanfold-laptop-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        sides = Sides.installed(folder, peers=not options.no_peers)
        rows = [
            *resizing(sizes, sides),
            *transforming(sizes, sides),
            starting(sizes, folder),
            small(sizes, folder),
            *([many(sizes, folder)] if options.many else []),
        ]
    print(rows_table(rows))
    return finish(rows, about, options.json)


def resizing(sizes: Sizes, sides: Sides) -> Iterator[Row]:
    """Run all sides in turn over the same pictures."""
    source = sides.folder / "pictures"
    megabytes = _write_pictures(source, sizes) / 1e6
    what = f"{sizes.pictures} pictures of {sizes.size[0] * sizes.size[1] / 1e6:.3g} MP ({megabytes:.0f} MB) to "
    work = Work(source, ".jpg", "image-resize", {"width": sizes.width}, ("pool", "lithops", "img2dataset"), TARGETS)
    yield from sides.compared(work, f"{what}{sizes.width}", "pictures/s", sizes.rounds)


def transforming(sizes: Sizes, sides: Sides) -> Iterator[Row]:
    """Run the sides that can in turn over the same tables."""
    source = sides.folder / "tables"
    source.mkdir()
    write_small(source, sizes.tables, 100_000)
    work = Work(source, ".parquet", "table-transform", {"sql": SQL}, ("pool", "lithops"))
    yield from sides.compared(work, f"{sizes.tables} CSVs of 100 kB to Parquet", "tables/s", sizes.rounds)


def starting(sizes: Sizes, folder: Path) -> Row:
    """Return the row of what the command takes over a single picture."""
    source = folder / "one"
    _write_pictures(source, replace(sizes, pictures=1))
    work = Work(source, ".jpg", "image-resize", {"width": sizes.width})
    took = [_side("fanfold", "", work, folder, {}) for _ in range(sizes.rounds)]
    return Row("the whole command over one picture", "s", median(took), note=spread("fanfold", took))


def small(sizes: Sizes, folder: Path) -> Row:
    """Return the row of the memory that a run over many small pictures takes."""
    source = folder / "small"
    gradient = Image.radial_gradient("L").resize((320, 240))
    for number in range(sizes.small):
        path = source / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.merge("RGB", (gradient, gradient.rotate(number), gradient)).save(path, "JPEG")
    return _memory(f"{sizes.small} small pictures", source, 128, 1200)


def many(sizes: Sizes, folder: Path) -> Row:
    """Return the row of the memory that a run over very many pictures of full size takes."""
    source = folder / "many"
    megabytes = _write_pictures(source, replace(sizes, pictures=sizes.many)) / 1e6
    row = _memory(f"{sizes.many} pictures of full size", source, sizes.width, 4000)
    return replace(row, note=f"{megabytes / sizes.many:.2g} MB each; {row.note}")


def _few(work: Work, folder: Path) -> Work:
    """Return the work on some of the files."""
    folder.mkdir()
    for path in sorted(work.source.iterdir())[:64]:
        os.link(path, folder / path.name)
    return replace(work, source=folder)


def _memory(what: str, source: Path, width: int, most: float) -> Row:
    """Return the row of the most memory that all processes of a run had together, in MB."""
    peaks = dict[str, float]()
    work = Work(source, ".jpg", "image-resize", {"width": width})
    seconds = _side("fanfold", "", work, source.parent, peaks)
    note = f"{os.cpu_count()} functions at once, {seconds:.1f} s; pages that processes share count for each of them"
    bound = Target("at most", most, of="ours")
    return Row(f"all processes of a run over {what}", "MB", peaks["fanfold"], target=bound, note=note)


def _side(name: str, python: str, work: Work, folder: Path, peaks: dict[str, float]) -> float:
    """Run a side into an empty folder and return its seconds; raises Failed unless it made every output.

    ``peaks`` gets the most memory that all its processes had together, in MB.
    """
    target = folder / "target"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    variables = dict(os.environ)
    if name == "fanfold":
        command = _fanfold_command(work, target)
    else:
        command = [python, str(SIDE), name, str(work.source), str(target), str(os.cpu_count() or 1), work.operation]
        command.append(json.dumps(work.options))
        # Lithops starts its workers by the name `python`, and both keep files in the home folder.
        path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
        variables |= {"PATH": path, "HOME": str(folder), "NO_ALBUMENTATIONS_UPDATE": "1", "POLARS_MAX_THREADS": "1"}
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=said) as running:
            while running.poll() is None:
                peaks[name] = max(peaks.get(name, 0.0), family_megabytes(running.pid))
                time.sleep(_SAMPLE_SECONDS)
        seconds = time.monotonic() - started
        said.seek(0)
        last = (said.read().strip().splitlines() or ["nothing"])[-1]
    made = sum(1 for _ in target.rglob(f"*{work.extension}"))
    if made != work.files:
        raise Failed(f"{name} made {made} of {work.files} outputs; it said: {last}")
    return seconds


def _fanfold_command(work: Work, target: Path) -> list[str]:
    options = [word for name, value in work.options.items() for word in ("-o", f"{name}={value}")]
    return [str(FANFOLD), "run", str(work.source), "--operation", work.operation, *options, "--to", str(target)]


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


def _scaled(sizes: Sizes, factor: float) -> Sizes:
    width, height = (round(side * factor) for side in sizes.size)
    pictures, tables, few, full = (
        max(round(count * factor), len(SCENES)) for count in (sizes.pictures, sizes.tables, sizes.small, sizes.many)
    )
    return Sizes(pictures, (width, height), round(sizes.width * factor), tables, few, full, rounds=1)


if __name__ == "__main__":
    sys.exit(main())
