"""Sending to an SQS queue by its ARN, for services whose own events came to nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from botocore.exceptions import ClientError

from fanfold.local.protocol import Clients

_log = logging.getLogger(__name__)
_NOTHING: Mapping[str, str] = MappingProxyType({})


def send(clients: Clients, arn: str, body: Mapping[str, Any], attributes: Mapping[str, str] = _NOTHING) -> None:
    """Send ``body`` as JSON; when the queue is not there, the log alone is told."""
    sqs = clients("sqs")
    named = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    try:
        url = sqs.get_queue_url(QueueName=arn.rsplit(":", 1)[1])["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body), MessageAttributes=named)
    except ClientError as error:
        _log.warning("%s is not told of what failed: %s", arn, error)
