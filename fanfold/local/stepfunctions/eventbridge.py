"""``events:putEvents``, the optimised integration with EventBridge.

See "Add EventBridge events with Step Functions" in the Developer Guide of Step Functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fanfold.local.protocol import Clients
from fanfold.local.stepfunctions.document import dumps
from fanfold.local.stepfunctions.failure import RUNTIME, Failure
from fanfold.local.stepfunctions.sdk import call_sdk

FAILED_ENTRY: Final = "EventBridge.FailedEntry"


def put_events(clients: Clients, arguments: dict[str, Any], senders: Sequence[str]) -> dict[str, Any]:
    """Send events to EventBridge, and return what PutEvents answers.

    A ``Detail`` may be an object, which the API takes as JSON text; one that is text already is sent as it is.

    Args:
        clients: makes the client of EventBridge.
        arguments: the Task's ``Arguments``: ``{"Entries": [...]}``.
        senders: the ARNs that Step Functions appends to the ``Resources`` of every entry.

    Raises:
        Failure: EventBridge took the request but not every entry (``EventBridge.FailedEntry``, the answer as the
            cause: entries that did not fail are sent all the same), or not the request.
    """
    if unknown := sorted(set(arguments) - {"Entries"}):
        raise Failure(RUNTIME, f"The Arguments of events:putEvents are not valid: '{unknown[0]}' is unknown.")
    entries = arguments.get("Entries")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Failure(RUNTIME, "The Arguments of events:putEvents need Entries, a list of objects.")
    request = {"Entries": [_signed(entry, senders) for entry in entries]}
    answer: dict[str, Any] = call_sdk(clients, "events", "putEvents", request)
    if answer["FailedEntryCount"]:
        raise Failure(FAILED_ENTRY, dumps(answer))
    return answer


def _signed(entry: dict[str, Any], senders: Sequence[str]) -> dict[str, Any]:
    resources = entry.get("Resources", [])
    # What is no list is left for the API to refuse.
    return entry | {"Resources": [*resources, *senders] if isinstance(resources, list) else resources}
