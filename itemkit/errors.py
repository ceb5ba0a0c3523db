"""The errors of an item.

::

    ItemError                       an item did not succeed
    ├── PermanentError              it never will as it is: a failed record, not tried again
    │   ├── InvalidItem             the manifest row or event names no object
    │   ├── ObjectNotFound          no such object or bucket
    │   ├── ObjectForbidden         the role may not read or write it
    │   ├── ObjectArchived          it lies in an archive storage class
    │   ├── ObjectTooLarge          more bytes than the operation takes
    │   ├── ObjectChanged           another object than the one that was split into parts
    │   ├── OutputConflict          its output key holds something that is not its own
    │   └── OperationFailed         the operation raised what it does not declare: a fault in its code
    └── TransientError              trying again may help: deferred
        └── ChangedUnderneath       (store) a conditional write found another object than it expected
    InvalidJob                      the job as a whole cannot run; nothing was processed

An operation adds its own kinds below PermanentError, so that a record's error type is a class name.
Step Functions retries ``TransientError`` by that exact name: what leaves a handler is never a subclass.
"""

from __future__ import annotations


class ItemError(Exception):
    """An item did not succeed; the message names what was wrong and what to do."""


class PermanentError(ItemError):
    """The item cannot succeed as it is; it becomes a failed record and is not tried again."""


class TransientError(ItemError):
    """The item may succeed when tried again; it is deferred."""


class InvalidItem(PermanentError):
    """A manifest row or an event names no object."""


class ObjectNotFound(PermanentError):
    """There is no such object or bucket."""


class ObjectForbidden(PermanentError):
    """The role may not read or write the object."""


class ObjectArchived(PermanentError):
    """The object lies in an archive storage class and must be restored first."""


class ObjectTooLarge(PermanentError):
    """The object has more bytes than the operation takes."""


class ObjectChanged(PermanentError):
    """The object is not the one any more that was split into parts."""


class OutputConflict(PermanentError):
    """The output key holds an object that is not this item's own output."""


class OperationFailed(PermanentError):
    """The operation raised an exception it does not declare: a fault in its code, or an input nobody thought of."""


class InvalidJob(ValueError):
    """A job that cannot run as it is; the message says what to write instead."""
