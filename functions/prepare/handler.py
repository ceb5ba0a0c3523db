"""Lambda entry of Prepare: a job in, a checked plan out, or InvalidJob."""

from __future__ import annotations

import functools
import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Tracer

from functions.prepare.folders import Folders
from functions.prepare.plan import Place, Planner
from functions.prepare.preflight import Aws
from itemkit.connect import connect, directories

logger = Logger(service="prepare")
tracer = Tracer(service="prepare")


@functools.cache
def planner() -> Planner:
    """Connect once an execution environment, with the settings the template gives."""
    s3 = boto3.client("s3")
    aws = Aws(s3, boto3.client("lambda"), os.environ["AWS_REGION"])
    place = Place(os.environ["INPUT_BUCKET"], os.environ["OUTPUT_BUCKET"], os.environ["OPERATION_PREFIX"])
    return Planner(aws, connect(s3), place, Folders(directories()))


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer ``{"job": execution input, "run": execution name}`` with the plan."""
    logger.append_keys(run=event["run"])
    plan = planner().plan(event["job"], event["run"])
    logger.info("planned", extra={"plan": plan})
    return plan
