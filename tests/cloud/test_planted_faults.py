"""A template or a workflow with one fault in it is rejected, by the rule that is there for it; ours is not."""

from __future__ import annotations

import pytest

from tests.cloud import lint, tools
from tests.cloud.stack import Candidate
from tests.workflows.breaking import add, drop, put, swap

pytestmark = pytest.mark.cloud

OURS = Candidate.read()
PROCESS, DRAIN = "workflows/process.asl.json", "workflows/drain.asl.json"


def at(sid, node=OURS.source, path=""):
    """Find the path of the statement with a Sid, wherever it stands; the first one."""
    if isinstance(node, dict) and node.get("Sid") == sid:
        return path
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    paths = (at(sid, value, f"{path}/{key}".lstrip("/")) for key, value in inner)
    return next(filter(None, paths), "")


def template(change):
    return OURS.with_template(change)


def process(change):
    return OURS.with_definition(PROCESS, change)


START, RESULTS = at("StartChildren"), at("WriteResults")
PICTURES = "Resources/ImageResizeFunction/Properties"
MAP = "States/Process prefix"
# What is broken, the rule that finds it, and what it says.
FAULTS = {
    "an option that no judged stack is given": (
        template(put("Conditions/LinksRunbook", {"Fn::Equals": [{"Ref": "RunbookUrl"}, ""]})),
        "options", "LinksRunbook"),
    "a machine that names itself in its own policy": (
        template(put(f"{START}/Resource", {"Ref": "ProcessStateMachine"})), "circular", "ProcessStateMachineRole"),
    "a machine that may not start its children": (
        template(drop(START)), "template", "ProcessStateMachine may not states:StartExecution"),
    "a machine that may not write results": (
        template(put(f"{RESULTS}/Action", "s3:GetObject")), "template", "may not s3:PutObject"),
    "a function without the grant for a call": (
        template(swap('"glue:UpdateTable"', '"glue:GetTable"')), "calls-granted", "publish calls glue:UpdateTable"),
    "a grant on another prefix than the code writes to": (
        template(swap("/drain/*", "/drains/*")), "calls-granted", "drain/lease.json"),
    "an operation with the role of another": (
        template(put(f"{PICTURES}/Role", {"Fn::GetAtt": ["BacklogFunctionRole", "Arn"]})),
        "calls-granted", "op-image-resize calls s3:PutObject"),
    "a grant that nothing uses": (
        template(put(f"{RESULTS}/Action/0", "s3:DeleteObject")), "grants-used", "nothing uses s3:DeleteObject"),
    "a grant on everything": (
        template(put(f"{START}/Resource", "*")), "template", "states:StartExecution on every resource"),
    "a grant on all names": (
        template(swap(":stateMachine:${AWS::StackName}-process", ":stateMachine:*")), "wildcards", ":stateMachine:*"),
    "all actions of a service": (
        template(put(f"{RESULTS}/Action/0", "s3:*")), "template", "s3:* is more than one action"),
    "a key that nobody may use": (
        template(swap('"kms:GenerateDataKey"', '"kms:DescribeKey"')), "keys", "no kms:GenerateDataKey"),
    "a key that nobody may read with": (
        template(swap('"kms:Decrypt"', '"kms:DescribeKey"')), "keys", "no kms:Decrypt"),
    "a statement without a resource": (
        template(put(f"{START}/Resource", "")), "arns", "states:StartExecution names the resource ''"),
    "a bucket anybody may read": (
        template(put("Resources/InputBucket/Properties/PublicAccessBlockConfiguration/BlockPublicPolicy", False)),
        "template", "BlockPublicPolicy is not set"),
    "a function that is not traced": (
        template(put(f"{PICTURES}/Tracing", "PassThrough")), "template", "Tracing is not Active"),
    "logs that are kept for ever": (
        template(drop("Resources/PrepareLogs/Properties/RetentionInDays")), "template", "PrepareLogs"),
    "an unknown property": (
        template(put("Resources/PrepareLogs/Properties/RetentionDays", 3)), "cfn-lint", "RetentionDays"),
    "a runtime that Lambda has not": (
        template(put(f"{PICTURES}/Runtime", "python3.99")), "cfn-lint", "python3.99"),
    "a bucket that encrypts nothing and keeps no versions": (
        template(drop("Resources/InputBucket/Properties/VersioningConfiguration")), "checkov", "CKV_AWS_21"),
    "a policy that lets anybody send": (
        template(add("Resources/UndeliveredUploadsPolicy/Properties/PolicyDocument/Statement",
                     {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"})),
        "principals", "lets anybody in"),
    "a way to a state that is not there": (
        process(put("States/Prepare/Next", "Chek")), "asl-validator", "ProcessStateMachine"),
    "a type of state that there is not": (
        process(put("States/Done/Type", "Success")), "cfn-lint", "E3601"),
    "an unknown field": (
        process(put(f"{MAP}/ItemBatcher/MaxItemsPerBach", 3)), "workflows", "MaxItemsPerBach"),
    "a placeholder that nothing fills": (
        process(swap("${PublishFunctionArn}", "${PublisherArn}")), "workflows", "${PublisherArn}"),
    "a label that AWS refuses": (
        process(put(f"{MAP}/Label", "P" * 41)), "workflows", "longer than 40"),
    "an expression that does not compile": (
        process(swap("{% $plan.max_items %}", "{% $plan.( %}")), "workflows", "$plan.("),
    "a variable that nobody assigned": (
        OURS.with_definition(DRAIN, swap("$turn.run", "$turns.run")), "workflows", "turns"),
    "a call that is not tried again": (
        process(drop("States/Summarize/Retry")), "workflows", "Summarize"),
}  # fmt: skip


def test_ours_is_accepted():
    asked = {name: rule for name, rule in lint.RULES.items() if name not in ("checkov", "asl-validator")}

    assert {name: rule(OURS) for name, rule in asked.items()} == {name: [] for name in asked}


@pytest.mark.parametrize("fault", [name for name, (_, rule, _) in FAULTS.items() if rule != "checkov"])
def test_a_fault_is_rejected(fault):
    candidate, rule, told = FAULTS[fault]
    try:
        found = lint.RULES[rule](candidate)
    except tools.Missing as reason:
        pytest.skip(f"SKIPPED: {reason}")

    assert [finding for finding in found if told in finding], found


def test_checkov_accepts_ours_and_rejects_the_others():
    broken = {fault: each for fault, each in FAULTS.items() if each[1] == "checkov"}
    try:
        ours, *others = tools.checkov_of([OURS, *(candidate for candidate, _, _ in broken.values())])
    except tools.Missing as reason:
        pytest.skip(f"SKIPPED: {reason}")

    assert ours == []
    for (fault, (_, _, told)), found in zip(broken.items(), others, strict=True):
        assert [finding for finding in found if told in finding], fault


def test_the_command_fails_on_a_fault(tmp_path, capsys):
    (tmp_path / "workflows").mkdir()
    for uri in (PROCESS, DRAIN):
        (tmp_path / uri).write_text((lint.ROOT / uri).read_text())
    text = (lint.ROOT / "template.yaml").read_text()
    (tmp_path / "template.yaml").write_text(text.replace("RetentionInDays: !Ref LogRetentionDays", "", 1))

    assert lint.main(["--unbuilt", "--template", str(tmp_path / "template.yaml")]) == 1
    assert "no RetentionInDays" in capsys.readouterr().out
