"""Calls of AWS as IAM sees them: which action on which resource a request asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.cloud.stack import ACCOUNT, REGION

Call = tuple[str, str]
_HERE = f"{REGION}:{ACCOUNT}"
_LAMBDA = re.compile(r"/[\d-]+/functions/?(?:(?P<name>[\w-]+)/configuration)?")
_METRIC = "PutMetricData"


def actions(environ: dict[str, Any], status: int) -> Iterator[Call]:
    """Yield what a request, which was answered with an HTTP status, asks IAM for."""
    service, _, operation = environ.get("HTTP_X_AMZ_TARGET", "").partition(".")
    path = environ["PATH_INFO"]
    if service in _BY_BODY:
        prefix, resources = _BY_BODY[service]
        yield from ((f"{prefix}:{operation}", each) for each in resources(json.loads(environ["recorded.body"])))
    elif _METRIC in operation + path or "/monitoring/" in environ.get("HTTP_AUTHORIZATION", ""):
        yield "cloudwatch:PutMetricData", "*"
    elif found := _LAMBDA.fullmatch(path):
        yield (
            ("lambda:GetFunctionConfiguration", f"arn:aws:lambda:{_HERE}:function:{found['name']}")
            if found["name"]
            else ("lambda:ListFunctions", "*")
        )
    else:
        yield from _of_s3(environ, status)


def _of_states(body: dict[str, Any]) -> Iterator[str]:
    yield next(body[name] for name in ("executionArn", "mapRunArn", "stateMachineArn") if name in body)


def _of_dynamodb(body: dict[str, Any]) -> Iterator[str]:
    for table in body.get("RequestItems") or [body["TableName"]]:
        yield f"arn:aws:dynamodb:{_HERE}:table/{table}"


def _of_glue(body: dict[str, Any]) -> Iterator[str]:
    """Glue asks for the permission on what holds the table as well."""
    database, table = body["DatabaseName"], body.get("Name") or body["TableInput"]["Name"]
    yield from (f"arn:aws:glue:{_HERE}:{each}" for each in ("catalog", f"database/{database}"))
    yield f"arn:aws:glue:{_HERE}:table/{database}/{table}"


_BY_BODY: dict[str, tuple[str, Callable[[dict[str, Any]], Iterator[str]]]] = {
    "AWSStepFunctions": ("states", _of_states),
    "DynamoDB_20120810": ("dynamodb", _of_dynamodb),
    "AWSGlue": ("glue", _of_glue),
}


def _of_s3(environ: dict[str, Any], status: int) -> Iterator[Call]:
    bucket, _, key = environ["PATH_INFO"].lstrip("/").encode("latin-1").decode().partition("/")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    method, arn = environ["REQUEST_METHOD"], f"arn:aws:s3:::{bucket}"
    if not key:
        yield _of_bucket(method, arn, query)
        return
    if status == 404:
        # Without it S3 says 403, which the code takes for another fault.
        yield "s3:ListBucket", arn
    yield _of_key(method, f"{arn}/{key}", query)
    if "HTTP_X_AMZ_TAGGING" in environ:
        yield "s3:PutObjectTagging", f"{arn}/{key}"
    if source := environ.get("HTTP_X_AMZ_COPY_SOURCE"):
        # A copy takes the tags along.
        copied = f"arn:aws:s3:::{unquote(source).lstrip('/').partition('?')[0]}"
        yield from ((f"s3:{action}", copied) for action in ("GetObject", "GetObjectTagging"))
        yield "s3:PutObjectTagging", f"{arn}/{key}"


def _of_bucket(method: str, arn: str, query: dict[str, list[str]]) -> Call:
    if method == "GET" and "list-type" in query:
        return "s3:ListBucket", f"{arn}?prefix={query.get('prefix', [''])[0]}"
    if method == "HEAD":
        return "s3:ListBucket", arn
    raise ValueError(f"no action is known for {method} {arn} {query}; say it in tests/cloud/calls.py")


def _of_key(method: str, arn: str, query: dict[str, list[str]]) -> Call:
    tagging = "Tagging" if "tagging" in query else ""
    version = "Version" if "versionId" in query and not (tagging or method == "PUT") else ""
    if method in ("GET", "HEAD"):
        return f"s3:GetObject{version}{tagging}", arn
    if method == "DELETE":
        return ("s3:AbortMultipartUpload" if "uploadId" in query else f"s3:DeleteObject{version}"), arn
    return f"s3:PutObject{tagging}", arn
