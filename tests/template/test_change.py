"""Upgrades: versions and the alias, what parameters and outputs tell, and the CI example of the documents."""

from __future__ import annotations

import collections
import json
import re
import shlex

import pytest
import yaml

from fanfold.local.server import Endpoint
from fanfold.local.stack import deploy
from itemkit.job import parse_job
from tests.template.application import ROOT, template
from tests.template.evaluated import all_of, stack

MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:fanfold-process"
TRIGGERED = {
    "UploadJob": '{"operation":"image-resize"}',
    "DrainSchedule": "rate(5 minutes)",
    "DrainJob": '{"operation":"image-resize"}',
}
VERSION, ALIAS = "AWS::StepFunctions::StateMachineVersion", "AWS::StepFunctions::StateMachineAlias"


def test_without_a_deployment_there_are_no_versions():
    assert all_of(stack(**TRIGGERED), VERSION, ALIAS) == {}


@pytest.mark.parametrize(
    ("deployment", "steps"),
    [
        ("ALL_AT_ONCE", {}),
        ("CANARY", {"Percentage": "20", "Interval": "5", "Alarms": ["fanfold-run-failed"]}),
        ("LINEAR", {"Percentage": "20", "Interval": "5", "Alarms": ["fanfold-run-failed"]}),
    ],
)
def test_the_alias_goes_to_the_new_version_as_the_parameters_say(deployment, steps):
    scope = stack(**TRIGGERED, Deployment=deployment, DeploymentPercentage="20", DeploymentMinutes="5")
    alias = next(iter(scope.each(ALIAS)))[1]

    preference = alias["DeploymentPreference"]
    preference.pop("StateMachineVersionArn")
    assert (alias["Name"], preference) == ("live", {"Type": deployment, **steps})
    assert {properties["AlarmName"] for properties in all_of(scope, "AWS::CloudWatch::Alarm").values()} >= set(
        steps.get("Alarms", [])
    )


def test_uploads_and_drains_start_the_alias_where_there_is_one():
    """As written, because on this machine the alias is the machine itself."""
    started = {"Fn::If": ["PublishesVersions", {"Ref": "ProcessLive"}, {"Ref": "ProcessStateMachine"}]}
    resources = template()["Resources"]

    arrival = resources["ArrivalFunction"]["Properties"]["Environment"]["Variables"]
    drain = resources["DrainStateMachine"]["Properties"]["DefinitionSubstitutions"]
    assert (arrival["STATE_MACHINE_ARN"], drain["ProcessStateMachineArn"]) == (started, started)
    # To start an alias, IAM asks for the machine.
    assert resources["ProcessLive"]["Condition"] == resources["ProcessVersion"]["Condition"] == "PublishesVersions"


def test_a_version_stays_when_the_next_is_published():
    version = template()["Resources"]["ProcessVersion"]

    assert (version["DeletionPolicy"], version["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert version["Properties"]["StateMachineRevisionId"] == {
        "Fn::GetAtt": ["ProcessStateMachine", "StateMachineRevisionId"]
    }


def test_the_local_endpoint_takes_the_machine_for_its_alias():
    with Endpoint() as endpoint:
        deploy(endpoint, ROOT / "template.yaml", parameters={**TRIGGERED, "Deployment": "CANARY"})

        told = endpoint.client("lambda").get_function_configuration(FunctionName="fanfold-arrival")
        (drain,) = [
            endpoint.client("stepfunctions").describe_state_machine(stateMachineArn=each["stateMachineArn"])
            for each in endpoint.client("stepfunctions").list_state_machines()["stateMachines"]
            if each["name"] == "fanfold-drain"
        ]

    assert told["Environment"]["Variables"]["STATE_MACHINE_ARN"] == MACHINE
    assert json.loads(drain["definition"])["States"]["Process"]["Arguments"]["StateMachineArn"] == MACHINE


def test_every_parameter_is_described_and_in_one_group():
    groups = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = collections.Counter(name for group in groups for name in group["Parameters"])
    parameters = template()["Parameters"]

    assert grouped == dict.fromkeys(parameters, 1)
    assert [name for name, each in parameters.items() if not each.get("Description", "").endswith(".")
            and "{" not in each.get("Description", "")] == []  # fmt: skip
    assert all(group["Label"]["default"] for group in groups)


@pytest.mark.parametrize(
    ("given", "bucket"),
    [({}, "fanfold-input-123456789012-us-east-1"), ({"ExistingInputBucket": "their-photos"}, "their-photos")],
    ids=["made", "existing"],
)
def test_outputs_can_be_pasted(given, bucket):
    outputs = stack(**given).outputs(template()["Outputs"])
    words = {name: shlex.split(text) for name, text in outputs.items() if name.endswith("Command")}

    assert words["UploadCommand"][-1] == f"s3://{bucket}/images/"
    assert words["RunCommand"] == ["fanfold", "run", "image-resize", f"s3://{bucket}/images/"]
    start = words["StartCommand"]
    assert start[start.index("--state-machine-arn") + 1] == MACHINE
    job = json.loads(start[start.index("--input") + 1])
    assert parse_job(job).operation == "image-resize"
    assert dict(word.split("=") for word in shlex.split(outputs["ShellSettings"])[1:]) == {
        "AWS_REGION": "us-east-1",
        "FANFOLD_STACK": "fanfold",
        "FANFOLD_INPUT_BUCKET": bucket,
        "FANFOLD_OUTPUT_BUCKET": "fanfold-output-123456789012-us-east-1",
    }


def documented(language):
    """Return the blocks of a language in docs/upgrades.md."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs/upgrades.md").read_text(), re.DOTALL)


def test_the_documented_workflow_deploys_without_stored_credentials():
    (text,) = documented("yaml")
    workflow = yaml.load(text, yaml.BaseLoader)  # ``on`` would be true

    assert workflow["on"] == {"push": {"branches": ["main"]}}
    assert workflow["permissions"] == {"id-token": "write", "contents": "read"}
    (job,) = workflow["jobs"].values()
    runs = " ".join(step.get("run", "") for step in job["steps"])
    assert all(command in runs for command in ("make check", "sam build", "sam deploy"))
    assert "secrets." not in text


def test_the_documented_trust_is_in_one_branch_of_one_repository():
    trust = json.loads(documented("json")[0])

    (statement,) = trust["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:OWNER/REPOSITORY:ref:refs/heads/main",
        }
    }
