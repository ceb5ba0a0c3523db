"""The template obeys the rules, each rule notices when one is broken, and the tools of AWS agree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.template import access
from tests.template.application import ROOT, application, template
from tests.template.rules import RULES, findings
from tests.workflows.breaking import add, drop, put, swap

LABELS = ("Prefix", "Csv", "Jsonl")
RESOURCES = template()["Resources"]


def own_statements(role):
    """Return the statements of a role's own policy."""
    (policy,) = RESOURCES[role]["Properties"]["Policies"]
    return policy["PolicyDocument"]["Statement"]


# Policies and statements are found by name, so that the tables below say what is taken away.
MACHINE = "Resources/ProcessStateMachine/Properties"
STATEMENTS = "Resources/ProcessStateMachineRole/Properties/Policies/0/PolicyDocument/Statement"
SID = {
    statement["Sid"]: f"{STATEMENTS}/{index}"
    for index, statement in enumerate(own_statements("ProcessStateMachineRole"))
}
DRAIN_SID = {
    statement["Sid"]: f"Resources/DrainStateMachineRole/Properties/Policies/0/PolicyDocument/Statement/{index}"
    for index, statement in enumerate(own_statements("DrainStateMachineRole"))
}
TIMER_TRUST = "Resources/DrainTimerRole/Properties/AssumeRolePolicyDocument/Statement/0"
STATES = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"
RESIZE = "Resources/ImageResizeFunction"
INPUT = "Resources/InputBucket/Properties"
RECORDS = "Resources/RecordsTable/Properties/TableInput/Parameters"
WORKGROUP = "Resources/Analysts/Properties/WorkGroupConfiguration"


BROKEN = [
    # the map's children
    (drop(SID["StartChildren"]), [
        f"ProcessStateMachine may not states:StartExecution on {STATES}:stateMachine:${{AWS::StackName}}-process",
    ]),
    (put(f"{SID['FollowChildren']}/Action", "states:DescribeExecution"), [
        f"ProcessStateMachine may not states:StopExecution on {STATES}:{execution}"
        for execution in (
            "execution:${AWS::StackName}-process:run",
            *[f"{kind}:${{AWS::StackName}}-process/{label}:{child}"
              for label in LABELS
              for kind, child in (("execution", "child"), ("express", "child:id"))],
        )
    ]),
    (drop(f"{SID['FollowChildren']}/Resource/2"), [
        f"ProcessStateMachine may not {action} on {STATES}:express:${{AWS::StackName}}-process/{label}:child:id"
        for label in LABELS
        for action in ("states:DescribeExecution", "states:StopExecution")
    ]),
    (drop(SID["RedriveChildren"]), [
        f"ProcessStateMachine may not states:RedriveExecution on "
        f"{STATES}:execution:${{AWS::StackName}}-process/{label}:child"
        for label in LABELS
    ]),
    (put(f"{SID['WriteResults']}/Action", ["s3:PutObject", "s3:GetObject", "s3:AbortMultipartUpload"]), [
        "ProcessStateMachine may not s3:ListMultipartUploadParts on "
        "${OutputBucket.Arn}/runs/run/results/id/manifest.json",
    ]),
    # what the machine and its functions call
    (drop(f"{SID['CallFunctions']}/Resource/1"), [
        "ProcessStateMachine may not lambda:InvokeFunction on ${SummarizeFunction.Arn}",
    ]),
    (drop(SID["AnnounceRuns"]), [
        "ProcessStateMachine may not events:PutEvents on "
        "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default",
    ]),
    (swap("mapRun:${AWS::StackName}-process/*:*", "mapRun:${AWS::StackName}-process:*"), [
        f"SummarizeFunction may not states:DescribeMapRun on {STATES}:mapRun:${{AWS::StackName}}-process/{label}:id"
        for label in LABELS
    ]),
    # nothing without bounds
    (put(f"{SID['WriteResults']}/Action/0", "s3:Put*"), [
        "ProcessStateMachineRole: s3:Put* is more than one action",
        "ProcessStateMachine may not s3:PutObject on ${OutputBucket.Arn}/runs/run/results/id/manifest.json",
    ]),
    (put(f"{SID['StartChildren']}/Resource", "*"), [
        "ProcessStateMachineRole: states:StartExecution on every resource",
    ]),
    (add("Resources/ReadSources/Properties/PolicyDocument/Statement",
         {"Fn::If": ["HasSourceBuckets",
                     {"Effect": "Allow", "Action": "s3:GetObjectVersion", "Resource": "arn:aws:s3:::*"},
                     {"Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": {"Ref": "SourceBucketArns"}}]}), [
        "ReadSources: s3:GetObjectVersion on every resource",
        "ReadSources: NotAction grants what nobody listed",
    ]),
    (add(f"{RESIZE}Role/Properties/ManagedPolicyArns", "arn:aws:iam::aws:policy/AmazonS3FullAccess"), [
        "ImageResizeFunctionRole: arn:aws:iam::aws:policy/AmazonS3FullAccess is not a policy of ours",
    ]),
    # functions
    (put(f"{RESIZE}/Properties/Runtime", "python3.12"), ["ImageResizeFunction: not python3.13 on arm64"]),
    (put(f"{RESIZE}/Properties/Architectures", ["x86_64"]), ["ImageResizeFunction: not python3.13 on arm64"]),
    (put(f"{RESIZE}/Properties/Tracing", "PassThrough"), ["ImageResizeFunction: Tracing is not Active"]),
    (put(f"{RESIZE}/Properties/Timeout", 300), ["ImageResizeFunction: Timeout is over 299 seconds"]),
    (put("Resources/PrepareFunction/Properties/Timeout", 901), ["PrepareFunction: Timeout is over 900 seconds"]),
    (swap('"Layers": [{"Ref": "ItemkitLayer"}]', '"Layers": ["arn:aws:lambda:us-east-1:1:layer:other:1"]'), [
        f"{name}: no layer, so no itemkit" for name, each in RESOURCES.items() if each["Type"].endswith("::Function")
    ]),
    (put(f"{RESIZE}/Properties/FunctionName", {"Fn::Sub": "${AWS::StackName}-image-resize"}), [
        "ImageResizeFunction: FunctionName is not ${AWS::StackName}-op-image-resize",
        "ImageResizeFunction: ImageResizeLogs is not named /aws/lambda/ and the function's name",
    ]),
    (put(f"{RESIZE}/Properties/CodeUri", "functions/image_crop/"), [
        "ImageResizeFunction: there is no functions/image_crop/",
        "ImageResizeFunction: FunctionName is not ${AWS::StackName}-image-crop",
        "ImageResizeFunction: Handler is not functions.image_crop.handler.handler",
        "ImageResizeFunction: Metadata.BuildProperties does not keep the package functions",
        "functions/image_resize/ has no entry",
    ]),
    (put(f"{RESIZE}Again", {**RESOURCES["ImageResizeFunction"]}), [
        "ImageResizeFunctionAgain: functions/image_resize/ has another entry",
    ]),
    (put(f"{RESIZE}/Properties/Handler", "handler.handler"), [
        "ImageResizeFunction: Handler is not functions.image_resize.handler.handler",
        "ImageResizeFunction: there is no handler.handler",
    ]),
    (put(f"{RESIZE}/Properties/Handler", "functions.image_resize.handler.handle"), [
        "ImageResizeFunction: Handler is not functions.image_resize.handler.handler",
        "ImageResizeFunction: there is no functions.image_resize.handler.handle",
    ]),
    (put(f"{RESIZE}/Metadata", {"ParentPackageMode": "auto"}), [
        "ImageResizeFunction: Metadata.BuildProperties does not keep the package functions",
    ]),
    # logs
    (drop("Resources/ImageResizeLogs/Properties/RetentionInDays"), [
        "ImageResizeLogs: no RetentionInDays",
        "ImageResizeFunction: no log group with RetentionInDays",
    ]),
    (drop(f"{RESIZE}/Properties/LoggingConfig"), ["ImageResizeFunction: no log group with RetentionInDays"]),
    (drop("Resources/ProcessLogs/Properties/RetentionInDays"), [
        "ProcessLogs: no RetentionInDays",
        "ProcessStateMachine: ProcessLogs is kept for ever",
    ]),
    # the machine
    (put(f"{MACHINE}/Logging/Level", "OFF"), ["ProcessStateMachine: nothing is logged"]),
    (drop(f"{MACHINE}/Tracing"), ["ProcessStateMachine: Tracing is not enabled"]),
    # the drain
    (drop(DRAIN_SID["StartRuns"]), ["DrainStateMachine may not states:StartExecution on ${ProcessStateMachine}"]),
    (put(f"{DRAIN_SID['FollowRuns']}/Action", "states:DescribeExecution"), [
        f"DrainStateMachine may not states:StopExecution on {STATES}:execution:${{AWS::StackName}}-process:run",
    ]),
    (put(f"{DRAIN_SID['HearOfRuns']}/Action", ["events:PutTargets", "events:DescribeRule"]), [
        "DrainStateMachine may not events:PutRule on arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:"
        "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule",
    ]),
    (drop(f"{DRAIN_SID['CallFunctions']}/Resource/1"), [
        "DrainStateMachine may not lambda:InvokeFunction on ${SettleFunction.Arn}",
    ]),
    (drop("Resources/DrainTimer/Condition"), ["DrainTimer: not off by default"]),
    (put("Resources/DrainTimer/Properties/FlexibleTimeWindow/Mode", "FLEXIBLE"), ["DrainTimer: starts at some time"]),
    (drop("Resources/DrainTimer/Properties/ScheduleExpressionTimezone"), ["DrainTimer: names no time zone"]),
    (put(f"{TIMER_TRUST}/Principal/Service", "states.amazonaws.com"), [
        "DrainTimer: DrainTimerRole is not EventBridge Scheduler's alone",
    ]),
    (drop(f"{TIMER_TRUST}/Condition/StringEquals/aws:SourceArn"), [
        "DrainTimer: DrainTimerRole may be used for schedules of others",
    ]),
    (put("Resources/DrainTimerRole/Properties/Policies/0/PolicyDocument/Statement/0/Resource",
         {"Ref": "ProcessStateMachine"}), [
        "DrainTimer: DrainTimerRole may not start the target, or may more than that",
    ]),
    # what watches
    (drop("Resources/BacklogStays/Properties/TreatMissingData"), ["BacklogStays: missing data is left open"]),
    (drop("Resources/BacklogGrows/Properties/AlarmActions/0"), ["BacklogGrows: RunsTopic is not told"]),
    (put("Resources/RunFailed/Properties/AlarmName", "run-failed"), [
        "RunFailed: its name is not the stack's, so the topic's policy keeps it out",
    ]),
    (put("Resources/RunFailed/Properties/AlarmDescription", "A run failed."), [
        "RunFailed: its description leads to no place of the runbook",
    ]),
    (swap("${RunbookUrl}#run-failed", "${RunbookUrl}#a-run-failed"), [
        "RunFailed: the runbook has no heading a-run-failed",
    ]),
    (put("Resources/RunUnreconciled/Properties/MetricName", "RunsUnreconcilable"), [
        "RunUnreconciled: nobody publishes RunsUnreconcilable",
    ]),
    (put("Resources/RunUnreconciled/Properties/Dimensions", [{"Name": "operation", "Value": "image-resize"}]), [
        "RunUnreconciled: RunsUnreconciled is published by the stack alone",
    ]),
    (put("Resources/ItemsFail/Properties/Metrics/0/Expression", "100 * missing / listed"), [
        "ItemsFail: there is no metric missing",
    ]),
    (swap('\\"BacklogItems\\"', '\\"Backlog\\"'), [
        "Dashboard: does not show BacklogItems, of backlog",
        "Dashboard: shows Backlog, which nobody publishes",
    ]),
    (swap(', \\"${Throttling.Arn}\\"', ""), ["Dashboard: does not show the alarm fanfold-throttling"]),
    (swap('\\"ConcurrentExecutions\\"', '\\"Invocations\\"'), [
        "Dashboard: does not show ConcurrentExecutions, of concurrency",
    ]),
    (swap('\\"x\\": 8, \\"y\\": 3', '\\"x\\": 7, \\"y\\": 3'), ["Dashboard: widgets lie upon each other, or outside"]),
    (put("Resources/Dashboard/Properties/DashboardBody", "{"), [
        "Dashboard: its body is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    ]),
    (drop("Resources/Dashboard"), ["there is no dashboard"]),
    (put("Resources/Crashes/Properties/Name", "crashes"), ["Crashes: not in a folder of the stack"]),
    (drop("Resources/Crashes/Properties/LogGroupNames"), ["Crashes: of no log group"]),
    # what analysts get
    (drop(f"{RECORDS}/projection.run.type"), ["RecordsTable: nothing is said of the values of run"]),
    (put(f"{RECORDS}/projection.enabled", "false"), ["RecordsTable: its partitions are not projected"]),
    (put(f"{RECORDS}/storage.location.template", {"Fn::Sub": "s3://${InputBucket}/runs/${!run}"}), [
        "RecordsTable: run is not in the location of a partition",
        "RecordsTable: its partitions are no folders of the output bucket",
    ]),
    (drop(f"{WORKGROUP}/EnforceWorkGroupConfiguration"), ["Analysts: a client may choose other settings"]),
    (drop(f"{WORKGROUP}/BytesScannedCutoffPerQuery"), ["Analysts: a query may read any amount"]),
    (put(f"{WORKGROUP}/EngineVersion/SelectedEngineVersion", "AUTO"), ["Analysts: not engine version 3"]),
    (drop(f"{WORKGROUP}/ResultConfiguration/EncryptionConfiguration"), ["Analysts: results are not encrypted"]),
    (put(f"{WORKGROUP}/ResultConfiguration/OutputLocation", "s3://elsewhere/"), [
        "Analysts: results do not lie below athena/",
    ]),
    (drop("Resources/BytesSaved/Properties/WorkGroup"), [
        "BytesSaved: not in the workgroup and the database of the stack",
    ]),
    (put("Resources/BytesSaved/Properties/QueryString", "SELECT * FROM records"), ["BytesSaved: names no run"]),
    # buckets
    (drop(f"{INPUT}/VersioningConfiguration"), ["InputBucket: not versioned"]),
    (drop(f"{INPUT}/BucketEncryption"), ["InputBucket: not encrypted"]),
    (put(f"{INPUT}/PublicAccessBlockConfiguration/BlockPublicPolicy", False), [
        "InputBucket: BlockPublicPolicy is not set",
    ]),
    (drop("Resources/InputBucketPolicy"), ["InputBucket: no policy that denies plain HTTP"]),
    (drop("Resources/InputBucketPolicy/Properties/PolicyDocument/Statement/0/Resource/1"), [
        "InputBucket: no policy that denies plain HTTP",
    ]),
]  # fmt: skip


def test_the_shipped_template_has_no_findings():
    assert findings(application(template())) == []


@pytest.mark.parametrize(("broken", "expected"), BROKEN, ids=[expected[0] for _, expected in BROKEN])
def test_a_broken_template_is_found_out(broken, expected):
    shipped = findings(application(template()))

    assert [each for each in findings(application(broken(template()))) if each not in shipped] == expected


def test_every_rule_finds_something_somewhere():
    broken = [application(each(template())) for each, _ in BROKEN]

    assert [rule.__name__ for rule in RULES if not any(rule(app) for app in broken)] == []


def test_cfn_lint_finds_nothing_in_the_expanded_template():
    assert access.linted(application(template())) == []


@pytest.mark.parametrize("reference", [{"Ref": "ProcessStateMachine"}, {"Fn::GetAtt": ["ProcessStateMachine", "Arn"]}])
def test_a_machine_that_names_itself_in_its_own_policy_is_a_circle(reference):
    circular = put(f"{SID['StartChildren']}/Resource", reference)(template())

    assert sorted(access.linted(application(circular))) == [
        ("E3004", "ProcessStateMachine"),
        ("E3004", "ProcessStateMachineRole"),
    ]


def test_sam_validates_the_template():
    sam = Path(sys.executable).parent / "sam"
    settings = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1"}

    done = subprocess.run(
        [sam, "validate", "--lint"], cwd=ROOT, env=settings, capture_output=True, text=True, timeout=120, check=False
    )

    assert (done.returncode, done.stdout.strip()) == (0, f"{ROOT / 'template.yaml'} is a valid SAM Template")
