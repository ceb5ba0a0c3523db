"""What every benchmark here prints and writes: one row a ratio, the machine it ran on, exit code 1 where one misses."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

_CPUINFO = Path("/proc/cpuinfo")
_HEADINGS = ("", "unit", "ours", "peer", "ratio", "target", "met")


@dataclass(frozen=True)
class Target:
    """The bound a row has to keep.

    Attributes:
        kind: on which side of ``bound`` the value must stay.
        of: the value looked at, the ratio to the peer or our own figure.
    """

    kind: Literal["at least", "at most"]
    bound: float
    of: Literal["ratio", "ours"] = "ratio"

    def __str__(self) -> str:
        """Return the target as the table shows it."""
        return f"{self.of} {'>=' if self.kind == 'at least' else '<='} {figure(self.bound)}"

    def met(self, value: float) -> bool:
        """Tell whether ``value`` keeps the bound."""
        return value >= self.bound if self.kind == "at least" else value <= self.bound


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        what: the case, in words.
        unit: of ``ours`` and ``peer``.
        peer: the peer's figure from the same run; ``None`` where there is no peer, or it could not run.
        against: who the peer is.
        target: ``None`` for a row that only informs.
        note: what a reader has to know of the figures, or why there are none.
    """

    what: str
    unit: str
    ours: float
    peer: float | None = None
    against: str = ""
    target: Target | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's; ``None`` without a peer."""
        return self.ours / self.peer if self.peer else None

    @property
    def met(self) -> bool | None:
        """Whether the target is kept; ``None`` where there is none. A target of a missing ratio is missed."""
        if self.target is None:
            return None
        value = self.ours if self.target.of == "ours" else self.ratio
        return value is not None and self.target.met(value)

    def as_json(self) -> dict[str, Any]:
        """Return the row as the JSON file has it."""
        target = str(self.target) if self.target else None
        return vars(self) | {"ratio": self.ratio, "target": target, "met": self.met}


def figure(value: float | None) -> str:
    """Return a number with the digits that mean something: thousands in full, small ones to three places."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; the first line is its heading."""
    cells = [list(line) for line in lines]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    padded = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in cells]
    return "\n".join([padded[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *padded[1:]])


def rows_table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table, their notes below it."""
    rows = list(rows)
    lines = [_HEADINGS, *(_line(row) for row in rows)]
    return "\n".join([table(lines), *(f"{row.what}: {row.note}" for row in rows if row.note)])


def interleave(cases: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Run all cases in turn, there and back again, ``repeats`` times round, and return what each returned."""
    measured: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(repeats):
        for name, case in list(cases.items())[:: -1 if turn % 2 else 1]:
            measured[name].append(case())
    return measured


def spread(name: str, values: Sequence[float]) -> str:
    """Return the range of a case's figures, for a note: it tells how quiet the machine was."""
    return f"{name} {figure(min(values))} to {figure(max(values))} in {len(values)} rounds"


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return the command line all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--quick", action="store_true", help="smaller sizes, one repeat: for a look, not for the README"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there, too")
    return parser


def facts(packages: Iterable[str]) -> dict[str, Any]:
    """Return what the figures depend on: date, machine, Python, versions of ``packages``, load before the run."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} x {_processor()}",
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {package: version(package) for package in packages},
        "load_before": load(),
    }


def load() -> list[float]:
    """Return the load averages of 1, 5 and 15 minutes."""
    return [round(average, 2) for average in os.getloadavg()]


def finish(rows: Sequence[Row], about: Mapping[str, Any], path: Path | None) -> int:
    """Write the rows as JSON, tell the machine and the load, and return the exit code: 1 where a target is missed."""
    about = dict(about) | {"load_after": load()}
    for name, value in about.items():
        print(f"{name}: {value}")
    if path is not None:
        path.write_text(json.dumps({"about": about, "rows": [row.as_json() for row in rows]}, indent=1) + "\n")
    missed = [row.what for row in rows if row.met is False]
    for what in missed:
        print(f"MISSED: {what}")
    return 1 if missed else 0


def _line(row: Row) -> tuple[str, ...]:
    met = {None: "", True: "yes", False: "NO"}[row.met]
    target = str(row.target) if row.target else ""
    peer = f"{figure(row.peer)} {row.against}".rstrip()
    return (row.what, row.unit, figure(row.ours), peer, figure(row.ratio), target, met)


def _processor() -> str:
    if _CPUINFO.exists():
        for line in _CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
