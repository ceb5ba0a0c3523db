"""A stack as it would stand: the expanded template with its parameters given, every name and ARN resolved."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from fanfold.local.stack.intrinsics import Resolver
from tests.template.application import ROOT, Application, application

Json = Any
NAME, REGION, ACCOUNT = "fanfold", "us-east-1", "123456789012"
# What a stack with everything in it is given, where the default leaves something out.
FULL = {
    "SourceBucketArns": "arn:aws:s3:::photos",
    "DestinationBucketArns": "arn:aws:s3:::results",
    "LoadTableArns": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/orders",
    "LoadTablePartitionKey": "id",
    "LoadTableSortKey": "day",
    "ImageResizeReservedConcurrency": "100",
    "TableTransformReservedConcurrency": "100",
    "DynamodbLoadReservedConcurrency": "10",
    "DrainSchedule": "rate(15 minutes)",
    "DrainJob": '{"operation":"image-resize"}',
    "NotificationEmail": "runs@example.com",
    "NotificationTopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:told",
    "NotifyOn": "FAILURES",
    "UploadJob": '{"operation":"image-resize"}',
    "UploadMinBytes": "1",
    "StreamToIncoming": "true",
    "KmsKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ours",
    "BucketKmsKeyArns": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/theirs",
    "PermissionsBoundaryArn": f"arn:aws:iam::{ACCOUNT}:policy/boundary",
    "SubnetIds": "subnet-1,subnet-2",
    "SecurityGroupIds": "sg-1",
    "VpcId": "vpc-1",
    "RouteTableIds": "rtb-1",
    "ProcessedArchiveDays": "90",
    "ProcessedExpireDays": "365",
    "RunsArchiveDays": "90",
    "RunsExpireDays": "365",
    "Deployment": "CANARY",
}
# The same over buckets that are there already.
EXISTING = FULL | {"ExistingInputBucket": "photos-in", "ExistingOutputBucket": "photos-out"}
_HERE = f"{REGION}:{ACCOUNT}"
# Type: the property with the name, and the ARN for a name.
_ARNS = {
    "AWS::CloudWatch::Alarm": ("AlarmName", f"arn:aws:cloudwatch:{_HERE}:alarm:"),
    "AWS::DynamoDB::Table": ("TableName", f"arn:aws:dynamodb:{_HERE}:table/"),
    "AWS::Events::Rule": ("Name", f"arn:aws:events:{_HERE}:rule/"),
    "AWS::Glue::Database": ("DatabaseInput/Name", f"arn:aws:glue:{_HERE}:database/"),
    "AWS::IAM::ManagedPolicy": ("", f"arn:aws:iam::{ACCOUNT}:policy/"),
    "AWS::IAM::Role": ("", f"arn:aws:iam::{ACCOUNT}:role/"),
    "AWS::KMS::Key": ("", f"arn:aws:kms:{_HERE}:key/"),
    "AWS::Lambda::Function": ("FunctionName", f"arn:aws:lambda:{_HERE}:function:"),
    "AWS::Logs::LogGroup": ("LogGroupName", f"arn:aws:logs:{_HERE}:log-group:"),
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::"),
    "AWS::SNS::Topic": ("TopicName", f"arn:aws:sns:{_HERE}:"),
    "AWS::SQS::Queue": ("QueueName", f"arn:aws:sqs:{_HERE}:"),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", f"arn:aws:states:{_HERE}:stateMachine:"),
    # To start a version or an alias, IAM asks for the machine.
    "AWS::StepFunctions::StateMachineAlias": ("DeploymentPreference/StateMachineVersionArn", ""),
    "AWS::StepFunctions::StateMachineVersion": ("StateMachineArn", ""),
}
_REF_IS_ARN = {
    "AWS::IAM::ManagedPolicy",
    "AWS::SNS::Topic",
    "AWS::StepFunctions::StateMachine",
    "AWS::StepFunctions::StateMachineAlias",
    "AWS::StepFunctions::StateMachineVersion",
}
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{_HERE}:stack/{NAME}/1",
    "AWS::StackName": NAME,
    "AWS::URLSuffix": "amazonaws.com",
}


@dataclass(frozen=True)
class Candidate:
    """What is to be judged.

    Attributes:
        source: the template as written.
        definitions: the state machines' definitions by their ``DefinitionUri``.
    """

    source: Json
    definitions: Mapping[str, Json]

    @classmethod
    def read(cls, template: Path = ROOT / "template.yaml") -> Candidate:
        """Read a template and the definitions it names."""
        source = json.loads(json.dumps(yaml_parse(template.read_text())))  # nothing shared by anchors
        named = [each.get("Properties", {}).get("DefinitionUri") for each in source["Resources"].values()]
        return cls(source, {uri: json.loads((template.parent / uri).read_text()) for uri in named if uri})

    def with_template(self, change: Callable[[Json], Json]) -> Candidate:
        """Return the same with a change of the template."""
        return Candidate(change(self.source), self.definitions)

    def with_definition(self, uri: str, change: Callable[[Json], Json]) -> Candidate:
        """Return the same with a change of one definition."""
        return Candidate(self.source, {**self.definitions, uri: change(self.definitions[uri])})

    @functools.cached_property
    def app(self) -> Application:
        """The template and what SAM makes of it."""
        return application(self.source)

    @functools.cached_property
    def inlined(self) -> Json:
        """The expanded template with the definitions in it, which tools do not look for in files."""
        expanded = copy.deepcopy(self.app.expanded)
        for name, properties in self._machines():
            inlined = expanded["Resources"][name]["Properties"]
            del inlined["DefinitionS3Location"]
            inlined["Definition"] = copy.deepcopy(self.definitions[properties["DefinitionUri"]])
        return expanded

    @functools.cached_property
    def full(self) -> Stack:
        """The stack with everything in it."""
        return Stack(self.inlined, FULL)

    @functools.cached_property
    def existing(self) -> Stack:
        """The stack with everything in it, over buckets that are there already."""
        return Stack(self.inlined, EXISTING)

    @functools.cached_property
    def plain(self) -> Stack:
        """The stack with every parameter at its default."""
        return Stack(self.inlined, {})

    def _machines(self) -> list[tuple[str, Json]]:
        return [
            (name, each["Properties"])
            for name, each in self.source["Resources"].items()
            if "DefinitionUri" in each.get("Properties", {})
        ]


class Stack:
    """Resources by logical id, without those whose condition does not hold; their properties are plain values.

    Raises:
        ValueError: a parameter is given that the template does not have, which CloudFormation refuses as well.
    """

    def __init__(self, expanded: Json, parameters: Mapping[str, str]) -> None:
        declared = expanded.get("Parameters", {})
        if unknown := sorted(parameters.keys() - declared.keys()):
            raise ValueError(f"the template has no parameter {unknown[0]}: correct what stacks are given in {__file__}")
        self._written = expanded["Resources"]
        self._values = _PSEUDO | {name: _given(each, parameters.get(name)) for name, each in declared.items()}
        resolver = Resolver(
            self._reference, self._attribute, expanded.get("Conditions", {}), expanded.get("Mappings", {})
        )
        self._resolver = resolver
        self.resources = {
            name: {"Type": each["Type"], "Properties": resolver.value(each.get("Properties", {}))}
            for name, each in self._written.items()
            if "Condition" not in each or resolver.condition(each["Condition"])
        }

    def of_type(self, kind: str) -> list[tuple[str, Json]]:
        """Return logical id and properties of the resources of a type."""
        return [(name, each["Properties"]) for name, each in self.resources.items() if each["Type"] == kind]

    def holds(self, condition: str) -> bool:
        """Tell whether a condition of the template holds."""
        return self._resolver.condition(condition)

    def arn(self, name: str) -> str:
        """Return the ARN of a resource."""
        return str(self._attribute(name, "Arn"))

    def definitions(self) -> dict[str, Json]:
        """Return the definition of each state machine, its placeholders filled."""
        found = {}
        for name, properties in self.of_type("AWS::StepFunctions::StateMachine"):
            text = json.dumps(properties["Definition"])
            for placeholder, value in properties.get("DefinitionSubstitutions", {}).items():
                text = text.replace(f"${{{placeholder}}}", str(value))
            found[name] = json.loads(text)
        return found

    def _reference(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        kind = self._written[name]["Type"]
        return self._attribute(name, "Arn" if kind in _REF_IS_ARN else "Name")

    def _attribute(self, name: str, attribute: str) -> str:
        kind = self._written[name]["Type"]
        named, prefix = _ARNS.get(kind, ("", f"{kind.lower()}:"))
        own = str(self._resolver.value(at(self._written[name].get("Properties", {}), named) or name))
        if not attribute.endswith("Arn"):
            return own if attribute.endswith("Name") else f"{own}.{attribute}"
        return f"{prefix}{own}:*" if kind == "AWS::Logs::LogGroup" else prefix + own


def undecided(candidate: Candidate) -> list[str]:
    """Find conditions that hold in all stacks that are judged or in none: what depends on them is not looked at."""
    stacks = (candidate.plain, candidate.full, candidate.existing)
    return [
        f"{name}: the same in every stack that is judged; give its parameter a value in {Path(__file__).name}"
        for name in candidate.inlined.get("Conditions", {})
        if len({stack.holds(name) for stack in stacks}) == 1
    ]


def at(value: Json, place: str) -> Json:
    """Return what stands at a place such as ``Statement/0/Action``; None where nothing does."""
    for step in place.split("/"):
        if isinstance(value, list):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            value = (value or {}).get(step)
    return value


def _given(declared: Json, value: str | None) -> Any:
    value = str(declared.get("Default", "") if value is None else value)
    return (
        value.split(",") if declared["Type"] == "CommaDelimitedList" or declared["Type"].startswith("List<") else value
    )
