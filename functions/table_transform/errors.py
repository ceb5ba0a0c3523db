"""What can be wrong with a table.

::

    PermanentError              (itemkit) the item cannot succeed as it is
    ├── UnreadableTable         its bytes are no table, or a damaged one
    │   └── EmptyTable          there is nothing in it, not even columns
    ├── InvalidRows             rows or cells of it are wrong; the message says which
    └── QueryFailed             the job's SQL or types do not fit it
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import polars as pl

from itemkit import PermanentError

# What polars raises over data and queries; its panics are no Exception.
POLARS_FAULTS = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    ValueError,
    TypeError,
    RecursionError,
)
_MOST_NAMES = 12


class UnreadableTable(PermanentError):
    """The bytes are not a table that can be read, or a damaged one."""


class EmptyTable(UnreadableTable):
    """There is nothing in the object, not even the names of columns."""


class InvalidRows(PermanentError):
    """Rows or cells of the table are wrong."""


class QueryFailed(PermanentError):
    """The job's SQL or types do not fit this table."""


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that is most like ``name``, without regard to case."""
    folded = {each.lower(): each for each in reversed(known)}
    near = difflib.get_close_matches(name.lower(), list(folded), n=1)
    return folded[near[0]] if near else None


def listed(names: Sequence[str]) -> str:
    """Return the names for a message, the first ones where they are many."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def first_line(error: BaseException) -> str:
    """Return the first line of a message of polars; those below are about its insides."""
    return str(error).strip().split("\n", maxsplit=1)[0][:200]
