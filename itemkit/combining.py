"""Items made one output together: many small objects of a batch become few larger ones.

Such an output belongs to no item, so nothing can be skipped by it; it has the name of its run and batch. It is written
after the batch's records: where both are there, the batch is done, however it ended (see the fold).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from itemkit.batch import READERS, Task, body_of, opened, require_small, unsuccessful
from itemkit.destination import FINGERPRINT, RUN, SOURCE, quoted
from itemkit.errors import OutputConflict
from itemkit.item import Item
from itemkit.operation import Combined, Output, Result
from itemkit.record import Record, Status
from itemkit.store import Put, Store

# Bodies that are in memory together and become one output.
BYTES_TOGETHER = 64 * 1024 * 1024


@dataclass
class Combination:
    """What became of the items, and the outputs that are still to be written: when the records are."""

    records: list[Record] = field(default_factory=list)
    outputs: list[Put] = field(default_factory=list)


def combine_batch(items: Sequence[Item], task: Task, store: Store, batch: str) -> Combination:
    """Combine items into as few outputs as memory allows, and return one record each, in their order.

    Never raises for what an item does, as ``run_batch``. Raises OutputConflict when an output's name is taken by an
    object that this run did not write.
    """
    combination = Combination()
    for number, group in enumerate(_groups(items)):
        _combine_group(group, task, store, f"{batch}-{number}" if number else batch, combination)
    return combination


def _groups(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Cut a batch where the bodies would be too many together; items of unknown size count as nothing."""
    group: list[Item] = []
    size = 0
    for item in items:
        if group and size + (item.size or 0) > BYTES_TOGETHER:
            yield group
            group, size = [], 0
        group.append(item)
        size += item.size or 0
    if group:
        yield group


def _combine_group(group: list[Item], task: Task, store: Store, name: str, combination: Combination) -> None:
    with ThreadPoolExecutor(READERS) as readers:
        read = list(readers.map(lambda item: _read(item, task, store), group))
    bodies = [(item, body) for item, (body, _) in zip(group, read, strict=True) if isinstance(body, bytes)]
    started = time.monotonic()
    combined = _combined(bodies, task)
    each = (time.monotonic() - started) * 1000 / max(len(bodies), 1)
    uri = f"{task.destination.uri}{task.destination.run or 'batch'}/{name}"
    uri += task.operation.combined_extension(task.options)
    if combined.output:
        combination.outputs.append(_put(uri, combined.output, task, store))
    shares = iter(_shares(combined))
    results = iter(combined.results)
    for item, (body, etag) in zip(group, read, strict=True):
        if isinstance(body, bytes):
            record = replace(
                _record(item, next(results), uri, next(shares)), milliseconds=round(each, 3), bytes_in=len(body)
            )
        else:
            record = body
        name_kept = item.name if record.failure else None
        known = replace(record, etag=etag, output=item.output, columns=dict(item.columns), name=name_kept)
        combination.records.append(known)


def _read(item: Item, task: Task, store: Store) -> tuple[Record | bytes, str | None]:
    """Return an item's bytes, or the record that decides it without them, and its ETag where it is known."""
    etag = item.etag
    try:
        task.check_deadline(0)
        item, refusal = task.selected(item, store)
        if refusal:
            return Record(item.uri, Status.EXCLUDED, reason=refusal), item.etag
        with opened(store, item) as (head, stream):
            etag = head.etag
            require_small(item, head, task.operation)
            return body_of(item, stream, on_disk=False), etag
    except Exception as error:
        return unsuccessful(item, error), etag


def _combined(bodies: list[tuple[Item, bytes]], task: Task) -> Combined:
    if not bodies or task.operation.combine is None:
        return Combined(None, [])
    try:
        return task.operation.combine(bodies, task.options if task.resolved is None else task.resolved)
    except Exception as error:
        # What fits no single item is wrong with all of them.
        return Combined(None, [error] * len(bodies))


def _shares(combined: Combined) -> list[int]:
    """Divide the output's bytes among the items that are in it, so that they add up."""
    inside = [not isinstance(result, Exception) for result in combined.results]
    size, count = combined.output.size if combined.output else 0, max(sum(inside), 1)
    first = iter([size - size // count * (count - 1)])
    return [next(first, size // count) if there else 0 for there in inside]


def _record(item: Item, result: Result | Exception, uri: str, size: int) -> Record:
    if isinstance(result, Exception):
        return unsuccessful(item, result)
    done = Record(item.uri, Status.SUCCEEDED, (uri,), bytes_out=size, facts=result.facts)
    return replace(done, rows_in=result.rows_in, rows_out=result.rows_out)


def _put(uri: str, output: Output, task: Task, store: Store) -> Put:
    run = quoted(task.destination.run or "")
    existing = store.head(uri)
    if existing is not None and existing.metadata.get(RUN, "") != run:
        raise OutputConflict(f"{uri} exists and this run did not write it: choose another destination")
    metadata = {SOURCE: "batch", FINGERPRINT: task.fingerprint(uri), RUN: run}
    return Put(uri, output.body, output.content_type, metadata, existing.etag if existing else None)
