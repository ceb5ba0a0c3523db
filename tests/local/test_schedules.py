"""Schedules: when they are due, and that they fire."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fanfold.local.schedules import Schedules, timetable
from fanfold.local.server import Endpoint
from fanfold.local.stack import StackError, creators, deploy
from tests.waiting import until

NOW = datetime(2026, 11, 21, 16, 41, 55, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("rate(5 minutes)", "UTC", "2026-11-21T16:46:55"),
        ("rate(1 hour)", "UTC", "2026-11-21T17:41:55"),
        ("rate(2 days)", "UTC", "2026-11-23T16:41:55"),
        ("cron(* * * * ? *)", "UTC", "2026-11-21T16:42:00"),
        ("cron(0/15 * * * ? *)", "UTC", "2026-11-21T16:45:00"),
        ("cron(30 8 ? * MON-FRI *)", "UTC", "2026-11-23T08:30:00"),
        ("cron(0 8 ? * 1,7 *)", "UTC", "2026-11-22T08:00:00"),
        ("cron(0 0 29 2 ? *)", "UTC", "2028-02-29T00:00:00"),
        ("cron(0 9 1 JAN,JUL ? 2027-2030)", "UTC", "2027-01-01T09:00:00"),
        ("cron(0 18 * * ? *)", "Europe/Berlin", "2026-11-21T17:00:00"),
    ],
)
def test_a_schedule_is_due_next_at(expression, zone, expected):
    assert timetable(expression, zone).following(NOW) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_schedule_of_the_past_is_never_due():
    assert timetable("cron(0 0 1 1 ? 2020)").following(NOW) is None


@pytest.mark.parametrize(
    "expression",
    ["", "rate(0 minutes)", "rate(5 weeks)", "cron(* * * *)", "cron(60 * * * ? *)", "cron(0 8 L * ? *)",
     "cron(0 8 ? * MOO *)", "cron(5-1 * * * ? *)", "at(2026-11-21T00:00:00)"],
)  # fmt: skip
def test_what_is_no_schedule_is_refused(expression):
    with pytest.raises(ValueError, match=r"rate|known here|within"):
        timetable(expression)


class Soon:
    """Due again at once, so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def following(self, moment: datetime) -> datetime | None:
        self.left -= 1
        return moment + timedelta(milliseconds=1) if self.left >= 0 else None


def test_what_is_due_is_fired_again_and_again_though_it_fails_once():
    fired, over = [], threading.Event()

    def fire():
        fired.append(len(fired))
        if len(fired) == 3:
            over.set()
        if len(fired) == 1:
            raise RuntimeError("not this time")

    schedules = Schedules()
    schedules.put("often", Soon(3), fire)

    assert over.wait(20)
    schedules.close()
    assert fired == [0, 1, 2]


def test_a_schedule_that_was_closed_does_not_fire():
    fired = []
    schedules = Schedules()
    schedules.put("later", timetable("rate(1 minute)"), lambda: fired.append(1))

    schedules.close()

    assert all(not thread.is_alive() or thread.join(20) is None for thread in threading.enumerate()
               if thread.name == "schedule-later")  # fmt: skip
    assert fired == []


STACK = """
Resources:
  Flow:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: flow
      Role: arn:aws:iam::123456789012:role/flow
      Definition:
        QueryLanguage: JSONata
        StartAt: Done
        States: {Done: {Type: Succeed}}
  Timer:
    Type: AWS::Scheduler::Schedule
    Properties:
      ScheduleExpression: rate(1 minute)
      FlexibleTimeWindow: {Mode: "OFF"}
      State: ENABLED
      Target: {Arn: !Ref Flow, RoleArn: "arn:aws:iam::123456789012:role/timer", Input: '{"by": "the clock"}'}
"""


def deployed(endpoint: Endpoint, tmp_path: Path, text: str) -> list[dict[str, Any]]:
    """Deploy a template and return the executions that its schedule started by now."""
    (tmp_path / "template.yaml").write_text(text)
    deploy(endpoint, tmp_path / "template.yaml", stack_name="timed")
    machine = "arn:aws:states:us-east-1:123456789012:stateMachine:flow"
    return endpoint.stepfunctions.handle("ListExecutions", {"stateMachineArn": machine})["executions"]


def test_a_schedule_of_a_stack_starts_its_state_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(creators, "timetable", lambda expression, zone: Soon(1))
    with Endpoint() as endpoint:
        until(lambda: deployed(endpoint, tmp_path, STACK), "the schedule fired")
        (first, *_) = deployed(endpoint, tmp_path, STACK)
        told = endpoint.stepfunctions.handle("DescribeExecution", {"executionArn": first["executionArn"]})

    assert told["input"] == '{"by": "the clock"}'


def test_a_schedule_that_is_disabled_does_not_fire(tmp_path, monkeypatch):
    put = []
    monkeypatch.setattr(Schedules, "put", lambda *given: put.append(given))
    with Endpoint() as endpoint:
        deployed(endpoint, tmp_path, STACK.replace("ENABLED", "DISABLED"))

    assert put == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("rate(1 minute)", "rate(0 minutes)", "Timer: rate(0 minutes): a rate is 1 or more"),
        ("{Arn: !Ref Flow,", "{Arn: 'arn:aws:sqs:us-east-1:123456789012:q',", "Timer: a schedule here starts a state"),
        (
            "rate(1 minute)",
            "cron(* * * * ? *)\n      ScheduleExpressionTimezone: Mars/Olympus",
            "Timer: .*Mars/Olympus",
        ),
    ],
)
def test_a_schedule_that_cannot_be_is_named(tmp_path, old, new, fault):
    with Endpoint() as endpoint, pytest.raises(StackError, match=fault.replace("(", r"\(").replace(")", r"\)")):
        deployed(endpoint, tmp_path, STACK.replace(old, new))
