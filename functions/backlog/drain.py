"""A turn of the drain: take the lease, see that the last turn is settled, measure, and say what is to be processed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.backlog.job import Wanted
from functions.backlog.lease import Execution, Lease, Leases, describe, why_not_free
from functions.backlog.patience import Patience, failures
from functions.backlog.survey import Backlog, survey
from itemkit.event import write_records
from itemkit.item import Item, listed_item
from itemkit.store import S3Store

INCOMING = "incoming/"
# The names of executions have 80 characters at most.
_LONGEST_NAME = 80
_PREFIX = "drain-"
Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a stack drains: its buckets, its workflow, and how long its functions may outlive an execution."""

    input_bucket: str
    output_bucket: str
    process_arn: str
    grace: float

    @property
    def home(self) -> str:
        """The prefix of what the drain itself keeps."""
        return f"s3://{self.output_bucket}/drain/"

    @property
    def moves(self) -> dict[str, str]:
        """The ``on_done`` of a turn's job."""
        bucket = f"s3://{self.input_bucket}/"
        return {
            "from": bucket + INCOMING,
            "move_source_to": f"{bucket}processed/",
            "move_failed_to": f"{bucket}failed/",
        }

    def runs(self, name: str) -> str:
        """The prefix of what a run leaves."""
        return f"s3://{self.output_bucket}/runs/{name}/"

    def run_arn(self, name: str) -> str:
        """The ARN of a run."""
        return f"{self.process_arn.replace(':stateMachine:', ':execution:')}:{name}"


def turn_name(drain: str) -> str:
    """Return the name of a drain's run: the same for the same drain, so that it is started once."""
    if len(_PREFIX + drain) <= _LONGEST_NAME:
        return _PREFIX + drain
    return _PREFIX + hashlib.sha256(drain.encode()).hexdigest()[: _LONGEST_NAME - len(_PREFIX)]


class Drain:
    """One drain's execution, ``arn``; ``measure`` is told every backlog that is seen."""

    def __init__(
        self, store: S3Store, stepfunctions: Any, place: Place, arn: str, measure: Callable[[Backlog], None]
    ) -> None:
        self._store = store
        self._stepfunctions = stepfunctions
        self._place = place
        self._arn = arn
        self._measure = measure
        self._leases = Leases(store, f"{place.home}lease.json")

    def survey(self, wanted: Wanted, settled: Sequence[str]) -> Json:
        """Say what is to be done now, ``{"state", "backlog", ...}``; ``settled`` names what this drain settled so far.

        States: ``busy`` (``reason``: another drain has the lease); ``settle`` (``settle``: an event for Settle, then
        come again); ``process`` (``run``, ``job``); ``nothing``.

        Raises:
            TransientError: S3 or Step Functions does not answer.
        """
        lease, reason = self._take()
        if lease is None:
            return self._answer("busy", self._seen(wanted, Patience()), reason=reason)
        run = describe(self._stepfunctions, lease.run)
        if run and run.name not in settled and self._store.head(f"{self._place.runs(run.name)}moved.json") is None:
            return {"state": "settle", "settle": self._unsettled(run)}
        patience = Patience.read(self._store, f"{self._place.home}attempts.json")
        if run:
            patience.count(run.name, failures(self._store, f"{self._place.runs(run.name)}failures.csv"))
        backlog = self._seen(wanted, patience)
        patience.forget_all_but(backlog.put_off)
        patience.write(self._store, f"{self._place.home}attempts.json")
        verdicts = f"{turn_name(self._name)}-gave-up"
        if backlog.given_up and verdicts not in settled:
            return {"state": "settle", "settle": self._given_up(verdicts, patience, backlog.given_up)}
        if not backlog.first:
            return self._answer("nothing", backlog)
        return self._process(lease, wanted, backlog)

    def release(self) -> None:
        """Give the lease back, if this drain has it."""
        lease = self._leases.read()
        if lease.holder == self._arn:
            self._leases.write(lease, None, lease.run)

    @property
    def _name(self) -> str:
        return self._arn.rsplit(":", 1)[-1]

    def _take(self) -> tuple[Lease | None, str | None]:
        """Take the lease; where it is not to be had, ``None`` and why."""
        lease = self._leases.read()
        if lease.holder == self._arn:
            return lease, None
        holder, run = (describe(self._stepfunctions, arn) for arn in (lease.holder, lease.run))
        reason = why_not_free(holder, run, self._place.grace)
        if reason:
            return None, reason
        return self._leases.write(lease, self._arn, lease.run), "another drain was faster"

    def _unsettled(self, run: Execution) -> Json:
        """Return the event that has the sources of a run moved whose workflow ended before it could."""
        load = run.job.get("load") or {}
        return {
            "run": run.name,
            "runs": self._place.runs(run.name),
            "on_done": run.job.get("on_done", self._place.moves),
            # What was to be loaded stays, and is: its outputs are there, so the next turn has little to do.
            "loaded": "dynamodb" not in load,
            "moved": None,
        }

    def _seen(self, wanted: Wanted, patience: Patience) -> Backlog:
        """List what waits, and measure it."""
        backlog = survey(self._listed(), wanted.select, wanted.most, patience)
        self._measure(backlog)
        return backlog

    def _listed(self) -> Iterator[Item]:
        bucket = self._place.input_bucket
        return (listed_item(entry, bucket, INCOMING) for entry in self._store.list(f"s3://{bucket}/{INCOMING}"))

    def _given_up(self, name: str, patience: Patience, items: Sequence[Item]) -> Json:
        """Write the records of what is given up, as a run would have, and return the event that has them moved."""
        runs = self._place.runs(name)
        body = write_records([patience.verdict(item) for item in items])
        self._store.write(f"{runs}records/pass-1/gave-up.jsonl.gz", body, "application/gzip")
        return {"run": name, "runs": runs, "on_done": self._place.moves, "loaded": True, "moved": None}

    def _process(self, lease: Lease, wanted: Wanted, backlog: Backlog) -> Json:
        """Write the turn's manifest, and put its run into the lease before anybody can start it."""
        name = turn_name(self._name)
        manifest = f"{self._place.home}turns/{name}.jsonl"
        rows = ({"uri": item.uri, "item_name": item.name, "etag": item.etag} for item in backlog.first)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        self._store.write(manifest, lines.encode("ascii"), "application/jsonlines")
        if self._leases.write(lease, self._arn, self._place.run_arn(name)) is None:
            return self._answer("busy", backlog, reason="another drain took the lease")
        return self._answer("process", backlog, run=name, job=wanted.over(manifest, self._place.moves))

    def _answer(self, state: str, backlog: Backlog, **more: Any) -> Json:
        told = {
            "items": backlog.items,
            "ignored": backlog.ignored,
            "oldest_seconds": round(backlog.age(time.time()), 1),
            "taken": len(backlog.first) if state == "process" else 0,
        }
        return {"state": state, "backlog": told, **more}


def problem(error: Mapping[str, str] | None) -> str | None:
    """Say in a sentence what a state of the drain failed of: its ``$states.errorOutput``."""
    if error is None:
        return None
    cause = error.get("Cause", "")
    try:
        told = json.loads(cause)
    except ValueError:
        told = {}
    if "ExecutionArn" in told:  # a run that waited for
        why = f"{told['Error']}: {told.get('Cause', '')}" if "Error" in told else "it was ended from outside"
        return f"the run {told['Name']} ended as {told['Status']}: {why}"
    return f"{error.get('Error', 'unknown')}: {told.get('errorMessage', cause)}"
