"""From a job to a plan: everything the workflow needs to know, checked against what is there."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import quote

from functions.prepare.folders import Folders
from functions.prepare.manifest import Manifest, examine, rows, unpacked
from functions.prepare.preflight import Aws
from functions.prepare.split import Splitter, named
from itemkit import InvalidJob
from itemkit.errors import PermanentError
from itemkit.item import FILES, join_uri, listed_item, manifest_item, split_uri
from itemkit.job import (
    DEFAULT_PASSES,
    Job,
    Load,
    ManifestSource,
    ObjectsSource,
    PrefixSource,
    Split,
    overlapping,
    parse_job,
)
from itemkit.select import Select
from itemkit.store import S3Store, with_head

# How many of a source's first objects are looked at for one that the job wants.
MOST_SAMPLED = 100


@dataclass(frozen=True)
class Place:
    """Where this stack works: its buckets and how its operations' functions are called."""

    input_bucket: str
    output_bucket: str
    operation_prefix: str


@dataclass(frozen=True)
class Planner:
    """Plans jobs; one an execution environment."""

    aws: Aws
    store: S3Store
    place: Place
    folders: Folders = field(default_factory=Folders)

    def plan(self, execution_input: Any, run: str) -> dict[str, Any]:
        """Check the job and return its plan.

        The plan is ``{run, operation, function, source, sample, select, options, destination, runs, summaries, results,
        batch_items, concurrency, max_items, tolerated_percent, passes, overwrite, load, on_done}``; ``source`` is
        ``{kind, uri, bucket, prefix | key}`` with the ``uri`` as the job has it and the bucket and key that are read;
        ``batch_items`` is null where the job leaves it to the operation, ``max_items`` 0 for all; ``on_done`` is
        ``{from, move_source_to, move_failed_to}``, or null.

        Raises:
            InvalidJob: the job cannot run as it is; nothing was started.
        """
        job = parse_job(execution_input)
        function = self.aws.require_operation(job.operation, self.place.operation_prefix)
        home = f"s3://{self.place.output_bucket}/runs/{run}/"
        destination = job.destination or f"s3://{self.place.output_bucket}/out/{job.operation}/"
        _refuse_circle(job, destination, home)
        self._at(destination).require_bucket(destination)
        self._at(destination).require_writable(destination)
        on_done = self._on_done(job, destination, home)
        # Last, because a manifest may have to be rewritten.
        source, sample = self._source(job, home)
        bucket, key = split_uri(home)
        return {
            "run": run,
            "operation": job.operation,
            "function": function,
            "source": source,
            "sample": sample,
            "select": job.select.model_dump(exclude_none=True),
            "options": job.options,
            "destination": destination,
            "runs": home,
            "summaries": f"s3://{self.place.output_bucket}/summaries/",
            "results": {"bucket": bucket, "prefix": f"{key}results"},
            "batch_items": job.batch.items,
            "concurrency": job.concurrency,
            "max_items": job.max_items or 0,
            "tolerated_percent": job.tolerate.percent,
            "passes": job.passes,
            "overwrite": job.overwrite,
            "load": self._load(job.load, run, home) if job.load else None,
            "on_done": on_done,
        }

    def _at(self, uri: str) -> Aws | Folders:
        """Return whom to ask about a place."""
        return self.folders if split_uri(uri)[0] == FILES else self.aws

    def _load(self, load: Load, run: str, home: str) -> dict[str, Any]:
        """Return what follows the run: ``outputs`` says which files; ``plan`` is a plan over them."""
        told: dict[str, Any] = {"outputs": f"{home}outputs.jsonl", "redshift": None, "plan": None}
        if load.redshift:
            told["redshift"] = load.redshift.model_dump()
        if load.dynamodb is not None:
            operation, place = "dynamodb-load", f"{home}load/"
            bucket, key = split_uri(place)
            source = _read_with("jsonl", told["outputs"], told["outputs"])
            told["plan"] = {
                "run": f"{run}-load",
                "operation": operation,
                "function": self.aws.require_operation(operation, self.place.operation_prefix),
                "source": source,
                "sample": None,
                "select": {},
                "options": load.dynamodb,
                # The same for every run, so that a table that has been loaded is not loaded again.
                "destination": f"s3://{self.place.output_bucket}/out/{operation}/{quote(str(load.dynamodb.get('table')))}/",
                "runs": place,
                "summaries": f"s3://{self.place.output_bucket}/summaries/",
                "results": {"bucket": bucket, "prefix": f"{key}results"},
                "batch_items": 1,
                "concurrency": load.concurrency,
                "max_items": 0,
                "tolerated_percent": 0,
                "passes": DEFAULT_PASSES,
                "overwrite": False,
                "load": None,
                "on_done": None,
            }
        return told

    def _on_done(self, job: Job, destination: str, home: str) -> dict[str, str | None] | None:
        """Return where sources go; raises InvalidJob where they cannot, or would meet what the run writes."""
        if job.on_done is None or job.origin is None:
            return None
        for name, place in {"from": job.origin, **job.on_done.targets}.items():
            for written in (destination, home):
                if overlapping(place, written):
                    raise InvalidJob(
                        f"on_done.{name}: {place} and {written}, which this run writes, lie in each other: "
                        "choose folders apart"
                    )
        self._require_movable(job.origin, job.on_done.targets)
        return {"from": job.origin, "move_failed_to": None, **job.on_done.targets}

    def _require_movable(self, origin: str, targets: Mapping[str, str]) -> None:
        """Refuse moves that the function which makes them is not allowed: it deletes in the input bucket alone."""
        home = f"s3://{self.place.input_bucket}/"
        if not origin.startswith(home):
            raise InvalidJob(f"on_done.from: {origin} is not in the input bucket: objects are moved only out of {home}")
        for name, place in targets.items():
            if place.startswith(f"s3://{self.place.output_bucket}/"):
                raise InvalidJob(f"on_done.{name}: {place} is in the output bucket: choose a folder of {home}")
            if not place.startswith(home):
                self.aws.require_bucket(place)
                self.aws.require_writable(place)

    def _source(self, job: Job, home: str) -> tuple[dict[str, Any], str | None]:
        """Return the source as the workflow reads it, and the URI of a sample object."""
        select = Select.from_json(job.select.model_dump())
        if isinstance(job.source, PrefixSource):
            return self._prefix(job.source.prefix, job.split, select, home)
        if isinstance(job.source, ManifestSource):
            return self._manifest(job.source, job.split, select, home)
        return self._objects(job.source, job.split, select, home)

    def _prefix(self, uri: str, split: Split | None, select: Select, home: str) -> tuple[dict[str, Any], str | None]:
        self._at(uri).require_bucket(uri)
        bucket, prefix = split_uri(uri)
        items = (listed_item(entry, bucket, prefix) for entry in self._at(uri).first_objects(uri, MOST_SAMPLED))
        sample = next((item.uri for item in items if select.refusal(item) is None), None)
        if split is None:
            return {"kind": "prefix", "uri": uri, "bucket": bucket, "prefix": prefix}, sample
        listed = (listed_item(entry, bucket, prefix) for entry in self.store.list(uri))
        rows = (({"uri": item.uri, "item_name": item.name}, item) for item in listed)
        written = f"{home}manifest.jsonl"
        self._upload(written, Splitter(self.store, split, select).rows(rows))
        return _read_with("jsonl", written, uri), sample

    def _objects(
        self, source: ObjectsSource, split: Split | None, select: Select, home: str
    ) -> tuple[dict[str, Any], str | None]:
        uri = f"{home}manifest.jsonl"
        lines = [{"uri": each} for each in source.objects]
        self._upload(uri, self._split(lines, split, select, ""))
        return _read_with("jsonl", uri, uri), self._sample(lines, uri, select)

    def _manifest(
        self, source: ManifestSource, split: Split | None, select: Select, home: str
    ) -> tuple[dict[str, Any], str | None]:
        uri = source.manifest
        self.aws.require_bucket(uri)
        with _opened(self.store, uri) as stream:
            manifest = examine(stream, uri, source.delimiter)
        self._require_guess(manifest, uri)
        with _opened(self.store, uri) as stream:
            sample = self._sample(rows(stream, manifest, uri), uri, select)
        if manifest.native and split is None:
            return _read_with(manifest.kind, uri, uri), sample
        rewritten, bucket = f"{home}manifest.jsonl", split_uri(uri)[0]
        with _opened(self.store, uri) as stream:
            given = _with_bucket(rows(stream, manifest, uri), bucket)
            self._upload(rewritten, self._split(given, split, select, bucket))
        return _read_with("jsonl", rewritten, uri), sample

    def _split(self, given: Iterable[Any], split: Split | None, select: Select, bucket: str) -> Iterable[Any]:
        """Return a manifest's rows with those of large tables split, where the job wants that."""
        return given if split is None else Splitter(self.store, split, select).rows(named(given, bucket))

    def _require_guess(self, manifest: Manifest, uri: str) -> None:
        """Refuse a first row that was taken for ``bucket, key`` and names no object: it is a header we do not know."""
        if manifest.has_header or not manifest.header or manifest.header[0] != "bucket":
            return
        with _opened(self.store, uri) as stream:
            first = manifest_item(next(rows(stream, manifest, uri)), "").uri
        with suppress(PermanentError):
            if self.store.head(first) is not None:
                return
        raise InvalidJob(
            f"{uri} has no column 'uri' or 'key', and its first row, taken for a bucket and a key, names no object "
            f"that can be read ({first}): give it a header row that names one"
        )

    def _sample(self, manifest_rows: Iterable[Any], uri: str, select: Select) -> str | None:
        """Return the first object the job wants; a row that names none is that item's failure, not the job's."""
        for row in itertools.islice(manifest_rows, MOST_SAMPLED):
            with suppress(PermanentError):
                item = manifest_item(row, split_uri(uri)[0])
                item = with_head(self.store, item) if select.needs_head else item
                if select.refusal(item) is None:
                    return item.uri
        return None

    def _upload(self, uri: str, lines: Iterable[dict[str, Any]]) -> None:
        # ASCII, because a JSON manifest may hold a lone surrogate, which UTF-8 cannot.
        encoded = (json.dumps(line).encode() + b"\n" for line in lines)
        self.store.upload_chunks(uri, encoded, "application/jsonlines")


@contextmanager
def _opened(store: S3Store, uri: str) -> Iterator[IO[bytes]]:
    """Open a manifest, unpacked; what is wrong with it is what is wrong with the job."""
    try:
        with store.open(uri) as (_, stream):
            yield unpacked(stream, uri)
    except PermanentError as error:
        raise InvalidJob(f"the manifest {uri} cannot be read: {error}") from error


def _read_with(kind: str, uri: str, given: str) -> dict[str, Any]:
    """Return the source that reads the manifest at ``uri``, under the name the job ``given`` it."""
    bucket, key = split_uri(uri)
    return {"kind": kind, "uri": given, "bucket": bucket, "key": key}


def _with_bucket(manifest_rows: Iterable[Any], bucket: str) -> Iterator[Any]:
    """Name the manifest's own bucket in rows that name none: the rewritten manifest lies in another bucket."""
    for row in manifest_rows:
        nameless = isinstance(row, dict) and row.get("key") and not row.get("bucket")
        yield {**row, "bucket": bucket} if nameless else row


def _refuse_circle(job: Job, destination: str, home: str) -> None:
    """Refuse a listing that would meet the run's own outputs, and outputs that would land among the listed."""
    if not isinstance(job.source, PrefixSource):
        return
    listed = join_uri(*split_uri(job.source.prefix))
    for written in (destination, home):
        if written.startswith(listed):
            raise InvalidJob(f"the source {listed} contains {written}, which this run writes: choose a narrower prefix")
    if listed.startswith(destination):
        raise InvalidJob(f"the destination {destination} contains the source {listed}: choose one beside it")
