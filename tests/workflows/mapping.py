"""Rules about Map states: labels, siblings, and what reads, batches, runs and writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from tests.workflows.machine import Json, flows, maps

_FORBIDDEN_IN_LABELS = re.compile(r"[\s?*<>{}\[\]:;,\\|^~$#%&`\"\x00-\x1f\x7f-\x9f]")
_MISSING: Any = object()
# A manifest of S3 Inventory carries no InputType; plain listings have neither.
_READER_VALUES = {
    "InputType": {"CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"},
    "ManifestType": {"ATHENA_DATA", "S3_INVENTORY"},
    "Transformation": {"NONE", "LOAD_AND_FLATTEN"},
    "CSVHeaderLocation": {"FIRST_ROW", "GIVEN"},
    "CSVDelimiter": {"COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"},
}
_READER_FIELDS = _READER_VALUES.keys() | {"MaxItems", "CSVHeaders", "ItemsPointer"}


def labels(definition: Json) -> list[str]:
    """Find labels that AWS refuses, and maps without one: the ARNs of their children could not be foretold."""
    found = []
    seen: set[str] = set()
    for name, state in maps(definition):
        label = state.get("Label", "")
        if not label:
            found.append(f"{name}: no Label")
        if len(label) > 40:
            found.append(f"{name}: Label is longer than 40 characters: {label}")
        if _FORBIDDEN_IN_LABELS.search(label):
            found.append(f"{name}: Label has a character that ARNs do not take: {label}")
        if label in seen:
            found.append(f"{name}: Label is another map's: {label}")
        seen.add(label)
    return found


def processors(definition: Json) -> list[str]:
    """Find processors that differ from the first map's by more than the label in their state names."""
    labelled = [(name, _unlabelled(state)["ItemProcessor"]) for name, state in maps(definition) if "Label" in state]
    return [
        f"{name}: its processor differs from that of {labelled[0][0]} at {path}"
        for name, processor in labelled[1:]
        for path in difference(labelled[0][1], processor)
    ]


def siblings(definition: Json) -> list[str]:
    """Find maps that one Choice leads to and that differ by more than where their items come from."""
    found = []
    for flow in flows(definition):
        for state in flow["States"].values():
            targets = dict.fromkeys(choice["Next"] for choice in state.get("Choices", []))
            group = [(name, flow["States"].get(name, {})) for name in targets]
            bare = [(name, _without_source(each)) for name, each in group if each.get("Type") == "Map"]
            found += [
                f"{name}: differs from {bare[0][0]} at {path}"
                for name, each in bare[1:]
                for path in difference(bare[0][1], each)
            ]
    return found


def difference(one: Json, other: Json, path: str = "") -> Iterator[str]:
    """Yield the paths at which two JSON values differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = [(key, one.get(key, _MISSING), other.get(key, _MISSING)) for key in {**one, **other}]
    elif isinstance(one, list) and isinstance(other, list):
        pairs = [(index, *each) for index, each in enumerate(zip_longest(one, other, fillvalue=_MISSING))]
    else:
        if one != other:
            yield path
        return
    for key, left, right in pairs:
        yield from difference(left, right, f"{path}/{key}" if path else str(key))


def _unlabelled(state: Json) -> Json:
    return json.loads(json.dumps(state).replace(f"({state['Label']})", "(label)"))


def _without_source(state: Json) -> Json:
    own = ("Label", "Comment", "ItemReader", "ItemProcessor")
    return {key: value for key, value in state.items() if key not in own}


def readers(definition: Json) -> list[str]:
    """Find item readers that AWS refuses or reads otherwise than is meant."""
    return [
        f"{name}: ItemReader: {fault}"
        for name, state in maps(definition)
        for fault in _reader_faults(state.get("ItemReader", {}))
    ]


def _reader_faults(reader: Json) -> Iterator[str]:
    config, arguments = reader.get("ReaderConfig", {}), reader.get("Arguments", {})
    api = _s3_api(reader)
    if api not in ("listObjectsV2", "getObject"):
        yield "Resource is neither s3:listObjectsV2 nor s3:getObject"
    for argument in ("Bucket", "Prefix" if api == "listObjectsV2" else "Key"):
        if argument not in arguments:
            yield f"no {argument} among the Arguments"
    for field, value in config.items():
        if field not in _READER_FIELDS:
            yield f"ReaderConfig has no field {field}"
        elif value not in _READER_VALUES.get(field, {value}):
            yield f"{field} cannot be {value}"
    yield from _format_faults(api, config)


def _format_faults(api: str, config: Json) -> Iterator[str]:
    flattens = config.get("Transformation") == "LOAD_AND_FLATTEN"
    typed = flattens if api == "listObjectsV2" else config.get("ManifestType") != "S3_INVENTORY"
    if ("InputType" in config) != typed:
        yield "no InputType" if typed else "InputType is not for items without rows"
    if config.get("InputType") == "CSV" and "CSVHeaderLocation" not in config:
        yield "CSV without CSVHeaderLocation"
    if config.get("CSVHeaderLocation") == "GIVEN" and "CSVHeaders" not in config:
        yield "headers are GIVEN, but there are no CSVHeaders"


def batchers(definition: Json) -> list[str]:
    """Find maps whose children get one item each, or items without the job."""
    return [
        f"{name}: no {field} in ItemBatcher"
        for name, state in maps(definition)
        for field in ("MaxItemsPerBatch", "BatchInput")
        if field not in state.get("ItemBatcher", {})
    ]


def writers(definition: Json) -> list[str]:
    """Find maps whose results do not go to S3 as lines of what the children answered."""
    return [
        f"{name}: ResultWriter: {fault}"
        for name, state in maps(definition)
        for fault in _writer_faults(state.get("ResultWriter", {}))
    ]


def _writer_faults(writer: Json) -> Iterator[str]:
    if _s3_api(writer) != "putObject":
        yield "Resource is not s3:putObject"
    for argument in ("Bucket", "Prefix"):
        if argument not in writer.get("Arguments", {}):
            yield f"no {argument} among the Arguments"
    config, wanted = writer.get("WriterConfig", {}), {"Transformation": "FLATTEN", "OutputType": "JSONL"}
    for field in {**wanted, **config}:
        if config.get(field) != wanted.get(field):
            yield f"{field} must be {wanted.get(field, 'left out')}, not {config.get(field)}"


def _s3_api(integration: Json) -> str:
    arn = re.fullmatch(r"arn:(?:aws[\w-]*|\$\{Partition\}):states:::s3:(\w+)", integration.get("Resource", ""))
    return arn[1] if arn else ""


def children(definition: Json) -> list[str]:
    """Find maps that are not distributed, or whose children's type is neither fixed nor the template's."""
    found = []
    for name, state in maps(definition):
        config = state["ItemProcessor"].get("ProcessorConfig", {})
        if config.get("Mode") != "DISTRIBUTED":
            found.append(f"{name}: ProcessorConfig: Mode is not DISTRIBUTED")
        if config.get("ExecutionType") not in ("EXPRESS", "STANDARD", "${ChildType}"):
            found.append(f"{name}: ProcessorConfig: ExecutionType is not EXPRESS, STANDARD or ${{ChildType}}")
    return found


def limits(definition: Json) -> list[str]:
    """Find maps whose concurrency or tolerance is not the job's, by its plan or its pass."""
    return [
        f"{name}: {field} does not come from the plan or the pass: {state.get(field)}"
        for name, state in maps(definition)
        for field in ("MaxConcurrency", "ToleratedFailurePercentage")
        if not re.fullmatch(r"\{%.*\$(plan|pass)\b.*%\}", str(state.get(field)))
    ]
