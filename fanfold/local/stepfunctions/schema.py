"""The fields of the Amazon States Language: which state takes which, and what JSON each one holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from fanfold.local.stepfunctions.diagnostics import Report
from fanfold.local.stepfunctions.query import is_expression

Check = Callable[[Any], str | None]

_LABEL_FORBIDDEN: Final = re.compile(r"""[\s?*<>{}\[\]:;,\\|^~$#%&`"/\x00-\x1f\x7f-\x9f]""")
_LABEL_LIMIT: Final = 40
_NAME_LIMIT: Final = 80
_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_ONLY_JSONPATH: Final = frozenset(
    {"Parameters", "InputPath", "OutputPath", "ResultPath", "ResultSelector", "Result", "ItemsPath", "Iterator"}
)


def text(value: Any) -> str | None:
    """Check for a string."""
    return None if isinstance(value, str) else "The value must be a string"


def boolean(value: Any) -> str | None:
    """Check for true or false."""
    return None if isinstance(value, bool) else "The value must be true or false"


def mapping(value: Any) -> str | None:
    """Check for an object."""
    return None if isinstance(value, dict) else "The value must be an object"


def non_empty_list(value: Any) -> str | None:
    """Check for an array with something in it."""
    return None if isinstance(value, list) and value else "The value must be a non-empty array"


def names(value: Any) -> str | None:
    """Check for an array of strings with something in it."""
    well_formed = isinstance(value, list) and value and all(isinstance(each, str) for each in value)
    return None if well_formed else "The value must be a non-empty array of strings"


def anything(value: Any) -> str | None:
    """Accept any JSON."""
    return None


def one_of(*values: str) -> Check:
    """Check for one of some words."""
    return lambda value: None if value in values else f"The value must be one of [{', '.join(values)}]"


def number(least: float, most: float = float("inf"), whole: bool = True) -> Check:
    """Check for a number in a range."""

    def check(value: Any) -> str | None:
        kinds = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
            bound = f"from {least} to {most}" if most != float("inf") else f"of {least} or more"
            return f"The value must be {'an integer' if whole else 'a number'} {bound}"
        return None

    return check


def or_expression(check: Check) -> Check:
    """Check a value that may be a JSONata expression instead."""
    return lambda value: None if is_expression(value) else check(value)


def label(value: Any) -> str | None:
    """Check the Label of a distributed Map."""
    if not isinstance(value, str) or not 0 < len(value) <= _LABEL_LIMIT:
        return f"The value must be a string of 1 to {_LABEL_LIMIT} characters"
    found = _LABEL_FORBIDDEN.search(value)
    return f"The value must not contain {found.group()!r}" if found else None


def state_name(value: str) -> str | None:
    """Check the name of a state."""
    return None if 0 < len(value) <= _NAME_LIMIT else f"The name of a state has 1 to {_NAME_LIMIT} characters"


def variables(value: Any) -> str | None:
    """Check the object of an Assign: what its keys are called."""
    if not isinstance(value, dict):
        return "The value must be an object"
    bad = next((name for name in value if name == "states" or not _names_variable(name)), None)
    return None if bad is None else f"'{bad}' is not the name of a variable"


def _names_variable(name: str) -> bool:
    """Tell whether a name is a Unicode identifier short enough for a variable."""
    return len(name) <= _NAME_LIMIT and name.isidentifier()


def container(value: Any) -> str | None:
    """Check for an array or object."""
    return None if isinstance(value, list | dict) else "The value must be an array or an object"


def timestamp(value: Any) -> str | None:
    """Check for a moment as RFC 3339 writes it, such as ``2026-03-14T01:59:00Z``."""
    return None if isinstance(value, str) and moment(value) else "String does not match RFC3339 timestamp"


def moment(value: str) -> datetime | None:
    """Return the moment an RFC 3339 timestamp names, ``None`` if it is not one."""
    try:
        return datetime.fromisoformat(value) if _TIMESTAMP.fullmatch(value) else None
    except ValueError:
        return None


_STATE: Final[Mapping[str, Check]] = {"Type": text, "Comment": text, "QueryLanguage": text}
_FLOWING: Final[Mapping[str, Check]] = {**_STATE, "Next": text, "End": boolean, "Assign": variables, "Output": anything}
_TRYING: Final[Mapping[str, Check]] = {**_FLOWING, "Retry": non_empty_list, "Catch": non_empty_list}
_SECONDS: Final = or_expression(number(1, 99_999_999))

STATES: Final[Mapping[str, Mapping[str, Check]]] = {
    "Pass": _FLOWING,
    "Task": {
        **_TRYING,
        "Resource": text,
        "Arguments": anything,
        "TimeoutSeconds": _SECONDS,
        "HeartbeatSeconds": _SECONDS,
        "Credentials": mapping,
    },
    "Choice": {**_STATE, "Choices": non_empty_list, "Default": text, "Assign": variables, "Output": anything},
    "Wait": {**_FLOWING, "Seconds": or_expression(number(0, 99_999_999)), "Timestamp": or_expression(timestamp)},
    "Succeed": {**_STATE, "Output": anything},
    "Fail": {**_STATE, "Error": text, "Cause": text},
    "Parallel": {**_TRYING, "Branches": non_empty_list, "Arguments": anything},
    "Map": {
        **_TRYING,
        "ItemProcessor": mapping,
        "Items": or_expression(container),
        "ItemSelector": anything,
        "MaxConcurrency": or_expression(number(0)),
        "Label": label,
        "ItemReader": mapping,
        "ItemBatcher": mapping,
        "ResultWriter": mapping,
        "ToleratedFailureCount": or_expression(number(0)),
        "ToleratedFailurePercentage": or_expression(number(0, 100, whole=False)),
    },
}
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "Task": ("Resource",),
    "Choice": ("Choices",),
    "Parallel": ("Branches",),
    "Map": ("ItemProcessor",),
}
FLOW: Final[Mapping[str, Check]] = {"StartAt": text, "States": mapping, "Comment": text, "QueryLanguage": text}
MACHINE: Final[Mapping[str, Check]] = {**FLOW, "Version": text, "TimeoutSeconds": number(1, 99_999_999)}
PROCESSOR: Final[Mapping[str, Check]] = {**FLOW, "ProcessorConfig": mapping}
PROCESSOR_CONFIG: Final[Mapping[str, Check]] = {
    "Mode": one_of("INLINE", "DISTRIBUTED"),
    "ExecutionType": one_of("STANDARD", "EXPRESS"),
}
RETRIER: Final[Mapping[str, Check]] = {
    "ErrorEquals": names,
    "IntervalSeconds": number(1, 99_999_999),
    "MaxAttempts": number(0, 99_999_999),
    "BackoffRate": number(1, whole=False),
    "MaxDelaySeconds": number(1, 31_622_399),
    "JitterStrategy": one_of("FULL", "NONE"),
    "Comment": text,
}
CATCHER: Final[Mapping[str, Check]] = {
    "ErrorEquals": names,
    "Next": text,
    "Assign": variables,
    "Output": anything,
    "Comment": text,
}
CHOICE_RULE: Final[Mapping[str, Check]] = {
    "Condition": or_expression(boolean),
    "Next": text,
    "Assign": variables,
    "Output": anything,
    "Comment": text,
}
# The lists of objects in a state: the fields of each object, and which of them it must have.
ENTRIES: Final[Mapping[str, tuple[Mapping[str, Check], tuple[str, ...]]]] = {
    "Choices": (CHOICE_RULE, ("Condition", "Next")),
    "Retry": (RETRIER, ("ErrorEquals",)),
    "Catch": (CATCHER, ("ErrorEquals", "Next")),
}
READER: Final[Mapping[str, Check]] = {"Resource": text, "ReaderConfig": mapping, "Arguments": or_expression(mapping)}
READER_CONFIG: Final[Mapping[str, Check]] = {
    "InputType": one_of("CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"),
    "ManifestType": one_of("ATHENA_DATA", "S3_INVENTORY"),
    "Transformation": one_of("NONE", "LOAD_AND_FLATTEN"),
    "CSVHeaderLocation": one_of("FIRST_ROW", "GIVEN"),
    "CSVHeaders": names,
    "CSVDelimiter": one_of("COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"),
    "ItemsPointer": text,
    "MaxItems": or_expression(number(0, 100_000_000)),
}
BATCHER: Final[Mapping[str, Check]] = {
    "MaxItemsPerBatch": or_expression(number(1)),
    "MaxInputBytesPerBatch": or_expression(number(1, 262_144)),
    "BatchInput": anything,
}
WRITER: Final[Mapping[str, Check]] = {"Resource": text, "Arguments": or_expression(mapping), "WriterConfig": mapping}
WRITER_CONFIG: Final[Mapping[str, Check]] = {
    "Transformation": one_of("NONE", "COMPACT", "FLATTEN"),
    "OutputType": one_of("JSON", "JSONL"),
}


def check_fields(
    value: Mapping[str, Any], fields: Mapping[str, Check], location: str, report: Report, required: tuple[str, ...] = ()
) -> bool:
    """Report unknown, missing and ill-typed fields of one object; tell whether there were none."""
    before = len(report.diagnostics)
    missing = [name for name in required if name not in value]
    if missing:
        report.add(location or "/", f"These fields are required: [{', '.join(missing)}]")
    for name, each in value.items():
        check = fields.get(name)
        problem = _unknown(name) if check is None else check(each)
        if problem:
            report.add(f"{location}/{name}", problem)
    return len(report.diagnostics) == before


def _unknown(name: str) -> str:
    if name in _ONLY_JSONPATH or (name.endswith("Path") and name != "Path"):
        return f"The JSONPath field '{name}' is not supported when the QueryLanguage is 'JSONata'"
    return f"Field '{name}' is not supported by Step Functions"
