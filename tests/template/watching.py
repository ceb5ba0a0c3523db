"""Rules about what watches a stack: alarms, the dashboard, queries over the logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from fanfold.local.stack.identity import Site
from fanfold.local.stack.scope import Scope
from fanfold.local.stack.template import Template
from functions.summarize.measures import measures
from tests.template.application import ROOT, Application, Json, text

ALARM = "AWS::CloudWatch::Alarm"
DASHBOARD = "AWS::CloudWatch::Dashboard"
QUERY = "AWS::Logs::QueryDefinition"
STACK = [{"Name": "Stack", "Value": {"Ref": "AWS::StackName"}}]
SITE = Site("fanfold", "us-east-1", "123456789012")
# Everything that is off by default, on.
ALL = {
    "DrainSchedule": "rate(5 minutes)", "DrainJob": "{}", "UploadJob": "{}", "NotificationEmail": "ann@example.com",
}  # fmt: skip
# What the dashboard has to show, by what it is for.
WANTED = {
    "runs": {"ExecutionsStarted", "ExecutionsFailed", "Runs", "RunsFailed", "RunsUnreconciled"},
    "items": {"ItemsSucceeded", "ItemsSkipped", "ItemsExcluded", "ItemsFailed", "ItemsDeferred", "ItemsLost"},
    "latency": {"ItemMillisecondsP50", "ItemMillisecondsP95", "ItemMillisecondsP99", "Duration"},
    "throttles": {"Throttles", "ExecutionThrottled"},
    "concurrency": {"ConcurrentExecutions"},
    "cost": {"DollarsPerMillionItems", "RunDollars"},
}
WANTED_OF_DRAINS = WANTED | {"backlog": {"BacklogItems", "OldestItemSeconds"}}
_SUMMARY = {
    "state": "SUCCEEDED", "reconciled": True, "seconds": 1.0, "items_per_second": 1.0, "passes": [{}],
    "items": {
        "listed": 1, "excluded": 0, "skipped": 0, "succeeded": 1, "failed": 0, "deferred": 0, "lost": 0,
    },
    "milliseconds": {"p50": 1.0, "p95": 1.0, "p99": 1.0, "max": 1.0},
    "usage": {
        "invocations": 1, "megabyte_seconds": 1.0, "child_seconds": 0.1, "child_type": "EXPRESS",
        "requests": {"head": 1, "get": 1, "put": 1, "list": 1},
    },
    "execution": "arn:aws:states:us-east-1:123456789012:execution:fanfold-process:r1",
}  # fmt: skip
# Namespace Fanfold: what Summarize and Backlog publish.
PUBLISHED = {measure.name for measure in measures(_SUMMARY)} | {"BacklogItems", "OldestItemSeconds"}


def alarms(app: Application) -> list[str]:
    """Find alarms that tell nobody, leave open what missing data means, watch nothing, or lead to no page."""
    return [
        f"{name}: {fault}" for name, properties in app.properties(ALARM) for fault in _of_alarm(app, name, properties)
    ]


def _of_alarm(app: Application, name: str, properties: Json) -> Iterator[str]:
    if properties.get("TreatMissingData") not in ("breaching", "notBreaching", "ignore"):
        yield "missing data is left open"
    told = json.dumps(properties.get("AlarmActions", []))
    yield from (f"{topic} is not told" for topic in ("RunsTopic", "NotificationTopicArn") if topic not in told)
    if not text(properties["AlarmName"]).startswith("${AWS::StackName}-"):
        yield "its name is not the stack's, so the topic's policy keeps it out"
    link = re.search(r"\$\{RunbookUrl\}#([\w-]+)$", text(properties.get("AlarmDescription", "")).strip())
    if link is None:
        yield "its description leads to no place of the runbook"
    elif link[1] not in headings():
        yield f"the runbook has no heading {link[1]}"
    for metric in (each for each in _watched(properties) if each["Namespace"] == "Fanfold"):
        if metric["MetricName"] not in PUBLISHED:
            yield f"nobody publishes {metric['MetricName']}"
        elif metric["Dimensions"] != STACK:
            yield f"{metric['MetricName']} is published by the stack alone"
    queries = properties.get("Metrics", [])
    used = {word for query in queries for word in re.findall(r"\b[a-z]\w*", query.get("Expression", ""))}
    yield from (f"there is no metric {word}" for word in sorted(used - {query["Id"] for query in queries}))


def _watched(properties: Json) -> Iterator[Json]:
    if "MetricName" in properties:
        yield properties
    yield from (query["MetricStat"]["Metric"] for query in properties.get("Metrics", []) if "MetricStat" in query)


def headings() -> set[str]:
    """Return the anchors of the runbook's headings."""
    found = re.findall(r"^#+ (.+)$", (ROOT / "docs/runbook.md").read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def dashboards(app: Application) -> list[str]:
    """Find faults of dashboards, with default parameters and with everything on: JSON, metrics, alarms, places."""
    found = [
        f"{name}: {fault}"
        for parameters, wanted in (({}, WANTED), (ALL, WANTED_OF_DRAINS))
        for name, body, arns in _bodies(app, parameters)
        for fault in _of_dashboard(body, wanted, arns)
    ]
    return list(dict.fromkeys(found)) or ([] if list(app.properties(DASHBOARD)) else ["there is no dashboard"])


def _bodies(app: Application, parameters: dict[str, str]) -> Iterator[tuple[str, str, set[str]]]:
    """Yield each dashboard's name and body as CloudFormation would resolve it, and the ARNs of all alarms."""
    scope = Scope(Template(app.expanded, ROOT), SITE, parameters)
    arns = {identity.attribute("Arn") for identity, _ in scope.each(ALARM)}
    for identity, properties in scope.each(DASHBOARD):
        yield identity.logical_id, properties["DashboardBody"], arns


def _of_dashboard(body: str, wanted: dict[str, set[str]], arns: set[str]) -> Iterator[str]:
    try:
        widgets = json.loads(body)["widgets"]
    except ValueError as error:
        yield f"its body is no JSON: {error}"
        return
    lines = [line for widget in widgets for line in widget["properties"].get("metrics", [])]
    shown = {line[1] for line in lines}
    for what, names in wanted.items():
        yield from (f"does not show {metric}, of {what}" for metric in sorted(names - shown))
    ours = {line[1] for line in lines if line[0] == "Fanfold"}
    yield from (f"shows {metric}, which nobody publishes" for metric in sorted(ours - PUBLISHED))
    listed = {arn for widget in widgets for arn in widget["properties"].get("alarms", [])}
    yield from (f"does not show the alarm {arn.rsplit(':', 1)[-1]}" for arn in sorted(arns - listed))
    yield from (f"shows {arn}, which is not there" for arn in sorted(listed - arns))
    cells = [
        (x, y)
        for widget in widgets
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    if len(cells) != len(set(cells)) or max(x for x, _ in cells) > 23:
        yield "widgets lie upon each other, or outside"


def queries(app: Application) -> list[str]:
    """Find saved queries that are not in the stack's folder, or read any log there is."""
    found = []
    for name, properties in app.properties(QUERY):
        if not text(properties["Name"]).startswith("${AWS::StackName}/"):
            found.append(f"{name}: not in a folder of the stack")
        if not properties.get("LogGroupNames"):
            found.append(f"{name}: of no log group")
    return found
