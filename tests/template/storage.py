"""Rules about buckets: versioned, encrypted, private, and closed to plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator

from tests.template.application import Application, Json, listed, text

_PRIVATE = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}


def buckets(app: Application) -> list[str]:
    """Find buckets that anybody could read, or that forget what was overwritten."""
    return [
        f"{name}: {fault}"
        for name, properties in app.properties("AWS::S3::Bucket")
        for fault in _bucket_faults(app, name, properties)
    ]


def _bucket_faults(app: Application, name: str, properties: Json) -> Iterator[str]:
    if properties.get("VersioningConfiguration") != {"Status": "Enabled"}:
        yield "not versioned"
    if not properties.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration"):
        yield "not encrypted"
    blocked = properties.get("PublicAccessBlockConfiguration", {})
    yield from (f"{field} is not set" for field in sorted(_PRIVATE) if blocked.get(field) is not True)
    if not any(_denies_http(name, statement) for statement in _bucket_statements(app, name)):
        yield "no policy that denies plain HTTP"


def _bucket_statements(app: Application, name: str) -> Iterator[Json]:
    for _, properties in app.properties("AWS::S3::BucketPolicy"):
        if properties["Bucket"] == {"Ref": name}:
            yield from listed(properties["PolicyDocument"]["Statement"])


def _denies_http(name: str, statement: Json) -> bool:
    asked = {field: statement.get(field) for field in ("Effect", "Principal", "Action", "Condition")}
    return asked == {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    } and {text(each) for each in listed(statement["Resource"])} == {f"${{{name}.Arn}}", f"${{{name}.Arn}}/*"}
