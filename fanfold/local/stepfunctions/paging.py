"""Pages of lists: opaque tokens that hold how far one got."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from fanfold.local.protocol import ServiceError

PAGE: Final = 100

T = TypeVar("T")


def position(request: Mapping[str, Any]) -> int | None:
    """Return the number in the request's ``nextToken``, ``None`` without one; raises ServiceError InvalidToken."""
    token = request.get("nextToken")
    if token is None:
        return None
    try:
        return int(base64.urlsafe_b64decode(token.encode()).decode())
    except (ValueError, binascii.Error):
        raise ServiceError("InvalidToken", f"Invalid Token: '{token}'") from None


def token(number: int) -> str:
    """Return the token that holds a number."""
    return base64.urlsafe_b64encode(str(number).encode()).decode()


def size(request: Mapping[str, Any]) -> int:
    """Return how many results one answer holds."""
    return request.get("maxResults") or PAGE


def page(request: Mapping[str, Any], results: Sequence[T], field: str) -> dict[str, Any]:
    """Return the page of ``results`` a request asks for."""
    start = position(request) or 0
    end = start + size(request)
    more = {"nextToken": token(end)} if end < len(results) else {}
    return {field: list(results[start:end]), **more}
