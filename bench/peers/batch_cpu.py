"""Runs batches of a shipped item function over files, and tells the processor time an item took, of all threads.

Run as ``batch_cpu.py FOLDER NAME OPTIONS BATCHES``: ``functions.FOLDER.handler.handler``, as the local runtime starts
it, over the files ``NAME`` of the working directory, in each batch anew; the first batch warms up and does not count.
The memory of the function is in AWS_LAMBDA_FUNCTION_MEMORY_SIZE, as in Lambda.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def run(handler: Handler, names: list[str], options: dict[str, Any], number: int) -> None:
    """Run one batch to a place of its own, so that nothing in it is done."""
    here = Path.cwd().as_uri()
    settings = {"run": "sizes", "destination": f"{here}/out-{os.getpid()}-{number}/", "options": options}
    context = SimpleNamespace(
        function_name="sizes", memory_limit_in_mb=os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        invoked_function_arn="arn", aws_request_id="request", get_remaining_time_in_millis=lambda: 240_000,
    )  # fmt: skip
    items = [{"uri": f"{here}/{name}"} for name in names]
    answer = handler({"BatchInput": settings, "Items": items, "Batch": str(number)}, context)
    if answer["counts"] != {"succeeded": len(names)}:
        raise SystemExit(f"not all items succeeded: {answer}")


def main() -> None:
    """Measure, and write the seconds of an item."""
    folder, pattern, options, batches = sys.argv[1:]
    names = sorted(path.name for path in Path.cwd().glob(pattern))
    # The function's log, and the loggers keep the stream they are made with.
    with redirect_stdout(sys.stderr):
        handler: Handler = importlib.import_module(f"functions.{folder}.handler").handler
        run(handler, names, json.loads(options), 0)
        began = time.process_time()
        for number in range(1, int(batches) + 1):
            run(handler, names, json.loads(options), number)
        took = time.process_time() - began
    print(took / len(names) / int(batches))


if __name__ == "__main__":
    main()
