"""Operations brought from outside: functions made with CreateFunction, that the template never heard of."""

from __future__ import annotations

import csv
import io
import json
import textwrap
import zipfile
from typing import Any

from tests.conftest import PROJECT, Cloud

# A function that knows nothing of the kit; ``trouble(keys)`` is the test's.
PLAIN = """
    import os, time

    NO_TIMES = {"buckets": [], "largest": 0.0}

    def handler(event, context):
        if "Check" in event:
            return {"normalised": {}, "defaults": {"batch": {"items": 2}}}
        keys = [item.get("Key") or item["uri"].split("/", 3)[3] for item in event["Items"]]
        trouble(keys)
        return {
            "batch": event["Batch"], "pass": 1, "items": len(keys), "counts": {"succeeded": len(keys)}, "sums": {},
            "milliseconds": NO_TIMES, "errors": {}, "records": None, "failures": [],
        }

    def trouble(keys):
"""
# A function of the kit; ``process(item, body, options)`` is the test's.
OF_THE_KIT = """
    import os, time
    from dataclasses import dataclass
    from pathlib import Path
    from itemkit import Operation, Output, PermanentError, Result, TransientError, lambda_handler

    @dataclass(frozen=True)
    class Options:
        pass

    class Unlucky(PermanentError):
        pass

    def once(name):
        "Tell whether this is the first time, on this machine and for this endpoint."
        marker = Path("/tmp", f"{os.environ['AWS_LAMBDA_FUNCTION_NAME']}-{os.getppid()}-{name}")
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def done(body):
        return Result([Output(body.upper(), "text/plain")])

    def names(name, options):
        return [name]

    def process(item, body, options):
"""
KIT_END = """
    handler = lambda_handler(Operation("brought", "1", "A test's.", Options, names, process))
"""


def bring(cloud: Cloud, operation: str, trouble: str, timeout: int = 30) -> dict[str, Any]:
    """Create a plain function with this trouble and return a job for it over four objects, a to d."""
    _create(cloud, operation, _source(PLAIN, trouble), timeout)
    return _job(cloud, operation, "abcd")


def bring_with_kit(cloud: Cloud, operation: str, process: str, names: list[str], timeout: int = 30) -> dict[str, Any]:
    """Create a function of the kit with this body of ``process`` and return a job for it over these objects."""
    _create(cloud, operation, _source(OF_THE_KIT, process) + textwrap.dedent(KIT_END), timeout, kit=True)
    return _job(cloud, operation, names)


def _source(head: str, body: str) -> str:
    return textwrap.dedent(head) + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n"


def _create(cloud: Cloud, operation: str, source: str, timeout: int, *, kit: bool = False) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("brought.py", source)
        for path in (PROJECT / "itemkit").glob("*.py") if kit else ():
            archive.write(path, f"itemkit/{path.name}")
    cloud.client("lambda").create_function(
        FunctionName=f"fanfold-op-{operation}",
        Runtime="python3.13",
        Role="arn:aws:iam::123456789012:role/brought",
        Handler="brought.handler",
        Code={"ZipFile": packed.getvalue()},
        Timeout=timeout,
    )


def _job(cloud: Cloud, operation: str, names: Any) -> dict[str, Any]:
    for name in names:
        cloud.put(f"{operation}/{name}", f"body of {name}".encode())
    return {"operation": operation, "source": f"s3://{cloud.application.input_bucket}/{operation}/"}


def summary_of(cloud: Cloud, name: str) -> dict[str, Any]:
    """Return a run's summary.json."""
    return json.loads(cloud.get(f"s3://{cloud.application.output_bucket}/runs/{name}/summary.json"))


def failures_of(cloud: Cloud, name: str) -> list[dict[str, str]]:
    """Return the rows of a run's failures.csv."""
    body = cloud.get(f"s3://{cloud.application.output_bucket}/runs/{name}/failures.csv").decode()
    return list(csv.DictReader(io.StringIO(body, newline="")))
