"""The Lambda function ``log-hits``."""

from itemkit import lambda_handler
from log_hits.operation import OPERATION

handler = lambda_handler(OPERATION)
