"""Rules about what runs by the clock."""

from __future__ import annotations

from collections.abc import Iterator

from tests.template.application import Application, Json, listed, text

SCHEDULE = "AWS::Scheduler::Schedule"
_GROUP = "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule-group/default"


def schedules(app: Application) -> list[str]:
    """Find schedules that are there unasked, drift, or whose role is anybody else's or may not start their target."""
    return [
        f"{name}: {fault}" for name, properties in app.properties(SCHEDULE) for fault in _faults(app, name, properties)
    ]


def _faults(app: Application, name: str, properties: Json) -> Iterator[str]:
    if "Condition" not in app.expanded["Resources"][name]:
        yield "not off by default"
    if properties.get("FlexibleTimeWindow") != {"Mode": "OFF"}:
        yield "starts at some time"
    if "ScheduleExpressionTimezone" not in properties:
        yield "names no time zone"
    target = properties["Target"]
    role = target["RoleArn"]["Fn::GetAtt"][0]
    trusted = app.property_of(role, "AssumeRolePolicyDocument")["Statement"]
    if [text(each.get("Principal", {}).get("Service")) for each in trusted] != ["scheduler.amazonaws.com"]:
        yield f"{role} is not EventBridge Scheduler's alone"
    condition = trusted[0].get("Condition", {}).get("StringEquals", {})
    if {key: text(value) for key, value in condition.items()} != {
        "aws:SourceAccount": "${AWS::AccountId}", "aws:SourceArn": _GROUP,
    }:  # fmt: skip
        yield f"{role} may be used for schedules of others"
    granted = [
        (action, text(resource))
        for policy in app.property_of(role, "Policies")
        for statement in listed(policy["PolicyDocument"]["Statement"])
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    ]
    if granted != [("states:StartExecution", text(target["Arn"]))]:
        yield f"{role} may not start the target, or may more than that"
