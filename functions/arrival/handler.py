"""Lambda entry of Arrival: an S3 event in, the run of that upload started."""

from __future__ import annotations

import functools
import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Tracer

from functions.arrival.starter import Starter
from functions.arrival.upload import upload_of

logger = Logger(service="arrival")
tracer = Tracer(service="arrival")


@functools.cache
def starter() -> Starter:
    """Connect once an execution environment, with the settings the template gives."""
    states = boto3.client("stepfunctions")
    return Starter(boto3.client("s3"), states, os.environ["STATE_MACHINE_ARN"], os.environ["UPLOAD_JOB"])


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer an EventBridge event "Object Created" with ``{"uri", "run", "outcome"}``.

    Raises what ``Starter.start`` raises; Lambda tries again, and then tells the queue of undelivered uploads.
    """
    upload = upload_of(event)
    logger.append_keys(run=upload.execution_name, object=upload.uri)
    answer = {"uri": upload.uri, "run": upload.execution_name, "outcome": starter().start(upload)}
    logger.info("arrived", extra={"outcome": answer["outcome"]})
    return answer
