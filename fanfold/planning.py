"""What a run would come to, from what its source holds: requests, states, function time, minutes. Pure.

The counts follow the road of an item in ``itemkit.batch``; ``docs/plan.md`` tells them for people.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from itemkit.cost import STATES_OF_CHILD, STATES_OF_PASS, STATES_OF_RUN, Architecture, ChildType, Usage
from itemkit.item import Item
from itemkit.select import FOLDER_MARKER, Select

# Objects that one LIST request tells.
LIST_PAGE = 1000
# What docs/cost.md reckons with: milliseconds of the function for an item, and for a HEAD, four of which go at a time.
ASSUMED_MILLISECONDS = 120.0
HEAD_MILLISECONDS = 20.0 / 4
# Seconds that EXPRESS children are billed in.
BILLED_STEP = 0.1
# Writes a second that S3 takes below one prefix.
WRITES_A_SECOND = 3500
# The share of its time after which a function begins no more items.
USABLE_SHARE = 0.9

_RULES = ("suffix", "glob", "min_bytes", "max_bytes", "modified_after")


@dataclass(frozen=True)
class Finding:
    """Items of one kind: how many, the smallest URI among them, and what is said of that one."""

    count: int
    example: str
    reason: str

    def __add__(self, other: Finding) -> Finding:
        """Return both together."""
        first = min(self, other, key=lambda each: each.example)
        return replace(first, count=self.count + other.count)


@dataclass
class Census:
    """What a source holds, as far as it was listed; listed = the excluded + done + the failing + to_run.

    Attributes:
        excluded: by the rule of ``select`` that does not want them.
        failing: items known to fail, by error type.
        done: items with an output that is made from them as they are now, with these options.
        to_run: items to work on.
        bytes: of those whose size is known.
        unsized: how many of ``to_run`` have a size that is not known.
    """

    listed: int = 0
    excluded: dict[str, Finding] = field(default_factory=dict)
    failing: dict[str, Finding] = field(default_factory=dict)
    done: int = 0
    to_run: int = 0
    bytes: int = 0
    unsized: int = 0

    @property
    def wanted(self) -> int:
        """Items that are not excluded."""
        return self.listed - _total(self.excluded)

    @property
    def failures(self) -> int:
        """Items known to fail."""
        return _total(self.failing)

    def exclude(self, rule: str, uri: str, reason: str) -> None:
        """Count an item that ``select`` does not want."""
        self.listed += 1
        _find(self.excluded, rule, Finding(1, uri, reason))

    def fail(self, error: str, uri: str, reason: str) -> None:
        """Count an item that cannot come through."""
        self.listed += 1
        _find(self.failing, error, Finding(1, uri, reason))

    def merge(self, other: Census) -> None:
        """Add another part of the source."""
        for name in ("listed", "done", "to_run", "bytes", "unsized"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, others in ((self.excluded, other.excluded), (self.failing, other.failing)):
            for kind, found in others.items():
                _find(mine, kind, found)

    def scaled(self, factor: float) -> Census:
        """Return what the whole source holds if it is ``factor`` times what was listed, in the same proportions."""
        excluded, failing = (
            {kind: replace(found, count=round(found.count * factor)) for kind, found in findings.items()}
            for findings in (self.excluded, self.failing)
        )
        done, to_run, size, unsized = (
            round(each * factor) for each in (self.done, self.to_run, self.bytes, self.unsized)
        )
        return Census(
            _total(excluded) + _total(failing) + done + to_run, excluded, failing, done, to_run, size, unsized
        )


@dataclass(frozen=True)
class Sorter:
    """Decides what would become of an item, as a batch does.

    Attributes:
        most_bytes: the largest object that the operation takes, where it says so.
        is_done: whether an item's output is there already.
    """

    select: Select
    most_bytes: int | None = None
    is_done: Callable[[Item], bool] = lambda item: False

    def sort(self, item: Item, census: Census) -> None:
        """Count an item."""
        if reason := self.select.refusal(item):
            census.exclude(self._rule(item), item.uri, reason)
        elif self.is_done(item):
            census.listed += 1
            census.done += 1
        elif self.most_bytes is not None and (item.size or 0) > self.most_bytes:
            census.fail("ObjectTooLarge", item.uri, f"{item.size:,} bytes are more than {self.most_bytes:,}")
        else:
            census.listed += 1
            census.to_run += 1
            census.bytes += item.size or 0
            census.unsized += item.size is None

    def _rule(self, item: Item) -> str:
        """Return the first rule that refuses an item which is refused."""
        if item.is_folder_marker:
            return FOLDER_MARKER
        alone = (name for name in _RULES if Select(**{name: getattr(self.select, name)}).refusal(item))
        return next(alone)


@dataclass(frozen=True)
class Setting:
    """How the run would work.

    Attributes:
        kind: of the source as the workflow reads it: ``prefix``, ``csv`` or ``jsonl``.
        heads_rows: whether ``select`` has rules that need a HEAD of a manifest's row.
        batch_items: items a batch.
        concurrency: batches at once, at most.
        memory: of the operation's function, in MB.
        timeout: of it, in seconds.
    """

    kind: str
    heads_rows: bool
    batch_items: int
    concurrency: int
    memory: int
    timeout: int
    architecture: Architecture = "arm64"
    child_type: ChildType = "EXPRESS"


@dataclass(frozen=True)
class Pace:
    """What one item takes.

    Attributes:
        milliseconds: of its function, which works on several at a time.
        gets, puts: requests for its object and its outputs.
        source: where the figures are from.
    """

    milliseconds: float = ASSUMED_MILLISECONDS
    gets: float = 1.0
    puts: float = 1.0
    source: Literal["assumed", "given", "probed"] = "assumed"

    @classmethod
    def of_summary(cls, summary: Mapping[str, Any]) -> Pace | None:
        """Read it from the summary of a probe to a place of its own; ``None`` when no item was worked on."""
        used, items = summary["usage"], summary["items"]
        worked = items["succeeded"] + items["failed"]
        if not worked:
            return None
        gets, puts = used["requests"]["get"], used["requests"]["put"] - used["invocations"]
        return cls(used["milliseconds"] / worked, gets / worked, puts / worked, "probed")


@dataclass(frozen=True)
class Estimate:
    """What a run would take.

    Attributes:
        batches: children of the map.
        batch_seconds: of the function for one of them, on average.
        longest_seconds: for one in which every item is to be worked on.
        seconds: of the map, with batches on time and no wait for functions.
    """

    usage: Usage
    batches: int
    batch_seconds: float
    longest_seconds: float
    seconds: float


def estimate(census: Census, setting: Setting, pace: Pace) -> Estimate:
    """Return what one pass over the items takes."""
    batches = math.ceil(census.listed / setting.batch_items)
    heads, gets, puts = _requests(census, setting, pace)
    asking = (heads - census.to_run) * HEAD_MILLISECONDS
    seconds = (census.to_run * pace.milliseconds + asking) / 1000
    each = seconds / batches if batches else 0.0
    rounds = math.ceil(batches / setting.concurrency)
    usage = Usage(
        items=census.listed,
        transitions=STATES_OF_RUN + STATES_OF_PASS,
        children=batches,
        child_type=setting.child_type,
        child_states=STATES_OF_CHILD * batches,
        # A step more or less, because floats: 0.3 is no more than three steps of 0.1.
        child_seconds=round(batches * math.ceil(round(each / BILLED_STEP, 6)) * BILLED_STEP, 3),
        invocations=batches,
        megabyte_seconds=round(seconds * setting.memory, 3),
        architecture=setting.architecture,
        heads=heads,
        gets=gets,
        puts=puts + batches,
        lists=math.ceil(census.listed / LIST_PAGE) if setting.kind == "prefix" else 0,
    )
    longest = min(setting.batch_items, census.to_run) * pace.milliseconds / 1000
    return Estimate(usage, batches, each, longest, max(rounds * each, usage.puts / WRITES_A_SECOND))


def _requests(census: Census, setting: Setting, pace: Pace) -> tuple[int, int, int]:
    """Return the HEAD, GET and PUT requests for items; the batches' own are not among them."""
    listing = setting.kind == "prefix"
    read = census.to_run + census.failures
    # The output is asked for; of a row whose output is there, the source, too, unless that was asked for its size.
    heads = read + census.done
    if not listing:
        heads += census.listed if setting.heads_rows else census.done
    return heads, round(census.to_run * pace.gets) + census.failures, round(census.to_run * pace.puts)


def assumptions(census: Census, setting: Setting, pace: Pace, made: Estimate) -> Iterator[str]:
    """Yield, in sentences, what an estimate takes for granted."""
    yield {
        "assumed": f"{pace.milliseconds:g} ms of a function an item and one output an item: assumed, not measured; "
        "--probe 20 measures them",
        "given": f"{pace.milliseconds:g} ms of a function an item, as given, and one output an item",
        "probed": f"{pace.milliseconds:.3g} ms of function, {pace.gets:.3g} GETs, {pace.puts:.3g} outputs an item, as "
        "the probe measured them",
    }[pace.source]
    yield "one pass: nothing is deferred or lost, every item comes through that is not known to fail"
    at_once = min(setting.concurrency, made.batches)
    yield f"functions at once: {at_once:,}, from the first moment; the account's Lambda concurrency allows them"
    yield "the time is that of the map: without cold starts, Prepare, Summarize and Publish"
    if census.unsized:
        yield f"the sizes of {census.unsized:,} items are not known: a manifest carries none, --head asks for them"


def warnings(setting: Setting, pace: Pace, made: Estimate) -> Iterator[str]:
    """Yield what would go wrong, and what to do about it."""
    usable = USABLE_SHARE * setting.timeout
    if made.longest_seconds > usable:
        fits = max(int(usable * 1000 / pace.milliseconds), 1)
        yield (
            f"a batch takes up to {made.longest_seconds:.0f} s and its function has {setting.timeout} s: items would "
            f"be deferred to a further pass; set batch.items={fits} or less"
        )


def _total(findings: Mapping[str, Finding]) -> int:
    return sum(found.count for found in findings.values())


def _find(findings: dict[str, Finding], kind: str, found: Finding) -> None:
    findings[kind] = findings[kind] + found if kind in findings else found
