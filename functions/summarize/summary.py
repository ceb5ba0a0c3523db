"""The summary: the face of a run; and the figures behind the charts of its report. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from functions.summarize.account import Account, Pass
from functions.summarize.effort import BILLED_STEP
from functions.summarize.ledger import STATUSES, Ledger
from itemkit.tally import Errors, Tally, count_error

MOST_ERRORS = 20
# Bins of a histogram and steps of the throughput: what a chart can show.
MOST_BINS = 60
MOST_STEPS = 120
# Keys of one answer of ListObjectsV2.
_LIST_PAGE = 1000


@dataclass(frozen=True)
class Run:
    """What the workflow knows of a run beside its results.

    Attributes:
        plan: as Prepare made it.
        execution: its ARN.
        failure: the last Map state's ``{"Error", "Cause"}``, ``None`` when it succeeded.
        child_type: ``EXPRESS`` or ``STANDARD``.
        started, finished: instants with a zone.
    """

    plan: Mapping[str, Any]
    execution: str
    failure: Mapping[str, Any] | None
    child_type: str
    started: datetime
    finished: datetime


def summarize(run: Run, account: Account) -> dict[str, Any]:
    """Return ``summary.json``; ``reason`` says why a run that FAILED did."""
    reason = _reason(run, account)
    return {
        "run": run.plan["run"],
        "state": "FAILED" if reason else "SUCCEEDED",
        "reason": reason,
        "operation": run.plan["operation"],
        "source": run.plan["source"]["uri"],
        "destination": run.plan["destination"],
        "reconciled": not account.differences,
        "notes": account.notes,
        "items": counts(account.tally, account.listed, account.lost),
        **_sizes(account.tally),
        "milliseconds": _percentiles(account.tally),
        **_pace(account.listed, run.started, run.finished),
        "started": run.started.isoformat(),
        "finished": run.finished.isoformat(),
        "passes": account.passes,
        "errors": _errors(account),
        "slowest": [{"uri": uri, "milliseconds": took} for took, uri in account.tally.slowest],
        "usage": _usage(run, account),
        "execution": run.execution,
        "artifacts": _artifacts(run.plan["runs"]),
    }


def told_of(current: Pass, ledger: Ledger, listed: int, map_run: str | None, finished: datetime) -> dict[str, Any]:
    """Return what the summary says of one pass; ``gained`` are the items that have an output since."""
    return {
        "pass": current.number,
        "items": counts(ledger.tally, listed, ledger.lost),
        "gained": ledger.tally.counts["succeeded"] + ledger.tally.counts["skipped"],
        **_pace(listed, datetime.fromisoformat(current.started), finished),
        **_sizes(ledger.tally),
        "started": current.started,
        "finished": finished.isoformat(),
        "map_run": map_run,
    }


def counts(tally: Tally, listed: int, lost: int) -> dict[str, int]:
    """Return the counts; listed = excluded + skipped + succeeded + failed + deferred + lost."""
    return {"listed": listed, **{name: tally.counts[name] for name in STATUSES}, "lost": lost}


def figures(account: Account) -> dict[str, Any]:
    """Return ``figures.json``: histograms as ``[low, high, count]``, items by time, records to take samples from."""
    work = account.work
    return {
        "milliseconds": account.tally.milliseconds.bins(MOST_BINS),
        "bytes_in": account.tally.sizes.bins(MOST_BINS),
        "throughput": _throughput(work.timeline),
        "records": [uri for _, uri in work.samples],
    }


def _reason(run: Run, account: Account) -> str | None:
    reasons = []
    if run.failure:
        reasons.append(f"The map failed with {run.failure['Error']}: {run.failure.get('Cause', 'no cause given')}.")
    if account.differences:
        reasons.append(f"The ledger does not add up: {'; '.join(account.differences)}.")
    tolerated = run.plan["tolerated_percent"]
    if account.unsuccessful > tolerable(account.listed, tolerated):
        share = f"{account.unsuccessful} of {account.listed} items have no output"
        reasons.append(f"{share}, more than the tolerated {tolerated:g} %.")
    return " ".join(reasons) or None


def tolerable(listed: int, percent: float) -> float:
    """Return how many of ``listed`` items may fail; rounded, because 0.57 % of 10,000 is a little less than 57."""
    return round(listed * percent / 100, 6)


def _sizes(tally: Tally) -> dict[str, Any]:
    sums = tally.sums
    return {
        "bytes": {"in": sums["bytes_in"], "out": sums["bytes_out"]},
        "rows": {"in": sums["rows_in"], "out": sums["rows_out"]},
    }


def _pace(items: int, started: datetime, finished: datetime) -> dict[str, float]:
    seconds = (finished - started).total_seconds()
    return {"seconds": round(seconds, 3), "items_per_second": round(items / seconds, 1) if seconds > 0 else 0.0}


def _percentiles(tally: Tally) -> dict[str, float]:
    times = tally.milliseconds
    wanted = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {**{name: round(times.quantile(share), 1) for name, share in wanted.items()}, "max": round(times.largest, 1)}


def _errors(account: Account) -> list[dict[str, Any]]:
    found: Errors = {}
    for errors in (account.tally.errors, account.tally.deferrals, account.losses):
        for kind, (count, example) in errors.items():
            count_error(found, kind, count, example)
    ranked = sorted(found.items(), key=lambda entry: (-entry[1][0], entry[0]))
    return [{"type": kind, "count": count, "example": example} for kind, (count, example) in ranked[:MOST_ERRORS]]


def _usage(run: Run, account: Account) -> dict[str, Any]:
    work = account.work
    listing = -(-account.listed // _LIST_PAGE) if run.plan["source"]["kind"] == "prefix" else 0
    requests = {kind: work.requests[kind] for kind in ("head", "get", "put", "list")}
    return {
        "invocations": work.invocations,
        "milliseconds": work.milliseconds,
        "megabyte_seconds": round(work.megabyte_milliseconds / 1000, 3),
        "child_seconds": round(work.billed_steps * BILLED_STEP / 1000, 3),
        "child_type": run.child_type,
        "requests": {**requests, "list": requests["list"] + listing},
    }


def _throughput(timeline: Mapping[int, int]) -> dict[str, Any]:
    if not timeline:
        return {"start": None, "step_seconds": 1, "items": []}
    first, last = min(timeline), max(timeline)
    step = -(-(last - first + 1) // MOST_STEPS)
    items = [0] * ((last - first) // step + 1)
    for second, count in timeline.items():
        items[(second - first) // step] += count
    return {"start": datetime.fromtimestamp(first, UTC).isoformat(), "step_seconds": step, "items": items}


def _artifacts(home: str) -> dict[str, str]:
    files = {"summary": "summary.json", "failures": "failures.csv", "figures": "figures.json", "report": "report.html"}
    return {**{name: home + file for name, file in files.items()}, "records": f"{home}records/"}
