"""The Lambda edge of an operation: parse the event, run the batch, write its records, answer its result.

The only place of the kit that knows Powertools and the environment.
"""

from __future__ import annotations

import functools
import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from aws_lambda_powertools import Logger, Tracer

from itemkit.batch import Task, run_batch
from itemkit.combining import combine_batch
from itemkit.connect import connect
from itemkit.destination import Destination
from itemkit.errors import InvalidJob, PermanentError, TransientError
from itemkit.event import BatchResult, Effort, Event, write_records
from itemkit.item import Item
from itemkit.operation import Operation
from itemkit.record import Record
from itemkit.references import load
from itemkit.select import Select
from itemkit.store import Put, Store
from itemkit.tally import Tally

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]
# Failed and deferred items a batch result shows, without their columns; all of them are in its records.
FAILURES_SHOWN = 3
# Of the function's time, what is kept for items in flight and for the records: a tenth, and 5 seconds at most.
RESERVED_SHARE = 0.1
MOST_RESERVE = 5.0


def lambda_handler(operation: Operation[Any], store: Store | None = None) -> Handler:
    """Make the Lambda handler of an operation.

    It answers a batch event with a batch result, and ``{"Check": {"options": ..., "sample": uri}}`` with the normalised
    options, the ETags of their references and the operation's description (``{"Check": {}}``: the description alone).
    It raises InvalidJob for options that do not fit, and TransientError when the records cannot be written; never for
    an item.
    """
    logger, tracer = _logger(operation.name), Tracer(service=operation.name)
    connected = functools.cache(lambda: store or connect())

    @logger.inject_lambda_context(clear_state=True)
    @tracer.capture_lambda_handler(capture_response=False)
    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        if "Check" in event:
            return _check(operation, event["Check"], connected)
        batch = Event.parse(event)
        logger.append_keys(run=batch.settings.get("run"), batch=batch.batch)
        answer = _process(operation, batch, connected(), context, logger)
        tally, seconds = answer.tally, answer.effort.seconds
        logger.info("batch done", extra={"counts": dict(tally.counts), "items": tally.items, "seconds": seconds})
        return answer.to_json()

    return cast(Handler, handle)


def _logger(service: str) -> Logger:
    """Make the logger of a function; what the kit itself logs becomes lines of it, with the keys of the batch."""
    logger = Logger(service=service)
    kit = logging.getLogger("itemkit")
    kit.handlers, kit.propagate = list(logger.handlers), False
    return logger


def _check(operation: Operation[Any], question: Mapping[str, Any], store: Callable[[], Store]) -> dict[str, Any]:
    answer = operation.describe()
    if "options" not in question:
        return answer
    options = operation.parse(question["options"])
    try:
        references = load(operation, options, store())
    except PermanentError as error:
        raise InvalidJob(f"the options name what cannot be used: {error}") from error
    resolved = options if references.resolved is None else references.resolved
    sample = question.get("sample")
    if sample and operation.sample_bytes:
        operation.check(resolved, _head_of(store(), sample, operation.sample_bytes))
    else:
        operation.check(resolved, None)
    return {**answer, "normalised": operation.normalise(options), "references": list(references.etags)}


def _head_of(store: Store, uri: str, most: int) -> bytes | None:
    """Read the beginning of a sample; an unreadable object is that item's failure, not the job's."""
    try:
        with store.open(uri) as (_, stream):
            body: bytes = stream.read(most)
    except PermanentError:
        return None
    return body


def _process(operation: Operation[Any], event: Event, store: Store, context: Any, logger: Logger) -> BatchResult:
    started, clock, requests_before = time.time(), time.monotonic(), Counter(store.requests)
    task = _task(operation, event, store, context.get_remaining_time_in_millis() / 1000)
    records, outputs = _run(task, event, store)
    tally = Tally()
    for record in records:
        tally.add(record)
    unsuccessful = [replace(record, columns={}, facts={}) for record in records if record.failure]
    _tell(unsuccessful, logger)
    failures = [record.to_json() for record in unsuccessful[:FAILURES_SHOWN]]
    place = event.settings.get("records")
    uri = f"{place}{event.batch}.jsonl.gz" if place else None
    if uri:
        _insist(lambda: store.write(uri, write_records(records), "application/gzip"))
    for put in outputs:
        _insist(functools.partial(store.put, put))
    requests = dict(store.requests - requests_before)
    effort = Effort(round(started, 3), round(time.monotonic() - clock, 3), int(context.memory_limit_in_mb), requests)
    return BatchResult(event.batch, int(event.settings.get("pass", 1)), tally, uri, failures, effort)


def _task(operation: Operation[Any], event: Event, store: Store, seconds: float) -> Task:
    settings = event.settings
    options = operation.parse(settings.get("options", {}))
    references = load(operation, options, store)
    return Task(
        operation,
        options,
        Destination(settings["destination"], bool(settings.get("overwrite", False)), settings.get("run")),
        Select.from_json(settings.get("select", {})),
        time.monotonic() + seconds,
        min(MOST_RESERVE, RESERVED_SHARE * seconds),
        references.resolved,
        references.etags,
    )


def _run(task: Task, event: Event, store: Store) -> tuple[list[Record], list[Put]]:
    """Return a record for each entry, in their order, and the outputs to write after the records."""
    entries = list(event.items())
    items = [entry for entry in entries if isinstance(entry, Item)]
    together = [task.operation.combines(item, task.options) for item in items]
    alone = iter(run_batch([item for item, combined in zip(items, together, strict=True) if not combined], task, store))
    combination = combine_batch(list(itertools.compress(items, together)), task, store, event.batch)
    combined_records, which = iter(combination.records), iter(together)
    records = [
        (next(combined_records) if next(which) else next(alone)) if isinstance(entry, Item) else entry
        for entry in entries
    ]
    return records, combination.outputs


def _insist(write: Callable[[], None]) -> None:
    """Write what proves the batch; when it cannot be written the batch must run again."""
    try:
        write()
    except TransientError as error:
        # Step Functions retries by the exact name, so a subclass must not leave the handler.
        raise TransientError(str(error)) from error


def _tell(unsuccessful: Sequence[Record], logger: Logger) -> None:
    """Log a line for each item without an output; the logger adds the run and the batch."""
    for record in unsuccessful:
        if record.failure:
            extra = {"object": record.uri, "error": record.failure.type, "reason": record.failure.message}
            logger.warning(f"item {record.status.value}", extra=extra)
