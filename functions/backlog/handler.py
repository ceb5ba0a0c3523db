"""Lambda entry of Backlog: what waits in incoming/, whose turn it is to drain it, and what a turn takes.

Events::

    {"action": "survey", "execution": ARN of the drain, "input": its input, "settled": [names settled so far]}
    {"action": "release", "execution": ARN of the drain, "problem": null | {"Error", "Cause"}}
"""

from __future__ import annotations

import functools
import os
import time
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Tracer
from botocore.exceptions import BotoCoreError, ClientError

from functions.backlog.drain import Drain, Place, problem
from functions.backlog.job import Wanted
from functions.backlog.survey import Backlog
from itemkit.connect import connect
from itemkit.errors import TransientError
from itemkit.store import S3Store

logger = Logger(service="backlog")
tracer = Tracer(service="backlog")


@functools.cache
def clients() -> tuple[S3Store, Any, Any]:
    """Connect once an execution environment."""
    return connect(), boto3.client("stepfunctions"), boto3.client("cloudwatch")


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer a survey as ``Drain.survey`` does, a release with ``{"problem": null | sentence}``.

    Raises:
        InvalidJob: the drain's job cannot run as it is.
        TransientError: AWS does not answer; come again.
    """
    logger.append_keys(drain=event["execution"])
    store, stepfunctions, cloudwatch = clients()
    place = Place(
        os.environ["INPUT_BUCKET"],
        os.environ["OUTPUT_BUCKET"],
        os.environ["PROCESS_ARN"],
        float(os.environ["DRAIN_GRACE_SECONDS"]),
    )
    drain = Drain(store, stepfunctions, place, event["execution"], lambda backlog: _measure(cloudwatch, backlog))
    if event["action"] == "release":
        drain.release()
        return {"problem": problem(event["problem"])}
    wanted = Wanted.of(event["input"], os.environ["DRAIN_JOB"], int(os.environ["DRAIN_MAX_ITEMS"]))
    answer = drain.survey(wanted, event["settled"])
    logger.info("surveyed", extra={"answer": answer})
    return answer


def _measure(cloudwatch: Any, backlog: Backlog) -> None:
    """Publish what waits; the alarms read it."""
    stack = [{"Name": "Stack", "Value": os.environ["STACK"]}]
    age = backlog.age(time.time())
    data = [
        {"MetricName": "BacklogItems", "Dimensions": stack, "Value": backlog.items, "Unit": "Count"},
        {"MetricName": "OldestItemSeconds", "Dimensions": stack, "Value": age, "Unit": "Seconds"},
    ]
    try:
        cloudwatch.put_metric_data(Namespace="Fanfold", MetricData=data)
    except (ClientError, BotoCoreError) as error:
        raise TransientError(f"CloudWatch does not take the backlog: {error}") from error
