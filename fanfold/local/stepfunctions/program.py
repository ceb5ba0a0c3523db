"""A state machine as it runs: what the definition's JSON is compiled to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fanfold.local.stepfunctions.query import Template


@dataclass(frozen=True, slots=True)
class Retrier:
    """One entry of ``Retry``."""

    errors: frozenset[str]
    interval: float
    backoff: float
    attempts: int
    longest: float | None
    jitter: bool


@dataclass(frozen=True, slots=True)
class Catcher:
    """One entry of ``Catch``."""

    errors: frozenset[str]
    next: str
    assign: Template | None
    output: Template | None


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of ``Choices``."""

    condition: Template
    next: str
    assign: Template | None
    output: Template | None


@dataclass(frozen=True, slots=True)
class TaskBody:
    """What a Task calls: ``service`` and ``action`` as its resource names them, such as ``lambda``, ``invoke``."""

    resource: str
    service: str
    action: str
    arguments: Template | None
    timeout: Template | None


@dataclass(frozen=True, slots=True)
class ChoiceBody:
    """What a Choice asks."""

    rules: tuple[Rule, ...]
    default: str | None


@dataclass(frozen=True, slots=True)
class WaitBody:
    """How long a Wait waits; one of the two is set."""

    seconds: Template | None
    timestamp: Template | None


@dataclass(frozen=True, slots=True)
class FailBody:
    """What a Fail reports."""

    error: Template | None
    cause: Template | None


@dataclass(frozen=True, slots=True)
class ParallelBody:
    """What a Parallel runs."""

    branches: tuple[Flow, ...]
    arguments: Template | None


@dataclass(frozen=True, slots=True)
class Reader:
    """An ItemReader. ``config`` is the ReaderConfig with MaxItems taken out."""

    listing: bool
    arguments: Template
    config: Mapping[str, Any]
    max_items: Template | None


@dataclass(frozen=True, slots=True)
class Batcher:
    """An ItemBatcher."""

    max_items: Template | None
    max_bytes: Template | None
    batch_input: Template | None


@dataclass(frozen=True, slots=True)
class Writer:
    """A ResultWriter; without ``arguments`` it only shapes the inline output.

    Attributes:
        empty: whether it says nothing at all, which Step Functions takes at creation and fails on later.
    """

    empty: bool
    arguments: Template | None
    transformation: str
    jsonl: bool


@dataclass(frozen=True, slots=True)
class MapBody:
    """What a Map iterates over, and how. ``label`` is ``None`` for an inline Map."""

    processor: Flow
    label: str | None
    express: bool
    items: Template | None
    selector: Template | None
    max_concurrency: Template | None
    tolerated_count: Template | None
    tolerated_percentage: Template | None
    reader: Reader | None = None
    batcher: Batcher | None = None
    writer: Writer | None = None

    @property
    def distributed(self) -> bool:
        """Whether each iteration is a child execution."""
        return self.label is not None


Body = TaskBody | ChoiceBody | WaitBody | FailBody | ParallelBody | MapBody | None


@dataclass(frozen=True, slots=True)
class State:
    """One state; ``next`` is ``None`` where the line of states ends."""

    name: str
    kind: str
    next: str | None
    assign: Template | None
    output: Template | None
    retriers: tuple[Retrier, ...]
    catchers: tuple[Catcher, ...]
    body: Body


@dataclass(frozen=True, slots=True)
class Flow:
    """A line of states: a machine, a branch, an iteration or a child; ``source`` is the JSON it comes from."""

    start: str
    states: Mapping[str, State] = field(repr=False)
    timeout: float | None
    source: Mapping[str, Any] = field(repr=False)
