"""Rules about states: their names, their fields, the ways between them, their retries."""

from __future__ import annotations

from collections import Counter

from tests.workflows.machine import Json, edges, flows, states

_ANY = {"Type", "Comment", "QueryLanguage"}
_STEP = _ANY | {"Assign", "Output", "Next", "End"}
_CALL = _STEP | {"Arguments", "Retry", "Catch"}
FIELDS = {
    "Task": _CALL | {"Resource", "TimeoutSeconds", "HeartbeatSeconds", "Credentials"},
    "Parallel": _CALL | {"Branches"},
    "Map": (_CALL - {"Arguments"})
    | {"Items", "ItemReader", "ItemSelector", "ItemBatcher", "ItemProcessor", "ResultWriter", "Label"}
    | {"MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount"},
    "Pass": _STEP,
    "Wait": _STEP | {"Seconds", "Timestamp"},
    "Choice": _ANY | {"Assign", "Output", "Choices", "Default"},
    "Succeed": _ANY | {"Output"},
    "Fail": _ANY | {"Error", "Cause"},
}
_JSONPATH = {"Parameters", "ResultSelector", "Iterator"}
# What a state hands on may be called anything.
_DATA = {"Arguments", "Output", "Assign", "BatchInput", "ItemSelector"}
# What passes, by the integration that a Task calls.
RETRIED = {
    "lambda:invoke": {
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.TooManyRequestsException",
        "TransientError",
    },
    "events:putEvents": {
        "EventBridge.FailedEntry",
        "EventBridge.InternalException",
        "EventBridge.SdkClientException",
    },
}


def names(definition: Json) -> list[str]:
    """Find names that AWS refuses: those used twice anywhere in the machine, and those over 80 characters."""
    counted = Counter(name for name, _ in states(definition))
    twice = [f"{name}: {count} states have this name" for name, count in counted.items() if count > 1]
    return twice + [f"{name}: the name is longer than 80 characters" for name in counted if len(name) > 80]


def transitions(definition: Json) -> list[str]:
    """Find ways that lead nowhere, states without a way out, and states that no way leads to."""
    return [finding for flow in flows(definition) for finding in (*_dangling(flow), *_unreachable(flow))]


def _dangling(flow: Json) -> list[str]:
    found = [] if flow["StartAt"] in flow["States"] else [f"StartAt names no state: {flow['StartAt']}"]
    for name, state in flow["States"].items():
        found += [
            f"{name}: {edge.field} names no state: {edge.target}"
            for edge in edges(state)
            if edge.target not in flow["States"]
        ]
        if state["Type"] == "Choice" and "Default" not in state:
            found.append(f"{name}: no Default: what fits no choice would end the run")
        if "Next" in FIELDS[state["Type"]] and ("Next" in state) == ("End" in state):
            found.append(f"{name}: exactly one of Next and End must be there")
    return found


def _unreachable(flow: Json) -> list[str]:
    reached: set[str] = set()
    waiting = [flow["StartAt"]]
    while waiting:
        name = waiting.pop()
        if name in flow["States"] and name not in reached:
            reached.add(name)
            waiting += [edge.target for edge in edges(flow["States"][name])]
    return [f"{name}: no way leads here" for name in flow["States"] if name not in reached]


def fields(definition: Json) -> list[str]:
    """Find fields that a JSONata state does not have, those of JSONPath among them."""
    found = [] if definition.get("QueryLanguage") == "JSONata" else ["the machine's QueryLanguage is not JSONata"]
    for name, state in states(definition):
        if state.get("QueryLanguage", "JSONata") != "JSONata":
            found.append(f"{name}: QueryLanguage is not JSONata")
        jsonpath = _jsonpath_fields(state)
        found += [f"{name}: {path} belongs to JSONPath" for path in jsonpath]
        unknown = state.keys() - FIELDS[state["Type"]] - set(jsonpath)
        found += [f"{name}: a {state['Type']} has no field {field}" for field in sorted(unknown)]
    return found


def _jsonpath_fields(value: Json, path: str = "", *, data: bool = False) -> list[str]:
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return []
    found = []
    for key, each in value.items():
        here, word = f"{path}/{key}" if path else str(key), str(key)
        if word.endswith(".$") or (not data and (word in _JSONPATH or word.endswith("Path"))):
            found.append(here)
        elif word not in ("States", "Branches"):
            found += _jsonpath_fields(each, here, data=data or word in _DATA)
    return found


def retries(definition: Json) -> list[str]:
    """Find retries on a Map (it would start all over), and those that are not ours: few errors, jitter, a cap."""
    found = []
    for name, state in states(definition):
        retriers = state.get("Retry", [])
        if state["Type"] == "Map" and retriers:
            found.append(f"{name}: a Map is not retried: all of its items would run again")
        if state["Type"] == "Task":
            ours = RETRIED.get(state["Resource"].split(":::")[-1], set())
            missing = ours - {error for retrier in retriers for error in retrier["ErrorEquals"]}
            for index, retrier in enumerate(retriers):
                found += [f"{name}: Retry/{index}: {fault}" for fault in _retrier_faults(retrier, ours)]
            found += [f"{name}: {error} is not retried" for error in sorted(missing)]
    return found


def _retrier_faults(retrier: Json, ours: set[str]) -> list[str]:
    faults = [f"{error} is not to be retried" for error in sorted(set(retrier["ErrorEquals"]) - ours)]
    if retrier.get("JitterStrategy") != "FULL":
        faults.append("JitterStrategy is not FULL")
    if "MaxDelaySeconds" not in retrier:
        faults.append("no MaxDelaySeconds")
    return faults
