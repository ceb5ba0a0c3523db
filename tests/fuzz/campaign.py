"""A fuzz campaign: mutate samples, check each, keep what is found. The same seed makes the same cases.

A target is a module beside this one: its samples, its check, and ``raise SystemExit(main(TARGET))``.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutation import mutated

# Not in git, and gone with `make clean`.
FOUND = Path("build/fuzz")
# A run ends with so many: one fault is often behind them all.
_ENOUGH = 20
# A case that takes this many times the longest allowed, and so many seconds, hangs for good: the process ends with a
# traceback. A busy machine alone does not come to that.
_HANGING, _HANGING_SECONDS = 6, 60.0
_MAXRSS_UNITS = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes:
        name: of its folder below ``build/fuzz/``.
        samples: sound inputs by name.
        check: raises AssertionError, or whatever the code at fault raises, over an input it gets wrong; it gets random
            numbers of its own for the choice of options.
        most_seconds: of one case.
        most_bytes: of the process's memory, at its peak.
    """

    name: str
    samples: Mapping[str, bytes]
    check: Callable[[bytes, random.Random], None]
    most_seconds: float
    most_bytes: int


@dataclass(frozen=True)
class Finding:
    """An input that the code gets wrong."""

    case: str
    body: bytes
    reason: str


def cases(target: Target, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes of endless cases; each depends on the seed and its number alone."""
    names = sorted(target.samples)
    for number in itertools.count():
        rnd = random.Random(f"{seed}:{number}")
        sample, other = target.samples[rnd.choice(names)], target.samples[rnd.choice(names)]
        yield f"{seed}-{number}", mutated(sample, other, rnd)


def check_all(target: Target, named: Iterator[tuple[str, bytes]], running: Path) -> Iterator[Finding]:
    """Check cases; the one at work lies in the file ``running``, so that it is there when the process dies of it."""
    allowed = target.most_bytes
    hanging = max(_HANGING * target.most_seconds, _HANGING_SECONDS)
    try:
        for case, body in named:
            running.write_bytes(body)
            faulthandler.dump_traceback_later(hanging, exit=True, file=sys.__stderr__)
            started = time.monotonic()
            try:
                target.check(body, random.Random(case))
            except Exception:
                yield Finding(case, body, traceback.format_exc())
            if (seconds := time.monotonic() - started) > target.most_seconds:
                yield Finding(case, body, f"it took {seconds:.1f} s, over {target.most_seconds}\n")
            if (peak := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNITS) > allowed:
                yield Finding(case, body, f"memory came to {peak:,} bytes, over {allowed:,}\n")
                allowed = 2 * peak
    finally:
        faulthandler.cancel_dump_traceback_later()
        running.unlink(missing_ok=True)


def main(target: Target, arguments: Sequence[str] | None = None) -> int:
    """Run a campaign, or check files that one left; return 1 when anything was found."""
    parser = argparse.ArgumentParser(description=f"Fuzz {target.name}.")
    parser.add_argument("files", nargs="*", type=Path, help="check these instead; their names choose the options")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=None, help="any whole number; by default a new one")
    parser.add_argument("--cases", type=int, default=None, help="stop after so many")
    parser.add_argument("--found", type=Path, default=FOUND, help="the folder for what is found")
    given = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(2**32) if given.seed is None else given.seed
    named = ((path.stem, path.read_bytes()) for path in given.files) if given.files else cases(target, seed)
    folder = given.found / target.name
    folder.mkdir(parents=True, exist_ok=True)
    print(
        f"{target.name}: seed {seed}, {len(target.samples)} samples; {folder / 'running'} is the case at work",
        flush=True,
    )
    timed = _Timed(itertools.islice(named, given.cases), given.seconds)
    found = 0
    for finding in itertools.islice(check_all(target, timed, folder / "running"), _ENOUGH):
        path = folder / f"{finding.case}.bin"
        path.write_bytes(finding.body)
        print(f"\nFOUND {path} ({len(finding.body):,} bytes)\n{finding.reason}", flush=True)
        found += 1
    print(f"{target.name}: {timed.number:,} cases, {found} findings", flush=True)
    return 1 if found else 0


class _Timed(Iterator[tuple[str, bytes]]):
    """Passes cases on for some seconds, and counts them."""

    def __init__(self, named: Iterator[tuple[str, bytes]], seconds: float) -> None:
        self._named = named
        self._until = time.monotonic() + seconds
        self.number = 0

    def __next__(self) -> tuple[str, bytes]:
        if time.monotonic() >= self._until:
            raise StopIteration
        case = next(self._named)
        self.number += 1
        return case
