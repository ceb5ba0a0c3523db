"""Rules about who may do what: nothing without bounds, and everything that a run needs."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator

from tests.template.application import ROOT, Application, Json, listed, text

# Actions that know no resource, each with what it is for.
EVERYWHERE = {
    "cloudwatch:PutMetricData": "a condition holds Backlog to the namespace Fanfold",
    **dict.fromkeys(
        (
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:UnassignPrivateIpAddresses",
        ),
        "Lambda asks for them on everything when a function is in a VPC",
    ),
    "lambda:ListFunctions": "Prepare names the operations there are when a job names another",
    "logs:CreateLogDelivery": "the machine's log group, see AWS::StepFunctions logging",
    "logs:GetLogDelivery": "same",
    "logs:UpdateLogDelivery": "same",
    "logs:DeleteLogDelivery": "same",
    "logs:ListLogDeliveries": "same",
    "logs:PutResourcePolicy": "same",
    "logs:DescribeResourcePolicies": "same",
    "logs:DescribeLogGroups": "same",
    "xray:GetSamplingRules": "Tracing",
    "xray:GetSamplingTargets": "same",
    "xray:PutTelemetryRecords": "same",
    "xray:PutTraceSegments": "same",
}
_ARN = "arn:${AWS::Partition}:%s:${AWS::Region}:${AWS::AccountId}:"
_BOUNDLESS = re.compile(r"\*|arn(:[^:]*){4}:\*")


def boundless(app: Application) -> list[str]:
    """Find grants of whole families of actions, of everything there is, or of all but something."""
    return [
        f"{owner}: {fault}"
        for owner, statement in statements(app)
        if statement["Effect"] == "Allow"
        for fault in _excesses(statement)
    ]


def _excesses(statement: Json) -> Iterator[str]:
    actions = listed(statement.get("Action", []))
    yield from (f"{field} grants what nobody listed" for field in ("NotAction", "NotResource") if field in statement)
    yield from (f"{action} is more than one action" for action in actions if "*" in action)
    if any(_BOUNDLESS.fullmatch(text(resource)) for resource in listed(statement.get("Resource", []))):
        yield from (f"{action} on every resource" for action in actions if action not in EVERYWHERE)


def managed(app: Application) -> list[str]:
    """Find policies of AWS, SAM's own among them: most of them grant more than their name says."""
    return [
        f"{role}: {policy} is not a policy of ours"
        for role, properties in app.properties("AWS::IAM::Role")
        for policy in properties.get("ManagedPolicyArns", [])
        if isinstance(policy, str)
    ]


def grants(app: Application) -> list[str]:
    """Find what a run needs and a role does not have."""
    return [
        f"{owner} may not {action} on {resource}"
        for owner, action, resource in dict.fromkeys(needs(app))
        if not any(fnmatch.fnmatchcase(resource, granted) for granted in _granted(app, role_of(app, owner), action))
    ]


def needs(app: Application) -> Iterator[tuple[str, str, str]]:
    """Yield owner, action and resource of what the workflows do, and what they have done."""
    for machine, resource in app.written("AWS::Serverless::StateMachine"):
        properties = resource["Properties"]
        name = text(properties["Name"])
        definition = (ROOT / properties["DefinitionUri"]).read_text()
        for label in re.findall(r'"Label": "(.*?)"', definition):
            yield from ((machine, *need) for need in _needs_of_a_map(name, label))
            yield "SummarizeFunction", "states:DescribeMapRun", f"{_ARN % 'states'}mapRun:{name}/{label}:id"
        if ":events:putEvents" in definition:
            yield machine, "events:PutEvents", f"{_ARN % 'events'}event-bus/default"
        for value in properties["DefinitionSubstitutions"].values():
            if text(value).endswith("Function.Arn}"):
                yield machine, "lambda:InvokeFunction", text(value)
        yield from ((machine, *need) for need in _needs_of_waiting(app, properties, definition))
        if '"ItemProcessor"' in definition:
            yield from _needs_of_operations(app, machine)
            yield "SummarizeFunction", "states:ListMapRuns", f"{_ARN % 'states'}execution:{name}:run"


def _needs_of_operations(app: Application, machine: str) -> Iterator[tuple[str, str, str]]:
    for folder in sorted(app.operations):
        function = f"{_ARN % 'lambda'}function:${{AWS::StackName}}-op-{folder.replace('_', '-')}"
        yield machine, "lambda:InvokeFunction", function
        yield "PrepareFunction", "lambda:GetFunctionConfiguration", function


def _needs_of_waiting(app: Application, properties: Json, definition: str) -> Iterator[tuple[str, str]]:
    """A Task that waits for another machine follows it, and hears of its end by a rule of Step Functions' own."""
    if ":states:startExecution.sync" not in definition:
        return
    # By way of an alias, too, it is the machine itself that has to be granted.
    known = {name for name, _ in app.written("AWS::Serverless::StateMachine")}
    named = re.findall(r'"Ref": "(\w+)"', json.dumps(properties["DefinitionSubstitutions"]))
    others = [name for name in named if name in known]
    for other in others:
        yield "states:StartExecution", f"${{{other}}}"
        name = text(app.property_of(other, "StateMachineName"))
        for action in ("states:DescribeExecution", "states:StopExecution"):
            yield action, f"{_ARN % 'states'}execution:{name}:run"
    for action in ("events:PutTargets", "events:PutRule", "events:DescribeRule"):
        yield action, f"{_ARN % 'events'}rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"


def _needs_of_a_map(name: str, label: str) -> Iterator[tuple[str, str]]:
    """A Distributed Map runs its children as executions of its own machine, named by the label."""
    states = _ARN % "states"
    yield "states:StartExecution", f"{states}stateMachine:{name}"
    yield "states:RedriveExecution", f"{states}execution:{name}/{label}:child"
    for action in ("states:DescribeExecution", "states:StopExecution"):
        yield action, f"{states}execution:{name}:run"
        yield action, f"{states}execution:{name}/{label}:child"
        yield action, f"{states}express:{name}/{label}:child:id"
    yield "s3:ListBucket", "${InputBucket.Arn}"
    yield "s3:GetObject", "${InputBucket.Arn}/photos/a.jpg"
    for action in ("PutObject", "GetObject", "ListMultipartUploadParts", "AbortMultipartUpload"):
        yield f"s3:{action}", "${OutputBucket.Arn}/runs/run/results/id/manifest.json"


def role_of(app: Application, owner: str) -> str:
    """Return the logical id of the role of a function or a state machine."""
    role = app.property_of(owner, "RoleArn") or app.property_of(owner, "Role")
    return role["Fn::GetAtt"][0]


def _granted(app: Application, role: str, action: str) -> Iterator[str]:
    attached = {policy["Ref"] for policy in app.property_of(role, "ManagedPolicyArns") or () if "Ref" in policy}
    for owner, statement in statements(app):
        if owner in attached | {role} and statement["Effect"] == "Allow" and action in listed(statement.get("Action")):
            yield from (text(resource) for resource in listed(statement["Resource"]))


def statements(app: Application) -> Iterator[tuple[str, Json]]:
    """Yield every statement of every role and policy, those below a condition too, with its owner."""
    for kind in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::Role", "AWS::IAM::RolePolicy"):
        for owner, properties in app.properties(kind):
            inline = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
            for document in (*inline, properties.get("PolicyDocument", {"Statement": []})):
                for statement in listed(document["Statement"]):
                    yield from ((owner, each) for each in _branches(statement))


def _branches(statement: Json) -> list[Json]:
    branches = statement["Fn::If"][1:] if "Fn::If" in statement else [statement]
    return [each for each in branches if each != {"Ref": "AWS::NoValue"}]


def linted(app: Application) -> list[tuple[str, str]]:
    """Let cfn-lint look at what CloudFormation will be given; of the template as written it forgives circles."""
    from cfnlint.api import lint  # noqa: PLC0415 - seconds that the other tests need not wait for
    from cfnlint.config import ManualArgs  # noqa: PLC0415

    matches = lint(json.dumps(app.expanded), config=ManualArgs(regions=["us-east-1"]))
    return [(match.rule.id, str(match.path[1]) if match.path else match.message) for match in matches]
