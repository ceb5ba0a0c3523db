"""A condition of S3 that moto does not know: x-amz-copy-source-if-match, of CopyObject and UploadPartCopy.

The object is asked for before moto copies it, so a write between the two goes unnoticed, which S3 would notice.
"""

from __future__ import annotations

import io
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_SOURCE, _CONDITION = "HTTP_X_AMZ_COPY_SOURCE", "HTTP_X_AMZ_COPY_SOURCE_IF_MATCH"
# Of the copy's request, what would mean something else in that about its source.
_OF_THE_COPY = ("HTTP_X_AMZ_COPY", "HTTP_IF_", "HTTP_RANGE", "CONTENT_", "werkzeug.")


def refusal(environ: WSGIEnvironment, others: WSGIApplication) -> Response | None:
    """Return S3's answer to a copy whose source is another object than the one meant; ``None``: it may go on.

    Args:
        environ: any request.
        others: what answers requests to S3.
    """
    if environ["REQUEST_METHOD"] != "PUT" or _SOURCE not in environ or _CONDITION not in environ:
        return None
    _, status, headers = run_wsgi_app(others, _question(environ))
    # Of an object that is not there moto itself tells.
    if not status.startswith("200") or headers.get("ETag", "").strip('"') == environ[_CONDITION].strip('"'):
        return None
    error = (
        "<Error><Code>PreconditionFailed</Code>"
        "<Message>At least one of the pre-conditions you specified did not hold</Message>"
        "<Condition>x-amz-copy-source-If-Match</Condition></Error>"
    )
    return Response(error, HTTPStatus.PRECONDITION_FAILED, content_type="application/xml")


def _question(environ: WSGIEnvironment) -> WSGIEnvironment:
    """Return the request HEAD for the source of a copy."""
    source, _, version = environ[_SOURCE].partition("?")
    path = "/" + source.lstrip("/")
    kept = {name: value for name, value in environ.items() if not name.startswith(_OF_THE_COPY)}
    return {
        **kept,
        "REQUEST_METHOD": "HEAD",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": version,
        "RAW_URI": f"{path}?{version}" if version else path,
        "wsgi.input": io.BytesIO(),
    }
