"""A state machine's definition, walked: its flows, its states, its strings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = Any


@dataclass(frozen=True)
class Edge:
    """A way out of a state, with the variables that are assigned on it."""

    field: str
    target: str
    assigned: frozenset[str]


@dataclass(frozen=True)
class Subflow:
    """The machine inside a Map or Parallel; an isolated one does not see the variables outside."""

    flow: dict[str, Json]
    isolated: bool


def subflows(state: Json) -> Iterator[Subflow]:
    """Yield the machines inside a state."""
    for branch in state.get("Branches", []):
        yield Subflow(branch, isolated=False)
    if "ItemProcessor" in state:
        processor = state["ItemProcessor"]
        yield Subflow(processor, isolated=processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED")


def flows(flow: Json) -> Iterator[Json]:
    """Yield the machine and every machine inside it."""
    yield flow
    for state in flow["States"].values():
        for inner in subflows(state):
            yield from flows(inner.flow)


def states(definition: Json) -> Iterator[tuple[str, Json]]:
    """Yield every state, however deep, with its name."""
    for flow in flows(definition):
        yield from flow["States"].items()


def maps(definition: Json) -> list[tuple[str, Json]]:
    """Return the Map states in the order they stand."""
    return [(name, state) for name, state in states(definition) if state["Type"] == "Map"]


def edges(state: Json) -> Iterator[Edge]:
    """Yield the ways out of a state."""
    own = frozenset(state.get("Assign", ()))
    for field in ("Next", "Default"):
        if field in state:
            yield Edge(field, state[field], own)
    for field in ("Choices", "Catch"):
        for index, rule in enumerate(state.get(field, [])):
            yield Edge(f"{field}/{index}/Next", rule["Next"], frozenset(rule.get("Assign", ())))


def strings(value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string inside a JSON value with its path; machines inside are left out."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, each in value.items():
            if key not in ("States", "Branches"):
                yield from strings(each, f"{path}/{key}" if path else key)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from strings(each, f"{path}/{index}")


def repeated_keys(text: str) -> list[str]:
    """Find JSON keys that stand twice in one object: of those a parser drops all but the last without a word."""
    found: list[str] = []

    def note(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        keys = [key for key, _ in pairs]
        found.extend(f"key {key!r} stands twice in one object" for key in dict.fromkeys(keys) if keys.count(key) > 1)
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    return found
