"""The metrics of a finished run, as the dashboard and the alarms know them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from itemkit.cost import Usage, bill, load_prices

_PERCENTILES = ("p50", "p95", "p99")


@dataclass(frozen=True)
class Measure:
    """One metric; ``unit`` as CloudWatch spells it."""

    name: str
    unit: str
    value: float


def measures(summary: Mapping[str, Any]) -> Iterator[Measure]:
    """Yield the metrics of a run from its ``summary.json``.

    Items are counted as the ledger has them, once each; dollars are list prices (see ``itemkit.cost``) of the Region
    that the execution's ARN names. What has no meaning without items is left out where there are none.
    """
    yield Measure("Runs", "Count", 1)
    yield Measure("RunsFailed", "Count", int(summary["state"] == "FAILED"))
    yield Measure("RunsUnreconciled", "Count", int(not summary["reconciled"]))
    for status, count in summary["items"].items():
        yield Measure(f"Items{status.title()}", "Count", count)
    yield Measure("RunSeconds", "Seconds", summary["seconds"])
    made = bill(Usage.of_summary(summary), load_prices(), summary["execution"].split(":")[3])
    yield Measure("RunDollars", "None", round(made.total, 6))
    if made.per_million is None:
        return
    yield Measure("DollarsPerMillionItems", "None", round(made.per_million, 6))
    yield Measure("ItemsPerSecond", "Count/Second", summary["items_per_second"])
    for name in _PERCENTILES:
        yield Measure(f"ItemMilliseconds{name.upper()}", "Milliseconds", summary["milliseconds"][name])
