"""One drain at a time: the lease, an object that is only ever written under a condition.

It says who holds it and nothing of until when: whether the holder still works is asked of Step Functions, so that a
drain that died holds nothing, and one that takes long loses nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from itemkit.errors import ObjectNotFound, TransientError
from itemkit.store import ChangedUnderneath, Put, S3Store

# ``InvalidArn``: the lease was written for another stack or by hand; whoever it names does not work here.
_UNKNOWN = frozenset({"ExecutionDoesNotExist", "InvalidArn"})
_RUNNING = frozenset({"RUNNING", "PENDING_REDRIVE"})


@dataclass(frozen=True)
class Lease:
    """The lease as it was read.

    Attributes:
        holder: the ARN of the drain's execution; ``None``: it was given back.
        run: the ARN of the run that the last drain started, or was about to.
        etag: of the object; ``None``: there is none yet.
    """

    holder: str | None = None
    run: str | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Leases:
    """The door to the lease at ``uri``."""

    store: S3Store
    uri: str

    def read(self) -> Lease:
        """Return the lease; raises TransientError when S3 does not answer."""
        try:
            with self.store.open(self.uri) as (head, stream):
                told = json.loads(stream.read())
        except ObjectNotFound:
            return Lease()
        return Lease(told["holder"], told["run"], head.etag)

    def write(self, before: Lease, holder: str | None, run: str | None) -> Lease | None:
        """Write the lease in the place of the one that was read; ``None``: somebody else wrote it since."""
        body = json.dumps({"holder": holder, "run": run}).encode()
        try:
            self.store.put(Put(self.uri, body, "application/json", replaces=before.etag))
        except ChangedUnderneath:
            return None
        after = self.read()
        return after if (after.holder, after.run) == (holder, run) else None


@dataclass(frozen=True)
class Execution:
    """What Step Functions says of an execution; ``stopped`` is in epoch seconds."""

    arn: str
    status: str
    stopped: float | None
    error: str | None
    job: Mapping[str, Any]

    @property
    def at_work(self) -> bool:
        """Whether it has not come to its end."""
        return self.status in _RUNNING

    @property
    def name(self) -> str:
        """The execution's name, for a run also the run's."""
        return self.arn.rsplit(":", 1)[-1]

    def unrest(self, grace: float) -> float:
        """Return for how many seconds functions that it started may still write.

        An execution that came to a good end waited for its functions; one that was stopped, timed out or failed did
        not, and Lambda runs them to their own end.
        """
        if self.status == "SUCCEEDED" or self.error == "InvalidJob" or self.stopped is None:
            return 0.0
        return max(0.0, self.stopped + grace - time.time())


def describe(stepfunctions: Any, arn: str | None) -> Execution | None:
    """Ask for an execution; ``None``: there is none.

    Raises:
        TransientError: Step Functions does not answer.
    """
    if arn is None:
        return None
    try:
        told = stepfunctions.describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"].get("Code") in _UNKNOWN:
            return None
        raise TransientError(f"cannot ask for {arn}: {error}") from error
    except BotoCoreError as error:
        raise TransientError(f"cannot ask for {arn}: {error}") from error
    stopped = told["stopDate"].timestamp() if "stopDate" in told else None
    return Execution(arn, told["status"], stopped, told.get("error"), json.loads(told.get("input", "{}")))


def why_not_free(holder: Execution | None, run: Execution | None, grace: float) -> str | None:
    """Say why nobody may take a lease that ``holder`` and its ``run`` had; ``None``: it is free."""
    for execution in (holder, run):
        if execution and execution.at_work:
            return f"{execution.arn} is at work"
        if execution and execution.unrest(grace):
            left = execution.unrest(grace)
            return f"{execution.arn} ended as {execution.status}; its functions may still write for {left:.0f} s"
    return None
