"""From the JSON of a state machine to its program, or to the list of what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from fanfold.local.stepfunctions import schema
from fanfold.local.stepfunctions.diagnostics import (
    DUPLICATE_NAME,
    MISSING_TARGET,
    NOT_JSON,
    Diagnostic,
    Report,
    invalid_definition,
)
from fanfold.local.stepfunctions.document import loads
from fanfold.local.stepfunctions.integrations import Integration, recognise
from fanfold.local.stepfunctions.mapdefinition import compile_map
from fanfold.local.stepfunctions.program import (
    Body,
    Catcher,
    ChoiceBody,
    FailBody,
    Flow,
    ParallelBody,
    Retrier,
    Rule,
    State,
    TaskBody,
    WaitBody,
)
from fanfold.local.stepfunctions.templates import expressions, optional_template, template

JSONATA_ONLY: Final = 'JSONata is what this endpoint runs: set "QueryLanguage": "JSONata" and rewrite JSONPath states'
_SHOWN: Final = 500  # characters of a definition that is not JSON in its message


def compile_definition(text: str) -> Flow:
    """Compile the JSON text of a machine; raises ServiceError InvalidDefinition listing every fault found."""
    report = Report()
    flow = _compile(text, report)
    if report.diagnostics or flow is None:
        raise invalid_definition(report.diagnostics)
    return flow


def validate_definition(text: str) -> list[Diagnostic]:
    """Return the faults of a definition, none when it would be accepted."""
    report = Report()
    _compile(text, report)
    return report.diagnostics


def _compile(text: str, report: Report) -> Flow | None:
    try:
        source = loads(text) if text.strip() else None
        if isinstance(source, dict):
            return _compile_machine(source, report)
        report.add("", "Definition must be a valid JSON object")
    except json.JSONDecodeError as problem:
        where = f'[Source: (String)"{text[:_SHOWN]}"; line: {problem.lineno}, column: {problem.colno}]'
        report.add(where, problem.msg, NOT_JSON)
    except ValueError as problem:
        report.add("", str(problem), NOT_JSON)
    except RecursionError:
        report.add("", "The definition is nested too deeply", NOT_JSON)
    return None


def _compile_machine(source: Mapping[str, Any], report: Report) -> Flow | None:
    if _speaks_jsonpath(source):
        report.add("/QueryLanguage", JSONATA_ONLY)
        return None
    _check_unique_names(source, "", report, {})
    _check_unique_labels(source, report)
    return compile_flow(source, "", report, schema.MACHINE)


def _speaks_jsonpath(source: Mapping[str, Any]) -> bool:
    """Tell whether a machine, or a state that does not say otherwise, is in JSONPath."""
    default = source.get("QueryLanguage", "JSONPath")
    return default != "JSONata" and any("QueryLanguage" not in state for _, _, state in _states_of(source, ""))


def compile_flow(
    source: Mapping[str, Any], location: str, report: Report, fields: Mapping[str, schema.Check] = schema.FLOW
) -> Flow | None:
    """Compile an object with StartAt and States."""
    if not schema.check_fields(source, fields, location, report, ("States", "StartAt")):
        return None
    states = source["States"]
    if source["StartAt"] not in states:
        report.add(f"{location}/StartAt", f"Missing 'StartAt' target: {source['StartAt']}", MISSING_TARGET)
    compiled = {
        name: _compile_state(name, state, f"{location}/States/{name}", report, states) for name, state in states.items()
    }
    known = {name: state for name, state in compiled.items() if state is not None}
    return Flow(source["StartAt"], known, source.get("TimeoutSeconds"), source)


def _compile_state(name: str, source: Any, location: str, report: Report, siblings: Mapping[str, Any]) -> State | None:
    problem = schema.state_name(name) or schema.mapping(source)
    if problem:
        report.add(location, problem)
        return None
    kind = source.get("Type")
    if not isinstance(kind, str) or kind not in schema.STATES:
        report.add(f"{location}/Type", f"The value must be one of [{', '.join(schema.STATES)}], not {json.dumps(kind)}")
        return None
    if source.get("QueryLanguage", "JSONata") != "JSONata":
        report.add(location, "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
        return None
    if not schema.check_fields(source, schema.STATES[kind], location, report, schema.REQUIRED.get(kind, ())):
        return None
    _check_transitions(source, kind, location, report, siblings)
    _check_result(source, kind, location, report)
    return State(
        name=name,
        kind=kind,
        next=source.get("Next"),
        assign=optional_template(source, "Assign", location, report),
        output=optional_template(source, "Output", location, report),
        retriers=tuple(_retriers(source, location, report)),
        catchers=tuple(_catchers(source, location, report)),
        body=_compile_body(source, kind, location, report),
    )


def _compile_body(source: Mapping[str, Any], kind: str, location: str, report: Report) -> Body:
    compile_body = _BODIES.get(kind)
    return compile_body(source, location, report) if compile_body else None


def _choice(source: Mapping[str, Any], location: str, report: Report) -> ChoiceBody:
    return ChoiceBody(tuple(_rules(source["Choices"], location, report)), source.get("Default"))


def _fail(source: Mapping[str, Any], location: str, report: Report) -> FailBody:
    return FailBody(*(optional_template(source, field, location, report) for field in ("Error", "Cause")))


def _map(source: Mapping[str, Any], location: str, report: Report) -> Body:
    return compile_map(source, location, report, compile_flow)


def _task(source: Mapping[str, Any], location: str, report: Report) -> TaskBody | None:
    integration = recognise(source["Resource"])
    if not isinstance(integration, Integration):
        report.add(f"{location}/Resource", integration)
        return None
    _check_task(source, integration, location, report)
    return TaskBody(
        source["Resource"],
        integration.service,
        integration.action,
        optional_template(source, "Arguments", location, report),
        optional_template(source, "TimeoutSeconds", location, report),
    )


def _check_task(source: Mapping[str, Any], integration: Integration, location: str, report: Report) -> None:
    arguments, heartbeat, timeout = (source.get(name) for name in ("Arguments", "HeartbeatSeconds", "TimeoutSeconds"))
    if integration.service == "lambda" and isinstance(arguments, dict) and "FunctionName" not in arguments:
        report.add(f"{location}/Arguments", 'The field "FunctionName" is required but was missing')
    if heartbeat is not None:
        template(heartbeat, "HeartbeatSeconds", location, report)
    if isinstance(heartbeat, int) and isinstance(timeout, int) and heartbeat >= timeout:
        report.add(f"{location}/HeartbeatSeconds", "HeartbeatSeconds must be less than TimeoutSeconds")


def _wait(source: Mapping[str, Any], location: str, report: Report) -> WaitBody:
    if ("Seconds" in source) == ("Timestamp" in source):
        report.add(location, "A Wait state takes exactly one of [Seconds, Timestamp]")
    return WaitBody(*(optional_template(source, field, location, report) for field in ("Seconds", "Timestamp")))


def _parallel(source: Mapping[str, Any], location: str, report: Report) -> ParallelBody:
    branches = []
    for index, branch in enumerate(source["Branches"]):
        place = f"{location}/Branches[{index}]"
        problem = schema.mapping(branch)
        if problem:
            report.add(place, problem)
        elif flow := compile_flow(branch, place, report):
            branches.append(flow)
    return ParallelBody(tuple(branches), optional_template(source, "Arguments", location, report))


_BODIES: Final[Mapping[str, Callable[[Mapping[str, Any], str, Report], Body]]] = {
    "Task": _task,
    "Choice": _choice,
    "Wait": _wait,
    "Fail": _fail,
    "Parallel": _parallel,
    "Map": _map,
}


def _rules(choices: list[Any], location: str, report: Report) -> Iterator[Rule]:
    for within, rule in _objects(choices, "Choices", location, report):
        yield Rule(
            template(rule["Condition"], f"{within}Condition", location, report),
            rule["Next"],
            optional_template(rule, "Assign", location, report, within),
            optional_template(rule, "Output", location, report, within),
        )


def _retriers(source: Mapping[str, Any], location: str, report: Report) -> Iterator[Retrier]:
    for _, retrier in _objects(source.get("Retry", []), "Retry", location, report):
        yield Retrier(
            frozenset(retrier["ErrorEquals"]),
            retrier.get("IntervalSeconds", 1),
            retrier.get("BackoffRate", 2.0),
            retrier.get("MaxAttempts", 3),
            retrier.get("MaxDelaySeconds"),
            retrier.get("JitterStrategy") == "FULL",
        )


def _catchers(source: Mapping[str, Any], location: str, report: Report) -> Iterator[Catcher]:
    for within, catcher in _objects(source.get("Catch", []), "Catch", location, report):
        yield Catcher(
            frozenset(catcher["ErrorEquals"]),
            catcher["Next"],
            optional_template(catcher, "Assign", location, report, within),
            optional_template(catcher, "Output", location, report, within),
        )


def _objects(values: list[Any], field: str, location: str, report: Report) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the well-formed objects of a list, each with its place in the state, and report the others."""
    fields, required = schema.ENTRIES[field]
    for index, value in enumerate(values):
        place = f"{location}/{field}[{index}]"
        if problem := schema.mapping(value):
            report.add(place, problem)
        elif schema.check_fields(value, fields, place, report, required):
            _check_wildcard(value, place, index == len(values) - 1, report)
            yield f"{field}[{index}]/", value


def _check_wildcard(value: Mapping[str, Any], place: str, last: bool, report: Report) -> None:
    errors = value.get("ErrorEquals", [])
    if "States.ALL" in errors and (len(errors) > 1 or not last):
        report.add(f"{place}/ErrorEquals", "States.ALL must stand alone, and in the last entry")


def _check_transitions(
    source: Mapping[str, Any], kind: str, location: str, report: Report, siblings: Mapping[str, Any]
) -> None:
    if kind not in {"Choice", "Succeed", "Fail"} and ("Next" in source) == (source.get("End") is True):
        report.add(location, "A state takes exactly one of [Next, End]")
    for field, target in _targets(source, location):
        if isinstance(target, str) and target not in siblings:
            report.add(field, f"Missing 'Next' target: {target}", MISSING_TARGET)


def _check_result(source: Mapping[str, Any], kind: str, location: str, report: Report) -> None:
    """Report the use of a result in a state that has none."""
    if kind in {"Task", "Parallel", "Map"}:
        return
    for field in ("Output", "Assign"):
        for place, text in expressions(source.get(field), f"{location}/{field}"):
            if re.search(r"\$states\.result\b", text):
                report.add(place, f"$states.result is not available: a {kind} state has no result")


def _targets(source: Mapping[str, Any], location: str) -> Iterator[tuple[str, Any]]:
    for field in ("Next", "Default"):
        if field in source:
            yield f"{location}/{field}", source[field]
    for field in ("Choices", "Catch"):
        entries = source.get(field)
        for index, entry in enumerate(entries if isinstance(entries, list) else []):
            if isinstance(entry, dict) and "Next" in entry:
                yield f"{location}/{field}[{index}]/Next", entry["Next"]


def _check_unique_names(source: Mapping[str, Any], location: str, report: Report, seen: dict[str, str]) -> None:
    for place, name, _ in _states_of(source, location):
        if name in seen:
            report.add(place, f"Duplicate state name: {name}, also at {seen[name]}", DUPLICATE_NAME)
        seen[name] = place


def _check_unique_labels(source: Mapping[str, Any], report: Report) -> None:
    seen: set[Any] = set()
    for place, _, state in _states_of(source, ""):
        label = state.get("Label")
        if isinstance(label, str) and label in seen:
            report.add(f"{place}/Label", f"The Label '{label}' is used twice")
        seen.add(label if isinstance(label, str) else None)


def _states_of(flow: Any, location: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield place, name and object of every state, those of branches and processors included."""
    states = flow.get("States") if isinstance(flow, dict) else None
    for name, state in (states if isinstance(states, dict) else {}).items():
        if not isinstance(state, dict):
            continue
        place = f"{location}/States/{name}"
        yield place, name, state
        yield from _states_of(state.get("ItemProcessor"), f"{place}/ItemProcessor")
        branches = state.get("Branches")
        for index, branch in enumerate(branches if isinstance(branches, list) else []):
            yield from _states_of(branch, f"{place}/Branches[{index}]")
