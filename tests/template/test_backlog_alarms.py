"""The mathematics of the backlog's alarms: as the template has them, over what CloudWatch (moto's) kept of N turns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.template.application import template

TEMPLATE = template()
PERIODS = int(TEMPLATE["Parameters"]["BacklogAlarmPeriods"]["Default"])
UNRELATED = ("AlarmName", "AlarmDescription", "AlarmActions", "OKActions")
BEGIN = datetime(2026, 11, 21, 8, tzinfo=UTC)
COMPARED = {"GreaterThanThreshold": lambda value, threshold: value > threshold}


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    with mock_aws():
        yield boto3.client("cloudwatch", region_name="us-east-1")


def value(given: Any) -> Any:
    """Resolve a reference to a parameter by its default; the stack is called fanfold."""
    if isinstance(given, dict) and "Ref" in given:
        return {"AWS::StackName": "fanfold"}.get(given["Ref"]) or TEMPLATE["Parameters"][given["Ref"]]["Default"]
    if isinstance(given, dict):
        return {name: value(each) for name, each in given.items()}
    return [value(each) for each in given] if isinstance(given, list) else given


def properties(alarm: str) -> dict[str, Any]:
    """Return an alarm's properties but for whom it tells."""
    told = TEMPLATE["Resources"][alarm]["Properties"]
    return {name: value(each) for name, each in told.items() if name not in UNRELATED}


def put(cloudwatch: Any, name: str, turns: list[float | None], period: int) -> None:
    """Put what N turns measured, a turn a period; ``None``: there was none."""
    for number, measured in enumerate(turns):
        if measured is not None:
            datum = {
                "MetricName": name, "Dimensions": [{"Name": "Stack", "Value": "fanfold"}], "Value": measured,
                "Timestamp": BEGIN + timedelta(seconds=number * period + 5),
            }  # fmt: skip
            cloudwatch.put_metric_data(Namespace="Fanfold", MetricData=[datum])


def series(cloudwatch: Any, stat: dict[str, Any], periods: int) -> list[float | None]:
    """Return a metric by period, as CloudWatch kept it."""
    query = [{"Id": "m", "MetricStat": stat}]
    end = BEGIN + timedelta(seconds=periods * stat["Period"])
    (found,) = cloudwatch.get_metric_data(MetricDataQueries=query, StartTime=BEGIN, EndTime=end)["MetricDataResults"]
    kept = {
        int((moment.astimezone(UTC) - BEGIN).total_seconds() // stat["Period"]): each
        for moment, each in zip(found["Timestamps"], found["Values"], strict=True)
    }
    return [kept.get(number) for number in range(periods)]


def differences(values: list[float | None]) -> list[float | None]:
    """DIFF of metric math: each value less the one before it."""
    pairs = pairwise(values)
    return [None, *(after - before if None not in (before, after) else None for before, after in pairs)]


def state(alarm: dict[str, Any], values: list[float | None]) -> str:
    """Return an alarm's state after the last period."""
    looked_at = values[-alarm["EvaluationPeriods"] :]
    missing = alarm["TreatMissingData"] == "breaching"
    breaching = [
        missing if each is None else COMPARED[alarm["ComparisonOperator"]](each, alarm["Threshold"])
        for each in looked_at
    ]
    return "ALARM" if sum(breaching) >= alarm["DatapointsToAlarm"] else "OK"


def grows(cloudwatch: Any, turns: list[float | None]) -> str:
    alarm = properties("BacklogGrows")
    by_id = {each["Id"]: each for each in alarm["Metrics"]}
    (result,) = [each for each in alarm["Metrics"] if each["ReturnData"]]
    assert result["Expression"] == "DIFF(backlog)"
    stat = by_id["backlog"]["MetricStat"]
    put(cloudwatch, "BacklogItems", turns, stat["Period"])
    return state(alarm, differences(series(cloudwatch, stat, len(turns))))


def stays(cloudwatch: Any, turns: list[float | None]) -> str:
    alarm = properties("BacklogStays")
    metric = {name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions")}
    stat = {"Metric": metric, "Period": alarm["Period"], "Stat": alarm["Statistic"]}
    put(cloudwatch, "OldestItemSeconds", turns, alarm["Period"])
    return state(alarm, series(cloudwatch, stat, len(turns)))


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([0, 0, 0, 0, 0], "OK"),
        ([10, 20, 30, 40, 50], "ALARM"),
        ([50, 10, 20, 30, 40], "ALARM"),
        ([10, 20, 30, 30], "OK"),
        ([100, 200, 300, 250], "OK"),
        ([5_000, 4_000, 3_000, 2_000], "OK"),
        ([10, 20, None, 40], "OK"),
        ([None, None, None, None], "OK"),
    ],
)
def test_a_backlog_that_grows_in_every_period_raises_an_alarm(cloudwatch, turns, expected):
    assert PERIODS == 3
    assert grows(cloudwatch, turns) == expected


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ([0, 0, 0], "OK"),
        ([3_601, 4_501, 5_401], "ALARM"),
        ([3_600, 3_600, 3_600], "OK"),
        ([4_000, 4_900, 60], "OK"),
        ([None, None, None], "ALARM"),
        ([5_000, None, 6_800], "ALARM"),
        ([None, 0, None], "OK"),
    ],
)
def test_a_backlog_that_does_not_drain_raises_an_alarm(cloudwatch, turns, expected):
    assert stays(cloudwatch, turns) == expected
