"""The job: what a user asks for, validated before anything is spent.

The only module of the kit that needs pydantic; ``prepare`` and the command line import it, item functions do not.
"""

from __future__ import annotations

import difflib
import re
from itertools import combinations
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from itemkit.errors import InvalidItem, InvalidJob
from itemkit.item import FILES, split_uri
from itemkit.select import instant

MANIFEST_SUFFIXES = (".csv", ".tsv", ".jsonl", ".json")
COMPRESSED_SUFFIX = ".gz"
# An S3 prefix takes 3,500 writes a second; an item of 120 ms makes that about 420 functions at once.
DEFAULT_CONCURRENCY = 400
# With batches an eighth as large each time, an item of a batch of 50 is alone in the third.
DEFAULT_PASSES = 3
# An on-demand table begins with 4,000 writes a second; a function that loads makes some hundreds.
LOAD_CONCURRENCY = 5


def _checked_uri(uri: str) -> str:
    try:
        split_uri(uri)
    except InvalidItem as error:
        raise ValueError(str(error)) from error
    return uri


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class PrefixSource(_Part):
    """Every object whose key begins with the prefix."""

    prefix: str = Field(description="every object whose key begins with it, such as s3://bucket/2026-")

    @field_validator("prefix")
    @classmethod
    def _uri(cls, value: str) -> str:
        return _checked_uri(value)


class ManifestSource(_Part):
    """Every row of a manifest: CSV, TSV, JSON lines or a JSON array, also gzipped."""

    manifest: str = Field(description="every row of an object that ends in .csv .tsv .jsonl .json, or these with .gz")
    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n]$')] | None = Field(
        default=None, description="of the manifest; left out: a comma, in .tsv a tab"
    )

    @field_validator("manifest")
    @classmethod
    def _uri(cls, value: str) -> str:
        if split_uri(_checked_uri(value))[0] == FILES:
            raise ValueError(f"{value!r} is a file: put the manifest into S3")
        if not value.removesuffix(COMPRESSED_SUFFIX).endswith(MANIFEST_SUFFIXES):
            raise ValueError(f"{value!r} is no manifest: it ends in one of {', '.join(MANIFEST_SUFFIXES)} (also .gz)")
        return value


class ObjectsSource(_Part):
    """The objects named here."""

    objects: Annotated[list[str], Field(min_length=1)] = Field(description="the objects with these URIs")

    @field_validator("objects")
    @classmethod
    def _uris(cls, value: list[str]) -> list[str]:
        return [_checked_uri(uri) for uri in value]


Source = PrefixSource | ManifestSource | ObjectsSource
_SOURCES: dict[str, type[_Part]] = {"prefix": PrefixSource, "manifest": ManifestSource, "objects": ObjectsSource}


class SelectRules(_Part):
    """Which items are wanted; see ``itemkit.select.Select``."""

    suffix: list[str] | None = Field(default=None, description="keys that end in one of these, such as .jpg")
    glob: str | None = Field(default=None, description="keys that fit it: `*` within a folder, `**` across folders")
    min_bytes: Annotated[int, Field(ge=0)] | None = Field(default=None, description="objects of so many bytes and more")
    max_bytes: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="objects of so many bytes and fewer"
    )
    modified_after: str | None = Field(default=None, description="objects modified after this ISO 8601 instant")

    @field_validator("modified_after")
    @classmethod
    def _instant(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                instant(value)
            except ValueError as error:
                raise ValueError(f"{value!r} is no ISO 8601 instant: write 2026-11-21T08:00:00Z") from error
        return value


class Batch(_Part):
    """How many items a child gets; ``None``: what the operation says is good for it."""

    items: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="items a Lambda invocation gets; left out: what the operation says is good for it"
    )


class Tolerate(_Part):
    """The share of items, in percent, that may fail before the run counts as failed and stops early."""

    percent: Annotated[float, Field(ge=0, le=100)] = Field(
        default=25, description="share of items that may fail before the run is FAILED and stops early"
    )


class Split(_Part):
    """Large CSV and JSON lines objects become parts that end with a row, each an item of its own."""

    bytes: Annotated[int, Field(ge=1024)] = Field(default=64 * 1024 * 1024, description="size of a part, about")
    above: Annotated[int, Field(ge=0)] = Field(
        default=256 * 1024 * 1024, description="objects of more bytes than this become parts"
    )
    delimiter: Annotated[str, Field(pattern=r"^[\t -!#-~]$")] | None = Field(
        default=None, description="of CSV; left out: the commonest of `,` `;` `|` and tab in the header"
    )


class Redshift(_Part):
    """Where Redshift copies the outputs from: a statement and a manifest are written, nothing is run."""

    table: Annotated[str, Field(pattern=r"^[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*){0,2}$")] = Field(
        description="the table of the COPY statement that is written beside the outputs, such as public.orders"
    )
    iam_role: Annotated[str, Field(pattern=r"^(default|arn:[\w-]+:iam::\d{12}:role/[\w+=,.@/-]+)$")] = Field(
        default="default", description="the role that Redshift reads with; default is the cluster's own"
    )


class Load(_Part):
    """What is done with the outputs; the options of ``dynamodb`` are those of the operation dynamodb-load."""

    dynamodb: dict[str, Any] | None = Field(
        default=None, description="load the tables a run wrote into DynamoDB; the options of dynamodb-load"
    )
    redshift: Redshift | None = Field(default=None, description="write what Redshift needs to COPY the outputs")
    concurrency: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=LOAD_CONCURRENCY, description="functions that load at once"
    )

    @model_validator(mode="after")
    def _somewhere(self) -> Load:
        if self.dynamodb is None and self.redshift is None:
            raise ValueError("say where to: 'dynamodb' or 'redshift'")
        return self


def _folder(value: str) -> str:
    if split_uri(_checked_uri(value))[0] == FILES:
        raise ValueError(f"{value!r} is a directory: sources are moved only in S3")
    return value if value.endswith("/") else f"{value}/"


Folder = Annotated[str, AfterValidator(_folder)]


def overlapping(one: str, other: str) -> bool:
    """Tell whether one of two URIs of folders, ending in ``/``, lies in the other or is it."""
    return one.startswith(other) or other.startswith(one)


class OnDone(_Part):
    """Where sources go after the run: what is below ``from`` (``origin`` here) keeps its path below it."""

    origin: Folder | None = Field(
        default=None,
        alias="from",
        description="what is moved lies below it; left out: the source's folder, where that is a prefix",
    )
    move_source_to: Folder = Field(description="the folder for sources whose outputs are there")
    move_failed_to: Folder | None = Field(
        default=None, description="the folder for sources that failed for good; left out: they stay"
    )

    @property
    def targets(self) -> dict[str, str]:
        """The folders that sources are moved to, by their field."""
        places = {"move_source_to": self.move_source_to, "move_failed_to": self.move_failed_to}
        return {name: place for name, place in places.items() if place is not None}

    @model_validator(mode="after")
    def _apart(self) -> OnDone:
        places = self.targets | ({"from": self.origin} if self.origin else {})
        for (one, here), (other, there) in combinations(places.items(), 2):
            if overlapping(here, there):
                raise ValueError(f"{one!r} and {other!r} lie in each other ({here}, {there}): choose folders apart")
        return self


class Job(_Part):
    """The execution input of the workflow."""

    operation: str = Field(description="what to run")
    source: Source = Field(
        description="which objects: a prefix ending in /, a manifest's URI, or one of the forms below"
    )
    select: SelectRules = Field(default=SelectRules(), description="which of them are wanted; all rules together")
    options: dict[str, Any] = Field(default_factory=dict, description="the operation's own options")
    destination: str | None = Field(
        default=None, description="where outputs go; left out: s3://OUTPUT_BUCKET/out/OPERATION/"
    )
    batch: Batch = Field(default=Batch(), description="how items are put together")
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=DEFAULT_CONCURRENCY, description="children (batches) at work at once"
    )
    max_items: Annotated[int, Field(ge=1, le=100_000_000)] | None = Field(
        default=None, description="stop after so many items of the source"
    )
    tolerate: Tolerate = Field(default=Tolerate(), description="how much may go wrong")
    passes: Annotated[int, Field(ge=1, le=10)] = Field(
        default=DEFAULT_PASSES,
        description="how often items are mapped at most: what was deferred or lost comes again in smaller batches",
    )
    overwrite: bool = Field(
        default=False, description="process again what is done, and replace objects Fanfold did not write"
    )
    split: Split | None = Field(default=None, description="map large CSV and JSON lines objects in parts of whole rows")
    load: Load | None = Field(default=None, description="what is done with the tables a run wrote, once it succeeded")
    on_done: OnDone | None = Field(default=None, description="where sources are moved to once they are done")

    @field_validator("operation")
    @classmethod
    def _operation(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", value):
            raise ValueError("an operation's name has lower-case letters, digits and '-', such as image-resize")
        return value

    @field_validator("source", mode="before")
    @classmethod
    def _source(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"prefix": value} if value.endswith("/") else {"manifest": value}
        if not isinstance(value, dict) or not value:
            raise ValueError("write 's3://BUCKET/PREFIX/', a manifest's URI, or an object that says which it is")
        for name, kind in _SOURCES.items():
            if name in value:
                return kind.model_validate(value)
        raise ValueError(f"unknown field {next(iter(value))!r}: {_nearest(['source', next(iter(value))])}")

    @field_validator("destination")
    @classmethod
    def _destination(cls, value: str | None) -> str | None:
        if value is None:
            return None
        bucket, key = split_uri(_checked_uri(value))
        if bucket == FILES and not key:
            raise ValueError(f"{value!r} is all of a machine's files: name a directory")
        return value.rstrip("/") + "/"

    @model_validator(mode="after")
    def _moved(self) -> Job:
        if self.on_done is None:
            return self
        if self.origin is None:
            raise ValueError("on_done: say what is moved: 'from' is required where the source is no prefix")
        if isinstance(self.source, PrefixSource):
            self._require_apart(self.on_done, self.source.prefix)
        return self

    @staticmethod
    def _require_apart(on_done: OnDone, prefix: str) -> None:
        """Refuse moves that would put objects into the listing they were taken from, or could move none of it."""
        if split_uri(prefix)[0] == FILES:
            raise ValueError(f"on_done: the source {prefix} is a directory: sources are moved only in S3")
        if on_done.origin is not None and not overlapping(on_done.origin, prefix):
            raise ValueError(f"on_done.from: {on_done.origin} has nothing of the source {prefix}")
        for name, place in on_done.targets.items():
            if overlapping(place, prefix):
                raise ValueError(
                    f"on_done.{name}: {place} and the source {prefix} lie in each other: choose folders apart"
                )

    @property
    def origin(self) -> str | None:
        """The folder that sources are moved out of, ``None``: none is."""
        if self.on_done and self.on_done.origin is None and isinstance(self.source, PrefixSource):
            return self.source.prefix[: self.source.prefix.rindex("/") + 1]
        return self.on_done.origin if self.on_done else None


def parse_job(value: Any) -> Job:
    """Validate an execution input.

    Raises:
        InvalidJob: naming every fault, and the nearest known field for each unknown one.
    """
    if not isinstance(value, dict):
        raise InvalidJob(f"the job is {value!r}: write a JSON object with 'operation' and 'source'")
    try:
        return Job.model_validate(value)
    except ValidationError as error:
        raise InvalidJob("; ".join(_explain(fault) for fault in error.errors())) from error


def _explain(fault: Any) -> str:
    """Say in a sentence what pydantic found."""
    path = [str(step) for step in fault["loc"]]
    name = ".".join(path)
    if fault["type"] == "extra_forbidden":
        return f"unknown field {name!r}: {_nearest(path)}"
    if fault["type"] == "missing":
        return f"the field {name!r} is missing"
    reason = str(fault.get("ctx", {}).get("error") or fault["msg"])
    return f"{name or 'job'}: {reason} (it is {fault['input']!r})" if name else reason


def _nearest(path: list[str]) -> str:
    known = _fields_at(path[:-1])
    near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.4)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def _fields_at(path: list[str]) -> list[str]:
    parts: dict[str, type[_Part]] = {
        "select": SelectRules,
        "split": Split,
        "batch": Batch,
        "tolerate": Tolerate,
        "load": Load,
        "on_done": OnDone,
    }
    if path and path[0] == "source":
        return [name for kind in _SOURCES.values() for name in kind.model_fields]
    model = parts.get(path[0], Job) if path else Job
    return [field.alias or name for name, field in model.model_fields.items()]
