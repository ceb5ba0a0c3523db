"""The Map state of a definition: its processor, reader, batcher and writer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from fanfold.local.stepfunctions import schema
from fanfold.local.stepfunctions.diagnostics import Report
from fanfold.local.stepfunctions.program import Batcher, Flow, MapBody, Reader, Writer
from fanfold.local.stepfunctions.templates import optional_template

CompileFlow = Callable[[Mapping[str, Any], str, Report, Mapping[str, schema.Check]], Flow | None]

_LISTING: Final = "s3:listObjectsV2"
_READERS: Final = (_LISTING, "s3:getObject")
_WRITERS: Final = ("s3:putObject",)
_DISTRIBUTED_ONLY: Final = ("ItemReader", "ItemBatcher", "ResultWriter")
_LABELS: Final = uuid.UUID("3f1d3c4e-55f0-4f57-9d2c-6b6f2d1f0a11")


def compile_map(source: Mapping[str, Any], location: str, report: Report, compile_flow: CompileFlow) -> MapBody | None:
    """Compile the body of a Map state."""
    place = f"{location}/ItemProcessor"
    processor = compile_flow(source["ItemProcessor"], place, report, schema.PROCESSOR)
    config = source["ItemProcessor"].get("ProcessorConfig", {})
    if processor is None or not schema.check_fields(
        config, schema.PROCESSOR_CONFIG, f"{place}/ProcessorConfig", report
    ):
        return None
    distributed = config.get("Mode", "INLINE") == "DISTRIBUTED"
    _check_mode(source, config, distributed, location, report)
    return MapBody(
        processor=processor,
        label=_label(source, location) if distributed else None,
        express=config.get("ExecutionType") == "EXPRESS",
        items=optional_template(source, "Items", location, report),
        selector=optional_template(source, "ItemSelector", location, report),
        max_concurrency=optional_template(source, "MaxConcurrency", location, report),
        tolerated_count=optional_template(source, "ToleratedFailureCount", location, report),
        tolerated_percentage=optional_template(source, "ToleratedFailurePercentage", location, report),
        reader=_reader(source, location, report),
        batcher=_batcher(source, location, report),
        writer=_writer(source, location, report),
    )


def _label(source: Mapping[str, Any], location: str) -> str:
    """Return the Label, or one made up that stays the same for the same definition."""
    return str(source.get("Label") or uuid.uuid5(_LABELS, location))


def _check_mode(
    source: Mapping[str, Any], config: Mapping[str, Any], distributed: bool, location: str, report: Report
) -> None:
    place = f"{location}/ItemProcessor/ProcessorConfig"
    if distributed and "ExecutionType" not in config:
        report.add(place, "These fields are required: [ExecutionType]")
    if not distributed and "ExecutionType" in config:
        report.add(f"{place}/ExecutionType", "ExecutionType belongs to the mode DISTRIBUTED")
    if config.get("ExecutionType") == "EXPRESS" and _holds_distributed(source["ItemProcessor"]):
        report.add(f"{location}/ItemProcessor", "An EXPRESS child cannot run a Map of the mode DISTRIBUTED")
    for field in _DISTRIBUTED_ONLY:
        if not distributed and field in source:
            report.add(f"{location}/{field}", f"{field} belongs to the mode DISTRIBUTED")
    if "ItemReader" in source and "Items" in source:
        report.add(location, "A Map state takes only one of [Items, ItemReader]")


def _holds_distributed(flow: Any) -> bool:
    """Tell whether a distributed Map is somewhere in a line of states."""
    states = flow.get("States") if isinstance(flow, dict) else None
    for state in (states if isinstance(states, dict) else {}).values():
        if not isinstance(state, dict):
            continue
        processor, branches = state.get("ItemProcessor"), state.get("Branches")
        config = processor.get("ProcessorConfig") if isinstance(processor, dict) else None
        if isinstance(config, dict) and config.get("Mode") == "DISTRIBUTED":
            return True
        if any(_holds_distributed(each) for each in [processor, *(branches if isinstance(branches, list) else [])]):
            return True
    return False


def _reader(source: Mapping[str, Any], location: str, report: Report) -> Reader | None:
    place = f"{location}/ItemReader"
    reader = source.get("ItemReader")
    if reader is None or not schema.check_fields(reader, schema.READER, place, report, ("Resource", "Arguments")):
        return None
    config = reader.get("ReaderConfig", {})
    action = _action(reader["Resource"], _READERS, f"{place}/Resource", report)
    if action is None or not schema.check_fields(config, schema.READER_CONFIG, f"{place}/ReaderConfig", report):
        return None
    _check_reader_config(config, action == _LISTING, f"{place}/ReaderConfig", report)
    arguments = optional_template(reader, "Arguments", location, report, "ItemReader/")
    if arguments is None:
        return None
    settings = {key: value for key, value in config.items() if key != "MaxItems"}
    max_items = optional_template(config, "MaxItems", location, report, "ItemReader/ReaderConfig/")
    return Reader(action == _LISTING, arguments, settings, max_items)


def _check_reader_config(config: Mapping[str, Any], listing: bool, place: str, report: Report) -> None:
    flattening = config.get("Transformation") == "LOAD_AND_FLATTEN"
    kind = config.get("InputType")
    if kind is None and config.get("ManifestType") != "S3_INVENTORY" and (flattening or not listing):
        report.add(place, "These fields are required: [InputType]")
    if kind == "CSV" and "CSVHeaderLocation" not in config:
        report.add(place, "These fields are required: [CSVHeaderLocation]")
    if config.get("CSVHeaderLocation") == "GIVEN" and "CSVHeaders" not in config:
        report.add(place, "These fields are required: [CSVHeaders]")
    if flattening and not listing:
        report.add(f"{place}/Transformation", "LOAD_AND_FLATTEN belongs to s3:listObjectsV2")


def _batcher(source: Mapping[str, Any], location: str, report: Report) -> Batcher | None:
    place = f"{location}/ItemBatcher"
    batcher = source.get("ItemBatcher")
    if batcher is None or not schema.check_fields(batcher, schema.BATCHER, place, report):
        return None
    if not {"MaxItemsPerBatch", "MaxInputBytesPerBatch"}.intersection(batcher):
        report.add(place, "An ItemBatcher takes at least one of [MaxItemsPerBatch, MaxInputBytesPerBatch]")
    fields = ("MaxItemsPerBatch", "MaxInputBytesPerBatch", "BatchInput")
    return Batcher(*(optional_template(batcher, field, location, report, "ItemBatcher/") for field in fields))


def _writer(source: Mapping[str, Any], location: str, report: Report) -> Writer | None:
    place = f"{location}/ResultWriter"
    writer = source.get("ResultWriter")
    if writer is None or not schema.check_fields(writer, schema.WRITER, place, report):
        return None
    config = writer.get("WriterConfig", {})
    if not schema.check_fields(config, schema.WRITER_CONFIG, f"{place}/WriterConfig", report):
        return None
    if "Resource" in writer:
        _action(writer["Resource"], _WRITERS, f"{place}/Resource", report)
    if ("Resource" in writer) != ("Arguments" in writer):
        report.add(place, "These fields are required: [Resource, Arguments]")
    default = "NONE" if "Resource" in writer else "COMPACT"
    return Writer(
        not writer,
        optional_template(writer, "Arguments", location, report, "ResultWriter/"),
        config.get("Transformation", default),
        config.get("OutputType", "JSON") == "JSONL",
    )


def _action(resource: str, allowed: tuple[str, ...], place: str, report: Report) -> str | None:
    """Return the ``service:action`` of a resource ARN of any partition, if it is one of ``allowed``."""
    parts = resource.split(":", 5)
    if len(parts) == 6 and parts[0] == "arn" and parts[2:5] == ["states", "", ""] and parts[5] in allowed:
        return parts[5]
    report.add(place, f"The resource provided {resource} is not recognized. Use one of [{', '.join(allowed)}]")
    return None
