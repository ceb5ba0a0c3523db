"""Lambda entry of Settle: move the sources of a run whose outputs are durable, and those that failed for good.

The event, of the workflow or of a drain that settles a run whose workflow was ended before it could::

    {"run": "NAME",
     "runs": "s3://OUTPUT_BUCKET/runs/NAME/",       # its records are what counts
     "on_done": {"from": "s3://IN/incoming/", "move_source_to": "s3://IN/processed/", "move_failed_to": null | "s3://..."},
     "loaded": true,      # false: the outputs were to be loaded and are not, so what succeeded stays where it is
     "moved": null}       # the answer before, where its "next" was not null

The answer, also written to ``runs/NAME/moved.json`` once it is complete::

    {"processed": 22, "failed": 2,
     "kept": {"replaced": 1, ...},                  # objects below "from" that stay, by reason; see tally.py
     "examples": {"replaced": "s3://IN/incoming/a.jpg", ...},
     "notes": [],                                   # records that cannot be read: what they tell of stays uncounted
     "next": null}        # not null: time ran out; call again with this answer as "moved"

All of it may be repeated at any time: what is moved already counts as moved.
"""

from __future__ import annotations

import functools
import json
import time
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Tracer
from botocore.config import Config

from functions.settle.evidence import Evidence
from functions.settle.moving import Mover
from functions.settle.settling import THREADS, OutOfTime, Rules, Settler
from functions.settle.sources import Share, gather
from functions.settle.tally import Tally
from itemkit.connect import connect
from itemkit.errors import TransientError
from itemkit.store import S3Store

logger = Logger(service="settle")
tracer = Tracer(service="settle")
# Of the function's time, what is kept for objects that are being copied.
RESERVED_SHARE = 1 / 3


@functools.cache
def clients() -> tuple[Mover, S3Store]:
    """Connect once an execution environment."""
    config = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=2 * THREADS)
    s3 = boto3.client("s3", config=config)
    return Mover(s3), connect(s3)


@logger.inject_lambda_context(clear_state=True)
@tracer.capture_lambda_handler(capture_response=False)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Settle a run, or as much of it as there is time for; see above.

    Raises:
        TransientError: S3 did not answer for some objects; all others are settled.
    """
    logger.append_keys(run=event["run"])
    deadline = time.monotonic() + (1 - RESERVED_SHARE) * context.get_remaining_time_in_millis() / 1000
    mover, store = clients()
    evidence = Evidence(store, event["runs"], [])
    before = event.get("moved")
    tally = Tally.from_json(before) if before else Tally()
    at = before["next"] if before else {"share": 0, "shares": evidence.shares()}
    settler = Settler(mover, store, Rules.of_event(event), deadline)
    following = _settle(settler, evidence, tally, event["on_done"]["from"], at)
    tally.note(evidence.faults)
    answer = {**tally.to_json(), "next": following}
    logger.info("settled", extra={"moved": answer})
    if following is None:
        store.write(f"{event['runs']}moved.json", json.dumps(answer, indent=2).encode(), "application/json")
    return answer


def _settle(
    settler: Settler, evidence: Evidence, tally: Tally, place: str, at: dict[str, int]
) -> dict[str, int] | None:
    """Settle share after share, and return the one to go on with; ``None``: all are settled."""
    for number in range(at["share"], at["shares"]):
        share = Share(place, number, at["shares"])
        try:
            tally.merge(settler.settle(gather(evidence.records(), evidence.still_open(), share)))
        except OutOfTime:
            return {**at, "share": number}
        except TransientError as error:
            # Step Functions retries by the exact name, so a subclass must not leave the handler.
            raise TransientError(str(error)) from error
    return None
