"""What a command tells people: the story and the progress bar on stderr, results on stdout."""

from __future__ import annotations

import json
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from fanfold import run as runs

# Of tables on their way into a pipe or a file, where nothing is to be broken or cut.
_PIPE_WIDTH = 10_000
# Seconds over which a rate is reckoned.
_WINDOW = 60.0

err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)
_ANIMATED = err.is_terminal and not err.is_dumb_terminal
if not out.is_terminal:
    out.width = _PIPE_WIDTH


def say(text: str) -> None:
    """Tell what has to be known, on stderr; a line that is set in is a command and stays whole."""
    for line in text.split("\n"):
        pieces = [line] if line.startswith(" ") else _pieces(line)
        err.print("\n".join(paragraph(pieces, _width(err))), markup=False)


def step(text: str) -> None:
    """Tell a step of the story, to somebody who watches: nothing when stderr is no terminal."""
    if err.is_terminal:
        say(text)


def answer_json(value: Any) -> None:
    """Print a result for programs."""
    out.print(json.dumps(value, indent=2, ensure_ascii=False), markup=False)


def tell(text: str | Iterable[str], indent: str = "") -> None:
    """Print a paragraph of a result; on a terminal it is broken between words, or between the pieces given."""
    pieces = _pieces(text) if isinstance(text, str) else text
    out.print("\n".join(paragraph(pieces, _width(out), indent)), markup=False)


def _width(console: Console) -> int:
    return console.width if console.is_terminal else sys.maxsize


def _pieces(text: str) -> list[str]:
    """Return the words of a text; what stands in quotes is one, so that a command can be copied."""
    kept = re.sub(r"(?<!\w)'[^']+'", lambda quoted: quoted[0].replace(" ", "\0"), text)
    return [piece.replace("\0", " ") for piece in kept.split(" ")]


def paragraph(pieces: Iterable[str], width: int, indent: str = "") -> list[str]:
    """Return the lines of a paragraph: pieces are never broken or cut, and further lines are set in by two more."""
    lines = [indent]
    for piece in pieces:
        if lines[-1].strip() and len(lines[-1]) + 1 + len(piece) > width:
            lines.append(f"{indent}  {piece}")
        else:
            lines[-1] += f" {piece}" if lines[-1].strip() else piece
    return lines


def table(*names: str, right: Iterable[str] = ()) -> Table:
    """Return an empty table of columns that are never cut; those named in ``right`` are aligned there."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        made.add_column(Text(name), justify="right" if name in right else "left", overflow="fold")
    return made


class Rate:
    """Items a second over the last minute; where items come in larger batches, over the last two of these.

    Args:
        now: seconds of a monotonic clock.
        done: items that were done by then.
    """

    def __init__(self, now: float, done: int) -> None:
        self._changes = deque([(now, done)])

    def at(self, now: float, done: int) -> float:
        """Return the rate, with so many items done at ``now``."""
        if done != self._changes[-1][1]:
            self._changes.append((now, done))
        while len(self._changes) > 2 and self._changes[1][0] < now - _WINDOW:
            self._changes.popleft()
        begun, before = self._changes[0]
        return (done - before) / (now - begun) if now > begun else 0.0


class _TwoLines(Progress):
    """A bar, and below it what it counts: both fit into 80 columns."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        for task in self.tasks:
            yield Text(f"  {task.fields['counts']}")


@contextmanager
def progress_bar() -> Iterator[Callable[[runs.Progress], None]]:
    """Show a bar of a run's items and batches while the context lasts; nothing when stderr is no terminal."""
    columns = (
        SpinnerColumn(),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeElapsedColumn(),
    )
    with _TwoLines(*columns, console=err, disable=not _ANIMATED, transient=True, expand=True) as bar:
        task = bar.add_task("", total=None, pace="", counts="preparing")
        passing, rate = 0, Rate(time.monotonic(), 0)

        def show(progress: runs.Progress) -> None:
            nonlocal passing, rate
            if progress.passing != passing:
                # A further map run has its own items, and its own rate.
                passing, rate = progress.passing, Rate(time.monotonic(), progress.done)
                bar.reset(task)
            speed = rate.at(time.monotonic(), progress.done)
            bar.update(task, pace=pace(progress, speed), counts=counts(progress))
            bar.update(task, total=progress.total or None, completed=progress.done)

        yield show


def pace(progress: runs.Progress, rate: float) -> str:
    """Return, in words, how fast a run is and how long it goes on; nothing as long as nothing is done."""
    if not rate:
        return ""
    left = timedelta(seconds=round((progress.total - progress.done) / rate))
    return f"{rate:,.1f} items/s, {left} left," if rate < 10 else f"{rate:,.0f} items/s, {left} left,"


def counts(progress: runs.Progress) -> str:
    """Return, in words, how far a run is."""
    again = f"map {progress.passing}: " if progress.passing > 1 else ""
    return (
        f"{again}{progress.done:,} of {progress.total:,} items, {progress.failed:,} failed; "
        f"{progress.batches_done:,} of {progress.batches:,} batches"
    )


@contextmanager
def counting(title: str) -> Iterator[Callable[[int], None]]:
    """Show how many of something there are so far while the context lasts; nothing when stderr is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not _ANIMATED, transient=True) as shown:
        task = shown.add_task(title, total=None)
        yield lambda more: shown.advance(task, more)


def show_summary(summary: dict[str, Any]) -> None:
    """Print a summary for people."""
    mark = "[green]SUCCEEDED[/]" if summary["state"] == "SUCCEEDED" else "[red]FAILED[/]"
    ledger = "[green]the ledger adds up[/]" if summary["reconciled"] else "[red]the ledger does not add up[/]"
    out.print(f"[bold]{summary['run']}[/]  {mark}  {ledger}")
    if summary["reason"]:
        tell(summary["reason"], "  ")
    items, size, times = summary["items"], summary["bytes"], summary["milliseconds"]
    (first, *others) = (f"{count} {name}" for name, count in items.items() if name != "listed")
    tell([f"{items['listed']} listed", f"= {first}", *(f"+ {part}" for part in others)], "  ")
    tell(
        f"{size['in'] / 1e6:.2f} MB in, {size['out'] / 1e6:.2f} MB out; "
        f"an item {times['p50']:.0f} ms (p50), {times['p99']:.0f} ms (p99); {summary['seconds']:.1f} s in all",
        "  ",
    )
    for error in summary["errors"]:
        tell(f"{error['count']} x {error['type']}, such as {error['example']}", "  ")
