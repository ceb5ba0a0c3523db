"""Records what the functions call of AWS in end-to-end runs: ``python -m tests.cloud.record`` rewrites calls.json.

A function says who it is in the User-Agent of its calls; the endpoint's front door is where they are seen.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tempfile
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any
from unittest.mock import patch

from fanfold.application import Application
from fanfold.local.server import Endpoint, FrontDoor
from fanfold.local.stack import deploy
from tests.cloud.calls import actions
from tests.cloud.permissions import CALLS
from tests.cloud.runs import DRAINED, Runs
from tests.cloud.stack import NAME, REGION
from tests.conftest import Cloud
from tests.template.application import ROOT

Recording = dict[str, dict[str, list[str]]]
_CALLER = re.compile(r"\bapp/caller-([\w-]+)")
# What differs from run to run in a key: of batches and uploads.
_CHANGING = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32,}|\d{4}-\d\d-\d\d(T[\d:.]+Z?)?")
PARAMETERS = {
    "DrainJob": DRAINED,
    "LoadTablePartitionKey": "id",
    "LoadTableSortKey": "day",
    "UploadJob": DRAINED,
    "UploadKeys": "incoming/up/*",
}


class Recorder:
    """Looks at requests on their way into the endpoint, and at the answers of S3."""

    def __init__(self) -> None:
        self._calls: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._lock = threading.Lock()

    def watching(self, door: Any) -> Any:
        """Return the front door's ``__call__`` with a recorder before it."""

        def watched(itself: FrontDoor, environ: dict[str, Any], start_response: Any) -> Any:
            caller = _CALLER.search(environ.get("HTTP_USER_AGENT", ""))
            if not caller:
                return door(itself, environ, start_response)

            kept = _replayable(environ)

            def started(status: str, headers: Any, *more: Any) -> Any:
                self._add(caller[1], kept, int(status[:3]))
                return start_response(status, headers, *more)

            return door(itself, kept, started)

        return watched

    def _add(self, caller: str, environ: dict[str, Any], status: int) -> None:
        with self._lock:
            for action, resource in actions(environ, status):
                self._calls[caller][action].add(_CHANGING.sub("0", resource))

    def recording(self) -> Recording:
        """Return what was seen: function, action, resources."""
        with self._lock:
            return {
                caller: {action: sorted(found[action]) for action in sorted(found)}
                for caller, found in sorted(self._calls.items())
            }


def _replayable(environ: dict[str, Any]) -> dict[str, Any]:
    """Keep the body of a call that is told by its body alone."""
    if "HTTP_X_AMZ_TARGET" in environ:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return environ | {"recorded.body": body, "wsgi.input": io.BytesIO(body)}
    return environ


def main() -> None:
    """Rewrite the committed recording, or write to the file that is named."""
    (Path(sys.argv[1]) if len(sys.argv) > 1 else CALLS).write_text(json.dumps(record(), indent=2) + "\n")


def record() -> Recording:
    """Run jobs that together use what the functions can do, and return their calls."""
    recorder = Recorder()
    with (
        tempfile.TemporaryDirectory() as logs,
        patch.object(FrontDoor, "__call__", recorder.watching(FrontDoor.__call__)),
        Endpoint(log_dir=Path(logs)) as endpoint,
    ):
        stack = deploy(endpoint, ROOT / "template.yaml", stack_name=NAME, parameters=PARAMETERS)
        functions = endpoint.client("lambda")
        for name in stack.functions.values():
            settings = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            caller = {"AWS_SDK_UA_APP_ID": f"caller-{name.removeprefix(NAME + '-')}"}
            functions.update_function_configuration(FunctionName=name, Environment={"Variables": settings | caller})
        Runs(Cloud(Application(endpoint.client, NAME, REGION), endpoint.url)).all()
    return recorder.recording()


if __name__ == "__main__":
    main()
