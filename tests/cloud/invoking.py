"""A Lambda environment of one invocation: imports a handler and, where stdin has an event, calls it.

Run by its path, ``python -I -S -B invoking.py HANDLER FOLDER...``, so that modules are found in the folders alone and
in the standard library. The answer is the last line of stdout, below the handler's log.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from types import SimpleNamespace

# As the template's own functions have it, in seconds.
_TIMEOUT = 240


def _context() -> SimpleNamespace:
    end, name = time.monotonic() + _TIMEOUT, os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    return SimpleNamespace(
        function_name=name,
        memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        invoked_function_arn=f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
        aws_request_id="00000000-0000-0000-0000-000000000000",
        get_remaining_time_in_millis=lambda: int((end - time.monotonic()) * 1000),
    )


if __name__ == "__main__":
    module, _, function = sys.argv[1].rpartition(".")
    sys.path[:0] = sys.argv[2:]
    handler = getattr(importlib.import_module(module), function)
    if event := sys.stdin.read():
        print(json.dumps(handler(json.loads(event), _context())))
