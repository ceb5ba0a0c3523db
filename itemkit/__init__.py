"""The contract of an item function: what it gets, what it answers, and everything between S3 and its pure core.

A function of your own is an ``Operation`` (name, version, options, and ``process(item, body, options) -> Result``) and
a handler made by ``lambda_handler``.
"""

from itemkit.errors import InvalidJob, PermanentError, TransientError
from itemkit.handler import lambda_handler
from itemkit.item import Item
from itemkit.operation import Operation, Output, Result, rename
from itemkit.options import option

__all__ = [
    "InvalidJob",
    "Item",
    "Operation",
    "Output",
    "PermanentError",
    "Result",
    "TransientError",
    "lambda_handler",
    "option",
    "rename",
]
