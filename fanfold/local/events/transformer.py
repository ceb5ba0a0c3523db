"""What a target is given of an event: all of it, a part, a constant, or a template filled in.

See "Amazon EventBridge input transformation" in the EventBridge User Guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(r"\.([\w/-]+)|\[(\d+)\]")
_PATH = re.compile(rf"\$(?:{_STEP.pattern})*")
_QUOTED_OR_VARIABLE = re.compile(r'"(?:[^"\\]|\\.)*"|<([\w.-]+)>')
_VARIABLE = re.compile(r"<([\w.-]+)>")
_ABSENT = object()


class InvalidInput(ValueError):
    """The target's input cannot be made of this event."""


def target_input(target: Mapping[str, Any], event: Mapping[str, Any], rule: Mapping[str, Any]) -> bytes:
    """Return the JSON that a target is sent.

    Args:
        target: of PutTargets, with ``Input``, ``InputPath``, ``InputTransformer`` or none of them.
        event: the event.
        rule: what templates may say of the rule and the event beside ``InputPathsMap``: the predefined variables.

    Raises:
        InvalidInput: a path is not one that EventBridge takes, or what it comes to is no JSON.
    """
    if "Input" in target:
        text = str(target["Input"])
    elif "InputPath" in target:
        found = _at(event, target["InputPath"])
        text = json.dumps(None if found is _ABSENT else found)
    elif "InputTransformer" in target:
        text = _filled(target["InputTransformer"], event, rule)
    else:
        text = json.dumps(event)
    try:
        json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"the input is no JSON: {error}: {text[:200]}") from error
    return text.encode()


def _filled(transformer: Mapping[str, Any], event: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    values = {**rule, "aws.events.event.json": event}
    values |= {name: _at(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}

    def replaced(match: re.Match[str]) -> str:
        if match[1] is None:
            return _VARIABLE.sub(lambda variable: _within_quotes(values.get(variable[1], _ABSENT)), match[0])
        value = values.get(match[1], _ABSENT)
        return "" if value is _ABSENT else json.dumps(value)

    return _QUOTED_OR_VARIABLE.sub(replaced, transformer["InputTemplate"])


def _within_quotes(value: Any) -> str:
    """Write a value into a text; a variable whose path leads nowhere leaves nothing behind."""
    if value is _ABSENT:
        return ""
    return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]


def _at(event: Any, path: str) -> Any:
    if not _PATH.fullmatch(path):
        raise InvalidInput(f"the path {path!r} is none of fields and indices: write it as $.detail.object.key")
    for name, index in _STEP.findall(path.removeprefix("$")):
        if name and isinstance(event, dict) and name in event:
            event = event[name]
        elif index and isinstance(event, list) and int(index) < len(event):
            event = event[int(index)]
        else:
            return _ABSENT
    return event
