"""What is told of a finished run: the event as the workflow sends it, the rule that takes it, the text it becomes."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from fanfold.local.server import Endpoint
from fanfold.local.stack.identity import Site
from fanfold.local.stack.scope import Scope
from fanfold.local.stack.template import load
from tests.template.application import ROOT
from tests.waiting import until

RUNS = "s3://fanfold-output-123456789012-us-east-1/runs/first"
SUMMARY = {
    "run": "first",
    "state": "FAILED",
    "reason": "4 of 26 items have no output, more than the tolerated 10 %.",
    "operation": "image-resize",
    "source": "s3://fanfold-input-123456789012-us-east-1/images/",
    "destination": "s3://fanfold-output-123456789012-us-east-1/out/image-resize/",
    "reconciled": True,
    "notes": [],
    "items": {"listed": 26, "excluded": 2, "skipped": 0, "succeeded": 20, "failed": 4, "deferred": 0, "lost": 0},
    "bytes": {"in": 2010000, "out": 340000},
    "rows": {"in": 0, "out": 0},
    "seconds": 1.8,
    "errors": [
        {
            "type": "UnreadableImage",
            "count": 4,
            "example": "s3://fanfold-input-123456789012-us-east-1/images/broken.jpg",
        }
    ],
    "artifacts": {
        "summary": f"{RUNS}/summary.json",
        "failures": f"{RUNS}/failures.csv",
        "records": f"{RUNS}/records/",
        "figures": f"{RUNS}/figures.json",
        "report": f"{RUNS}/report.html",
    },
}
SUCCEEDED = SUMMARY | {"state": "SUCCEEDED", "reason": None, "errors": []}
MAIL = {"NotificationEmail": "ann@example.com"}
TOPIC = {"NotificationTopicArn": "arn:aws:sns:us-east-1:123456789012:team"}
OWN_TOPIC = "arn:aws:sns:us-east-1:123456789012:fanfold-runs"
NO_RETRY = [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 0}]
NOTIFYING = ("AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::SNS::Subscription", "AWS::Events::Rule")


def stack(parameters: dict[str, str], name: str = "fanfold") -> Scope:
    """Return the template with parameters given."""
    expanded = load(ROOT / "template.yaml", "us-east-1", parameters)
    return Scope(expanded, Site(name, "us-east-1", "123456789012"), parameters)


def only(scope: Scope, kind: str) -> dict[str, Any]:
    """Return the properties of the one resource of a type."""
    ((_, properties),) = scope.each(kind)
    return properties


def notifier(scope: Scope) -> list[dict[str, Any]]:
    """Return the roles that EventBridge may assume."""
    roles = [properties for _, properties in scope.each("AWS::IAM::Role")]
    return [role for role in roles if "events.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"])]


def announce() -> dict[str, Any]:
    """Return the state that tells of a run, as the stack `fanfold` has it."""
    text = (ROOT / "workflows/process.asl.json").read_text()
    return json.loads(text.replace("${Partition}", "aws").replace("${StackName}", "fanfold"))["States"]["Announce"]


def documented() -> list[Any]:
    """Return what docs/notification.md shows as JSON: the event, and the pattern of a rule."""
    shown = re.findall(r"```json\n(.*?)```", (ROOT / "docs/notification.md").read_text(), re.DOTALL)
    return [json.loads(text) for text in shown]


class Listener:
    """A queue behind a rule with the template's pattern, on the default bus of an endpoint."""

    def __init__(self, endpoint: Endpoint, pattern: dict[str, Any]) -> None:
        self.endpoint = endpoint
        self.rule = f"rule-{uuid.uuid4()}"
        sqs, events = endpoint.client("sqs"), endpoint.client("events")
        self._queue = sqs.create_queue(QueueName=self.rule)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name=self.rule, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=self.rule, Targets=[{"Id": "queue", "Arn": arn}])

    def hear(self, summary: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
        """Have a summary announced, and return the events that the rule let through by the end of the execution."""
        run_announce(self.endpoint, summary, **changes)
        return self.heard()

    def heard(self) -> list[dict[str, Any]]:
        """Return the events that the rule let through since it was asked last."""
        answer = self.endpoint.client("sqs").receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def run_announce(endpoint: Endpoint, summary: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Run the state by itself, some of its fields changed, and return what DescribeExecution says of its end."""
    states = endpoint.client("stepfunctions")
    machine = {
        "QueryLanguage": "JSONata",
        "StartAt": "Announce",
        "States": {"Announce": announce() | changes, "Verdict": {"Type": "Succeed"}},
    }
    role = "arn:aws:iam::123456789012:role/any"
    made = states.create_state_machine(name=f"m-{uuid.uuid4()}", definition=json.dumps(machine), roleArn=role)
    arn = states.start_execution(stateMachineArn=made["stateMachineArn"], input=json.dumps(summary))["executionArn"]
    until(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", "the end of the execution")
    return states.describe_execution(executionArn=arn)


def transformed(rule: dict[str, Any], event: dict[str, Any]) -> list[str]:
    """Return the lines of the text that the rule's target is sent.

    EventBridge puts the values into the template as they are, escaping nothing; a value that is no text or number has
    no place in a line of text, and each line has to be a JSON string.
    """
    (target,) = rule["Targets"]
    paths, template = (target["InputTransformer"][name] for name in ("InputPathsMap", "InputTemplate"))
    values = {name: value_at(event, path) for name, path in paths.items()}
    assert {type(value) for value in values.values()} <= {str, int, float}, values
    filled = re.sub(r"<([a-z]+)>", lambda found: str(values[found[1]]), template)
    return [json.loads(line) for line in filled.splitlines()]


def value_at(event: dict[str, Any], path: str) -> Any:
    value: Any = event
    for name in path.removeprefix("$.").split("."):
        value = value[name]
    return value


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def listener(endpoint: Endpoint) -> Listener:
    return Listener(endpoint, only(stack(MAIL), "AWS::Events::Rule")["EventPattern"])


def test_nobody_is_told_unless_a_parameter_says_so():
    scope = stack({})

    assert [list(scope.each(kind)) for kind in NOTIFYING] == [[], [], [], []]
    assert notifier(scope) == []


def test_an_address_makes_a_topic_with_a_subscription():
    scope = stack(MAIL)

    assert only(scope, "AWS::SNS::Topic") == {"TopicName": "fanfold-runs"}
    assert only(scope, "AWS::SNS::Subscription") == {
        "TopicArn": OWN_TOPIC,
        "Protocol": "email",
        "Endpoint": "ann@example.com",
    }


def test_nothing_is_published_without_tls_and_by_alarms_of_the_stack_alone():
    policy = only(stack(MAIL), "AWS::SNS::TopicPolicy")

    assert policy["Topics"] == [OWN_TOPIC]
    assert policy["PolicyDocument"]["Statement"] == [
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sns:Publish",
            "Resource": OWN_TOPIC,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
        {
            "Sid": "Alarms",
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": OWN_TOPIC,
            "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:fanfold-*"}},
        },
    ]


@pytest.mark.parametrize(
    ("parameters", "topics"),
    [(MAIL, [OWN_TOPIC]), (TOPIC, [TOPIC["NotificationTopicArn"]]), (MAIL | TOPIC, [OWN_TOPIC, *TOPIC.values()])],
    ids=["mail", "topic", "both"],
)
def test_the_rule_alone_may_publish_and_to_its_topics_alone(parameters: dict[str, str], topics: list[str]):
    scope = stack(parameters)

    (role,) = notifier(scope)

    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {
                "ArnEquals": {"aws:SourceArn": "arn:aws:events:us-east-1:123456789012:rule/fanfold-runs"},
            },
        }
    ]
    assert role["Policies"][0]["PolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": "sns:Publish", "Resource": topics}
    ]
    rule = only(scope, "AWS::Events::Rule")
    own = scope.identity("NotifierRole").attribute("Arn")
    assert rule["Name"] == "fanfold-runs"
    assert [(target["Arn"], target["RoleArn"]) for target in rule["Targets"]] == [(topic, own) for topic in topics]


def test_the_event_says_how_the_run_ended(listener: Listener):
    """It is the very event that docs/notification.md shows."""
    (event,) = listener.hear(SUMMARY)

    shown, _ = documented()
    machine, execution = event["resources"]
    assert event["detail"].pop("execution") == execution
    assert execution.startswith(machine.replace(":stateMachine:", ":execution:"))
    assert {name: event[name] for name in ("source", "detail-type")} == {
        "source": "fanfold",
        "detail-type": "Fanfold Run Finished",
    }
    assert event["detail"] == {"stack": "fanfold"} | {
        name: SUMMARY[name]
        for name in ("run", "state", "reason", "operation", "source", "destination", "reconciled", "items", "bytes")
    } | {name: SUMMARY[name] for name in ("seconds", "errors", "artifacts")}
    assert (
        shown["detail"].pop("execution").startswith("arn:aws:states:us-east-1:123456789012:execution:fanfold-process:")
    )
    assert shown["detail"] == event["detail"]


@pytest.mark.parametrize(
    ("parameters", "summary", "name", "heard"),
    [
        ({"NotifyOn": "ALL"}, SUCCEEDED, "fanfold", 1),
        ({"NotifyOn": "ALL"}, SUMMARY, "fanfold", 1),
        ({"NotifyOn": "FAILURES"}, SUCCEEDED, "fanfold", 0),
        ({"NotifyOn": "FAILURES"}, SUMMARY, "fanfold", 1),
        ({"NotifyOn": "ALL"}, SUMMARY, "other", 0),
    ],
    ids=["all-succeeded", "all-failed", "failures-succeeded", "failures-failed", "other-stack"],
)
def test_the_rule_takes_what_the_parameter_asks_for(endpoint, parameters, summary, name, heard):
    rule = only(stack(MAIL | parameters, name), "AWS::Events::Rule")

    assert len(Listener(endpoint, rule["EventPattern"]).hear(summary)) == heard


def test_the_text_is_lines_that_can_be_read(listener: Listener):
    (event,) = listener.hear(SUMMARY)

    assert transformed(only(stack(MAIL), "AWS::Events::Rule"), event) == [
        "FAILED: run first of fanfold, image-resize, 1.8 s",
        "4 of 26 items have no output, more than the tolerated 10 %.",
        "26 listed = 2 excluded + 0 skipped + 20 succeeded + 4 failed + 0 deferred + 0 lost",
        f"Report: {RUNS}/report.html",
        f"Summary: {RUNS}/summary.json",
        f"Execution: {event['detail']['execution']}",
    ]


def test_the_text_of_a_run_without_faults_has_an_empty_line_for_the_reason(listener: Listener):
    (event,) = listener.hear(SUCCEEDED)

    assert transformed(only(stack(TOPIC), "AWS::Events::Rule"), event)[:2] == [
        "SUCCEEDED: run first of fanfold, image-resize, 1.8 s",
        "",
    ]
    assert event["detail"]["errors"] == []


def test_no_reason_breaks_the_lines_of_the_text(listener: Listener):
    """EventBridge escapes nothing: quotes, backslashes and line breaks must not reach it."""
    cause = 'The map failed with States.TaskFailed: {"path": "C:\\\\x"}\n\tTraceback' + " and so on" * 4000

    (event,) = listener.hear(SUMMARY | {"reason": cause})

    told = transformed(only(stack(MAIL), "AWS::Events::Rule"), event)[1]
    assert told.startswith("The map failed with States.TaskFailed: { path : C: x } Traceback and so on")
    assert len(told) <= 1000


def test_no_run_makes_an_event_that_is_too_large(listener: Listener):
    """EventBridge takes 256 KB an entry; keys have at most 1,024 bytes, and a summary at most 20 errors."""
    key = "s3://bucket/" + "\u00e9" * 512
    errors = [{"type": f"Error{number}" * 10, "count": number, "example": key} for number in range(20, 0, -1)]
    summary = SUMMARY | {"reason": "\u00e9" * 30_000, "source": key, "destination": key, "errors": errors}

    (event,) = listener.hear(summary)

    assert event["detail"]["errors"] == errors[:5]
    assert len(json.dumps(event).encode()) < 32_000


def test_what_cannot_be_told_changes_no_verdict(endpoint: Endpoint):
    """The summary goes on to the verdict as it would have; the history keeps what happened."""
    described = run_announce(endpoint, SUMMARY, Arguments={"Entries": [{"Source": "fanfold"}]}, Retry=NO_RETRY)

    assert (described["status"], json.loads(described["output"])) == ("SUCCEEDED", SUMMARY)
    history = endpoint.client("stepfunctions").get_execution_history(executionArn=described["executionArn"])["events"]
    assert [event["taskFailedEventDetails"]["error"] for event in history if event["type"] == "TaskFailed"] == [
        "EventBridge.FailedEntry"
    ]


def test_lines_of_text_for_a_topic_do_not_fail_the_run_on_a_laptop(endpoint: Endpoint, listener: Listener):
    """No topic is stood up there, and moto takes what a template comes to for JSON."""
    rule = only(stack(MAIL), "AWS::Events::Rule")
    events = endpoint.client("events")
    events.put_rule(Name=rule["Name"], EventPattern=json.dumps(rule["EventPattern"]))
    events.put_targets(Rule=rule["Name"], Targets=rule["Targets"])

    described = run_announce(endpoint, SUMMARY, Retry=NO_RETRY)

    history = endpoint.client("stepfunctions").get_execution_history(executionArn=described["executionArn"])["events"]
    assert [event for event in history if event["type"] == "TaskFailed"] == []
    assert len(listener.heard()) == 1


def test_what_was_told_is_not_in_the_output(endpoint: Endpoint):
    assert json.loads(run_announce(endpoint, SUMMARY)["output"]) == SUMMARY


@pytest.mark.parametrize(
    ("summary", "heard"),
    [(SUCCEEDED, 1), (SUMMARY, 0), (SUCCEEDED | {"items": SUMMARY["items"] | {"succeeded": 0}}, 0)],
    ids=["wrote", "failed", "wrote-nothing"],
)
def test_the_pattern_in_the_document_takes_what_it_says(endpoint: Endpoint, summary: dict[str, Any], heard: int):
    _, pattern = documented()

    assert len(Listener(endpoint, pattern).hear(summary)) == heard
