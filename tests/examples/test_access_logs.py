"""Access logs through an AWK program: what it counts, how a program is held in bounds, and the example as it is run."""

from __future__ import annotations

import csv
import gzip
import itertools
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itemkit import InvalidJob, Item, PermanentError, TransientError
from tests.conftest import PROJECT

EXAMPLE = PROJECT / "examples" / "access-logs"
sys.path.insert(0, str(EXAMPLE))

from log_hits.errors import (  # noqa: E402
    DamagedGzip,
    LogTooLarge,
    ProgramFailed,
    ProgramKilled,
    ProgramMissing,
    ProgramTooSlow,
    TooMuchOutput,
)
from log_hits.operation import OPERATION  # noqa: E402
from log_hits.program import Limits, run_program  # noqa: E402

ITEM = Item("s3://logs/web-1/today.log", "web-1/today.log")
LIMITS = Limits(seconds=20, output=10_000)
# An independent reading of the format, by the time's place and the quotes.
TEXT = r'"(?:[^"\\]|\\.)*"'
LINE = re.compile(
    rf"\S+ \S+ .+ \[(\d\d)/(\w{{3}})/(\d{{4}}):(\d\d):\d\d:\d\d (...)(..)\] {TEXT} (\d)\d\d (\d+|-) {TEXT} {TEXT}"
)
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

pytestmark = pytest.mark.skipif(shutil.which("awk") is None, reason="SKIPPED: there is no awk here")


def line(
    hour: int = 13, status: int = 200, size: int | str = 10, request: str = "GET / HTTP/1.1", zone: str = "+0000"
) -> str:
    return f'192.0.2.7 - - [21/Nov/2026:{hour:02}:05:06 {zone}] "{request}" {status} {size} "-" "curl/8"\n'


def counted(text: str | bytes, **options: Any) -> tuple[list[list[str]], dict[str, Any]]:
    """Return the rows below the header, and the facts."""
    body = text.encode() if isinstance(text, str) else text
    result = OPERATION.process(ITEM, body, OPERATION.parse(options))
    (output,) = result.outputs
    assert isinstance(output.body, bytes)
    header, *rows = csv.reader(output.body.decode().splitlines())
    assert header == ["hour", "status", "hits", "bytes"]
    assert result.rows_out == len(rows)
    return rows, dict(result.facts)


def test_hits_are_counted_by_hour_and_status_class() -> None:
    text = line() + line(size=5) + line(status=503, size="-") + line(hour=9, status=301) + line(zone="-0330")

    assert counted(text) == (
        [
            ["2026-11-21T09:00+00:00", "3xx", "1", "10"],
            ["2026-11-21T13:00+00:00", "2xx", "2", "15"],
            ["2026-11-21T13:00+00:00", "5xx", "1", "0"],
            ["2026-11-21T13:00-03:30", "2xx", "1", "10"],
        ],
        {"hits": 5, "bytes": 35, "server_errors": 1, "unreadable_lines": 0},
    )


def test_every_month_has_its_number() -> None:
    text = "".join(line().replace("Nov", month) for month in MONTHS)

    assert [row[0][5:7] for row in counted(text)[0]] == [f"{number:02}" for number in range(1, 13)]


@pytest.mark.parametrize(
    "text",
    [
        line(request=r"GET /?q=\"blue shoes\" HTTP/1.1"),
        line(request=r"GET /\\"),
        line(request='-" 500 1 "'.replace('"', r"\"")),
        line(request="\u65e5\u672c \xff"),
        line().replace(" - - ", " - ann of [kent] "),
        line().rstrip("\n") + ' "more" 0.003\n',
        line().rstrip("\n"),
        line(size=10**12).replace(str(10**12), "10"),
    ],
)
def test_a_line_with_odd_but_lawful_parts_counts(text: str) -> None:
    assert counted(text) == (
        [["2026-11-21T13:00+00:00", "2xx", "1", "10"]],
        {"hits": 1, "bytes": 10, "server_errors": 0, "unreadable_lines": 0},
    )


def test_many_bytes_are_added_up_exactly() -> None:
    assert counted(line(size=2**40) * 3)[1]["bytes"] == 3 * 2**40


def test_an_empty_log_has_no_hits() -> None:
    assert counted("") == ([], {"hits": 0, "bytes": 0, "server_errors": 0, "unreadable_lines": 0})


def test_gzip_is_unpacked_whatever_the_name_and_in_several_members_too() -> None:
    assert counted(gzip.compress(line().encode()) + gzip.compress(line().encode()))[1]["hits"] == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 23), st.integers(100, 599), st.integers(0, 10**9)), max_size=40))
def test_the_counts_are_those_of_the_lines(requests: list[tuple[int, int, int]]) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    sizes: Counter[tuple[str, str]] = Counter()
    for hour, status, size in requests:
        expected[f"2026-11-21T{hour:02}:00+00:00", f"{status // 100}xx"] += 1
        sizes[f"2026-11-21T{hour:02}:00+00:00", f"{status // 100}xx"] += size

    rows, facts = counted("".join(line(*request) for request in requests))

    assert rows == [[*key, str(count), str(sizes[key])] for key, count in sorted(expected.items())]
    assert facts["hits"] == len(requests)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_whatever_an_object_holds_it_counts_or_is_refused(body: bytes, packed: bool) -> None:
    try:
        rows, facts = counted(gzip.compress(body)[: len(body) or None] if packed else body, percent=50)
    except PermanentError as error:
        told = str(error)
    else:
        told = ITEM.uri
        assert facts["hits"] == sum(int(row[2]) for row in rows)
    assert told.startswith(ITEM.uri)


def test_a_share_of_lines_may_be_of_another_format() -> None:
    text = line() * 3 + "cut off\n"

    assert counted(text, percent=25)[1] == {"hits": 3, "bytes": 30, "server_errors": 0, "unreadable_lines": 1}
    with pytest.raises(ProgramFailed) as refused:
        counted(text, percent=24)
    assert str(refused.value) == (
        "s3://logs/web-1/today.log: awk ended with exit code 3: "
        "1 of 4 lines are not in the Combined Log Format, the first is line 4"
    )


@pytest.mark.parametrize("damage", [lambda packed: packed[:-12], lambda packed: packed[:-8] + bytes(8)])
def test_damaged_gzip_fails_by_that_name(damage: Any) -> None:
    with pytest.raises(DamagedGzip, match=r"today\.log is damaged gzip"):
        counted(damage(gzip.compress((line() * 99).encode())))


def test_more_text_than_there_is_time_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("log_hits.operation.MOST_TEXT", 1000)

    with pytest.raises(LogTooLarge, match="more than 1,000 bytes when unpacked"):
        counted(gzip.compress((line() * 99).encode()))


def test_a_job_is_refused_where_awk_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    OPERATION.check(OPERATION.parse({}), None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(InvalidJob, match="needs the program awk, which is not on the PATH of its function: install it"):
        OPERATION.check(OPERATION.parse({}), None)
    with pytest.raises(ProgramMissing, match=r"today\.log: there is no program awk here"):
        counted(line())


def sh(script: str, text: Iterable[bytes] = (), limits: Limits = LIMITS) -> bytes:
    return run_program(ITEM.uri, ["sh", "-c", script], iter(text), limits)


def endless() -> Iterator[bytes]:
    return itertools.repeat(bytes(1 << 20))


def test_a_program_gets_the_text_and_its_output_is_returned() -> None:
    text = [b"a" * 300_000, b"b", b"c" * 300_000]

    assert sh("cat", text, Limits(20, 600_001)) == b"".join(text)


def test_a_program_need_not_read_all_of_the_text() -> None:
    assert sh("head -c 3; echo told >&2", [b"abc"] * 1_000_000) == b"abc"


def test_a_program_gets_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    names = {each.partition(b"=")[0] for each in sh("env").splitlines()}

    assert {b"PATH", b"LC_ALL"} <= names <= {b"PATH", b"LC_ALL", b"PWD", b"SHLVL", b"_", b"OLDPWD"}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo first >&2; echo 'the last' >&2; echo >&2; exit 7", "sh ended with exit code 7: the last"),
        ("exit 1", "sh ended with exit code 1: nothing on stderr"),
        ("yes complaint 2>&1 | head -c 1000000 >&2; exit 2", "sh ended with exit code 2: "),
    ],
)
def test_an_exit_code_is_a_failure_that_tells_the_last_line(script: str, message: str) -> None:
    with pytest.raises(ProgramFailed) as failed:
        sh(script)

    assert str(failed.value).startswith(f"{ITEM.uri}: {message}")


def test_a_signal_is_worth_another_try() -> None:
    with pytest.raises(ProgramKilled, match=r"today\.log: sh was ended by signal 9") as killed:
        sh("kill -9 $$")

    assert isinstance(killed.value, TransientError)


@pytest.mark.parametrize("script", ["exec sleep 60", "exec cat >/dev/null", "exec <&- >&- 2>&-; exec sleep 60"])
def test_a_program_that_takes_too_long_is_ended(script: str) -> None:
    began = time.monotonic()

    with pytest.raises(ProgramTooSlow, match=r"sh was ended after 0\.2 s: raise 'seconds'"):
        sh(script, endless(), Limits(0.2, 1000))

    assert time.monotonic() - began < 20


def test_a_program_that_writes_too_much_is_ended() -> None:
    with pytest.raises(TooMuchOutput, match="sh wrote more than 10,000 bytes, and was ended"):
        sh("exec yes")


def expected_of(path: Path) -> Counter[tuple[str, str, str]]:
    """Count a generated log without awk: hits and bytes by hour and status class."""
    body = path.read_bytes()
    found: Counter[tuple[str, str, str]] = Counter()
    for text in (gzip.decompress(body) if path.suffix == ".gz" else body).decode().splitlines():
        if match := LINE.match(text):
            day, month, year, hour, offset, minutes, status, size = match.groups()
            key = f"{year}-{MONTHS.index(month) + 1:02}-{day}T{hour}:00{offset}:{minutes}", f"{status}xx"
            found[*key, "hits"] += 1
            found[*key, "bytes"] += 0 if size == "-" else int(size)
    return found


def found_in(path: Path) -> Counter[tuple[str, str, str]]:
    """Return what the output for a log has."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return Counter({(row["hour"], row["status"], what): int(row[what]) for row in rows for what in ("hits", "bytes")})


@pytest.mark.e2e
def test_the_example_counts_every_log_but_the_damaged_two(tmp_path: Path) -> None:
    done = subprocess.run(
        [EXAMPLE / "run", tmp_path / "out"], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "30 listed = 0 excluded + 0 skipped + 28 succeeded + 2 failed + 0 deferred + 0 lost" in done.stdout
    logs, hits = tmp_path / "out/logs", tmp_path / "out/hits"
    names = sorted(path.relative_to(logs).as_posix() for path in logs.rglob("*") if path.is_file())
    damaged = ["api-1/2026-10-28.log", "shop-2/2026-10-26.log.gz"]
    whole = [name for name in names if name not in damaged]
    expected = {name: expected_of(logs / name) for name in whole}
    assert {name: found_in(hits / f"{name}.csv") for name in whole} == expected
    assert len(names) == 30

    told = dict(re.findall(r"^  (\dxx) +(\d+) hits", done.stdout, re.MULTILINE))
    assert {status: int(count) for status, count in told.items()} == total_by_status(expected)
    assert total_by_status(expected).keys() == {"2xx", "3xx", "4xx", "5xx"}

    (failures,) = hits.glob(".fanfold/runs/*/failures.csv")
    with failures.open(newline="") as file:
        rows = {row["uri"]: row for row in csv.DictReader(file)}
    not_a_log, cut = (rows.pop(f"file://{logs.resolve()}/{name}") for name in damaged)
    assert rows == {}
    assert [not_a_log["error"], cut["error"]] == ["ProgramFailed", "DamagedGzip"]
    assert "exit code 3: 60 of 60 lines are not in the Combined Log Format, the first is line 1" in not_a_log["message"]
    assert not_a_log["message"] in done.stdout


def total_by_status(counts: dict[str, Counter[tuple[str, str, str]]]) -> dict[str, int]:
    """Add up the hits of all logs."""
    total: Counter[str] = Counter()
    for each in counts.values():
        for (_, status, what), count in each.items():
            total[status] += count if what == "hits" else 0
    return dict(total)


@pytest.mark.e2e
def test_a_run_without_awk_is_refused_before_any_log_is_read(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/a.log").write_text(line())
    (tmp_path / "bin").mkdir()
    words = ["run", tmp_path / "logs", "--operation", "log-hits", "--template", EXAMPLE / "template.yaml"]

    done = subprocess.run(
        [Path(sys.executable).with_name("fanfold"), *words, "--to", tmp_path / "hits"],
        env={"PATH": str(tmp_path / "bin"), "HOME": str(tmp_path)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 2, done.stderr
    assert "log-hits needs the program awk, which is not on the PATH" in done.stderr
    assert not list((tmp_path / "hits").glob("*.csv"))


@pytest.mark.e2e
def test_the_image_is_built_where_there_is_a_container_engine(tmp_path: Path) -> None:
    engine = next((name for name in ("docker", "podman") if shutil.which(name)), None)
    if engine is None or subprocess.run([engine, "info"], capture_output=True, check=False).returncode:
        pytest.skip("SKIPPED: building the image needs docker or podman, and their engine at work")

    build = [engine, "build", "--quiet", "--file", str(EXAMPLE / "Dockerfile"), str(PROJECT)]
    built = subprocess.run(build, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert built.returncode == 0, built.stderr
    awk = [engine, "run", "--rm", "--entrypoint", "python", built.stdout.strip(), "-c", "import log_hits.handler"]
    ran = subprocess.run(awk, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
