"""A distributed Map with every expression of its fields evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fanfold.local.stepfunctions import readers
from fanfold.local.stepfunctions.batching import Limits
from fanfold.local.stepfunctions.document import DATA_LIMIT
from fanfold.local.stepfunctions.failure import RUNTIME, EvaluationFailure, Failure
from fanfold.local.stepfunctions.interpreter import Visit
from fanfold.local.stepfunctions.items import map_items, number, whole_number
from fanfold.local.stepfunctions.mapruns import Tolerance
from fanfold.local.stepfunctions.program import Batcher, MapBody, Reader, Writer
from fanfold.local.stepfunctions.query import Template, unexpected_type
from fanfold.local.stepfunctions.writer import Target

_MOST_ITEMS: Final = 100_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """A distributed Map with every expression evaluated.

    Attributes:
        entries: makes an iterator over the items, anew each time.
        length: how many items there are, where that is known at once.
    """

    max_concurrency: int
    tolerance: Tolerance
    entries: Callable[[], Iterator[readers.Entry]]
    length: int | None
    limits: Limits | None
    target: Target | None


def make_plan(visit: Visit, body: MapBody) -> Plan:
    """Evaluate the fields of a distributed Map; raises Failure before anything of it has begun."""
    concurrency = whole_number(visit, body.max_concurrency, "MaxConcurrency") or 0
    count = whole_number(visit, body.tolerated_count, "ToleratedFailureCount")
    percentage = number(visit, body.tolerated_percentage, "ToleratedFailurePercentage", 100)
    entries, length = _entries(visit, body)
    return Plan(
        concurrency,
        Tolerance(count, percentage),
        entries,
        length,
        _limits(visit, body.batcher),
        _target(visit, body.writer),
    )


def _entries(visit: Visit, body: MapBody) -> tuple[Callable[[], Iterator[readers.Entry]], int | None]:
    if body.reader is None:
        items = map_items(visit, body)
        return lambda: iter(items), len(items)
    source = _source(visit, body.reader)
    services = visit.line.services
    return lambda: readers.read(source, services.clients("s3"), services.directories), None


def _source(visit: Visit, reader: Reader) -> readers.Source:
    arguments = _arguments(visit, reader.arguments, "ItemReader/Arguments")
    most = whole_number(visit, reader.max_items, "ItemReader/ReaderConfig/MaxItems", _MOST_ITEMS)
    return readers.Source(reader.listing, arguments, reader.config, most or None)


def _limits(visit: Visit, batcher: Batcher | None) -> Limits | None:
    if batcher is None:
        return None
    items = whole_number(visit, batcher.max_items, "ItemBatcher/MaxItemsPerBatch")
    weight = whole_number(visit, batcher.max_bytes, "ItemBatcher/MaxInputBytesPerBatch", DATA_LIMIT)
    if 0 in (items, weight):
        raise EvaluationFailure("The limits of an ItemBatcher must be 1 or more.", "ItemBatcher")
    shared = batcher.batch_input
    document = None if shared is None else visit.document_of(visit.evaluate(shared), "ItemBatcher/BatchInput")
    return Limits(items, weight, document)


def _target(visit: Visit, writer: Writer | None) -> Target | None:
    if writer is not None and writer.empty:
        raise Failure(RUNTIME, "The ResultWriter is empty: give it a Resource and Arguments, or a WriterConfig.")
    if writer is None or writer.arguments is None:
        return None
    arguments = _arguments(visit, writer.arguments, "ResultWriter/Arguments")
    bucket, prefix = arguments.get("Bucket"), arguments.get("Prefix", "")
    if not isinstance(bucket, str) or not isinstance(prefix, str):
        raise Failure(RUNTIME, "The Arguments of a ResultWriter need a Bucket, and a Prefix that is a string.")
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    return Target(bucket, folder, writer.transformation, writer.jsonl)


def _arguments(visit: Visit, template: Template, field: str) -> dict[str, Any]:
    value = visit.document_of(visit.evaluate(template), field).value
    if not isinstance(value, dict):
        raise unexpected_type(template, field, "object", value)
    return value
