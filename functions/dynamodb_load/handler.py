"""The Lambda function ``dynamodb-load``: the operation over DynamoDB, for as long as each invocation has."""

import functools
import os
import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

# One computing thread; polars reads the number when it is imported.
os.environ.setdefault("POLARS_MAX_THREADS", "1")

from functions.dynamodb_load.operation import dynamodb_load
from itemkit import lambda_handler

# For the calls in flight, the receipt and the records.
RESERVED_SECONDS = 10.0
# The operation tries again by itself, and its requests are valid; a call that hangs must not take the reserve.
CONFIG = Config(
    retries={"total_max_attempts": 1},
    connect_timeout=2,
    read_timeout=5,
    max_pool_connections=32,
    parameter_validation=False,
)


class Limit:
    """The time at which an invocation has to be over, as ``time.monotonic()`` tells it."""

    at = 0.0

    def seconds_left(self) -> float:
        """Return the seconds in which a load may still write."""
        return self.at - RESERVED_SECONDS - time.monotonic()


limit = Limit()


@functools.cache
def connected() -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Connect to DynamoDB once an execution environment."""
    return lambda_handler(dynamodb_load(boto3.client("dynamodb", config=CONFIG), limit.seconds_left))


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a batch or a Check; see ``itemkit.lambda_handler``."""
    limit.at = time.monotonic() + context.get_remaining_time_in_millis() / 1000
    return connected()(event, context)
