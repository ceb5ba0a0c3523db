"""What can be wrong with a load.

::

    PermanentError              (itemkit) the item cannot succeed as it is
    ├── UnreadableTable         the object is no table this operation reads, or a damaged one
    ├── InvalidRow              a row cannot be an item of the table; the message says which and why
    ├── TableNotFound           there is no such table
    ├── TableForbidden          the function's role may not use it
    └── TableRefused            the table and the options do not fit, or DynamoDB refuses a call for good
        └── WriteRefused        it refuses what is to be written: an InvalidRow, once it is known which
    TransientError              (itemkit) trying again may help: deferred
    ├── Throttled               the table takes no more for now
    ├── Unavailable             DynamoDB does not answer
    └── Unfinished              the function's time ran out before the last row
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from itemkit import PermanentError, TransientError

_MOST_NAMES = 12


class UnreadableTable(PermanentError):
    """The object is no table that can be read, or a damaged one."""


class InvalidRow(PermanentError):
    """A row cannot be an item of the table."""


class TableNotFound(PermanentError):
    """There is no such table."""


class TableForbidden(PermanentError):
    """The role may not use the table."""


class TableRefused(PermanentError):
    """The table and the options do not fit, or DynamoDB refuses a call for good."""


class WriteRefused(TableRefused):
    """DynamoDB refuses what is to be written (ValidationException); it does not say which of the items."""


class Throttled(TransientError):
    """The table takes no more for now."""


class Unavailable(TransientError):
    """DynamoDB does not answer, or with an error of its own."""


class Unfinished(TransientError):
    """The function's time ran out before the last row."""


def meant(name: str, known: Sequence[str]) -> str:
    """Return the end of a message about an unknown column: the near name, or those there are."""
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
    return f"its columns are {', '.join(known[:_MOST_NAMES])}{more}"
