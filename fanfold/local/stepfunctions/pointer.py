"""JSON Pointer (RFC 6901), as ItemsPointer uses it."""

from __future__ import annotations

from typing import Any

from fanfold.local.stepfunctions.failure import ITEM_READER_FAILED, Failure


def resolve(value: Any, pointer: str) -> Any:
    """Return what ``pointer`` names in ``value``; raises Failure States.ItemReaderFailed if it names nothing."""
    if pointer and not pointer.startswith("/"):
        raise Failure(ITEM_READER_FAILED, f"The ItemsPointer '{pointer}' does not start with '/'.")
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise Failure(ITEM_READER_FAILED, f"The ItemsPointer '{pointer}' names nothing in the dataset.")
    return value
