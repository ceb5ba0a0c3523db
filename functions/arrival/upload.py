"""An upload that S3 tells of, and the run it asks for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from itemkit.errors import PermanentError
from itemkit.item import join_uri

INCOMING = "incoming/"
MANIFESTS = "manifests/"
PROCESSED = "processed/"
FAILED = "failed/"


@dataclass(frozen=True)
class Upload:
    """One version of an object, as an event of S3 tells of it.

    Attributes:
        etag: without quotes.
        version: the id of the version; ``None`` in a bucket without versions.
    """

    bucket: str
    key: str
    etag: str
    version: str | None

    @property
    def uri(self) -> str:
        """The URI of the object, whatever version of it is there now."""
        return join_uri(self.bucket, self.key)

    @property
    def execution_name(self) -> str:
        """The name that every event of this very upload gives its run, so that only one of them starts it.

        Step Functions keeps the names of executions for 90 days.
        """
        told = json.dumps([self.bucket, self.key, self.version or self.etag])
        return f"upload-{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def upload_of(event: Mapping[str, Any]) -> Upload:
    """Return the upload that an EventBridge event "Object Created" of S3 is about; keys in it are as they are.

    Raises:
        PermanentError: it is another event.
    """
    try:
        detail = event["detail"]
        created = detail["object"]
        return Upload(detail["bucket"]["name"], created["key"], created["etag"], created.get("version-id"))
    except (KeyError, TypeError) as error:
        raise PermanentError(f"not an event 'Object Created' of S3: {error} is missing in {event!r:.500}") from error


def job_for(upload: Upload, settings: str) -> dict[str, Any]:
    """Return the execution input of the run for an upload.

    An upload below ``manifests/`` is the manifest of the run; any other is its one object, moved when it is done.

    Args:
        upload: what was uploaded.
        settings: the template's ``UploadJob``: JSON text of a job without ``source``.

    Raises:
        PermanentError: the settings are no such job, or its outputs would be uploads themselves.
    """
    try:
        job = json.loads(settings)
    except ValueError as error:
        raise PermanentError(f"UploadJob is no JSON: {error}: {settings:.200}") from error
    if not isinstance(job, dict) or "source" in job:
        raise PermanentError(f"UploadJob must be a job without 'source', as JSON: {settings:.200}")
    for field, place in _places(job):
        if _comes_back(upload.bucket, place):
            raise PermanentError(
                f"UploadJob has {field} {place!r}, and what is written there would start runs for ever: "
                f"choose one outside {INCOMING} and {MANIFESTS} of the bucket {upload.bucket}"
            )
    if upload.key.startswith(MANIFESTS):
        return job | {"source": {"manifest": upload.uri}}
    return {"on_done": _moves(upload.bucket)} | job | {"source": {"objects": [upload.uri]}}


def _moves(bucket: str) -> dict[str, str]:
    return {
        "from": join_uri(bucket, INCOMING),
        "move_source_to": join_uri(bucket, PROCESSED),
        "move_failed_to": join_uri(bucket, FAILED),
    }


def _places(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield where a run of the job writes and moves to, each with its field."""
    moves = job.get("on_done")
    for field, value in (
        ("destination", job.get("destination")),
        *((f"on_done.{name}", moves.get(name)) for name in ("move_source_to", "move_failed_to") if moves),
    ):
        if value is not None:
            yield field, str(value)


def _comes_back(bucket: str, place: str) -> bool:
    """Tell whether something written at or below ``place`` may be an upload that starts a run."""
    place = place.rstrip("/") + "/"
    watched = [join_uri(bucket, prefix) for prefix in (INCOMING, MANIFESTS)]
    return any(place.startswith(each) or each.startswith(place) for each in watched)
