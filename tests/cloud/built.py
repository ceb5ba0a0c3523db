"""Rules about what ``sam build`` makes: its contents, that handlers can be imported from it, and that operations work.

The artefacts hold libraries for arm64. So that any machine can run them, the same requirements are installed for it
and put first; the artefact's own list of packages must be the same, so that nothing else can have helped.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cloud.tools import INSTALLED, Missing
from tests.conftest import Cloud, serving
from tests.template.application import ROOT, template
from tests.template.artefacts import LAYER, findings
from tests.template.building import NoWay, folder_of_python, sam_build

_RUNTIME = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
_INVOKING = Path(__file__).with_name("invoking.py")
_EVENTS = ROOT / "sample_data/events"
# The table that the event of dynamodb-load names is the stack's own, with the key of the sample tables.
SERVED = ("--parameter", "LoadTablePartitionKey=order_id")
_SECONDS = 60


@dataclass(frozen=True)
class Artefact:
    """A function as Lambda has it: what is not in these folders is not there.

    Attributes:
        name: its logical id.
        handler: as the template names it.
        built: its folder of the build, ``/var/task``.
        native: its requirements, installed for this machine.
        shared: the layer, ``/opt/python``, and what the runtime brings along.
    """

    name: str
    handler: str
    built: Path
    native: Path
    shared: tuple[Path, ...] = ()

    @property
    def folder(self) -> str:
        """The folder of its code below ``functions/``."""
        return self.handler.split(".")[1]

    def run(self, event: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Import the handler and call it with an event as JSON, if there is one, in a process of its own."""
        places = (self.native, self.built, *self.shared)
        # Neither site-packages nor PYTHONPATH, nor the folder of the script.
        command = [python(), "-I", "-S", "-B", _INVOKING, self.handler, *places]
        env = {
            "PATH": os.defpath,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
            "LAMBDA_TASK_ROOT": str(self.built),
            # Nobody listens for traces here.
            "POWERTOOLS_TRACE_DISABLED": "true",
            **variables,
        }
        return subprocess.run(
            command, cwd=self.built, env=env, input=event, capture_output=True, text=True, timeout=_SECONDS, check=False
        )


def artefacts() -> list[str]:
    """Find what is wrong with the artefacts: missing or stale modules, wrong libraries, sizes over the budget."""
    return findings(_built())


def imports() -> list[str]:
    """Find handlers that cannot be imported from their artefact and the layer, beside the runtime's own boto3."""
    return [fault for each in _functions() for fault in import_faults(each)]


def events() -> list[str]:
    """Find operations that do not do their sample event, from their artefact and against the local endpoint."""
    operations = [each for each in _functions() if (ROOT / "functions" / each.folder / "operation.py").exists()]
    with tempfile.TemporaryDirectory() as logs, serving(Path(logs), *SERVED) as cloud:
        return [fault for each in operations for fault in event_faults(each, cloud)]


def import_faults(artefact: Artefact) -> Iterator[str]:
    """Yield what is in one of artefact and requirements alone, and why the handler cannot be imported."""
    ours, theirs = ({each.name for each in place.glob("*.dist-info")} for place in (artefact.built, artefact.native))
    for stranger in sorted(ours ^ theirs):
        yield f"{artefact.name}: {stranger} is in one of the artefact and its requirements alone"
    done = artefact.run()
    if done.returncode:
        yield f"{artefact.name}: {artefact.handler} cannot be imported: {_last_line(done.stderr)}"


def event_faults(artefact: Artefact, cloud: Cloud) -> Iterator[str]:
    """Yield why the sample event was not done: one item, succeeded, and one output that is of it."""
    file = _EVENTS / f"{artefact.folder}.json"
    if not file.exists():
        yield f"{artefact.name}: there is no {file.relative_to(ROOT)}"
        return
    event = json.loads(file.read_text())
    done = artefact.run(json.dumps(event), AWS_ENDPOINT_URL=cloud.url)
    if done.returncode:
        yield f"{artefact.name}: {file.name} raises {_last_line(done.stderr)}"
        return
    answer = json.loads(_last_line(done.stdout))
    if answer["counts"] != {"succeeded": 1}:
        yield f"{artefact.name}: {file.name} comes to {answer['counts']}: {answer.get('failures')}"
    elif _sources(cloud, event["BatchInput"]["destination"]) != [event["uri"]]:
        yield f"{artefact.name}: {file.name} has no output of its own below {event['BatchInput']['destination']}"


def _sources(cloud: Cloud, destination: str) -> list[str]:
    """Return what the outputs below a destination say they were made from."""
    bucket, prefix = destination.removeprefix("s3://").split("/", 1)
    s3: Any = cloud.client("s3")
    heads = [s3.head_object(Bucket=bucket, Key=prefix + key) for key in cloud.keys(destination)]
    return [head["Metadata"]["fanfold-source"] for head in heads]


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


@functools.cache
def _functions() -> list[Artefact]:
    build = _built()
    shared = (_native(ROOT / "itemkit"), build / LAYER / "python", _runtime())
    found = {
        name: each["Properties"]
        for name, each in template()["Resources"].items()
        if each["Type"] == "AWS::Serverless::Function"
    }
    return [
        Artefact(name, each["Handler"], build / name, _native(ROOT / each["CodeUri"]), shared)
        for name, each in found.items()
    ]


@functools.cache
def _built() -> Path:
    folder = INSTALLED / "sam"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        done = sam_build(folder)
    except NoWay as reason:
        raise Missing(str(reason)) from None
    if done.returncode:
        raise RuntimeError(f"sam build failed: {done.stderr}")
    return folder / "build"


@functools.cache
def python() -> Path:
    """Return the interpreter that runs artefacts; raises Missing."""
    folder = folder_of_python()
    if folder is None:
        raise Missing("no 3.13 interpreter to run the handlers with")
    return folder / "python3.13"


def _native(folder: Path) -> Path:
    """Install a folder's requirements for this machine and return where."""
    place = INSTALLED / f"native-{platform.machine()}" / folder.name
    return _installed(place, ["--no-deps", "--require-hashes", "--requirement", folder / "requirements.txt"])


def _runtime() -> Path:
    """Install what Lambda's own runtime brings along."""
    place = INSTALLED / f"native-{platform.machine()}" / "runtime"
    return _installed(place, ["--no-deps", "--constraint", ROOT / "requirements-dev.txt", *_RUNTIME])


def _installed(place: Path, what: list[str | Path]) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    uv = Path(sys.executable).parent / "uv"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python(), "--target", place, *what], check=True)
    return place
