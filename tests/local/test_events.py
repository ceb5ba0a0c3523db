"""Event patterns, input transformers, and S3 events on their way through a rule to a Lambda function."""

from __future__ import annotations

import io
import json
import textwrap
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fanfold.local.awslambda import EventInvokeConfig
from fanfold.local.events.pattern import InvalidPattern, compiled
from fanfold.local.events.transformer import InvalidInput, target_input
from fanfold.local.server import Endpoint
from fanfold.local.stack import StackError, deploy
from tests.waiting import until

ROLE = "arn:aws:iam::123456789012:role/any"
# The example of "Amazon S3 event message structure", its detail alone.
DETAIL = {
    "version": "0",
    "bucket": {"name": "in"},
    "object": {"key": "incoming/2026/a b.jpg", "size": 1000, "etag": "b1946ac9", "version-id": "v1"},
    "reason": "PutObject",
    "source-ip-address": "10.1.2.3",
    "empty": "",
    "nothing": None,
    "flag": True,
    "parts": [{"name": "x", "size": 1}, {"name": "y", "size": 2}],
    "tags": ["red", "green"],
}


def matches(wanted: dict[str, Any], detail: dict[str, Any] = DETAIL) -> bool:
    return compiled(json.dumps({"detail": wanted}))({"source": "aws.s3", "detail": detail})


def key(*wanted: Any) -> dict[str, Any]:
    return {"object": {"key": list(wanted)}}


def size(*wanted: Any) -> dict[str, Any]:
    return {"object": {"size": list(wanted)}}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        # equal to one of them
        ({"reason": ["PutObject"]}, True),
        ({"reason": ["CopyObject", "PutObject"]}, True),
        ({"reason": ["CopyObject"]}, False),
        ({"reason": ["putobject"]}, False),
        ({"absent": ["PutObject"]}, False),
        ({"empty": [""]}, True),
        ({"nothing": [None]}, True),
        ({"flag": [True]}, True),
        ({"flag": [1]}, False),
        (size(1000), True),
        (size(1000.0), False),
        (size("1000"), False),
        # all fields
        ({"reason": ["PutObject"], "object": {"size": [1000]}}, True),
        ({"reason": ["PutObject"], "object": {"size": [1]}}, False),
        # arrays: any of theirs, and of objects one that has it all
        ({"tags": ["green"]}, True),
        ({"tags": ["blue"]}, False),
        ({"parts": {"name": ["x"], "size": [1]}}, True),
        ({"parts": {"name": ["x"], "size": [2]}}, False),
        # text
        (key({"prefix": "incoming/"}), True),
        (key({"prefix": "Incoming/"}), False),
        (key({"prefix": {"equals-ignore-case": "Incoming/"}}), True),
        (key({"suffix": ".jpg"}), True),
        (key({"suffix": ".JPG"}), False),
        (key({"suffix": {"equals-ignore-case": ".JPG"}}), True),
        (key({"equals-ignore-case": "INCOMING/2026/A B.JPG"}), True),
        (key({"equals-ignore-case": "incoming/"}), False),
        (key({"suffix": ".png"}, {"prefix": "incoming/"}), True),
        (size({"prefix": "1"}), False),
        # wildcards
        (key({"wildcard": "incoming/*"}), True),
        (key({"wildcard": "incoming/*.jpg"}), True),
        (key({"wildcard": "*/2026/*"}), True),
        (key({"wildcard": "incoming/2026/a b.jpg"}), True),
        (key({"wildcard": "incoming/*.png"}), False),
        (key({"wildcard": "2026/*"}), False),
        (key({"wildcard": "incoming/...../*"}), False),
        (key({"wildcard": "*"}), True),
        (key({"wildcard": ""}), False),
        # numbers
        (size({"numeric": [">", 999]}), True),
        (size({"numeric": [">", 1000]}), False),
        (size({"numeric": [">=", 1000, "<", 1001]}), True),
        (size({"numeric": [">", 0, "<=", 999]}), False),
        (size({"numeric": ["=", 1e3]}), True),
        (key({"numeric": [">", 0]}), False),
        ({"flag": [{"numeric": ["=", 1]}]}, False),
        # anything but
        ({"reason": [{"anything-but": "CopyObject"}]}, True),
        ({"reason": [{"anything-but": "PutObject"}]}, False),
        ({"reason": [{"anything-but": ["CopyObject", "PutObject"]}]}, False),
        (size({"anything-but": [1, 2]}), True),
        (size({"anything-but": 1000}), False),
        (key({"anything-but": {"prefix": "processed/"}}), True),
        (key({"anything-but": {"prefix": "incoming/"}}), False),
        (key({"anything-but": {"suffix": [".png", ".jpg"]}}), False),
        (key({"anything-but": {"wildcard": "*/2026/*"}}), False),
        (key({"anything-but": {"equals-ignore-case": "INCOMING/2026/A B.JPG"}}), False),
        ({"absent": [{"anything-but": "x"}]}, False),
        # there or not
        ({"absent": [{"exists": False}]}, True),
        ({"absent": [{"exists": True}]}, False),
        ({"reason": [{"exists": True}]}, True),
        ({"absent": {"deeper": [{"exists": False}]}}, True),
        ({"object": [{"exists": True}]}, False),
        ({"absent": [{"exists": False}, "x"]}, True),
        # addresses
        ({"source-ip-address": [{"cidr": "10.0.0.0/8"}]}, True),
        ({"source-ip-address": [{"cidr": "11.0.0.0/8"}]}, False),
        ({"reason": [{"cidr": "10.0.0.0/8"}]}, False),
        # one or the other
        ({"$or": [{"reason": ["CopyObject"]}, size(1000)]}, True),
        ({"$or": [{"reason": ["CopyObject"]}, size(1)]}, False),
        ({"reason": ["PutObject"], "$or": [key({"prefix": "x/"}), key({"suffix": ".jpg"})]}, True),
        ({"reason": ["CopyObject"], "$or": [key({"prefix": "x/"}), key({"suffix": ".jpg"})]}, False),
        ({"$or": [{"$or": [size(1), size(2)]}, {"$or": [size(3), size(1000)]}]}, True),
    ],
    ids=json.dumps,
)
def test_a_pattern_matches_as_eventbridge_says(wanted, expected):
    assert matches(wanted) is expected


@pytest.mark.parametrize(
    ("wildcard", "name", "expected"),
    [
        ("a*", "a\nb", True),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        (r"a\\*", "a\\b", True),
        ("a.b", "axb", False),
        ("a*a", "a", False),
        ("*a*b*", "xaxbx", True),
        ("ü*", "üb", True),
    ],
)
def test_a_wildcard_stands_for_any_text_unless_it_is_escaped(wildcard, name, expected):
    assert matches(key({"wildcard": wildcard}), {"object": {"key": name}}) is expected


def test_numbers_beyond_five_thousand_million_are_not_compared():
    found = [matches(size({"numeric": [">", 0]}), {"object": {"size": each}}) for each in (5e9, 5_000_000_001)]

    assert found == [True, False]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{", "not JSON"),
        ("[]", "must be an object"),
        ("{}", "must be an object with fields"),
        ('{"source": "aws.s3"}', "source must be an object or a list"),
        ('{"source": []}', "source must be an object or a list with values"),
        ('{"source": [{"contains": "s3"}]}', "unrecognized match type contains"),
        ('{"source": [{"prefix": "a", "suffix": "b"}]}', "only one operator"),
        ('{"source": [{"prefix": 1}]}', "prefix must be a text"),
        ('{"source": [{"exists": "true"}]}', "either true or false"),
        ('{"size": [{"numeric": [">=", "0"]}]}', "must be numeric"),
        ('{"size": [{"numeric": [">=", true]}]}', "must be numeric"),
        ('{"size": [{"numeric": [">=", 5000000001]}]}', "from -5e9 to 5e9"),
        ('{"size": [{"numeric": [">="]}]}', "one comparison"),
        ('{"size": [{"numeric": ["<", 1, ">", 0]}]}', "a lower and an upper bound"),
        ('{"size": [{"numeric": ["!=", 1]}]}', "one comparison"),
        ('{"key": [{"wildcard": "a**"}]}', "consecutive wildcard"),
        ('{"key": [{"wildcard": "a\\\\b"}]}', "invalid escape"),
        ('{"ip": [{"cidr": "10.0.0.0/99"}]}', "cidr"),
        ('{"key": [{"anything-but": []}]}', "texts alone or numbers alone"),
        ('{"key": [{"anything-but": ["a", 1]}]}', "texts alone or numbers alone"),
        ('{"key": [{"anything-but": {"numeric": ["=", 1]}}]}', "cannot be combined with numeric"),
        ('{"$or": [{"source": ["a"]}]}', "two alternatives"),
    ],
)
def test_a_pattern_that_eventbridge_refuses_is_refused(pattern, message):
    with pytest.raises(InvalidPattern, match=message):
        compiled(pattern)


EVENT = {"source": "aws.s3", "detail": DETAIL}
PATHS = {
    "bucket": "$.detail.bucket.name",
    "size": "$.detail.object.size",
    "object": "$.detail.object",
    "second": "$.detail.tags[1]",
    "absent": "$.detail.absent.deeper",
    "quoted": "$.detail.quoted",
}


def transformed(template: str, paths: dict[str, str] = PATHS, **detail: Any) -> Any:
    transformer = {"InputPathsMap": paths, "InputTemplate": template}
    event = {"source": "aws.s3", "detail": DETAIL | detail}
    variables = {"aws.events.rule-name": "uploads", "aws.events.event.ingestion-time": "2026-11-21T18:43:48Z"}
    return json.loads(target_input({"InputTransformer": transformer}, event, variables))


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"bucket": <bucket>, "size": <size>}', {"bucket": "in", "size": 1000}),
        ('{"bucket": "<bucket>", "size": "<size>"}', {"bucket": "in", "size": "1000"}),
        ('{"object": <object>}', {"object": DETAIL["object"]}),
        ('"<bucket> has <size> bytes of <second>"', "in has 1000 bytes of green"),
        ('{"rule": <aws.events.rule-name>}', {"rule": "uploads"}),
        ('{"at": "<aws.events.event.ingestion-time>"}', {"at": "2026-11-21T18:43:48Z"}),
        ('{"event": <aws.events.event.json>}', {"event": EVENT}),
        ('"[<absent>]"', "[]"),
        ('{"a": "b"}', {"a": "b"}),
    ],
)
def test_a_template_is_filled_in(template, expected):
    assert transformed(template) == expected


def test_what_a_template_takes_from_the_event_cannot_break_out_of_it():
    assert transformed('{"a": "<quoted>", "b": <quoted>}', quoted='x", "a": "y') == {
        "a": 'x", "a": "y',
        "b": 'x", "a": "y',
    }


@pytest.mark.parametrize(
    ("target", "expected"),
    [({}, EVENT), ({"InputPath": "$.detail.bucket"}, {"name": "in"}), ({"Input": '{"always": 1}'}, {"always": 1})],
)
def test_a_target_gets_the_event_a_part_of_it_or_a_constant(target, expected):
    assert json.loads(target_input(target, EVENT, {})) == expected


@pytest.mark.parametrize(
    ("template", "paths"), [("<bucket>, <bucket>", PATHS), ('{"a": <absent>}', PATHS), ("<a>", {"a": "$..key"})]
)
def test_an_input_that_is_no_json_is_refused(template, paths):
    with pytest.raises(InvalidInput):
        transformed(template, paths)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with Endpoint(lambda_concurrency=2, log_dir=tmp_path_factory.mktemp("logs")) as endpoint:
        yield endpoint


RECORDING = """
    import json
    def handler(event, context):
        with open({heard!r}, "a") as file:
            file.write(json.dumps(event) + "\\n")
        if {fails}:
            raise ValueError("no")
"""


class Circle:
    """A bucket that tells of its objects, a rule with a pattern, and a function that writes down what it hears."""

    def __init__(self, endpoint: Endpoint, folder: Path, *, fails: bool = False, **target: Any) -> None:
        self.endpoint, self.name = endpoint, f"c-{uuid.uuid4()}"
        self._heard = folder / self.name
        self._function(textwrap.dedent(RECORDING.format(heard=str(self._heard), fails=fails)))
        self.s3, self.sqs, self.events = (endpoint.client(each) for each in ("s3", "sqs", "events"))
        self.s3.create_bucket(Bucket=self.name)
        self.queue = self.sqs.create_queue(QueueName=self.name)["QueueUrl"]
        self.queue_arn = f"arn:aws:sqs:us-east-1:123456789012:{self.name}"
        self.arn = f"arn:aws:lambda:us-east-1:123456789012:function:{self.name}"
        pattern = {"detail-type": ["Object Created"], "detail": {"bucket": {"name": [self.name]}}}
        self.rule(pattern | {"detail": pattern["detail"] | {"object": {"key": [{"wildcard": "incoming/*"}]}}}, **target)
        self.tell()

    def _function(self, source: str) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as opened:
            opened.writestr("index.py", source)
        self.endpoint.client("lambda").create_function(
            FunctionName=self.name,
            Runtime="python3.13",
            Handler="index.handler",
            Role=ROLE,
            Code={"ZipFile": packed.getvalue()},
        )

    def rule(self, pattern: dict[str, Any], **target: Any) -> None:
        self.events.put_rule(Name=self.name, EventPattern=json.dumps(pattern))
        self.events.put_targets(Rule=self.name, Targets=[{"Id": "function", "Arn": self.arn} | target])

    def tell(self) -> None:
        self.s3.put_bucket_notification_configuration(
            Bucket=self.name, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

    def put(self, key: str, body: bytes = b"body") -> Any:
        return self.s3.put_object(Bucket=self.name, Key=key, Body=body)

    def heard(self, count: int) -> list[dict[str, Any]]:
        """Return what the function heard, once that is so much."""

        def lines() -> list[str]:
            return self._heard.read_text().splitlines() if self._heard.exists() else []

        until(lambda: len(lines()) >= count, f"{count} events heard")
        return [json.loads(line) for line in lines()]

    def buried(self) -> dict[str, Any]:
        """Return the message in the queue, once there is one."""
        found: list[Any] = []

        def received() -> list[Any]:
            answer = self.sqs.receive_message(QueueUrl=self.queue, MessageAttributeNames=["All"])
            found.extend(answer.get("Messages", []))
            return found

        until(received, "a message in the queue")
        (message,) = found
        return message


def keys(events: list[dict[str, Any]]) -> list[str]:
    return sorted(event["detail"]["object"]["key"] for event in events)


def test_an_upload_is_heard_of_as_s3_tells_it(endpoint, tmp_path):
    circle = Circle(endpoint, tmp_path)
    circle.s3.put_bucket_versioning(Bucket=circle.name, VersioningConfiguration={"Status": "Enabled"})

    put = circle.put("incoming/a b+ü.jpg")

    (event,) = circle.heard(1)
    assert event.keys() == {
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "detail"
    }  # fmt: skip
    assert event["time"].endswith("Z")
    assert event["resources"] == [f"arn:aws:s3:::{circle.name}"]
    assert event["detail"]["bucket"] == {"name": circle.name}
    assert event["detail"]["reason"] == "PutObject"
    sequencer = event["detail"]["object"].pop("sequencer")
    assert len(sequencer) == 18
    assert event["detail"]["object"] == {
        "key": "incoming/a b+ü.jpg",
        "size": 4,
        "etag": put["ETag"].strip('"'),
        "version-id": put["VersionId"],
    }


def test_only_what_the_pattern_lets_through_is_heard(endpoint, tmp_path):
    circle = Circle(endpoint, tmp_path)
    for key in ("incoming/a", "processed/a", "incoming/b", "a", "failed/incoming/a"):
        circle.put(key)
    circle.s3.delete_object(Bucket=circle.name, Key="incoming/a")
    circle.put("incoming/last")

    assert keys(circle.heard(3)) == ["incoming/a", "incoming/b", "incoming/last"]


def test_copies_and_multipart_uploads_are_uploads_each_once(endpoint, tmp_path):
    circle = Circle(endpoint, tmp_path)
    circle.put("elsewhere", b"x" * 10)
    circle.s3.copy_object(Bucket=circle.name, Key="incoming/copied", CopySource=f"{circle.name}/elsewhere")
    target = {"Bucket": circle.name, "Key": "incoming/parts"}
    upload = circle.s3.create_multipart_upload(**target)["UploadId"]
    part = circle.s3.upload_part(**target, UploadId=upload, PartNumber=1, Body=b"y")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    circle.s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload=parts)
    circle.put("incoming/last")

    told = {
        event["detail"]["object"]["key"]: (event["detail"]["reason"], event["detail"]["object"].get("version-id"))
        for event in circle.heard(3)
    }
    assert len(circle.heard(3)) == 3
    assert told == {
        "incoming/copied": ("CopyObject", None),
        "incoming/parts": ("CompleteMultipartUpload", None),
        "incoming/last": ("PutObject", None),
    }


def test_a_bucket_that_tells_nobody_is_not_heard_of(endpoint, tmp_path):
    circle = Circle(endpoint, tmp_path)
    circle.s3.put_bucket_notification_configuration(Bucket=circle.name, NotificationConfiguration={})
    circle.put("incoming/unheard")
    circle.tell()
    circle.put("incoming/heard")

    assert keys(circle.heard(1)) == ["incoming/heard"]


def test_a_disabled_rule_lets_nothing_through(endpoint, tmp_path):
    circle = Circle(endpoint, tmp_path)
    circle.events.disable_rule(Name=circle.name)
    circle.put("incoming/unheard")
    circle.events.enable_rule(Name=circle.name)
    circle.put("incoming/heard")

    assert keys(circle.heard(1)) == ["incoming/heard"]


def test_events_of_applications_are_delivered_too_and_transformed(endpoint, tmp_path):
    transformer = {"InputPathsMap": {"state": "$.detail.state"}, "InputTemplate": '{"is": <state>}'}
    circle = Circle(endpoint, tmp_path)
    circle.rule({"source": [circle.name], "detail": {"state": [{"anything-but": "RUNNING"}]}})

    entries = [
        {"Source": circle.name, "DetailType": "Told", "Detail": json.dumps({"state": state})}
        for state in ("RUNNING", "FAILED")
    ]
    assert circle.events.put_events(Entries=entries)["FailedEntryCount"] == 0
    (first,) = circle.heard(1)
    circle.rule({"source": [circle.name]}, InputTransformer=transformer)
    circle.events.put_events(Entries=entries[:1])

    second = circle.heard(2)[1]
    assert first["detail"] == {"state": "FAILED"}
    assert (first["source"], first["detail-type"], first["account"]) == (circle.name, "Told", "123456789012")
    assert second == {"is": "RUNNING"}


def test_a_pattern_that_is_wrong_is_refused_when_the_rule_is_put(endpoint):
    with pytest.raises(ClientError, match=r"InvalidEventPatternException.*must be numeric"):
        endpoint.client("events").put_rule(Name="r", EventPattern='{"size": [{"numeric": [">=", "0"]}]}')


def test_an_event_for_a_function_that_is_gone_goes_into_the_dead_letter_queue(endpoint, tmp_path):
    circle = Circle(endpoint, tmp_path)
    circle.rule(
        {"detail": {"bucket": {"name": [circle.name]}}},
        Arn=circle.arn + "-gone",
        DeadLetterConfig={"Arn": circle.queue_arn},
    )

    circle.put("incoming/a")

    message = circle.buried()
    assert json.loads(message["Body"])["detail"]["object"]["key"] == "incoming/a"
    assert {name: value["StringValue"] for name, value in message["MessageAttributes"].items()} == {
        "RULE_ARN": f"arn:aws:events:us-east-1:123456789012:rule/{circle.name}",
        "TARGET_ARN": circle.arn + "-gone",
        "ERROR_CODE": "ResourceNotFoundException",
        "ERROR_MESSAGE": f"Function not found: {circle.arn}-gone",
    }


def test_a_function_that_fails_is_asked_again_and_then_its_queue_is_told(endpoint, tmp_path):
    circle = Circle(endpoint, tmp_path, fails=True)
    endpoint.functions.configure_later(circle.name, EventInvokeConfig(retries=1, on_failure=circle.queue_arn))

    circle.put("incoming/a")

    record = json.loads(circle.buried()["Body"])
    assert keys(circle.heard(2)) == ["incoming/a"] * 2
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["requestContext"]["functionArn"] == f"{circle.arn}:$LATEST"
    assert record["requestPayload"]["detail"]["object"]["key"] == "incoming/a"
    assert record["responseContext"]["functionError"] == "Unhandled"
    assert record["responsePayload"]["errorMessage"] == "no"


def test_queues_stay_targets_of_rules(endpoint, tmp_path):
    circle = Circle(endpoint, tmp_path)
    circle.rule({"detail": {"bucket": {"name": [circle.name]}}}, Arn=circle.queue_arn)

    circle.put("incoming/a")

    assert json.loads(circle.buried()["Body"])["detail"]["object"]["key"] == "incoming/a"


def test_a_target_that_nothing_here_delivers_to_harms_nobody(endpoint, tmp_path):
    circle = Circle(endpoint, tmp_path)
    topic = {"Id": "topic", "Arn": "arn:aws:sns:us-east-1:123456789012:team"}
    circle.events.put_targets(Rule=circle.name, Targets=[topic])

    circle.put("incoming/a")

    assert keys(circle.heard(1)) == ["incoming/a"]


TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  MinBytes: {Type: Number, Default: 2}
Resources:
  Dead:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "${AWS::StackName}-dead"}
  Input:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub ${AWS::StackName}-input
      NotificationConfiguration: {EventBridgeConfiguration: {EventBridgeEnabled: true}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: PATTERN
      Targets: [{Id: hear, Arn: !GetAtt Hear.Arn, DeadLetterConfig: {Arn: !GetAtt Dead.Arn}}]
  Hear:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: hear/
      Handler: index.handler
      Runtime: python3.13
      EventInvokeConfig:
        MaximumRetryAttempts: 0
        DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}}
"""
AS_TEXT = """!Sub '{"detail": {"object": {"size": [{"numeric": [">=", ${MinBytes}]}]}}}'"""
AS_OBJECT = """{detail: {object: {size: [{numeric: [">=", !Ref MinBytes]}]}}}"""


def project(folder: Path, pattern: str) -> Path:
    (folder / "hear").mkdir()
    (folder / "hear/index.py").write_text("def handler(event, context): raise ValueError(event['detail']['object'])")
    (folder / "template.yaml").write_text(TEMPLATE.replace("PATTERN", pattern))
    return folder / "template.yaml"


def test_a_stack_has_its_rules_queues_and_what_becomes_of_failed_events(endpoint, tmp_path):
    name = f"s-{uuid.uuid4()}"
    template = project(tmp_path, AS_TEXT)
    deploy(endpoint, template, stack_name=name)
    deploy(endpoint, template, stack_name=name)  # again, which changes nothing

    s3, sqs = endpoint.client("s3"), endpoint.client("sqs")
    s3.put_object(Bucket=f"{name}-input", Key="small", Body=b"1")
    s3.put_object(Bucket=f"{name}-input", Key="large", Body=b"12")

    queue = sqs.get_queue_url(QueueName=f"{name}-dead")["QueueUrl"]
    found: list[Any] = []
    until(lambda: found.extend(sqs.receive_message(QueueUrl=queue).get("Messages", [])) or found, "a message")
    assert [json.loads(each["Body"])["requestPayload"]["detail"]["object"]["key"] for each in found] == ["large"]
    assert json.loads(found[0]["Body"])["requestContext"]["approximateInvokeCount"] == 1


def test_a_parameter_is_no_number_in_a_pattern_that_is_an_object(endpoint, tmp_path):
    """CloudFormation makes a text of every parameter, and EventBridge refuses to compare with one."""
    with pytest.raises(StackError, match=r"Rule: .*must be numeric"):
        deploy(endpoint, project(tmp_path, AS_OBJECT), stack_name=f"s-{uuid.uuid4()}")
