"""Settling a run: which of its sources go where, and moving them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from functions.settle.moving import Move, Mover, Outcome
from functions.settle.sources import Source
from functions.settle.tally import Kept, Tally
from itemkit.destination import RUN, quoted
from itemkit.errors import PermanentError, TransientError
from itemkit.record import Record
from itemkit.store import S3Store

THREADS = 32
ERROR, MESSAGE = "fanfold-error", "fanfold-message"


class OutOfTime(Exception):
    """The function's time runs out: what is left is for the next invocation."""


@dataclass(frozen=True)
class Rules:
    """Where sources go.

    Attributes:
        run: whose sources they are.
        origin: ``s3://bucket/prefix/`` that they are moved out of.
        processed: what replaces it in the URI of what is done.
        failed: what replaces it for what failed for good; ``None``: that stays.
        loaded: whether outputs that were to be loaded are.
    """

    run: str
    origin: str
    processed: str
    failed: str | None
    loaded: bool

    @classmethod
    def of_event(cls, event: Mapping[str, Any]) -> Rules:
        """Read the function's event."""
        places = event["on_done"]
        failed = places.get("move_failed_to")
        return cls(event["run"], places["from"], places["move_source_to"], failed, event.get("loaded", True))

    def reason_to_stay(self, source: Source) -> Kept | None:
        """Say why an object is not to be moved, as far as its records tell."""
        if source.unfinished:
            return Kept.UNFINISHED
        if source.failure and self.failed is None:
            return Kept.FAILED
        if not source.failure and not self.loaded:
            return Kept.NOT_LOADED
        if None in source.etags:
            return Kept.UNKNOWN
        return Kept.REPLACED if len(source.etags) > 1 else None

    def move(self, source: Source) -> Move:
        """Return where an object goes that is not to stay."""
        (etag,) = source.etags
        folder, metadata = self.processed, dict[str, str]()
        if source.failure and self.failed is not None:
            folder, metadata = self.failed, self._reason(source.failure)
        read = [record.bytes_in for record in source.records]
        # What was skipped was not read, and a part is not all of it.
        size = read[0] if len(read) == 1 and read[0] and not source.parts else None
        return Move(source.uri, folder + source.uri.removeprefix(self.origin), etag or "", size, metadata)

    def _reason(self, record: Record) -> dict[str, str]:
        failure = record.failure
        told = {ERROR: failure.type, MESSAGE: failure.message} if failure else {}
        # In the order of their worth: the last ones are left out first where there is no room.
        return {ERROR: told.get(ERROR, "Unknown"), RUN: quoted(self.run), MESSAGE: told.get(MESSAGE, "")}


class Settler:
    """Settles sources; outputs are asked for once each.

    Args:
        deadline: the ``time.monotonic()`` after which no object is begun any more.
    """

    def __init__(self, mover: Mover, store: S3Store, rules: Rules, deadline: float = float("inf")) -> None:
        self._mover = mover
        self._store = store
        self._rules = rules
        self._deadline = deadline

    def settle(self, sources: Iterable[Source]) -> Tally:
        """Move what is to be moved and count what became of it all.

        Raises:
            OutOfTime: some are left; what is moved counts as moved again the next time.
            TransientError: S3 did not answer for some; all others are settled.
        """
        tally, moving = Tally(), list[Source]()
        for source in sources:
            reason = self._rules.reason_to_stay(source)
            moving.append(source) if reason is None else tally.keep(reason, source.uri)
        outputs = dict.fromkeys(uri for source in moving if not source.failure for uri in source.outputs)
        with ThreadPoolExecutor(THREADS) as threads:
            there = {uri for uri, found in zip(outputs, threads.map(self._is_there, outputs), strict=True) if found}
            told = list(threads.map(lambda source: self._one(source, there), moving))
        unanswered = [each for each in told if isinstance(each, TransientError)]
        if unanswered:
            raise TransientError(f"{len(unanswered)} objects were not moved: {unanswered[0]}")
        for source, each in zip(moving, told, strict=True):
            _count(tally, source, each)
        return tally

    def _is_there(self, uri: str) -> bool:
        self._check_deadline()
        return self._store.head(uri) is not None

    def _one(self, source: Source, there: set[str]) -> Outcome | Kept | PermanentError | TransientError:
        self._check_deadline()
        if not source.failure and not there.issuperset(source.outputs):
            return Kept.NOT_DURABLE
        try:
            if not source.failure and source.parts and not self._is_covered(source):
                return Kept.UNFINISHED
            return self._mover.move(self._rules.move(source))
        except (PermanentError, TransientError) as error:
            return error

    def _is_covered(self, source: Source) -> bool:
        """Tell whether the parts are all of an object; one that is gone is for the mover to look for."""
        head = self._mover.head(source.uri)
        return head is None or source.is_covered(head["ContentLength"])

    def _check_deadline(self) -> None:
        if time.monotonic() > self._deadline:
            raise OutOfTime


def _count(tally: Tally, source: Source, told: Outcome | Kept | Exception) -> None:
    if told is Outcome.MOVED:
        tally.failed += bool(source.failure)
        tally.processed += not source.failure
    elif isinstance(told, Kept):
        tally.keep(told, source.uri)
    elif isinstance(told, Outcome):
        tally.keep(Kept.GONE if told is Outcome.GONE else Kept.REPLACED, source.uri)
    else:
        tally.keep(Kept.REFUSED, str(told))
