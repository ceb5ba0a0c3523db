"""What DynamoDB answers, told apart: wait, try again, or never."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from functions.dynamodb_load.errors import (
    TableForbidden,
    TableNotFound,
    TableRefused,
    Throttled,
    Unavailable,
    WriteRefused,
)
from itemkit.errors import ItemError

_THROTTLING = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "LimitExceededException",
        "TransactionConflictException",
        "ReplicatedWriteConflictException",
    }
)
_FORBIDDEN = frozenset({"AccessDeniedException", "AccessDenied"})


@contextmanager
def told_apart(table: str) -> Iterator[None]:
    """Turn the client's exceptions into permanent and transient errors, by their code.

    A ConditionalCheckFailedException passes: it is an answer, not a fault.
    """
    try:
        yield
    except ClientError as error:
        if error.response["Error"].get("Code") == "ConditionalCheckFailedException":
            raise
        raise _item_error(error, table) from error
    except (BotoConnectionError, HTTPClientError, OSError) as error:
        raise Unavailable(f"no answer about table {table}: {error}") from error
    except BotoCoreError as error:
        raise TableRefused(f"cannot use table {table}: {error}") from error


def _item_error(error: ClientError, table: str) -> ItemError:
    code, message = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _THROTTLING:
        return Throttled(f"table {table} takes no more for now ({code})")
    if code == "ValidationException":
        return WriteRefused(f"table {table} refuses it: {message}")
    if code in _FORBIDDEN:
        return TableForbidden(f"access to table {table} is denied: add its ARN to the stack's parameter LoadTableArns")
    if code == "ResourceNotFoundException":
        return TableNotFound(f"there is no table {table} in this account and Region: create it, or correct the name")
    if status >= 500:
        return Unavailable(f"DynamoDB answered {code or status} about table {table}")
    return TableRefused(f"cannot use table {table}: DynamoDB answered {code or status}: {message}")
