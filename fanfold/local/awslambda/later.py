"""Asynchronous events: queued, run again after a function error, and in the end told to a queue.

See "Invoking a Lambda function asynchronously" in the Lambda Developer Guide.
"""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fanfold.local import queue
from fanfold.local.protocol import Clients, Invocation, Invoke, ServiceError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EventInvokeConfig:
    """What becomes of a function's asynchronous events.

    Attributes:
        retries: how often an event is run again after a function error, 0 to 2; at once, where AWS waits for minutes.
        on_failure: the ARN of the SQS queue that is told of an event which failed every time.
    """

    retries: int = 2
    on_failure: str | None = None


class Later:
    """Runs events in threads of its own, as many as functions may be at work."""

    def __init__(self, invoke: Invoke, arn: Callable[[str], str], clients: Clients, concurrency: int) -> None:
        self._invoke = invoke
        self._arn = arn
        self._clients = clients
        self._configs: dict[str, EventInvokeConfig] = {}
        self._work = ThreadPoolExecutor(concurrency, thread_name_prefix="lambda-event")

    def configure(self, name: str, config: EventInvokeConfig) -> None:
        """Say what becomes of the events of a function."""
        self._configs[name] = config

    def submit(self, name: str, payload: bytes) -> None:
        """Queue an event of a function."""
        self._work.submit(self._run, name, payload)

    def close(self) -> None:
        """Run no more events."""
        self._work.shutdown(cancel_futures=True)

    def _run(self, name: str, payload: bytes) -> None:
        config = self._configs.get(name, EventInvokeConfig())
        try:
            for _ in range(1 + config.retries):
                outcome = self._invoke(name, payload)
                if not outcome.function_error:
                    return
        except ServiceError as error:
            _log.warning("an event of %s is lost: %s", name, error)
            return
        _log.warning("an event of %s failed %d times; see its log", name, 1 + config.retries)
        if config.on_failure:
            record = self._record(name, payload, outcome, 1 + config.retries)
            queue.send(self._clients, config.on_failure, record)

    def _record(self, name: str, payload: bytes, outcome: Invocation, attempts: int) -> dict[str, Any]:
        return {
            "version": "1.0",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": f"{self._arn(name)}:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": attempts,
            },
            "requestPayload": json.loads(payload),
            "responseContext": {
                "statusCode": 200,
                "executedVersion": outcome.executed_version,
                "functionError": outcome.function_error,
            },
            "responsePayload": json.loads(outcome.payload),
        }
