"""The summary: the face of a run. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.summarize.ledger import Ledger

MOST_ERRORS = 20


@dataclass(frozen=True)
class Run:
    """What the workflow knows of a run beside its results.

    Attributes:
        plan: as Prepare made it.
        failure: the Map state's ``{"Error", "Cause"}``, ``None`` when it succeeded.
        started, finished: instants with a zone.
    """

    plan: Mapping[str, Any]
    execution: str
    failure: Mapping[str, Any] | None
    started: datetime
    finished: datetime


def summarize(run: Run, ledger: Ledger, listed: int) -> dict[str, Any]:
    """Return ``summary.json`` without its artifacts; ``reason`` says why a run that FAILED did."""
    difference = ledger.difference(listed)
    reason = _reason(run, ledger, listed, difference)
    tally = ledger.tally
    return {
        "run": run.plan["run"],
        "state": "FAILED" if reason else "SUCCEEDED",
        "reason": reason,
        "operation": run.plan["operation"],
        "source": run.plan["source"]["uri"],
        "destination": run.plan["destination"],
        "reconciled": difference is None,
        "items": ledger.items(listed),
        "bytes": {"in": tally.sums["bytes_in"], "out": tally.sums["bytes_out"]},
        "rows": {"in": tally.sums["rows_in"], "out": tally.sums["rows_out"]},
        "milliseconds": _percentiles(ledger),
        "seconds": round((run.finished - run.started).total_seconds(), 3),
        "started": run.started.isoformat(),
        "finished": run.finished.isoformat(),
        "errors": _errors(ledger),
        "execution": run.execution,
    }


def _reason(run: Run, ledger: Ledger, listed: int, difference: str | None) -> str | None:
    reasons = []
    if run.failure:
        reasons.append(f"The map failed with {run.failure['Error']}: {run.failure.get('Cause', 'no cause given')}.")
    if difference:
        reasons.append(f"The ledger does not add up: {difference}.")
    tolerated = run.plan["tolerated_percent"]
    # Rounded, because 0.57 % of 10,000 is a little less than 57 in floating point.
    if ledger.unsuccessful > round(listed * tolerated / 100, 6):
        share = f"{ledger.unsuccessful} of {listed} items have no output"
        reasons.append(f"{share}, more than the tolerated {tolerated:g} %.")
    return " ".join(reasons) or None


def _percentiles(ledger: Ledger) -> dict[str, float]:
    times = ledger.tally.milliseconds
    wanted = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {**{name: round(times.quantile(share), 1) for name, share in wanted.items()}, "max": round(times.largest, 1)}


def _errors(ledger: Ledger) -> list[dict[str, Any]]:
    ranked = sorted(ledger.tally.errors.items(), key=lambda entry: (-entry[1][0], entry[0]))
    return [{"type": kind, "count": count, "example": example} for kind, (count, example) in ranked[:MOST_ERRORS]]
