"""Writing the results of a map run to S3: result files of records or outputs, and the manifest that lists them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fanfold.local.stepfunctions.children import FAILED, PENDING, SUCCEEDED, UNSUCCESSFUL, Child, Children
from fanfold.local.stepfunctions.document import dumps, loads
from fanfold.local.stepfunctions.line import iso
from fanfold.local.stepfunctions.mapruns import MapRun, child_arn

_FILE_LIMIT: Final = 5 * 1024**3  # bytes
_PART: Final = 8 * 1024**2  # bytes; S3 wants 5 MiB or more in all parts but the last
_INCLUDED: Final = {"Included": True}


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how results are written; ``prefix`` ends with ``/`` unless it is empty."""

    bucket: str
    prefix: str
    transformation: str
    jsonl: bool


def write_results(run: MapRun, target: Target, children: Children, s3: Any) -> dict[str, Any]:
    """Write the files of a map run and return the Map state's result; raises ClientError or BotoCoreError.

    A redrive writes below ``Redrive-<n>/``; its manifest lists what succeeded in every attempt.
    """
    folder = f"{target.prefix}{run.id}/" + (f"Redrive-{run.redrives}/" if run.redrives else "")
    kinds = {FAILED: UNSUCCESSFUL, PENDING: (PENDING,), SUCCEEDED: (SUCCEEDED,)}
    files: dict[str, list[dict[str, Any]]] = {}
    for name, statuses in kinds.items():
        found = children.each(run.number, *statuses)
        fresh = (child for child in found if name != SUCCEEDED or child.attempt == run.redrives)
        transformation = target.transformation if name == SUCCEEDED else "NONE"
        texts = (text for child in fresh for text in _texts(run, child, transformation, target.jsonl))
        files[name] = list(_write(s3, target, f"{folder}{name}", texts))
    run.written += files[SUCCEEDED]
    manifest = {
        "DestinationBucket": target.bucket,
        "MapRunArn": run.arn,
        "ResultFiles": {**files, SUCCEEDED: run.written},
    }
    key = f"{folder}manifest.json"
    body = dumps(manifest).encode()
    s3.put_object(Bucket=target.bucket, Key=key, Body=body, ContentType="application/octet-stream")
    return {"MapRunArn": run.arn, "ResultWriterDetails": {"Bucket": target.bucket, "Key": key}}


def inline_result(run: MapRun, transformation: str, children: Children, limit: int) -> str | None:
    """Return the array of outputs as JSON text, ``None`` when it has more characters than ``limit``."""
    texts: list[str] = []
    length = 2
    for child in children.each(run.number, SUCCEEDED):
        for text in _texts(run, child, transformation, False):
            length += len(text) + 1
            if length > limit + 1:
                return None
            texts.append(text)
    return f"[{','.join(texts)}]"


def _texts(run: MapRun, child: Child, transformation: str, by_line: bool) -> Iterator[str]:
    """Yield what one child contributes to its file, as JSON texts."""
    if transformation == "NONE":
        yield dumps(record(run, child))
        return
    output = child.output or "null"
    if transformation == "COMPACT" or not output.startswith("["):
        yield output
    elif by_line:
        yield from map(dumps, loads(output))
    elif output != "[]":
        yield output[1:-1]


def record(run: MapRun, child: Child) -> dict[str, Any]:
    """Return the record of a child in a result file."""
    pending = {"Input": child.input, "InputDetails": _INCLUDED, "Status": child.status}
    if child.status == PENDING:
        return pending
    succeeded = child.status == SUCCEEDED
    reason = {"RedriveStatusReason": f"Execution is {SUCCEEDED} and cannot be redriven"} if succeeded else {}
    fields = {
        **pending,
        **reason,
        "Cause": child.cause,
        "Error": child.error,
        "ExecutionArn": child_arn(run, child),
        "Name": child.name,
        "Output": child.output,
        "OutputDetails": _INCLUDED,
        "RedriveCount": child.redrives,
        "RedriveStatus": "NOT_REDRIVABLE" if succeeded else "REDRIVABLE_BY_MAP_RUN",
        "StartDate": iso(child.started),
        "StateMachineArn": run.origin.machine_arn,
        "StopDate": iso(child.stopped),
    }
    return {name: fields[name] for name in sorted(fields) if fields[name] is not None}


def _write(s3: Any, target: Target, stem: str, texts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Write as many files as it takes, and yield their manifest entries."""
    source = iter(texts)
    first = next(source, None)
    number = 0
    while first is not None:
        key = f"{stem}_{number}.{'jsonl' if target.jsonl else 'json'}"
        upload = _Upload(s3, target.bucket, key)
        first = _fill(upload, first, source, target.jsonl)
        yield {"Key": key, "Size": upload.finish()}
        number += 1


def _fill(upload: _Upload, first: str, rest: Iterator[str], jsonl: bool) -> str | None:
    """Write texts until there are no more or the file is full; return the one that did not fit."""
    upload.add(f"{first}\n" if jsonl else f"[{first}")
    for text in rest:
        if upload.size > _FILE_LIMIT:
            if not jsonl:
                upload.add("]")
            return text
        upload.add(f"{text}\n" if jsonl else f",{text}")
    if not jsonl:
        upload.add("]")
    return None


class _Upload:
    """A multipart upload that is fed with text."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        self._s3 = s3
        self._place = {"Bucket": bucket, "Key": key}
        self._id = s3.create_multipart_upload(**self._place, ContentType="binary/octet-stream")["UploadId"]
        self._parts: list[dict[str, Any]] = []
        self._buffer = bytearray()
        self._sent = 0

    @property
    def size(self) -> int:
        """The bytes added so far."""
        return self._sent + len(self._buffer)

    def add(self, text: str) -> None:
        """Append text, and send a part when there is enough."""
        self._buffer += text.encode()
        if len(self._buffer) >= _PART:
            self._send()

    def _send(self) -> None:
        number = len(self._parts) + 1
        answer = self._s3.upload_part(**self._place, UploadId=self._id, PartNumber=number, Body=bytes(self._buffer))
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._sent += len(self._buffer)
        self._buffer.clear()

    def finish(self) -> int:
        """Make the object appear, and return its size in bytes."""
        self._send()
        parts = {"Parts": self._parts}
        self._s3.complete_multipart_upload(**self._place, UploadId=self._id, MultipartUpload=parts)
        return self._sent
