"""From items to the inputs of children, one item or one batch each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fanfold.local.stepfunctions.document import DATA_LIMIT, Document, size
from fanfold.local.stepfunctions.failure import DATA_LIMIT_EXCEEDED, Failure


@dataclass(slots=True)
class Batch:
    """The input of one child and how many items are in it; ``index`` counts children from 0."""

    index: int
    document: Document
    items: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What an ItemBatcher allows in one batch; ``batch_input`` is the evaluated BatchInput, if any."""

    items: int | None
    bytes: int | None
    batch_input: Document | None


def single(items: Iterable[Document]) -> Iterator[Batch]:
    """Make each item the input of a child; raises Failure for one no child could take."""
    for index, item in enumerate(items):
        _check(size(item.text), DATA_LIMIT, index)
        yield Batch(index, item, 1)


def batched(items: Iterable[Document], limits: Limits) -> Iterator[Batch]:
    """Group items, in order, into as few batches as the limits allow.

    A batch is ``{"BatchInput": ..., "Items": [...]}`` and never larger than 256 KiB; raises Failure for an item that
    is too large to stand alone.
    """
    head = f'{{"BatchInput":{limits.batch_input.text},"Items":[' if limits.batch_input else '{"Items":['
    empty = size(head) + len("]}")
    most_bytes = min(limits.bytes or DATA_LIMIT, DATA_LIMIT)
    index, group, weight = 0, list[Document](), empty
    for number, item in enumerate(items):
        extra = size(item.text)
        _check(empty + extra, most_bytes, number)
        if group and (len(group) == limits.items or weight + extra + 1 > most_bytes):
            yield _batch(index, head, group, limits)
            index, group, weight = index + 1, [], empty
        weight += extra + bool(group)
        group.append(item)
    if group:
        yield _batch(index, head, group, limits)


def _batch(index: int, head: str, group: list[Document], limits: Limits) -> Batch:
    text = f"{head}{','.join([item.text for item in group])}]}}"
    value: dict[str, Any] = {"BatchInput": limits.batch_input.value} if limits.batch_input else {}
    value["Items"] = [item.value for item in group]
    return Batch(index, Document(text, value), len(group))


def _check(bytes_: int, most: int, number: int) -> None:
    if bytes_ > most:
        raise Failure(
            DATA_LIMIT_EXCEEDED,
            f"The input of a child made of item {number} alone has {bytes_} bytes, more than the {most} allowed. "
            "Select less of the item with ItemSelector.",
        )
