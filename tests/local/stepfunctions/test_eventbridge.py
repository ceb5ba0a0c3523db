"""``events:putEvents`` over HTTP, from a Task to the target of a rule on the default bus."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from states_stage import ROLE, until

from fanfold.local.server import Endpoint

SEND = "arn:aws:states:::events:putEvents"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


@dataclass(frozen=True)
class Bus:
    """The default bus, seen through the queue behind a rule on events of one source."""

    endpoint: Endpoint
    source: str
    queue: str

    def received(self) -> list[dict[str, Any]]:
        """Return what has arrived, and take it out of the queue."""
        answer = self.endpoint.client("sqs").receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def entry(self, **fields: Any) -> dict[str, Any]:
        """Return an entry of a source that the rule matches."""
        return {"Source": self.source, "DetailType": "Something Happened", "Detail": {"n": 1}, **fields}


@pytest.fixture
def bus(endpoint: Endpoint) -> Bus:
    source = f"test-{uuid.uuid4()}"
    sqs, events = endpoint.client("sqs"), endpoint.client("events")
    queue = sqs.create_queue(QueueName=source)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=source, EventPattern=json.dumps({"source": [source]}))
    events.put_targets(Rule=source, Targets=[{"Id": "queue", "Arn": arn}])
    return Bus(endpoint, source, queue)


def run(endpoint: Endpoint, arguments: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Run a machine of one Task and return what DescribeExecution says of its end."""
    states = endpoint.client("stepfunctions")
    task = {"Type": "Task", "Resource": SEND, "Arguments": arguments, "Next": "End", **more}
    machine = {"QueryLanguage": "JSONata", "StartAt": "Send", "States": {"Send": task, "End": {"Type": "Succeed"}}}
    name = f"sender-{uuid.uuid4()}"
    made = states.create_state_machine(name=name, definition=json.dumps(machine), roleArn=ROLE)
    started = states.start_execution(stateMachineArn=made["stateMachineArn"], name="run", input='{"who": "Ann"}')

    def ended() -> dict[str, Any] | None:
        described = states.describe_execution(executionArn=started["executionArn"])
        return described if described["status"] != "RUNNING" else None

    return until(ended)


def test_an_event_reaches_the_target_of_a_rule(bus: Bus) -> None:
    """The detail is an object, here and there; Step Functions says who sent the event."""
    entry = bus.entry(Detail={"who": "{% $states.input.who %}", "counts": {"all": 2}}, Resources=["arn:mine"])

    ended = run(bus.endpoint, {"Entries": [entry]})

    execution = ended["executionArn"]
    output = json.loads(ended["output"])
    (event,) = until(bus.received)
    assert output == {"Entries": [{"EventId": event["id"]}], "FailedEntryCount": 0}
    assert (event["source"], event["detail-type"]) == (bus.source, "Something Happened")
    assert event["detail"] == {"who": "Ann", "counts": {"all": 2}}
    assert event["resources"] == ["arn:mine", ended["stateMachineArn"], execution]


def test_a_detail_may_be_json_text(bus: Bus) -> None:
    run(bus.endpoint, {"Entries": [bus.entry(Detail='{"already": "text"}')]})

    (event,) = until(bus.received)
    assert event["detail"] == {"already": "text"}


def test_the_history_has_the_task_as_aws_names_it(bus: Bus) -> None:
    """The parameters are those of the state, without what Step Functions adds."""
    entry = bus.entry()
    ended = run(bus.endpoint, {"Entries": [entry]})

    history = bus.endpoint.client("stepfunctions").get_execution_history(executionArn=ended["executionArn"])["events"]

    scheduled = next(each["taskScheduledEventDetails"] for each in history if each["type"] == "TaskScheduled")
    assert (scheduled["resourceType"], scheduled["resource"]) == ("events", "putEvents")
    assert json.loads(scheduled["parameters"]) == {"Entries": [entry]}


def test_an_entry_that_fails_fails_the_task_with_the_answer_as_its_cause(bus: Bus) -> None:
    """The other entries are sent all the same; as recorded on AWS, the cause tells which is which."""
    nameless = {key: value for key, value in bus.entry().items() if key != "Source"}

    ended = run(bus.endpoint, {"Entries": [bus.entry(), nameless]})

    (event,) = until(bus.received)
    assert (ended["status"], ended["error"]) == ("FAILED", "EventBridge.FailedEntry")
    assert json.loads(ended["cause"]) == {
        "Entries": [
            {"EventId": event["id"]},
            {
                "ErrorCode": "InvalidArgument",
                "ErrorMessage": "Parameter Source is not valid. Reason: Source is a required argument.",
            },
        ],
        "FailedEntryCount": 1,
    }


def test_a_failed_entry_can_be_caught_by_its_name(bus: Bus) -> None:
    catch = [{"ErrorEquals": ["EventBridge.FailedEntry"], "Output": "{% $states.errorOutput.Cause %}", "Next": "End"}]

    ended = run(bus.endpoint, {"Entries": [bus.entry(Detail="not JSON")]}, Catch=catch)

    (entry,) = json.loads(json.loads(ended["output"]))["Entries"]
    assert entry == {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({}, "The Arguments of events:putEvents need Entries, a list of objects."),
        ({"Entries": ["text"]}, "The Arguments of events:putEvents need Entries, a list of objects."),
        ({"Entries": [], "EndpointId": "e"}, "'EndpointId' is unknown."),
        ({"Entries": [{"Resources": "arn:mine"}]}, "Invalid type for parameter Entries[0].Resources"),
    ],
)
def test_arguments_that_are_none_are_refused(endpoint: Endpoint, arguments: dict[str, Any], fault: str) -> None:
    ended = run(endpoint, arguments)

    assert ended["error"] == "States.Runtime"
    assert fault in ended["cause"]


def test_no_form_of_it_that_waits_is_known(endpoint: Endpoint) -> None:
    """The refusal names what there is."""
    states = endpoint.client("stepfunctions")
    task = {"Type": "Task", "Resource": f"{SEND}.waitForTaskToken", "End": True}
    machine = {"QueryLanguage": "JSONata", "StartAt": "Send", "States": {"Send": task}}

    with pytest.raises(states.exceptions.InvalidDefinition, match="runs lambda:invoke, events:putEvents, the ARNs"):
        states.create_state_machine(name="waits", definition=json.dumps(machine), roleArn=ROLE)
