"""The Lambda function ``table-transform``: the operation, with as many threads as the function has processors."""

import os

# One processor for each 1,769 MB; polars reads the number when it is imported.
megabytes = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769"))
os.environ.setdefault("POLARS_MAX_THREADS", str(max(1, megabytes // 1769)))

from functions.table_transform.operation import OPERATION  # noqa: E402
from itemkit import lambda_handler  # noqa: E402

handler = lambda_handler(OPERATION)
