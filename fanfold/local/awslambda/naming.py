"""Function names as the API takes them: a name, a partial ARN, a full ARN, each with or without a qualifier."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fanfold.local.protocol import ServiceError

_REFERENCE = re.compile(
    r"(?:(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):)?(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9-_]{1,64})(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]{1,128}))?"
)
LATEST = "$LATEST"


@dataclass(frozen=True)
class Reference:
    """A function as a caller names it; ``qualifier`` is empty when none was given."""

    name: str
    qualifier: str = ""


def parse(text: str, qualifier: str = "") -> Reference:
    """Read ``text``; a ``qualifier`` given beside it must not contradict one inside it.

    Raises ServiceError (ValidationException, InvalidParameterValueException).
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ServiceError(
            "ValidationException",
            f"1 validation error detected: Value '{text}' at 'functionName' failed to satisfy constraint: "
            "Member must be a function name of letters, digits, - and _, a partial ARN or a full ARN",
        )
    inside = match["qualifier"] or ""
    if inside and qualifier and inside != qualifier:
        raise ServiceError(
            "InvalidParameterValueException",
            f"The derived qualifier from the function name does not match the specified qualifier '{qualifier}'.",
        )
    return Reference(match["name"], inside or qualifier)
