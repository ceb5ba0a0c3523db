"""What became of an item: its status and its record, one JSON line in the run's records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

# Messages end up in batch results (bounded) and in CSV rows (read by people).
LONGEST_MESSAGE = 500
# Of a longer one, the end says more than the middle: it begins with an object's name, which may be long.
_KEPT_AT_THE_END = 300


class Status(StrEnum):
    """What became of an item.

    ``deferred`` is not an end: the item was not finished (a transient error, or the deadline came near).
    """

    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    EXCLUDED = "excluded"
    FAILED = "failed"
    DEFERRED = "deferred"


@dataclass(frozen=True)
class Failure:
    """Why an item failed or was deferred."""

    type: str
    message: str
    retryable: bool

    @classmethod
    def of(cls, error: BaseException, *, retryable: bool) -> Failure:
        """Describe an exception by the name of its class and its message, cut to a bounded length."""
        return cls(type(error).__name__, shortened(str(error)), retryable)


def shortened(message: str) -> str:
    """Cut a message out of its middle to at most ``LONGEST_MESSAGE`` characters."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    return f"{message[: LONGEST_MESSAGE - _KEPT_AT_THE_END - 3]}...{message[-_KEPT_AT_THE_END:]}"


@dataclass(frozen=True)
class Record:
    """One item's outcome.

    Attributes:
        uri: the object; the row itself as text when it named none.
        outputs: the URIs written, in the operation's order.
        milliseconds: reading, computing and writing, without waiting in line.
        bytes_in, bytes_out, rows_in, rows_out: what went in and came out; rows are 0 where there are none.
        etag: of the object that was read, or found done as it is; ``None`` where it was not known.
        name: of an item without an output, what its output names are made from.
        output: the output key the manifest asked for.
        columns: the manifest's other columns.
        reason: why it was excluded or skipped, or which attempt of the run did it.
        facts: what the operation tells of it, such as ``{"width": 512}``.
    """

    uri: str
    status: Status
    outputs: tuple[str, ...] = ()
    milliseconds: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    rows_in: int = 0
    rows_out: int = 0
    etag: str | None = None
    name: str | None = None
    output: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None
    failure: Failure | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the record as a JSON object; what is empty or zero is left out."""
        return {name: value for name, value in asdict(self).items() if value or name in ("uri", "status")}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Read what ``to_json`` wrote."""
        known = dict(value, status=Status(value["status"]), outputs=tuple(value.get("outputs", ())))
        if "failure" in known:
            known["failure"] = Failure(**known["failure"])
        return cls(**known)
