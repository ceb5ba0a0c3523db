"""Uploads and streams in the template: off by default, which events pass the rule, and who may do what."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fanfold.local.events.pattern import compiled
from fanfold.local.stack.identity import Site
from fanfold.local.stack.scope import Scope
from fanfold.local.stack.template import load
from tests.template.application import ROOT, template

BUCKET = "fanfold-input-123456789012-us-east-1"
JOB = {"UploadJob": '{"operation": "image-resize"}'}
RULE = "arn:aws:events:us-east-1:123456789012:rule/fanfold-uploads"
LOG = "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/fanfold-arrival:*"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:fanfold-undelivered-uploads"
ARRIVAL = "arn:aws:lambda:us-east-1:123456789012:function:fanfold-arrival"
OF_UPLOADS = (
    "AWS::Events::Rule",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
)
OF_STREAMS = ("AWS::KinesisFirehose::DeliveryStream", "AWS::Logs::LogStream")


def stack(**parameters: str) -> Scope:
    """Return the template with parameters given."""
    expanded = load(ROOT / "template.yaml", "us-east-1", parameters)
    return Scope(expanded, Site("fanfold", "us-east-1", "123456789012"), parameters)


def resource(scope: Scope, kind: str, logical_id: str = "") -> dict[str, Any]:
    """Return the properties of the one resource of a type, or of the one so called."""
    (properties,) = [
        properties for identity, properties in scope.each(kind) if logical_id in {"", identity.logical_id}
    ]  # fmt: skip
    return properties


def event(key: str, size: int = 1000, **changes: Any) -> dict[str, Any]:
    """Return the event of an object that was created, as S3 documents it."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-11-21T18:43:48Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{BUCKET}"],
        "detail": {
            "version": "0",
            "bucket": {"name": changes.pop("bucket", BUCKET)},
            "object": {
                "key": key,
                "size": size,
                "etag": "b1946ac92492d2347c6235b4d2611184",
                "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
                "sequencer": "00617F08299329D189",
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "1.2.3.4",
            "reason": "PutObject",
        },
    } | changes


def passes(parameters: dict[str, str], told: dict[str, Any]) -> bool:
    """Tell whether the rule lets an event through."""
    return compiled(resource(stack(**JOB, **parameters), "AWS::Events::Rule", "UploadRule")["EventPattern"])(told)


@pytest.mark.parametrize("kind", OF_UPLOADS + OF_STREAMS)
def test_nothing_of_it_is_there_unless_it_is_asked_for(kind):
    assert list(stack().each(kind)) == []


def test_the_bucket_tells_nobody_of_its_objects_unless_uploads_start_runs():
    told = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}

    assert "NotificationConfiguration" not in resource(stack(), "AWS::S3::Bucket", "InputBucket")
    assert resource(stack(**JOB), "AWS::S3::Bucket", "InputBucket")["NotificationConfiguration"] == told
    assert "NotificationConfiguration" not in resource(stack(**JOB), "AWS::S3::Bucket", "OutputBucket")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("incoming/a.jpg", True),
        ("incoming/2026/11/a b (1) & ü.jpg", True),
        ("incoming/a\nb", True),
        ("manifests/list.csv", True),
        ("manifests/2026/list.jsonl.gz", True),
        ("processed/a.jpg", False),
        ("failed/a.jpg", False),
        ("undelivered/processing-failed/a", False),
        ("a.jpg", False),
        ("old/incoming/a.jpg", False),
        ("Incoming/a.jpg", False),
        ("incoming", False),
    ],
)
def test_uploads_are_told_by_their_keys(key, expected):
    assert passes({}, event(key)) is expected


@pytest.mark.parametrize(
    "told",
    [
        event("incoming/a.jpg", bucket="fanfold-output-123456789012-us-east-1"),
        event("incoming/a.jpg", source="fanfold"),
        event("incoming/a.jpg", **{"detail-type": "Object Deleted"}),
        event("incoming/a.jpg", **{"detail-type": "Object Tags Added"}),
    ],
    ids=["another bucket", "another source", "deleted", "tagged"],
)
def test_what_is_no_upload_starts_nothing(told):
    assert passes({}, told) is False


@pytest.mark.parametrize(
    ("pattern", "key", "expected"),
    [
        ("incoming/*.jpg", "incoming/x/a.jpg", True),
        ("incoming/*.jpg", "incoming/x/a.png", False),
        ("incoming/photos/*", "incoming/photos/a.png", True),
        ("incoming/photos/*", "incoming/tables/a.csv", False),
        ("incoming/photos/*", "manifests/a.csv", True),
    ],
)
def test_keys_can_be_chosen(pattern, key, expected):
    assert passes({"UploadKeys": pattern}, event(key)) is expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({}, [True, True, True, True]),
        ({"UploadMinBytes": "1000"}, [False, True, True, False]),
        ({"UploadMaxBytes": "1000"}, [True, True, False, False]),
        ({"UploadMinBytes": "1000", "UploadMaxBytes": "1000"}, [False, True, False, False]),
    ],
)
def test_sizes_can_be_chosen_and_all_are_taken_otherwise(sizes, expected):
    found = [passes(sizes, event("incoming/a", size)) for size in (0, 1000, 1001, 6_000_000_000)]

    assert found == expected
    assert passes(sizes, event("manifests/a.csv", 1)) is True


def test_the_pattern_compares_with_numbers_though_parameters_are_texts():
    pattern = resource(stack(**JOB, UploadMinBytes="7"), "AWS::Events::Rule", "UploadRule")["EventPattern"]

    assert json.loads(pattern)["detail"]["$or"][0]["object"]["size"] == [{"numeric": [">=", 7, "<=", 5_000_000_000]}]


@pytest.mark.parametrize(
    ("keys", "allowed"),
    [
        ("incoming/*", True),
        ("incoming/*/orders-*.csv", True),
        ("incoming/a b.jpg", True),
        ("*", False),
        ("processed/*", False),
        ("incoming/**", False),
        ('incoming/"}]', False),
        ("incoming/\\*", False),
        ("incoming/${AWS::StackName}", False),
    ],
)
def test_keys_lie_in_incoming_and_cannot_break_the_pattern(keys, allowed):
    parameter = template()["Parameters"]["UploadKeys"]

    assert bool(re.fullmatch(parameter["AllowedPattern"], keys)) is allowed
    assert not allowed or json.loads(
        resource(stack(**JOB, UploadKeys=keys), "AWS::Events::Rule", "UploadRule")["EventPattern"]
    )


def test_the_whole_event_goes_to_arrival_and_what_cannot_into_the_queue():
    rule = resource(stack(**JOB), "AWS::Events::Rule", "UploadRule")

    assert rule["Targets"] == [{"Id": "arrival", "Arn": ARRIVAL, "DeadLetterConfig": {"Arn": QUEUE}}]


def test_what_arrival_fails_at_goes_into_the_queue_too():
    config = resource(stack(**JOB), "AWS::Lambda::EventInvokeConfig")

    assert config["FunctionName"] == "fanfold-arrival"
    assert config["DestinationConfig"] == {"OnFailure": {"Destination": QUEUE}}


def test_only_the_rule_may_invoke_arrival():
    permission = resource(stack(**JOB), "AWS::Lambda::Permission", "UploadPermission")

    assert permission == {
        "FunctionName": "fanfold-arrival",
        "Action": "lambda:InvokeFunction",
        "Principal": "events.amazonaws.com",
        "SourceArn": RULE,
    }


def test_the_queue_is_encrypted_keeps_for_two_weeks_and_takes_from_the_rule_alone():
    scope = stack(**JOB)

    assert resource(scope, "AWS::SQS::Queue") == {
        "QueueName": "fanfold-undelivered-uploads",
        "SqsManagedSseEnabled": True,
        "MessageRetentionPeriod": 14 * 24 * 60 * 60,
    }
    assert resource(scope, "AWS::SQS::QueuePolicy")["PolicyDocument"]["Statement"] == [
        {
            "Sid": "DeadLetters",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": QUEUE,
            "Condition": {"ArnEquals": {"aws:SourceArn": RULE}},
        },
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": QUEUE,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    ]


def test_arrival_reads_uploads_starts_the_workflow_tells_the_queue_and_may_nothing_else():
    role = resource(stack(**JOB), "AWS::IAM::Role", "ArrivalFunctionRole")
    granted = {
        (action, resource)
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        for resource in (
            [statement["Resource"]] if isinstance(statement["Resource"], str) else statement["Resource"]
        )
    }  # fmt: skip

    assert granted == {
        ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
        ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/incoming/*"),
        ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/manifests/*"),
        ("states:StartExecution", "arn:aws:states:us-east-1:123456789012:stateMachine:fanfold-process"),
        ("sqs:SendMessage", QUEUE),
        ("logs:CreateLogStream", LOG),
        ("logs:PutLogEvents", LOG),
    }


@pytest.mark.parametrize(
    ("told", "topics"),
    [
        ({}, []),
        ({"NotificationEmail": "ann@example.com"}, ["arn:aws:sns:us-east-1:123456789012:fanfold-runs"]),
        (
            {"NotificationTopicArn": "arn:aws:sns:us-east-1:123456789012:team"},
            ["arn:aws:sns:us-east-1:123456789012:team"],
        ),
    ],
)
def test_one_event_in_the_queue_is_an_alarm(told, topics):
    alarm = resource(stack(**JOB, **told), "AWS::CloudWatch::Alarm", "UndeliveredUploadsAlarm")

    assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": "fanfold-undelivered-uploads"}]
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
    assert alarm["AlarmActions"] == topics


def test_the_stream_writes_to_incoming_and_its_errors_elsewhere():
    stream = resource(stack(StreamToIncoming="true", StreamSeconds="60"), "AWS::KinesisFirehose::DeliveryStream")
    settings = stream["ExtendedS3DestinationConfiguration"]

    assert stream["DeliveryStreamName"] == "fanfold-incoming"
    assert settings["BucketARN"] == f"arn:aws:s3:::{BUCKET}"
    assert settings["Prefix"] == "incoming/!{timestamp:yyyy/MM/dd/HH}/"
    assert settings["BufferingHints"] == {"IntervalInSeconds": "60", "SizeInMBs": "64"}
    assert not passes({}, event(settings["ErrorOutputPrefix"] + "part"))
    assert passes({}, event("incoming/2026/11/21/18/fanfold-incoming-1-2026-11-21-18-43-48-1.jsonl.gz"))


def test_the_stream_may_write_where_it_writes_and_nowhere_else():
    role = resource(stack(StreamToIncoming="true"), "AWS::IAM::Role", "IncomingStreamRole")
    written = [
        statement["Resource"]
        for statement in role["Policies"][0]["PolicyDocument"]["Statement"]
        if "s3:PutObject" in statement["Action"]
    ]

    assert written == [[f"arn:aws:s3:::{BUCKET}/incoming/*", f"arn:aws:s3:::{BUCKET}/undelivered/*"]]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Condition"] == {
        "StringEquals": {"sts:ExternalId": "123456789012"}
    }
