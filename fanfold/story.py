"""What a command tells people: the story and the progress bar on stderr, results on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from fanfold import run as runs

err = Console(stderr=True, highlight=False, soft_wrap=True)
out = Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Tell a step of the story."""
    err.print(text, markup=False)


def answer_json(value: Any) -> None:
    """Print a result for programs."""
    out.print(json.dumps(value, indent=2, ensure_ascii=False), markup=False)


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[runs.Progress], None]]:
    """Show a bar of items and batches while the context lasts; nothing when stderr is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=None, told="")
        current = 1

        def tell(progress: runs.Progress) -> None:
            nonlocal current
            if progress.passing != current:
                # A further map run has its own items, and its own rate.
                current = progress.passing
                bar.reset(task, description=f"{title} ({current})")
            bar.update(task, total=progress.total or None, completed=progress.done, told=_told(progress))

        yield tell


@contextmanager
def counting(title: str) -> Iterator[Callable[[int], None]]:
    """Show how many of something there are so far while the context lasts; nothing when stderr is no terminal."""
    columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as shown:
        task = shown.add_task(title, total=None)
        yield lambda more: shown.advance(task, more)


def _told(progress: runs.Progress) -> str:
    failed = f", {progress.failed} failed" if progress.failed else ""
    return f"items, {progress.batches_done}/{progress.batches} batches{failed}"


def show_summary(summary: dict[str, Any]) -> None:
    """Print a summary for people."""
    mark = "[green]SUCCEEDED[/]" if summary["state"] == "SUCCEEDED" else "[red]FAILED[/]"
    ledger = "[green]the ledger adds up[/]" if summary["reconciled"] else "[red]the ledger does not add up[/]"
    out.print(f"[bold]{summary['run']}[/]  {mark}  {ledger}")
    if summary["reason"]:
        out.print(summary["reason"], markup=False)
    items, size, times = summary["items"], summary["bytes"], summary["milliseconds"]
    parts = " + ".join(f"{count} {name}" for name, count in items.items() if name != "listed")
    out.print(f"  {items['listed']} listed = {parts}", markup=False)
    out.print(
        f"  {size['in'] / 1e6:.2f} MB in, {size['out'] / 1e6:.2f} MB out; "
        f"an item {times['p50']:.0f} ms (p50), {times['p99']:.0f} ms (p99); {summary['seconds']:.1f} s in all",
        markup=False,
    )
    for error in summary["errors"]:
        out.print(f"  {error['count']} x {error['type']}, such as {error['example']}", markup=False)
