"""Delivers what matches a rule to Lambda functions, and what cannot be delivered to the target's dead-letter queue."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fanfold.local.events.transformer import InvalidInput, target_input
from fanfold.local.protocol import Clients, ServiceError
from fanfold.local.queue import send

_log = logging.getLogger(__name__)


class Delivery:
    """The delivery of one endpoint: events to its own functions.

    What EventBridge would try again for a day does not happen here: functions are in the same process and are never
    throttled. So an event is handed over at once, or never will be. What a function itself makes of it, and how often
    it is asked, is for Lambda.
    """

    def __init__(self, invoke_later: Callable[[str, bytes], None], clients: Clients) -> None:
        self._invoke_later = invoke_later
        self._clients = clients
        # A thread of its own, so that who put an object does not wait for what follows from it.
        self._work = ThreadPoolExecutor(1, thread_name_prefix="eventbridge")

    def send(self, target: Mapping[str, Any], event: Mapping[str, Any], rule: Mapping[str, str]) -> None:
        """Queue an event for a Lambda function.

        Args:
            target: of PutTargets.
            event: as EventBridge shows it.
            rule: the predefined variables of input templates, ``aws.events.rule-arn`` among them.
        """
        self._work.submit(self._deliver, dict(target), dict(event), rule)

    def close(self) -> None:
        """Deliver no more."""
        self._work.shutdown(cancel_futures=True)

    def _deliver(self, target: dict[str, Any], event: dict[str, Any], rule: Mapping[str, str]) -> None:
        try:
            self._invoke_later(target["Arn"], target_input(target, event, rule))
        except InvalidInput as error:
            self._bury(target, event, rule, "INVALID_JSON", str(error))
        except ServiceError as error:
            self._bury(target, event, rule, error.code, error.message)

    def _bury(
        self, target: dict[str, Any], event: dict[str, Any], rule: Mapping[str, str], code: str, message: str
    ) -> None:
        queue = target.get("DeadLetterConfig", {}).get("Arn")
        _log.warning("an event for %s is %s: %s", target["Arn"], "dead" if queue else "lost", message)
        if not queue:
            return
        told = {
            "RULE_ARN": rule["aws.events.rule-arn"],
            "TARGET_ARN": target["Arn"],
            "ERROR_CODE": code,
            "ERROR_MESSAGE": message,
        }
        send(self._clients, queue, event, told)
