"""Starts the run for an upload, at most once, and none for what is no longer there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from functions.arrival.upload import Upload, job_for

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_stepfunctions import SFNClient

STARTED = "started"
KNOWN = "its run was started before"
REPLACED = "another version is there now, which has an event of its own"
GONE = "it is no longer there"
FOLDER = "it is a folder"
_NO_OBJECT = frozenset({"404", "NoSuchKey", "NotFound"})


@dataclass(frozen=True)
class Starter:
    """Starts runs of one workflow.

    Attributes:
        machine: the ARN of the workflow.
        settings: the template's ``UploadJob``.
    """

    s3: S3Client
    states: SFNClient
    machine: str
    settings: str

    def start(self, upload: Upload) -> str:
        """Start the run for an upload, and return what became of it: ``STARTED``, or why no run was.

        Events come more than once, late and out of order; S3 says what is true now.

        Raises:
            PermanentError: the settings are no job for it.
            ClientError: S3 or Step Functions is at fault; the event may be delivered again.
        """
        if upload.key.endswith("/"):
            return FOLDER
        absence = self._absence(upload)
        if absence:
            return absence
        job = json.dumps(job_for(upload, self.settings))
        try:
            self.states.start_execution(stateMachineArn=self.machine, name=upload.execution_name, input=job)
        except self.states.exceptions.ExecutionAlreadyExists:
            return KNOWN
        return STARTED

    def _absence(self, upload: Upload) -> str | None:
        """Tell why the object there now is not the upload, ``None`` where it is."""
        try:
            head = self.s3.head_object(Bucket=upload.bucket, Key=upload.key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _NO_OBJECT:
                return GONE
            raise
        present = head.get("VersionId") if upload.version else head["ETag"].strip('"')
        return None if present == (upload.version or upload.etag) else REPLACED
