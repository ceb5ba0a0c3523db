"""The items of a Map on their way to its iterations: found, then selected one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fanfold.local.stepfunctions.document import Document, dumps, with_nulls
from fanfold.local.stepfunctions.failure import EvaluationFailure
from fanfold.local.stepfunctions.interpreter import Visit
from fanfold.local.stepfunctions.program import MapBody
from fanfold.local.stepfunctions.query import Literal, Template, unexpected_type
from fanfold.local.stepfunctions.readers import Entry, entries_of


def map_items(visit: Visit, body: MapBody) -> list[Entry]:
    """Return the items of a Map that has no reader: its Items, or else the state's input."""
    value = visit.document.value
    template: Template = Literal(value)
    if body.items is not None:
        template = body.items
        raw = template.evaluate(visit.bindings())
        if not isinstance(raw, list | dict):
            raise unexpected_type(template, "Items", "array", raw)
        value = visit.document_of(raw, "Items").value
    if not isinstance(value, list | dict):
        raise unexpected_type(template, "Items", "array", value)
    return list(entries_of(value))


def select(visit: Visit, selector: Template | None, entries: Iterable[Entry]) -> Iterator[Document]:
    """Yield what ItemSelector makes of each item, or the item itself."""
    if selector is None:
        for entry in entries:
            yield Document(dumps(entry.value), entry.value)
        return
    bindings = visit.bindings()
    for index, entry in enumerate(entries):
        item: dict[str, Any] = {"Index": index, "Value": _selected(entry), "Source": entry.source}
        if entry.key is not None:
            item["Key"] = entry.key
        bindings["states"]["context"]["Map"] = {"Item": item}
        yield visit.document_of(selector.evaluate(bindings), "ItemSelector")


def _selected(entry: Entry) -> Any:
    value = entry.value["Value"] if entry.key is not None else entry.value
    return with_nulls(value) if isinstance(value, list | dict | None) else value


def whole_number(visit: Visit, template: Template | None, field: str, most: int = 2**53) -> int | None:
    """Return the value of a field that takes a whole number from 0, ``None`` where it is not set."""
    value = number(visit, template, field, most)
    if value is not None and value != int(value):
        raise EvaluationFailure(f"The value {value} of the field '{field}' is not a whole number.", field)
    return None if value is None else int(value)


def number(visit: Visit, template: Template | None, field: str, most: float) -> float | None:
    """Return the value of a field that takes a number from 0 to ``most``, ``None`` where it is not set."""
    if template is None:
        return None
    value = visit.typed(template, field, "number", (int, float))
    if not 0 <= value <= most:
        raise EvaluationFailure(f"The value {value} of the field '{field}' is not from 0 to {most}.", field)
    return float(value)
