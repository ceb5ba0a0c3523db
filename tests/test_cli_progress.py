"""The progress bar on a pseudo-terminal, with Ctrl-C; and its words."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from fanfold.run import Progress
from fanfold.story import Rate, counts, pace, paragraph
from tests.brought import bring_with_kit
from tests.conftest import Cloud
from tests.terminal import Terminal
from tests.test_cli import call, environment
from tests.waiting import until

pytestmark = pytest.mark.e2e

BAR, COLOUR = "━━━", re.compile(r"\x1b\[[\d;]*3\d[\d;]*m")
QUESTION = r"\[l\]eave it running, \[s\]top it, or go on \[w\]atching\?"


def fanfold(cloud: Cloud, *words: str, columns: int = 80, **more: str) -> Terminal:
    command = [str(Path(sys.executable).parent / "fanfold"), *words]
    return Terminal(command, environment(cloud) | {"TERM": "xterm-256color"} | more, columns)


def slow_job(cloud: Cloud, operation: str) -> dict:
    """A job of 40 items, a batch each, that takes ten seconds; two of the items fail."""
    process = "time.sleep(0.25)\nif item.uri[-2:] in ('05', '06'): raise Unlucky('no luck')\nreturn done(body)"
    names = [f"{number:02}" for number in range(40)]
    job = bring_with_kit(cloud, operation, process, names)
    return job | {"concurrency": 1, "batch": {"items": 1}, "tolerate": {"percent": 100}}


def status(cloud: Cloud, name: str) -> str:
    execution = cloud.application.execution_arn(name)
    return cloud.client("stepfunctions").describe_execution(executionArn=execution)["status"]


def test_the_bar_goes_with_the_run_and_ctrl_c_asks_whether_to_stop_it(cloud, tmp_path):
    job = tmp_path / "job.json"
    job.write_text(json.dumps(slow_job(cloud, "barred")))

    with fanfold(cloud, "run", "--job", str(job)) as terminal:
        name = terminal.wait_for(r"(barred-\S+) started")[1]
        terminal.wait_for(BAR)
        terminal.wait_for(r"[1-9]\d* of 40 items, \d failed; \d+ of 40 batches")
        terminal.wait_for(r"[\d.]+ items/s, 0:00:\d\d left")
        terminal.wait_for(r"\d+ of 40 items, 2 failed; \d+ of 40 batches")
        assert COLOUR.search(terminal.shown)
        terminal.type("\x03")
        terminal.wait_for(QUESTION)
        terminal.type("w\n")
        terminal.wait_for(r"\d+ of 40 items")
        assert status(cloud, name) == "RUNNING"
        terminal.type("\x03")
        terminal.wait_for(QUESTION)
        terminal.type("s\n")
        code = terminal.end()

    assert (code, "is stopping" in terminal.shown) == (130, True)
    assert "Traceback" not in terminal.shown
    until(lambda: status(cloud, name) == "ABORTED", "the run is stopped", 60)


@pytest.mark.parametrize("answer", ["l\n", "\x03", "\x04"], ids=["leave", "Ctrl-C", "Ctrl-D"])
def test_who_only_watches_leaves_the_run_as_it_is(cloud, answer):
    operation = f"left-{ord(answer[0]):03}"
    started = call(cloud, "run", "--job", "-", "--detach", stdin=json.dumps(slow_job(cloud, operation)))
    name = started.stdout.strip()

    with fanfold(cloud, "watch", name, NO_COLOR="1") as terminal:
        terminal.wait_for(BAR)
        terminal.wait_for(r"[1-9]\d* of 40 items")
        terminal.type("\x03")
        terminal.wait_for(QUESTION)
        terminal.type(answer)
        code = terminal.end()

    assert (code, status(cloud, name)) == (130, "RUNNING")
    assert f"'fanfold watch {name}'" in terminal.shown
    assert not COLOUR.search(terminal.shown)
    assert call(cloud, "stop", name).returncode == 0


def test_the_bar_is_gone_when_the_run_is_over_and_fits_into_its_terminal(cloud):
    job = slow_job(cloud, "over")
    started = call(cloud, "run", "--job", "-", "--detach", stdin=json.dumps(job | {"concurrency": 40}))

    with fanfold(cloud, "watch", started.stdout.strip(), columns=60) as terminal:
        terminal.wait_for(BAR)
        assert terminal.end() == 1

    plain = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", terminal.shown)
    assert max(len(line) for line in re.split(r"[\r\n]", plain) if BAR in line) <= 60
    # The bar and the line below it are erased before the summary is printed.
    assert re.search(r"\x1b\[2K[^━]*over-\S+[^━]*FAILED|\x1b\[2K[^━]*over-\S+[^━]*SUCCEEDED", terminal.shown)


def test_without_a_terminal_there_is_neither_bar_nor_story(cloud):
    job = slow_job(cloud, "quiet") | {"concurrency": 40}

    done = call(cloud, "run", "--job", "-", stdin=json.dumps(job))

    assert (done.returncode, done.stderr) == (1, "")
    assert BAR not in done.stdout
    assert "\x1b" not in done.stdout


def progress(done: int, failed: int = 0, passing: int = 1) -> Progress:
    return Progress(40_000, done - failed, failed, 400, done // 100, passing)


def test_words_of_progress():
    assert counts(progress(1200, 7)) == "1,200 of 40,000 items, 7 failed; 12 of 400 batches"
    assert counts(progress(1200, passing=2)) == "map 2: 1,200 of 40,000 items, 0 failed; 12 of 400 batches"
    assert pace(progress(4000), 310.4) == "310 items/s, 0:01:56 left,"
    assert pace(progress(39_990), 2.25) == "2.2 items/s, 0:00:04 left,"
    assert pace(progress(0), 0.0) == ""


def test_the_rate_is_that_of_the_last_minute():
    rate = Rate(0.0, 0)
    rates = [rate.at(float(second), 10 * second) for second in range(1, 101)]
    slower = [rate.at(100.0 + second, 1000 + second) for second in range(1, 121)]

    assert rates == [pytest.approx(10.0)] * 100
    assert slower[-1] == pytest.approx(1.0)
    assert 1.0 < slower[20] < 10.0


def test_the_rate_of_batches_longer_than_a_minute_is_that_of_the_last_ones():
    rate = Rate(0.0, 0)
    at = {second: rate.at(float(second), second // 100 * 50) for second in range(1, 500)}

    assert at[99] == 0.0
    assert at[100] == pytest.approx(0.5)
    assert all(0.25 <= each <= 0.5 for second, each in at.items() if second >= 100)


def test_a_watch_reckons_from_where_it_came_in():
    assert Rate(50.0, 10_000).at(60.0, 10_100) == pytest.approx(10.0)


def test_a_paragraph_breaks_between_its_pieces_and_never_in_one():
    words = ["a", "paragraph", "of", "s3://bucket/a/long/key/that/is/no/word.jpg", "and", "more"]

    assert paragraph(words, 20, "  ") == [
        "  a paragraph of",
        "    s3://bucket/a/long/key/that/is/no/word.jpg",
        "    and more",
    ]
    assert paragraph(["12 listed", "= 7 done", "+ 5 lost"], 20) == ["12 listed = 7 done", "  + 5 lost"]
