"""Rules about JSONata: where it may stand, whether it compiles, what it may name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jsonata import Jsonata

from tests.workflows.machine import Json, edges, flows, strings, subflows

# What Step Functions adds to JSONata, and what it takes away.
FUNCTIONS = (set(Jsonata.static_frame.bindings) | {"partition", "range", "hash", "random", "uuid", "parse"}) - {"eval"}
# Fields in which AWS takes a literal only; nothing in a Retry is evaluated either. Data may be called anything.
_DATA = "Arguments|Output|Assign|BatchInput|ItemSelector"
_LITERAL = re.compile(
    rf"^(?!(.*/)?({_DATA})/)(.*/)?("
    r"Type|Resource|Next|Default|StartAt|Label|QueryLanguage|Mode|ExecutionType|InputType|ManifestType"
    r"|Transformation|CSVHeaderLocation|CSVDelimiter|ItemsPointer|OutputType|ErrorEquals/\d+)$|^Retry/"
)
_AFTER_SUCCESS = re.compile(r"(Assign|Output)(/|$)")
_AFTER_FAILURE = re.compile(r"Catch/\d+/(Assign|Output)(/|$)")
_CONTEXT_SET_BY = {"steps", "stages", "predicate", "group"}


@dataclass
class Names:
    """What an expression names: variables, members of $states, and fields of a context that there is not."""

    variables: set[str]
    bound: set[str]
    members: set[str]
    bare: set[str]


def delimiters(definition: Json) -> list[str]:
    """Find strings that only half look like an expression, and expressions where AWS takes a literal."""
    found = []
    for name, path, text in _places(definition):
        opened, closed = text.startswith("{%"), text.endswith("%}")
        if opened != closed or (not opened and "{%" in text):
            found.append(f"{name}: {path}: an expression starts with {{% and ends with %}}: {text}")
        elif opened and _LITERAL.search(path):
            found.append(f"{name}: {path}: only a literal can stand here: {text}")
    return found


def syntax(definition: Json) -> list[str]:
    """Find expressions that do not compile."""
    found = []
    for name, path, text in _places(definition):
        if _is_expression(text):
            try:
                Jsonata(text[2:-2])
            except Exception as problem:  # the parser raises whatever Python operator it stumbled over
                found.append(f"{name}: {path}: {problem}: {text}")
    return found


def members(definition: Json) -> list[str]:
    """Find members of $states that are not there, or not yet, and fields of no object."""
    found = []
    for flow in flows(definition):
        for name, state in flow["States"].items():
            for path, used in _expressions(state):
                there = _members_at(state["Type"], path)
                found += [f"{name}: {path}: no $states.{each} here" for each in sorted(used.members - there)]
                found += [f"{name}: {path}: '{each}' is a field of nothing" for each in sorted(used.bare)]
    return found


def _members_at(kind: str, path: str) -> set[str]:
    there = {"input", "context"}
    if kind in ("Task", "Map", "Parallel") and _AFTER_SUCCESS.match(path):
        there.add("result")
    if _AFTER_FAILURE.match(path):
        there.add("errorOutput")
    return there


def variables(definition: Json) -> list[str]:
    """Find variables that some way to a state leaves unassigned; a distributed Map's children see none from outside."""
    return _variables(definition, frozenset())


def _variables(flow: Json, outer: frozenset[str]) -> list[str]:
    found = []
    for name, known in _assigned(flow, outer).items():
        state = flow["States"][name]
        for path, used in _expressions(state):
            unknown = used.variables - used.bound - known - FUNCTIONS - {"states", "", "$"}
            found += [f"{name}: {path}: ${each} is not assigned on every way here" for each in sorted(unknown)]
        for inner in subflows(state):
            found += _variables(inner.flow, frozenset() if inner.isolated else known)
    return found


def _assigned(flow: Json, outer: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return for each state that can be reached the variables that every way to it assigns."""
    before = {flow["StartAt"]: outer} if flow["StartAt"] in flow["States"] else {}
    waiting = list(before)
    while waiting:
        name = waiting.pop()
        for edge in edges(flow["States"][name]):
            after = before[name] | edge.assigned
            known = before.get(edge.target, after) & after
            if edge.target in flow["States"] and before.get(edge.target) != known:
                before[edge.target] = known
                waiting.append(edge.target)
    return before


def _places(definition: Json) -> Iterator[tuple[str, str, str]]:
    for flow in flows(definition):
        for name, state in flow["States"].items():
            for path, text in strings(state):
                yield name, path, text


def _expressions(state: Json) -> Iterator[tuple[str, Names]]:
    """Yield what the expressions of a state name; those that do not compile are another rule's."""
    for path, text in strings(state):
        if _is_expression(text):
            try:
                tree = Jsonata(text[2:-2]).ast
            except Exception:
                continue
            yield path, _names(tree)


def _is_expression(text: str) -> bool:
    return text.startswith("{%") and text.endswith("%}")


def _names(tree: Any) -> Names:
    names = Names(set(), set(), set(), set())
    _collect(tree, names, has_context=False)
    return names


def _collect(node: Any, names: Names, *, has_context: bool) -> None:
    match node.type:
        case "variable":
            names.variables.add(node.value)
        case "bind":
            names.bound.add(node.lhs.value)
        case "lambda":
            names.bound.update(argument.value for argument in node.arguments)
        case "path":
            _note_path(node.steps, names, has_context=has_context)
    if not has_context and node.type == "variable" and node.value in ("", "$"):
        names.bare.add(f"${node.value}")
    for field, child, inner in _children(node):
        _collect(child, names, has_context=has_context or inner or field in _CONTEXT_SET_BY)


def _note_path(steps: list[Any], names: Names, *, has_context: bool) -> None:
    first = steps[0]
    if first.type == "name" and not has_context:
        names.bare.add(first.value)
    if (first.type, first.value) == ("variable", "states") and len(steps) > 1 and steps[1].type == "name":
        names.members.add(steps[1].value)


def _children(node: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield (field, child, whether it follows another step of a path)."""
    for field, value in vars(node).items():
        if field in ("_outer_instance", "ancestor"):
            continue
        for index, child in enumerate(_flat(value)):
            yield ("first", child, False) if field == "steps" and index == 0 else (field, child, field == "steps")


def _flat(value: Any) -> Iterator[Any]:
    if hasattr(value, "type") and hasattr(value, "position"):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
