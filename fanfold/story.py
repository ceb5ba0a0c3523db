"""What a command tells people: the story and the progress bar on stderr, results on stdout."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

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
    """Show a bar of items while the context lasts; nothing when stderr is no terminal."""
    columns = (SpinnerColumn(), TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda progress: bar.update(task, total=progress.total or None, completed=progress.done)


def show_summary(summary: dict[str, Any]) -> None:
    """Print a summary for people."""
    mark = "[green]SUCCEEDED[/]" if summary["state"] == "SUCCEEDED" else "[red]FAILED[/]"
    ledger = "[green]the ledger adds up[/]" if summary["reconciled"] else "[red]the ledger does not add up[/]"
    out.print(f"[bold]{summary['run']}[/]  {mark}  {ledger}")
    if summary["reason"]:
        out.print(summary["reason"], markup=False)
    out.print(_ledger_table(summary))
    for error in summary["errors"]:
        out.print(f"  {error['count']} x {error['type']}, such as {error['example']}", markup=False)


def _ledger_table(summary: dict[str, Any]) -> Table:
    columns = [*summary["items"], "MB in", "MB out", "p50 ms", "p99 ms", "seconds"]
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    size, times = summary["bytes"], summary["milliseconds"]
    cells = [*summary["items"].values(), f"{size['in'] / 1e6:.2f}", f"{size['out'] / 1e6:.2f}"]
    table.add_row(*(str(cell) for cell in (*cells, times["p50"], times["p99"], round(summary["seconds"], 1))))
    return table
