"""What a map run left behind: its counts, and its result files in S3, read as they stream.

Shapes and layout: ``<prefix>/<map run id>/[Redrive-k/]manifest.json`` names the parts; SUCCEEDED parts hold one batch
result a line (FLATTEN, JSONL), FAILED and PENDING parts one execution record a line, whose ``Input`` and ``Cause`` are
JSON inside strings. After a redrive the last manifest lists all SUCCEEDED parts, and the FAILED and PENDING ones of
the last attempt alone, which is what is still open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from itemkit.errors import ObjectNotFound, PermanentError, TransientError
from itemkit.item import join_uri
from itemkit.store import S3Store

# Takes a sentence that says which part cannot be read and why.
Fault = Callable[[str], None]


@dataclass(frozen=True)
class MapRun:
    """A map run as DescribeMapRun tells it.

    Attributes:
        listed: items the reader delivered.
        settled: whether it has ended and no child runs any more (EXPRESS children outlive a breach).
        redrives: how often it was redriven.
    """

    arn: str
    status: str
    listed: int
    settled: bool
    redrives: int

    @classmethod
    def from_describe(cls, answer: Mapping[str, Any]) -> MapRun:
        """Read a DescribeMapRun answer."""
        return cls(
            arn=answer["mapRunArn"],
            status=answer["status"],
            listed=answer["itemCounts"]["total"],
            settled=answer["status"] != "RUNNING" and answer["executionCounts"]["running"] == 0,
            redrives=answer.get("redriveCount", 0),
        )

    def manifest_uri(self, bucket: str, prefix: str) -> str:
        """Return where the ResultWriter put this run's last manifest."""
        folder = f"Redrive-{self.redrives}/" if self.redrives else ""
        return join_uri(bucket, f"{prefix}/{self.arn.rsplit(':', 1)[-1]}/{folder}manifest.json")


@dataclass(frozen=True)
class Results:
    """The result files of a map run.

    A part that is gone or damaged is told to the reader's ``fault``, and reading goes on with the next.
    """

    store: S3Store
    bucket: str
    parts: Mapping[str, list[str]]

    @classmethod
    def open(cls, store: S3Store, manifest_uri: str) -> Results:
        """Read the manifest; raises TransientError while it is not there (it may come seconds after the run)."""
        try:
            with store.open(manifest_uri) as (_, stream):
                manifest = json.loads(stream.read())
        except ObjectNotFound as error:
            raise TransientError(f"{manifest_uri} is not written yet") from error
        parts = {status: [part["Key"] for part in files] for status, files in manifest["ResultFiles"].items()}
        return cls(store, manifest["DestinationBucket"], parts)

    def succeeded(self, fault: Fault) -> Iterator[dict[str, Any]]:
        """Yield the output of every child that succeeded."""
        return self._records("SUCCEEDED", fault)

    def failed(self, fault: Fault) -> Iterator[dict[str, Any]]:
        """Yield the record of every child that failed, timed out or was aborted (these have no ``Error``)."""
        return self._records("FAILED", fault)

    def pending(self, fault: Fault) -> Iterator[dict[str, Any]]:
        """Yield the record of every child that was never started: ``Input`` and ``Status`` alone."""
        return self._records("PENDING", fault)

    def _records(self, status: str, fault: Fault) -> Iterator[dict[str, Any]]:
        for key in self.parts.get(status, []):
            uri = join_uri(self.bucket, key)
            try:
                with self.store.open(uri) as (_, stream):
                    for line in stream:
                        record = json.loads(line)
                        # A redrive writes "[]" where it has nothing to say.
                        yield from record if isinstance(record, list) else [record]
            except (PermanentError, ValueError) as error:
                fault(f"the result file {uri} cannot be read: {error}")
