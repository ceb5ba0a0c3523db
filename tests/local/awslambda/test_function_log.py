"""Function logs: one file a function, and the end of each invocation's log."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lambda_stage import Stage

from fanfold.local.awslambda.client import Client
from fanfold.local.awslambda.log import FunctionLog, InvocationLog, Report

_SPEAKING = """
import sys
def handler(event, context):
    print("to stdout")
    print("to stderr", file=sys.stderr)
    print("no newline", end="")
"""


def anonymous(log: str) -> list[str]:
    """Return the lines with ids and numbers taken out."""
    return [re.sub(r"[0-9a-f-]{36}", "ID", re.sub(r"[\d.]+ (ms|MB)", r"N \1", line)) for line in log.splitlines()]


def test_the_file_has_what_the_function_wrote_between_start_end_and_report(stage: Stage) -> None:
    name = stage.create(_SPEAKING)

    outcome = stage.service.invoke(name, b"{}")

    written = (stage.log_dir / f"{name}.log").read_text()
    assert anonymous(written) == [
        "START RequestId: ID Version: $LATEST",
        "to stdout",
        "to stderr",
        "no newline",
        "END RequestId: ID",
        "REPORT RequestId: ID\tDuration: N ms\tBilled Duration: N ms\tMemory Size: N MB\tMax Memory Used: N MB"
        "\tInit Duration: N ms\t",
    ]
    assert outcome.log.decode() == written


def test_the_report_of_a_warm_environment_has_no_init(stage: Stage) -> None:
    name = stage.create("def handler(event, context): return 1")
    stage.call(name)

    assert b"Init Duration" not in stage.service.invoke(name, b"{}").log


def test_a_traceback_is_written_line_by_line(stage: Stage) -> None:
    name = stage.create("def handler(event, context): raise ValueError('no')")

    stage.fail(name)

    lines = (stage.log_dir / f"{name}.log").read_text().splitlines()
    assert lines[1:3] == ["[ERROR] ValueError: no", "Traceback (most recent call last):"]


def test_a_timeout_and_an_exit_are_written_down(stage: Stage) -> None:
    hangs = stage.create("import time\ndef handler(event, context): time.sleep(60)", timeout=1)
    exits = stage.create("import os\ndef handler(event, context): os._exit(2)")

    assert b"Task timed out after 1.00 seconds\nEND" in stage.service.invoke(hangs, b"{}").log
    assert b"exit status 2\nRuntime.ExitError\nEND" in stage.service.invoke(exits, b"{}").log
    assert b"\tStatus: timeout\t\n" in (stage.log_dir / f"{hangs}.log").read_bytes()
    assert b"\tStatus: error\tError Type: Runtime.ExitError\t\n" in (stage.log_dir / f"{exits}.log").read_bytes()


def test_the_caller_gets_the_last_four_kilobytes_the_file_has_all(stage: Stage) -> None:
    name = stage.create("def handler(event, context):\n    for number in range(20_000): print(number)")

    outcome = stage.service.invoke(name, b"{}")

    assert len(outcome.log) == 4096
    assert b"\n19999\nEND RequestId" in outcome.log
    assert len((stage.log_dir / f"{name}.log").read_text().splitlines()) == 20_003


def test_verbose_repeats_the_log_on_stderr(tmp_path: Path, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    stage = Stage(tmp_path, client, verbose=True)
    name = stage.create(_SPEAKING)

    stage.call(name)
    stage.service.close()

    assert capsys.readouterr().err == (stage.log_dir / f"{name}.log").read_text()


@given(st.lists(st.binary(max_size=40).map(lambda part: part.replace(b"\r", b"\n")), max_size=20))
def test_however_output_is_cut_into_pieces_the_file_has_all_of_it(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes]
) -> None:
    log = FunctionLog(tmp_path_factory.mktemp("log") / "f.log", verbose=False)
    invocation = InvocationLog(log, "id")

    for part in parts:
        invocation.write(part)
    invocation.end(Report(duration=1.0, memory=128, used=10, init=None))
    log.close()

    output = b"".join(parts)
    newline = b"" if output.endswith(b"\n") or not output else b"\n"
    numbers = b"Duration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 10 MB\t\n"
    end = b"END RequestId: id\nREPORT RequestId: id\t" + numbers
    assert log.path.read_bytes() == b"START RequestId: id Version: $LATEST\n" + output + newline + end
