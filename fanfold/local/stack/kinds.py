"""The resource types a template may have, and whether they mean anything on a laptop."""

from __future__ import annotations

from typing import Final

from fanfold.local.stack.identity import Kind

BUCKET: Final = "AWS::S3::Bucket"
TABLE: Final = "AWS::DynamoDB::Table"
FUNCTION: Final = "AWS::Lambda::Function"
LAYER: Final = "AWS::Lambda::LayerVersion"
MACHINE: Final = "AWS::StepFunctions::StateMachine"
CATALOG: Final = "AWS::Glue::Database"
CATALOG_TABLE: Final = "AWS::Glue::Table"
QUEUE: Final = "AWS::SQS::Queue"
EVENT_CONFIG: Final = "AWS::Lambda::EventInvokeConfig"
RULE: Final = "AWS::Events::Rule"
SCHEDULE: Final = "AWS::Scheduler::Schedule"

# Stood up, each by its own creator; a layer becomes a folder of the functions that use it.
CREATED: Final = {
    BUCKET: Kind(
        "BucketName",
        attributes={
            "Arn": "arn:aws:s3:::{name}",
            "DomainName": "{name}.s3.amazonaws.com",
            "RegionalDomainName": "{name}.s3.{region}.amazonaws.com",
        },
    ),
    TABLE: Kind("TableName", attributes={"Arn": "arn:aws:dynamodb:{region}:{account}:table/{name}"}),
    FUNCTION: Kind("FunctionName", attributes={"Arn": "arn:aws:lambda:{region}:{account}:function:{name}"}),
    LAYER: Kind("LayerName", "arn:aws:lambda:{region}:{account}:layer:{name}:1"),
    MACHINE: Kind(
        "StateMachineName",
        "arn:aws:states:{region}:{account}:stateMachine:{name}",
        {"Arn": "arn:aws:states:{region}:{account}:stateMachine:{name}", "Name": "{name}"},
    ),
    CATALOG: Kind("DatabaseInput.Name"),
    CATALOG_TABLE: Kind("TableInput.Name"),
    QUEUE: Kind(
        "QueueName",
        "https://sqs.{region}.amazonaws.com/{account}/{name}",
        {"Arn": "arn:aws:sqs:{region}:{account}:{name}", "QueueName": "{name}"},
    ),
    EVENT_CONFIG: Kind(),
    RULE: Kind("Name", attributes={"Arn": "arn:aws:events:{region}:{account}:rule/{name}"}),
    SCHEDULE: Kind("Name", attributes={"Arn": "arn:aws:scheduler:{region}:{account}:schedule/default/{name}"}),
}

# Known and passed over: permissions are not checked here, function logs are files, nobody watches alarms, and there is
# no Athena. Others may refer to them all the same.
PASSED_OVER: Final = {
    "AWS::Athena::NamedQuery": Kind(attributes={"NamedQueryId": "{name}"}),
    "AWS::Athena::WorkGroup": Kind("Name"),
    "AWS::CloudWatch::Alarm": Kind(
        "AlarmName", attributes={"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{name}"}
    ),
    "AWS::CloudWatch::Dashboard": Kind("DashboardName"),
    "AWS::EC2::VPCEndpoint": Kind(),
    "AWS::IAM::ManagedPolicy": Kind("ManagedPolicyName", "arn:aws:iam::{account}:policy/{name}"),
    "AWS::IAM::Policy": Kind("PolicyName"),
    "AWS::IAM::Role": Kind("RoleName", attributes={"Arn": "arn:aws:iam::{account}:role/{name}", "RoleId": "{name}"}),
    "AWS::IAM::RolePolicy": Kind("PolicyName"),
    "AWS::KMS::Alias": Kind("AliasName"),
    "AWS::KMS::Key": Kind(attributes={"Arn": "arn:aws:kms:{region}:{account}:key/{name}", "KeyId": "{name}"}),
    "AWS::KinesisFirehose::DeliveryStream": Kind(
        "DeliveryStreamName", attributes={"Arn": "arn:aws:firehose:{region}:{account}:deliverystream/{name}"}
    ),
    "AWS::Lambda::Permission": Kind(),
    "AWS::Logs::LogGroup": Kind(
        "LogGroupName", attributes={"Arn": "arn:aws:logs:{region}:{account}:log-group:{name}:*"}
    ),
    "AWS::Logs::LogStream": Kind("LogStreamName"),
    "AWS::Logs::MetricFilter": Kind("FilterName"),
    "AWS::Logs::QueryDefinition": Kind("Name", attributes={"QueryDefinitionId": "{name}"}),
    "AWS::S3::BucketPolicy": Kind(),
    "AWS::SNS::Subscription": Kind(),
    "AWS::SNS::Topic": Kind("TopicName", "arn:aws:sns:{region}:{account}:{name}", {"TopicName": "{name}"}),
    "AWS::SNS::TopicPolicy": Kind(),
    "AWS::SQS::QueuePolicy": Kind(),
    "AWS::Scheduler::ScheduleGroup": Kind("Name"),
    # A machine has one version here: its versions and aliases are the machine itself.
    "AWS::StepFunctions::StateMachineAlias": Kind("DeploymentPreference.StateMachineVersionArn"),
    "AWS::StepFunctions::StateMachineVersion": Kind("StateMachineArn"),
}

KNOWN: Final = CREATED | PASSED_OVER
