"""Rules about KMS: who uses what is encrypted under a key may use the key; others fail at run time, not before."""

from __future__ import annotations

from collections.abc import Iterator

from tests.cloud.permissions import Grant, allows, grants, like
from tests.cloud.stack import Candidate, Stack, at

_READ, _WRITE = {"kms:Decrypt"}, {"kms:GenerateDataKey", "kms:Decrypt"}
# An upload in parts decrypts the parts it puts together; SQS and SNS ask for both of whoever sends.
NEEDED = {
    "s3:GetObject": _READ,
    "s3:GetObjectVersion": _READ,
    "s3:PutObject": _WRITE,
    "sqs:SendMessage": _WRITE,
    "sns:Publish": _WRITE,
    "dynamodb:BatchWriteItem": _READ,
    "dynamodb:PutItem": _READ,
    "dynamodb:UpdateItem": _READ,
    "dynamodb:GetItem": _READ,
    "dynamodb:Query": _READ,
}
# Type: where the key stands.
_PLACES = {
    "AWS::DynamoDB::Table": "SSESpecification/KMSMasterKeyId",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::S3::Bucket": "BucketEncryption/ServerSideEncryptionConfiguration/0/ServerSideEncryptionByDefault/"
    "KMSMasterKeyID",
    "AWS::StepFunctions::StateMachine": "EncryptionConfiguration/KmsKeyId",
}


def encrypted(stack: Stack) -> dict[str, str]:
    """Return the keys of encrypted resources by their logical ids."""
    found = {}
    for kind, place in _PLACES.items():
        for name, properties in stack.of_type(kind):
            if key := at(properties, place):
                found[name] = str(key)
    return found


def key_grants(candidate: Candidate) -> list[str]:
    """Find roles that may use an encrypted resource and not its key."""
    stack = candidate.full
    granted = grants(stack)
    return list(dict.fromkeys(_missing(stack, granted)))


def _missing(stack: Stack, granted: list[Grant]) -> Iterator[str]:
    for name, key in encrypted(stack).items():
        if stack.resources[name]["Type"] == "AWS::StepFunctions::StateMachine":
            role = stack.resources[name]["Properties"]["RoleArn"].rpartition("/")[2]
            yield from _without(granted, role, key, _WRITE, f"{name}, which is its own")
        for grant in granted:
            if grant.action in NEEDED and _reaches(grant.resource, stack.arn(name)):
                what = f"{name}, on which it has {grant.action}"
                yield from _without(granted, grant.role, key, NEEDED[grant.action], what)


def _without(granted: list[Grant], role: str, key: str, actions: set[str], what: str) -> Iterator[str]:
    for action in sorted(actions):
        if not any(grant.role == role and allows(grant, action, key) for grant in granted):
            yield f"{role}: no {action} on the key of {what}"


def _reaches(pattern: str, arn: str) -> bool:
    """Tell whether a pattern covers a resource, or objects of a bucket."""
    return like(pattern, arn) or (arn.startswith("arn:aws:s3:::") and pattern.startswith(f"{arn}/"))
