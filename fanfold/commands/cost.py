"""``fanfold cost``: the bill of a finished run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from fanfold import run as runs
from fanfold.application import on_aws
from fanfold.commands.parameters import Run, Stack
from fanfold.problems import UsageProblem
from fanfold.story import answer_json, out, table, tell
from itemkit.cost import Bill, InvalidPrices, Prices, Usage, bill, load_prices


def cost(
    run: Run,
    prices: Annotated[Path | None, typer.Option(help="A price file of your own; see docs/cost.md.")] = None,
    region: Annotated[str | None, typer.Option(help="The Region whose prices count; the run's own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    stack: Stack = "fanfold",
) -> None:
    """Bill a finished run at list prices, line by line.

    A run on this machine is billed as if it had been one on AWS.

    Examples:
        fanfold cost image-resize-20261121T101500Z-3fa9
        fanfold cost image-resize-20261121T101500Z-3fa9 --region eu-west-1 --json
    """
    application = on_aws(stack)
    summary = runs.read_summary(application, run)
    known = read_prices(prices)
    try:
        billed = bill(Usage.of_summary(summary), known, region or application.region)
    except InvalidPrices as error:
        raise UsageProblem(f"the price file {prices} cannot be used: {error}") from error
    answer_json(as_dict(billed)) if as_json else show(billed)


def read_prices(path: Path | None) -> Prices:
    """Read a price file, or the one that comes with the kit; raises UsageProblem when it is none."""
    try:
        return load_prices(path)
    except (OSError, InvalidPrices) as error:
        raise UsageProblem(f"the price file {path} cannot be used: {error}") from error


def as_dict(billed: Bill) -> dict[str, Any]:
    """Return a bill for programs."""
    lines = [{**asdict(line), "dollars": line.dollars} for line in billed.lines]
    return {**asdict(billed), "lines": lines, "total": billed.total, "per_million": billed.per_million}


def show(billed: Bill) -> None:
    """Print a bill for people."""
    rows = table("what", "quantity", "unit", "dollars", right=["quantity", "dollars"])
    for line in billed.lines:
        rows.add_row(line.what, f"{line.quantity:,.6g}", line.unit, f"{line.dollars:.6f}")
    rows.add_row("total", "", "", f"{billed.total:.6f}")
    out.print(rows)
    if billed.per_million is not None:
        tell(f"{billed.per_million:.2f} dollars a million items")
    tell(billed.note or f"list prices of {billed.region} on {billed.date}, free tiers not deducted")
