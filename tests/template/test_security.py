"""Keys, roles, network and buckets of others: what each parameter does, in every resource it concerns."""

from __future__ import annotations

import json
import re

import pytest

from tests.template.application import ROOT
from tests.template.evaluated import ACCOUNT, all_of, granted, stack

KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
THEIR_KEY = "arn:aws:kms:us-east-1:999999999999:key/99999999-2222-3333-4444-555555555555"
# Everything that is off by default, on.
ALL = {
    "UploadJob": '{"operation":"image-resize"}',
    "DrainSchedule": "rate(5 minutes)",
    "DrainJob": '{"operation":"image-resize"}',
    "StreamToIncoming": "true",
    "NotificationEmail": "ann@example.com",
    "LoadTablePartitionKey": "id",
}
ROLE, FUNCTION = "AWS::IAM::Role", "AWS::Lambda::Function"
VPC = {"SubnetIds": "subnet-1,subnet-2", "SecurityGroupIds": "sg-1"}
ENDPOINTS = {**VPC, "VpcId": "vpc-1", "RouteTableIds": "rtb-1"}
EXISTING = {"ExistingInputBucket": "their-photos", "ExistingOutputBucket": "their-results"}
USE = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey")
# These start others and see no data.
BLIND = ("DrainTimerRole", "DrainStateMachineRole")

# Where each type says its key.
PLACES = {
    "AWS::S3::Bucket": lambda each: each["BucketEncryption"]["ServerSideEncryptionConfiguration"][0][
        "ServerSideEncryptionByDefault"
    ].get("KMSMasterKeyID"),
    "AWS::DynamoDB::Table": lambda each: each.get("SSESpecification", {}).get("KMSMasterKeyId"),
    "AWS::SQS::Queue": lambda each: each.get("KmsMasterKeyId"),
    "AWS::SNS::Topic": lambda each: each.get("KmsMasterKeyId"),
    "AWS::Logs::LogGroup": lambda each: each.get("KmsKeyId"),
    "AWS::Lambda::Function": lambda each: each.get("KmsKeyArn"),
    "AWS::KinesisFirehose::DeliveryStream": lambda each: each["DeliveryStreamEncryptionConfigurationInput"].get(
        "KeyARN"
    ),
    "AWS::Athena::WorkGroup": lambda each: each["WorkGroupConfiguration"]["ResultConfiguration"][
        "EncryptionConfiguration"
    ].get("KmsKey"),
}


@pytest.mark.parametrize(("given", "key"), [({}, None), ({"KmsKeyArn": KEY}, KEY)], ids=["none", "key"])
@pytest.mark.parametrize("kind", PLACES)
def test_the_key_is_that_of_everything_that_can_have_one(kind, given, key):
    found = {name: PLACES[kind](properties) for name, properties in all_of(stack(**ALL, **given), kind).items()}

    assert found
    assert set(found.values()) == {key}, found


def test_a_queue_is_encrypted_in_one_way():
    (plain,) = all_of(stack(**ALL), "AWS::SQS::Queue").values()
    (keyed,) = all_of(stack(**ALL, KmsKeyArn=KEY), "AWS::SQS::Queue").values()

    assert plain["SqsManagedSseEnabled"] is True
    assert "SqsManagedSseEnabled" not in keyed


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({}, []),
        ({"KmsKeyArn": KEY}, [KEY]),
        ({"BucketKmsKeyArns": THEIR_KEY}, [THEIR_KEY]),
        ({"KmsKeyArn": KEY, "BucketKmsKeyArns": f"{THEIR_KEY},{THEIR_KEY}2"}, [KEY, THEIR_KEY, f"{THEIR_KEY}2"]),
    ],
    ids=["none", "own", "of-buckets", "both"],
)
def test_every_role_that_touches_data_may_use_the_keys(given, keys):
    """The state machine reads, lists and writes results itself, and Firehose writes: they fail at run time without."""
    scope = stack(**ALL, **given)

    for role in all_of(scope, ROLE):
        used = {(action, key) for action, key in granted(scope, role) if action.startswith("kms:")}
        assert used == {(action, key) for action in USE for key in keys if role not in BLIND}, role


def test_every_function_and_machine_has_a_role_of_its_own():
    scope = stack(**ALL)
    owners = all_of(scope, FUNCTION) | all_of(scope, "AWS::StepFunctions::StateMachine")

    roles = [properties.get("Role") or properties.get("RoleArn") for properties in owners.values()]
    assert len(set(roles)) == len(roles) == len(owners)
    assert set(roles) == {scope.identity(f"{name}Role").attribute("Arn") for name in owners}


def test_a_function_writes_to_its_own_log_alone():
    scope = stack(**ALL)

    for name, properties in all_of(scope, FUNCTION).items():
        logs = {resource for action, resource in granted(scope, f"{name}Role") if action == "logs:PutLogEvents"}
        assert logs == {f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{properties['LoggingConfig']['LogGroup']}:*"}


def test_every_service_says_for_whom_it_assumes_a_role():
    trusts = {}
    for role, properties in all_of(stack(**ALL), ROLE).items():
        (statement,) = properties["AssumeRolePolicyDocument"]["Statement"]
        trusts.setdefault(statement["Principal"]["Service"], []).append((role, statement.get("Condition")))

    # Lambda documents no such condition.
    assert {condition is None for _, condition in trusts.pop("lambda.amazonaws.com")} == {True}
    assert trusts.keys() == {
        "states.amazonaws.com", "scheduler.amazonaws.com", "events.amazonaws.com", "firehose.amazonaws.com",
    }  # fmt: skip
    for conditions in trusts.values():
        assert all(ACCOUNT in json.dumps(condition) for _, condition in conditions)
    assert {json.dumps(condition) for _, condition in trusts["states.amazonaws.com"]} == {
        json.dumps({"StringEquals": {"aws:SourceAccount": ACCOUNT}})
    }


def test_a_boundary_is_that_of_every_role():
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/boundary"
    bounded, free = stack(**ALL, PermissionsBoundaryArn=boundary), stack(**ALL)

    assert {each.get("PermissionsBoundary") for each in all_of(bounded, ROLE).values()} == {boundary}
    assert {each.get("PermissionsBoundary") for each in all_of(free, ROLE).values()} == {None}


@pytest.mark.parametrize("name", ["Input", "Output"])
def test_a_bucket_denies_plain_http_and_other_accounts(name):
    arn = f"arn:aws:s3:::fanfold-{name.lower()}-{ACCOUNT}-us-east-1"
    document = all_of(stack(), "AWS::S3::BucketPolicy")[f"{name}BucketPolicy"]["PolicyDocument"]

    denied = {statement["Sid"]: statement["Condition"] for statement in document["Statement"]}
    assert denied == {
        "TlsOnly": {"Bool": {"aws:SecureTransport": "false"}},
        "ThisAccountOnly": {
            "StringNotEquals": {"aws:PrincipalAccount": ACCOUNT},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    }
    for statement in document["Statement"]:
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
        assert statement["Resource"] == [arn, f"{arn}/*"]


def test_functions_are_in_a_vpc_where_one_is_given_and_may_have_interfaces_there_alone():
    for given, config in ({}, None), (VPC, {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}):
        scope = stack(**ALL, **given)

        assert {json.dumps(each.get("VpcConfig")) for each in all_of(scope, FUNCTION).values()} == {json.dumps(config)}
        for name in all_of(scope, FUNCTION):
            actions = {action for action, _ in granted(scope, f"{name}Role")}
            assert ("ec2:CreateNetworkInterface" in actions) is bool(given), name


def test_endpoints_are_those_of_the_services_that_functions_call():
    """S3 and DynamoDB through gateways, which cost nothing, the others through interfaces."""
    code = "\n".join(path.read_text() for folder in ("functions", "itemkit") for path in (ROOT / folder).rglob("*.py"))
    called = set(re.findall(r'boto3\.client\(\s*"(\w+)"', code))
    scope = stack(**ALL, **ENDPOINTS)

    made = {
        properties["ServiceName"].removeprefix("com.amazonaws.us-east-1."): properties
        for properties in all_of(scope, "AWS::EC2::VPCEndpoint").values()
    }
    assert made.keys() == {{"stepfunctions": "states", "cloudwatch": "monitoring"}.get(name, name) for name in called}
    gateways = {name for name, each in made.items() if each["VpcEndpointType"] == "Gateway"}
    assert gateways == {"s3", "dynamodb"}
    assert all(made[name]["RouteTableIds"] == ["rtb-1"] for name in gateways)
    for each in made.values():
        (statement,) = each["PolicyDocument"]["Statement"]
        assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}


@pytest.mark.parametrize("given", [{}, VPC], ids=["no-vpc", "endpoints-of-yours"])
def test_no_endpoints_are_made_unasked(given):
    assert all_of(stack(**ALL, **given), "AWS::EC2::VPCEndpoint") == {}


def test_existing_buckets_take_the_place_of_the_stacks_own():
    scope = stack(**ALL, **EXISTING)
    everything = json.dumps(all_of(scope))

    assert all_of(scope, "AWS::S3::Bucket", "AWS::S3::BucketPolicy") == {}
    assert f"fanfold-input-{ACCOUNT}" not in everything
    assert f"fanfold-output-{ACCOUNT}" not in everything
    prepare = all_of(scope, FUNCTION)["PrepareFunction"]["Environment"]["Variables"]
    assert (prepare["INPUT_BUCKET"], prepare["OUTPUT_BUCKET"]) == ("their-photos", "their-results")
    assert ("s3:GetObject", "arn:aws:s3:::their-photos/*") in granted(scope, "ImageResizeFunctionRole")
    assert ("s3:PutObject", "arn:aws:s3:::their-results/runs/*") in granted(scope, "ProcessStateMachineRole")
    assert '"name": ["their-photos"]' in all_of(scope, "AWS::Events::Rule")["UploadRule"]["EventPattern"]


def test_one_bucket_may_be_existing_and_the_other_made():
    scope = stack(ExistingInputBucket="their-photos")

    assert all_of(scope, "AWS::S3::Bucket").keys() == {"OutputBucket"}
    assert all_of(scope, "AWS::S3::BucketPolicy").keys() == {"OutputBucketPolicy"}


def test_variables_hold_no_secrets():
    """What a function is told is names and settings; keys and passwords would have to come from elsewhere."""
    names = {
        name
        for properties in all_of(stack(**ALL), FUNCTION).values()
        for name in properties.get("Environment", {}).get("Variables", {})
    }

    assert names
    assert not [name for name in names if re.search("SECRET|PASSWORD|TOKEN|CREDENTIAL|(^|_)KEY$", name)]
