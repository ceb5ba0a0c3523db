"""What an operator reads, word by word, on a terminal of 80 and of 140 columns: the files of ``golden/``.

``GOLDEN=write pytest tests/test_cli_golden.py`` writes them anew; read the difference before it is committed.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.brought import bring_with_kit
from tests.conftest import Cloud
from tests.terminal import Terminal
from tests.test_cli import environment, images, own
from tests.waiting import until

pytestmark = pytest.mark.e2e

GOLDEN = Path(__file__).parent / "golden"
WIDTHS = 80, 140
# What differs from run to run, and what stands for it. Of names and dates the length stays, lines break where they did.
VOLATILE = (
    (r"\d{8}T\d{6}Z-[0-9a-f]{4}", "YYYYMMDDTHHMMSSZ-xxxx"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", "YYYY-MM-DD HH:MM:SSZ"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"),
    (r"\d+ ms \(", "N ms ("),
    (r"\d+\.\d s in all", "N s in all"),
    (r" +\d+ s$", "  N s"),
    (r"\d+\.\d\d MB out", "N MB out"),
    (r"^((?:Step Functions: EXPRESS|Lambda:) duration\S*(?: \w+)?) .*(GB-second).*$", r"\1  N  \2  N"),
    (r"^total +[\d.]+$", "total  N"),
    (r"^[\d.]+ dollars a million items$", "N dollars a million items"),
)


def show(cloud: Cloud, width: int, *words: str) -> str:
    """Return what a command shows on a terminal that knows neither colours nor bars, with its exit code."""
    # To a dumb terminal rich gives 80 columns, unless both are told.
    dumb = {"TERM": "dumb", "COLUMNS": str(width), "LINES": "50"}
    with Terminal([str(Path(sys.executable).parent / "fanfold"), *words], environment(cloud) | dumb, width) as terminal:
        code = terminal.end()
    return f"{terminal.shown}exit code {code}\n"


def tell_all(cloud: Cloud, width: int) -> dict[str, str]:
    """Do what an operator does, command after command."""
    told = {}
    job = ("image-resize", images(cloud, "images/"), "-s", f"destination={own(cloud)}")
    told["plan"] = show(cloud, width, "plan", *job, "--milliseconds", "12000")
    told["run"] = show(cloud, width, "run", *job)
    name = told["run"].split(maxsplit=1)[0]
    told["status"] = show(cloud, width, "status", "--most", "1")
    told["status-of-one"] = show(cloud, width, "status", name)
    told["failures"] = show(cloud, width, "failures", name)
    told["cost"] = show(cloud, width, "cost", name)
    told["operations"] = show(cloud, width, "operations", "dynamodb-load")
    told["retry"] = show(cloud, width, "retry", name)
    told["stop-of-a-finished"] = show(cloud, width, "stop", name)
    told["never-was"] = show(cloud, width, "watch", "never-was")
    slow = start_slow_run(cloud, f"golden-{width:03}")
    told["tune"] = show(cloud, width, "tune", slow, "--concurrency", "30", "--tolerate", "7.5")
    told["stop"] = show(cloud, width, "stop", slow)
    stepfunctions, execution = cloud.client("stepfunctions"), cloud.application.execution_arn(slow)
    until(lambda: stepfunctions.describe_execution(executionArn=execution)["status"] == "ABORTED", "it is stopped", 60)
    told["retry-of-a-stopped"] = show(cloud, width, "retry", slow)
    return told


def start_slow_run(cloud: Cloud, operation: str) -> str:
    """Start a run that is at work on its map; return its name."""
    process = "time.sleep(0.3)\nreturn done(body)"
    job = bring_with_kit(cloud, operation, process, [f"{number:02}" for number in range(20)])
    stepfunctions = cloud.client("stepfunctions")
    execution = stepfunctions.start_execution(
        stateMachineArn=cloud.application.machine_arn,
        name=f"{operation}-20261121T101500Z-3fa9",
        input=json.dumps(job | {"concurrency": 1, "batch": {"items": 1}}),
    )["executionArn"]
    until(lambda: stepfunctions.list_map_runs(executionArn=execution)["mapRuns"], "its map has begun", 60)
    return execution.rsplit(":", 1)[-1]


def lasting(text: str) -> str:
    """Return a text with what stands for all that differs from run to run."""
    for volatile, instead in VOLATILE:
        text = re.sub(volatile, instead, text, flags=re.MULTILINE)
    return text


@pytest.mark.parametrize("width", WIDTHS)
def test_the_operator_reads_what_was_written_down(cloud, width):
    told = {GOLDEN / f"{command}.{width}.txt": lasting(text) for command, text in tell_all(cloud, width).items()}
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.mkdir(exist_ok=True)
        for path, text in told.items():
            path.write_text(text)

    assert told == {path: path.read_text() for path in GOLDEN.glob(f"*.{width}.txt")}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.txt")), ids=lambda path: path.stem)
def test_no_line_is_wider_than_its_terminal_unless_it_is_one_word_and_nothing_is_cut(path):
    width = int(path.suffixes[0].removeprefix("."))
    lines = path.read_text().splitlines()

    assert [line for line in lines if len(line) > width and " " in line.strip()] == []
    assert [line for line in lines if line != line.rstrip() or "…" in line] == []
