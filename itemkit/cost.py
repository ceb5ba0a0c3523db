"""What a run costs: what it used, times AWS's list prices. docs/cost.md explains the model.

The same model bills a finished run and estimates one that is planned. Prices are those of the first tier and free tiers
are not deducted, because only the account's month as a whole says what is left of either.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any, Literal

# States that the workflow enters once in a run, once in each pass, and in each child; the tests count them in it.
STATES_OF_RUN = 6
STATES_OF_PASS = 4
STATES_OF_CHILD = 3
# EXPRESS children are billed in chunks of memory, and a batch of references to objects fits into the first.
EXPRESS_GB = 64 / 1024
MB_A_GB = 1024
# Measured: an item function logs 0.5 kB for a batch without failures, Lambda another 0.4 kB for the invocation. The
# tests measure it again.
LOG_BYTES = 900
STAND_IN = "us-east-1"

ChildType = Literal["EXPRESS", "STANDARD"]
Architecture = Literal["arm64", "x86_64"]


class InvalidPrices(ValueError):
    """A price file that cannot be used; the message says what to write instead."""


@dataclass(frozen=True)
class Usage:
    """What a run used, or would use.

    Attributes:
        items: listed by the source, whatever became of them.
        transitions: states that the workflow itself entered.
        children: executions that the Distributed Map started; each is a state transition of the workflow.
        child_states: states that all children together entered; STANDARD children are billed for them.
        child_seconds: duration of all children, each rounded up to 0.1 s; EXPRESS children are billed for them.
        invocations: of Lambda functions.
        megabyte_seconds: memory of the function in MB times its duration, over all invocations.
        heads, gets, puts, lists: S3 requests.
    """

    items: int = 0
    transitions: int = 0
    children: int = 0
    child_type: ChildType = "EXPRESS"
    child_states: int = 0
    child_seconds: float = 0.0
    invocations: int = 0
    megabyte_seconds: float = 0.0
    architecture: Architecture = "arm64"
    heads: int = 0
    gets: int = 0
    puts: int = 0
    lists: int = 0

    @classmethod
    def of_summary(cls, summary: Mapping[str, Any]) -> Usage:
        """Read what a run used from its ``summary.json``; a child is a batch that reported."""
        used = summary["usage"]
        requests = used["requests"]
        return cls(
            items=summary["items"]["listed"],
            transitions=STATES_OF_RUN + STATES_OF_PASS * len(summary["passes"]),
            children=used["invocations"],
            child_type=used["child_type"],
            child_states=STATES_OF_CHILD * used["invocations"],
            child_seconds=used["child_seconds"],
            invocations=used["invocations"],
            megabyte_seconds=used["megabyte_seconds"],
            heads=requests["head"],
            gets=requests["get"],
            puts=requests["put"],
            lists=requests["list"],
        )


@dataclass(frozen=True)
class Rates:
    """The list prices of one Region, in dollars for one of what the name says.

    Attributes:
        date: ISO date of the oldest of the price lists they are from.
        s3_get: GET and HEAD, which are one class of requests to S3.
        s3_put: PUT and LIST, likewise.
        log_gb: a GB of logs taken in by CloudWatch Logs.
    """

    date: str
    state_transition: float
    express_request: float
    express_gb_second: float
    lambda_request: float
    lambda_gb_second_arm64: float
    lambda_gb_second_x86_64: float
    s3_get: float
    s3_put: float
    log_gb: float

    def lambda_gb_second(self, architecture: Architecture) -> float:
        """Return the price of a GB-second of a function."""
        return self.lambda_gb_second_arm64 if architecture == "arm64" else self.lambda_gb_second_x86_64


@dataclass(frozen=True)
class Prices:
    """A price file: where its prices are from, and the rates by Region."""

    sources: tuple[str, ...]
    regions: Mapping[str, Rates]


@dataclass(frozen=True)
class Line:
    """One line of a bill; ``unit_price`` is in dollars for one ``unit``."""

    what: str
    quantity: float
    unit: str
    unit_price: float

    @property
    def dollars(self) -> float:
        """Quantity times price."""
        return self.quantity * self.unit_price


@dataclass(frozen=True)
class Bill:
    """What a run costs in a Region.

    Attributes:
        region: the one asked for.
        date: ISO date of the prices.
        note: says so when the prices are another Region's; else ``None``.
    """

    lines: tuple[Line, ...]
    items: int
    region: str
    date: str
    note: str | None = None

    @property
    def total(self) -> float:
        """Dollars."""
        return math.fsum(line.dollars for line in self.lines)

    @property
    def per_million(self) -> float | None:
        """Dollars for a million listed items at this rate; ``None`` when none was listed."""
        return self.total / self.items * 1_000_000 if self.items else None


def bill(usage: Usage, prices: Prices, region: str) -> Bill:
    """Bill a usage at the prices of a Region, or at those of us-east-1 with a note that they stand in.

    Raises:
        InvalidPrices: the file has prices for neither.
    """
    if region in prices.regions:
        rates, note = prices.regions[region], None
    elif STAND_IN in prices.regions:
        rates = prices.regions[STAND_IN]
        note = f"The price file has no prices of {region}: those of {STAND_IN} stand in for them."
    else:
        raise InvalidPrices(f"the price file has prices of neither {region} nor {STAND_IN}: add those of {region}")
    lines = (*_step_functions(usage, rates), *_functions(usage, rates), *_requests(usage, rates))
    return Bill(lines, usage.items, region, rates.date, note)


def _step_functions(usage: Usage, rates: Rates) -> Iterator[Line]:
    yield Line("Step Functions: states of the workflow", usage.transitions, "transition", rates.state_transition)
    yield Line("Step Functions: children started", usage.children, "transition", rates.state_transition)
    if usage.child_type == "STANDARD":
        yield Line("Step Functions: states of children", usage.child_states, "transition", rates.state_transition)
    else:
        gb_seconds = usage.child_seconds * EXPRESS_GB
        yield Line("Step Functions: EXPRESS requests", usage.children, "request", rates.express_request)
        yield Line("Step Functions: EXPRESS duration", gb_seconds, "GB-second", rates.express_gb_second)


def _functions(usage: Usage, rates: Rates) -> Iterator[Line]:
    gb_seconds = usage.megabyte_seconds / MB_A_GB
    price = rates.lambda_gb_second(usage.architecture)
    yield Line("Lambda: requests", usage.invocations, "request", rates.lambda_request)
    yield Line(f"Lambda: duration, {usage.architecture}", gb_seconds, "GB-second", price)
    yield Line("CloudWatch Logs: ingestion, estimated", usage.invocations * LOG_BYTES / 1e9, "GB", rates.log_gb)


def _requests(usage: Usage, rates: Rates) -> Iterator[Line]:
    yield Line("S3: HEAD", usage.heads, "request", rates.s3_get)
    yield Line("S3: GET", usage.gets, "request", rates.s3_get)
    yield Line("S3: PUT", usage.puts, "request", rates.s3_put)
    yield Line("S3: LIST", usage.lists, "request", rates.s3_put)


def load_prices(path: Path | None = None) -> Prices:
    """Read a price file, the one that comes with the kit where none is named.

    Raises:
        InvalidPrices: it cannot be read, or not be used; the message names every fault.
    """
    path = path or Path(__file__).with_name("prices.json")
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidPrices(f"{path} is no price file that can be read: {error}") from error
    if faults := list(_faults(value)):
        raise InvalidPrices(f"{path}: {'; '.join(faults)}")
    return Prices(tuple(value["sources"]), {name: Rates(**rates) for name, rates in value["regions"].items()})


def _faults(value: Any) -> Iterator[str]:
    if not isinstance(value, dict):
        yield "it holds no JSON object: write one with 'sources' and 'regions'"
        return
    sources, regions = value.get("sources"), value.get("regions")
    if not isinstance(sources, list) or not sources or not all(isinstance(each, str) for each in sources):
        yield "'sources' is no list of texts: write the URLs of the pages that the prices are from"
    if not isinstance(regions, dict) or not regions:
        yield "'regions' is no object of Regions: write {'us-east-1': {...}}"
        return
    for region, rates in regions.items():
        yield from (f"regions.{region}{fault}" for fault in _faults_of_region(rates))


def _faults_of_region(rates: Any) -> Iterator[str]:
    if not isinstance(rates, dict):
        yield " is no object: write its prices"
        return
    names = [field.name for field in fields(Rates)]
    yield from (f".{name} is missing" for name in names if name not in rates)
    yield from (f".{name} is not known; known are {', '.join(names)}" for name in rates if name not in names)
    for name in (name for name in names if name in rates):
        if name == "date" and not _is_date(rates[name]):
            yield f".date is {rates[name]!r}: write it as 2026-11-21"
        elif name != "date" and not _is_price(rates[name]):
            yield f".{name} is {rates[name]!r}: write dollars as a number of 0 or more"


def _is_date(value: Any) -> bool:
    try:
        return bool(date.fromisoformat(value))
    except (TypeError, ValueError):
        return False


def _is_price(value: Any) -> bool:
    # bool is an int to Python; JSON as Python reads it has NaN and Infinity.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf
