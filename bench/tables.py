"""How fast table-transform is, and in how much memory: against pandas, duckdb and polars as one would use them.

A job is the same on every side: read CSV, select, cast, filter, derive a column, write Parquet with zstd, from file to
file; the outputs are compared before a figure counts. Each job is a process of its own with one thread; the sides take
turns, and figures are medians of the CPU time of all its threads, system time included and imports left out, and of the
peak RSS. pandas (with pyarrow) and duckdb are installed by pip into a throw-away environment.

The row of dynamodb-load is of wall time, against a stand-in that answers each call after a wait (see
``peers/slow_dynamodb.py``) and counts the items.
"""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median

import polars as pl
from orders import write_orders, write_small
from peers.converter import DUCKDB_VERSION, PANDAS_VERSION, Converter, Took, install
from peers.emulator import CannotRun
from peers.slow_dynamodb import SECONDS, TABLE, SlowDynamoDB
from rows import Row, Target, arguments, facts, finish, interleave, rows_table, spread

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from functions.table_transform.operation import OPERATION

LOAD_SIDE = Path(__file__).with_name("peers") / "load_side.py"
PEERS = ("pandas", "duckdb")
AGAINST = {
    "ours": "as a whole",
    "fetched": "as a whole",
    "pandas": f"pandas {PANDAS_VERSION}",
    "duckdb": f"duckdb {DUCKDB_VERSION}",
    "polars": f"polars {pl.__version__} scan and sink",
}
OURS, COMBINED, FETCHED, RANGES, POLARS = (
    Converter(side) for side in ("ours", "combined", "fetched", "ranges", "polars")
)
DISTINCT = (False, True) if any(field.name == "drop_duplicates" for field in fields(OPERATION.options)) else (False,)
_WITHOUT_COPIES = " without duplicates"


@dataclass(frozen=True)
class Sizes:
    """How large the tables are and how often each job is measured.

    Attributes:
        large, huge: bytes of a CSV, 100 MB and 1 GB.
        files, small: how many small CSVs, and their bytes.
        load: bytes of the CSV that is loaded.
        rounds: of each job but those with the huge one, on each side.
        huge_rounds: of the huge one.
    """

    large: int = 100_000_000
    huge: int = 1_000_000_000
    files: int = 500
    small: int = 20_000
    load: int = 900_000
    rounds: int = 7
    huge_rounds: int = 3

    def scaled(self, factor: float) -> Sizes:
        """Return smaller and fewer tables, measured once."""
        large, huge, files, load = (
            max(round(size * factor), 2) for size in (self.large, self.huge, self.files, self.load)
        )
        return Sizes(large, huge, files, self.small, load, rounds=1, huge_rounds=1)


class Bench:
    """All cases on one set of sides.

    Attributes:
        missing: the peers that cannot run here, and why.
    """

    def __init__(self, sizes: Sizes, peers: Sequence[Converter], missing: Mapping[str, str], folder: Path) -> None:
        self._sizes, self._peers, self._folder = sizes, peers, folder
        self.missing = missing

    def rows(self) -> Iterator[Row]:
        """Measure case by case."""
        yield from self._large()
        yield from self._huge()
        yield from self._small()
        yield from self._load()

    def _large(self) -> Iterator[Row]:
        path = self._orders(self._sizes.large)
        targets = {"pandas": Target("at most", 1 / 1.6), "duckdb": Target("at most", 1), "polars": None}
        for distinct in DISTINCT:
            what = f"{_told(path)} to Parquet{_WITHOUT_COPIES if distinct else ''}"
            found = self._measure([OURS, *self._peers, POLARS], [path], self._sizes.rounds, distinct=distinct)
            for side, target in targets.items():
                yield self._against(f"{what}, against {side}", found, side, target)
        path.unlink()

    def _huge(self) -> Iterator[Row]:
        path = self._orders(self._sizes.huge)
        for distinct in DISTINCT:
            what = f"{_told(path)} to Parquet{_WITHOUT_COPIES if distinct else ''}"
            found = self._measure([OURS, POLARS], [path], self._sizes.huge_rounds, distinct=distinct)
            most = Target("at most", 450 if distinct else 400, of="ours")
            ours, peer = (median(each.megabytes for each in found[side]) for side in ("ours", "polars"))
            yield Row(f"{what}: peak RSS", "MB", ours, peer, AGAINST["polars"], most)
            yield self._against(what, found, "polars", Target("at most", 0.9) if distinct else None)
        found = self._measure([RANGES, FETCHED], [path], self._sizes.huge_rounds)
        what = f"{_told(path)} in parts of 64 MB, planned, fetched and transformed"
        yield self._against(what, found, "fetched", Target("at most", 1.15), of="ranges")
        path.unlink()

    def _small(self) -> Iterator[Row]:
        sizes = self._sizes
        paths = write_small(self._folder, sizes.files, sizes.small)
        what = f"{sizes.files} CSVs of {sizes.small / 1000:.0f} kB"
        sides = [OURS, POLARS] if OPERATION.combine is None else [COMBINED, OURS, POLARS]
        found = self._measure(sides, paths, sizes.rounds)
        yield self._against(f"{what}, a file at a time", found, "polars", None)
        if OPERATION.combine is not None:
            yield self._against(f"{what}, compacted", found, "ours", Target("at most", 1 / 8), of="combined")
            sums = (sum(path.stat().st_size for path in self._output(side).iterdir()) for side in (COMBINED, OURS))
            ours, peer = (size / 1e6 for size in sums)
            yield Row(f"{what}, compacted: output", "MB", ours, peer, AGAINST["ours"], Target("at most", 1 / 1.7))

    def _load(self) -> Iterator[Row]:
        path = self._folder / "orders.csv"
        rows = write_orders(path, self._sizes.load)
        items = pl.scan_csv(path, infer_schema=False).select(pl.col("order_id").n_unique()).collect().item()

        def rate(side: str) -> float:
            with SlowDynamoDB() as table:
                command = [sys.executable, str(LOAD_SIDE), side, table.url, TABLE, str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
            if table.items != items:
                raise SystemExit(f"{side} loaded {table.items} items and not {items}")
            return float(rows / json.loads(done.stdout)["seconds"])

        sides = ("ours", "batch_writer")
        rates = interleave({side: functools.partial(rate, side) for side in sides}, self._sizes.rounds)
        ours, peer = (median(rates[side]) for side in sides)
        what = f"{rows:,} rows into DynamoDB, each call {SECONDS * 1000:.0f} ms away"
        note = "; ".join(spread(side, values) for side, values in rates.items())
        yield Row(what, "rows/s", ours, peer, "one batch_writer", Target("at least", 4), note)

    def _orders(self, size: int) -> Path:
        path = self._folder / f"orders-{size}.csv"
        write_orders(path, size)
        return path

    def _output(self, side: Converter) -> Path:
        return self._folder / f"of {side.side}"

    def _measure(
        self, sides: Sequence[Converter], paths: Sequence[Path], rounds: int, *, distinct: bool = False
    ) -> Mapping[str, Sequence[Took]]:
        """Run all sides in turn on the same files; raises SystemExit where they do not make the same rows."""
        found: dict[str, list[Took]] = {side.side: [] for side in sides}

        def run(side: Converter) -> float:
            found[side.side].append(side.convert(paths, self._output(side), distinct=distinct))
            return found[side.side][-1].seconds

        for side in sides:
            shutil.rmtree(self._output(side), ignore_errors=True)
            self._output(side).mkdir()
        interleave({side.side: functools.partial(run, side) for side in sides}, rounds)
        made = {side.side: _digest(self._output(side)) for side in sides}
        if len(set(made.values())) > 1:
            raise SystemExit(f"the sides made different rows (count, sums, lengths): {made}")
        return found

    def _against(
        self, what: str, found: Mapping[str, Sequence[Took]], side: str, target: Target | None, of: str = "ours"
    ) -> Row:
        """Return the row that compares CPU seconds."""
        ours = median(each.seconds for each in found[of])
        if side in self.missing:
            return Row(what, "CPU s", ours, None, AGAINST[side], target, f"SKIPPED: {self.missing[side]}")
        peer = median(each.seconds for each in found[side])
        note = "; ".join(
            f"{spread(name, [each.seconds for each in found[name]])}, "
            f"{median(each.megabytes for each in found[name]):.0f} MB"
            for name in (of, side)
        )
        return Row(what, "CPU s", ours, peer, AGAINST[side], target, note)


def main() -> int:
    """Run what the command line asks for."""
    parser = arguments(__doc__)
    parser.add_argument("--scale", type=float, default=None, help="multiply all sizes with this, run each case once")
    parser.add_argument("--peers", metavar="PYTHON", help="an interpreter with pandas and duckdb: install none")
    options = parser.parse_args()
    scale = options.scale or (0.1 if options.quick else None)
    about, rows = facts(("fanfold", "polars")), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peers, missing = _peers(options.peers, folder / "peers")
        for row in Bench(Sizes().scaled(scale) if scale else Sizes(), peers, missing, folder).rows():
            print(f"measured: {row.what}", file=sys.stderr, flush=True)
            rows.append(row)
    print(rows_table(rows))
    return finish(rows, about, options.json)


def _peers(python: str | None, folder: Path) -> tuple[list[Converter], dict[str, str]]:
    """Return the peers that run here, and of the others why not."""
    try:
        python = python or install(folder)
    except CannotRun as error:
        return [], dict.fromkeys(PEERS, f"{error}")
    peers = [Converter(name, python) for name in PEERS]
    missing = {peer.side: reason for peer in peers if (reason := peer.missing())}
    return [peer for peer in peers if peer.side not in missing], missing


def _told(path: Path) -> str:
    size = path.stat().st_size / 1e6
    return f"CSV of {size / 1000:.1f} GB" if size >= 1000 else f"CSV of {size:.3g} MB"


def _digest(folder: Path) -> tuple[int, ...]:
    """Return what tells whether outputs hold the same rows, in any order: their count, and sums over the columns."""
    rows = pl.scan_parquet(folder / "*.parquet")
    lengths = pl.col("order_id", "customer", "region", "note").str.len_bytes().sum()
    total = (pl.col("total") * 100).round().cast(pl.Int64).sum()
    days = pl.col("ordered_on").cast(pl.Date).to_physical().cast(pl.Int64).sum()
    numbers = pl.col("order_id", "customer").cast(pl.Int64).sum().name.prefix("number of ")
    found = rows.select(
        pl.len(), lengths, total, days, numbers, pl.col("quantity").sum(), pl.col("note").null_count().alias("nulls")
    )
    return found.collect(engine="streaming").row(0)


if __name__ == "__main__":
    sys.exit(main())
