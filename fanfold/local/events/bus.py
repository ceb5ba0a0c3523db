"""The default bus: moto's rules, matched by our patterns, with functions of the serving endpoint as their targets.

moto has no hooks for it, so three of its methods are replaced, once a process. They do as they did before whenever no
endpoint serves the request.
"""

from __future__ import annotations

import copy
import itertools
import json
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from moto.events.exceptions import InvalidEventPatternException
from moto.events.models import EventPattern, EventPatternParser, Rule, events_backends
from moto.s3 import notifications

from fanfold.local.events.delivery import Delivery
from fanfold.local.events.pattern import InvalidPattern, compiled

_log = logging.getLogger(__name__)
_SERVING: ContextVar[Delivery | None] = ContextVar("serving", default=None)
_CREATED = {
    "s3:ObjectCreated:Put": "PutObject",
    "s3:ObjectCreated:Post": "POST Object",
    "s3:ObjectCreated:Copy": "CopyObject",
    "s3:ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
}
_EVERYTHING = EventPattern(None, {})
_sequence = itertools.count(1)
# Typed as anything, because their methods are replaced.
_rule: Any = Rule
_parser: Any = EventPatternParser
_notifications: Any = notifications
_moto_send = _rule.send_to_targets
_moto_parse = _parser.parse
_moto_s3_event = _notifications._send_event_bridge_message


@contextmanager
def serving(delivery: Delivery) -> Iterator[None]:
    """Let what a request does to S3 and EventBridge reach the functions of its endpoint."""
    token = _SERVING.set(delivery)
    try:
        yield
    finally:
        _SERVING.reset(token)


def install() -> None:
    """Replace the methods of moto."""
    _rule.send_to_targets = _send_to_targets
    _parser.parse = _parse
    _notifications._send_event_bridge_message = _s3_event


def _parse(parser: Any) -> Any:
    parsed = _moto_parse(parser)
    try:
        if parser.pattern and _SERVING.get() is not None:
            compiled(parser.pattern)
    except InvalidPattern as error:
        raise InvalidEventPatternException(reason=str(error)) from error
    return parsed


def _send_to_targets(rule: Any, event: dict[str, Any], transform_input: bool = True) -> None:
    delivery = _SERVING.get()
    if delivery is None:
        _moto_send(rule, event, transform_input)
        return
    pattern = rule.event_pattern.dump()
    told = _as_told(event)
    if rule.state != "ENABLED" or not pattern or not compiled(pattern)(told):
        return
    variables = {
        "aws.events.rule-arn": rule.arn,
        "aws.events.rule-name": rule.name,
        "aws.events.event.ingestion-time": _iso(time.time()),
    }
    others = []
    for target in rule.targets:
        if target["Arn"].split(":")[2] == "lambda":
            delivery.send(target, told, variables)
        else:
            others.append(target)
    _leave_to_moto(rule, others, event, transform_input)


def _leave_to_moto(rule: Any, targets: list[dict[str, Any]], event: dict[str, Any], transform_input: bool) -> None:
    """Send an event that matches to queues, log groups and other buses."""
    for target in targets:
        one = copy.copy(rule)
        one.event_pattern, one.targets = _EVERYTHING, [target]
        try:
            _moto_send(one, dict(event), transform_input)
        except NotImplementedError:
            _log.info("nothing here delivers to %s", target["Arn"])
        except json.JSONDecodeError as error:
            # moto fills in a template before it looks where to, and takes what comes of it for one JSON value;
            # EventBridge also takes lines of text. Whoever sent the event is not to hear of it.
            _log.warning("an event for %s is lost: moto takes its text for JSON: %s", target["Arn"], error)


def _as_told(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event as targets see it; moto counts seconds, and adds when it took the event in."""
    told = {name: value for name, value in event.items() if name != "ingestion-time"}
    return told | {"time": _iso(event["time"])} if isinstance(event["time"], int | float) else told


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _s3_event(account: str, bucket: Any, name: str, key: Any) -> None:
    """Send the event of an object that was created; moto's own lacks the ETag's name, and the true reason."""
    name = getattr(name, "value", name)
    if _SERVING.get() is None or name not in _CREATED:
        _moto_s3_event(account, bucket, name, key)
        return
    if name == "s3:ObjectCreated:Put" and key.multipart is not None:
        return  # the end of a multipart upload, of which moto tells twice
    event = _object_created(account, bucket, _CREATED[name], key)
    default: Any = events_backends[account][bucket.region_name].event_buses["default"]
    for rule in list(default.rules.values()):
        rule.send_to_targets(event)


def _object_created(account: str, bucket: Any, reason: str, key: Any) -> dict[str, Any]:
    """Return the event as "EventBridge event message structure" of the S3 User Guide has it.

    Its ``time`` is in seconds here, for the targets that are left to moto.
    """
    created = {"key": key.name, "size": key.size, "etag": key.etag.strip('"'), "sequencer": f"{next(_sequence):018X}"}
    if bucket.is_versioned:
        created["version-id"] = key.version_id
    now = time.time()
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": account,
        "time": now,
        "region": bucket.region_name,
        "resources": [bucket.arn],
        "ingestion-time": now,
        "detail": {
            "version": "0",
            "bucket": {"name": bucket.name},
            "object": created,
            "request-id": uuid.uuid4().hex[:16].upper(),
            "requester": account,
            "source-ip-address": "127.0.0.1",
            "reason": reason,
        },
    }
