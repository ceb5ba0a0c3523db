"""The Lambda API as boto3 sees it."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fanfold.local.server import Endpoint
from tests.waiting import until

OF_EVERY_SERVICE = {"SerializationException", "UnknownOperationException", "ValidationException"}
ROLE = "arn:aws:iam::123456789012:role/lambda"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with Endpoint(lambda_concurrency=2, log_dir=tmp_path_factory.mktemp("logs")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def functions(endpoint: Endpoint) -> Any:
    return endpoint.client("lambda")


def archive(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("index.py", source)
    return packed.getvalue()


def create(
    functions: Any, name: str, source: str = "def handler(event, context): return event", **settings: Any
) -> Any:
    request = {"Runtime": "python3.13", "Handler": "index.handler", "Role": ROLE, "Timeout": 10} | settings
    return functions.create_function(FunctionName=name, Code={"ZipFile": archive(source)}, **request)


def code_of(refused: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = refused.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_function_lives_from_creation_to_deletion(functions: Any) -> None:
    created = create(functions, "life", MemorySize=256, Environment={"Variables": {"A": "b"}}, Description="d")

    found = functions.get_function(FunctionName="life")["Configuration"]
    expected = {
        "FunctionName": "life",
        "FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:life",
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": ROLE,
        "Timeout": 10,
        "MemorySize": 256,
        "Description": "d",
        "Environment": {"Variables": {"A": "b"}},
        "State": "Active",
        "Version": "$LATEST",
    }
    assert {name: found[name] for name in expected} == expected
    assert {name: created[name] for name in expected} == expected
    assert functions.get_function_configuration(FunctionName="life")["CodeSha256"] == created["CodeSha256"]

    functions.delete_function(FunctionName="life")
    with pytest.raises(ClientError) as refused:
        functions.get_function(FunctionName="life")
    assert code_of(refused) == ("ResourceNotFoundException", 404)
    arn = "arn:aws:lambda:us-east-1:123456789012:function:life"
    assert refused.value.response["Error"]["Message"] == f"Function not found: {arn}"


def test_the_waiter_of_boto3_finds_a_function_active(functions: Any) -> None:
    create(functions, "waited-for")

    functions.get_waiter("function_active_v2").wait(FunctionName="waited-for")

    assert functions.get_function(FunctionName="waited-for")["Configuration"]["State"] == "Active"


def test_invoke_answers_with_payload_version_and_log(functions: Any) -> None:
    create(functions, "echo", "def handler(event, context):\n    print('heard')\n    return event")

    answer = functions.invoke(FunctionName="echo", Payload=b'{"a": 1}', LogType="Tail")

    assert json.loads(answer["Payload"].read()) == {"a": 1}
    assert [answer["StatusCode"], answer["ExecutedVersion"]] == [200, "$LATEST"]
    assert "FunctionError" not in answer
    assert b"\nheard\nEND RequestId: " in base64.b64decode(answer["LogResult"])


def test_a_function_error_is_a_200_with_its_header(functions: Any) -> None:
    create(functions, "raises", "def handler(event, context): raise ValueError('no')")

    answer = functions.invoke(FunctionName="raises")

    assert [answer["StatusCode"], answer["FunctionError"]] == [200, "Unhandled"]
    assert json.loads(answer["Payload"].read())["errorType"] == "ValueError"


def test_an_event_is_accepted_and_runs_later(functions: Any, tmp_path: Path) -> None:
    create(functions, "later", "def handler(event, context): open(event, 'w').write('done')")

    answer = functions.invoke(
        FunctionName="later", InvocationType="Event", Payload=json.dumps(str(tmp_path / "mark")).encode()
    )

    assert answer["StatusCode"] == 202
    until(lambda: (tmp_path / "mark").exists() and (tmp_path / "mark").read_text() == "done", "the event ran")


def test_a_dry_run_only_asks_whether_it_could(functions: Any) -> None:
    create(functions, "dry", "raise SystemExit")

    assert functions.invoke(FunctionName="dry", InvocationType="DryRun")["StatusCode"] == 204


def test_new_code_and_settings_are_in_force_at_once(functions: Any) -> None:
    create(functions, "changing", "import os\ndef handler(event, context): return ['old', os.environ.get('A')]")
    assert functions.invoke(FunctionName="changing")["Payload"].read() == b'["old", null]'

    functions.update_function_code(
        FunctionName="changing",
        ZipFile=archive("import os\ndef handler(event, context): return ['new', os.environ.get('A')]"),
    )
    assert functions.invoke(FunctionName="changing")["Payload"].read() == b'["new", null]'

    changed = functions.update_function_configuration(
        FunctionName="changing", Timeout=5, Environment={"Variables": {"A": "b"}}
    )
    assert [changed["Timeout"], changed["MemorySize"]] == [5, 128]
    assert functions.invoke(FunctionName="changing")["Payload"].read() == b'["new", "b"]'


def test_code_of_another_revision_is_not_replaced(functions: Any) -> None:
    created = create(functions, "revised", "def handler(event, context): return 1")
    newer = archive("def handler(event, context): return 2")

    tried = functions.update_function_code(FunctionName="revised", ZipFile=newer, DryRun=True)
    assert tried["RevisionId"] == created["RevisionId"]
    assert functions.invoke(FunctionName="revised")["Payload"].read() == b"1"

    updated = functions.update_function_code(FunctionName="revised", ZipFile=newer, RevisionId=created["RevisionId"])
    assert updated["RevisionId"] != created["RevisionId"]
    assert functions.invoke(FunctionName="revised")["Payload"].read() == b"2"

    for update in (
        lambda: functions.update_function_code(FunctionName="revised", ZipFile=newer, RevisionId="old"),
        lambda: functions.update_function_configuration(FunctionName="revised", Timeout=5, RevisionId="old"),
    ):
        with pytest.raises(ClientError) as refused:
            update()
        assert code_of(refused) == ("PreconditionFailedException", 412)


def test_the_handler_sees_the_callers_context(functions: Any) -> None:
    create(functions, "context", "def handler(event, context): return context.client_context.custom")
    context = base64.b64encode(b'{"custom":\n{"a": "\xc3\xbc"}}').decode()

    answer = functions.invoke(FunctionName="context", ClientContext=context)

    assert json.loads(answer["Payload"].read()) == {"a": "ü"}


def test_the_aws_cli_creates_and_invokes(endpoint: Endpoint, functions: Any, tmp_path: Path) -> None:
    (tmp_path / "f.zip").write_bytes(archive("def handler(event, context): return event['a'] + 1"))

    made = aws(
        endpoint,
        *("create-function", "--function-name", "by-cli", "--runtime", "python3.13", "--role", ROLE),
        *("--handler", "index.handler", "--zip-file", f"fileb://{tmp_path / 'f.zip'}"),
    )
    answer = aws(endpoint, "invoke", "--function-name", "by-cli", "--payload", '{"a": 1}', str(tmp_path / "out"))

    assert [made["State"], made["MemorySize"], made["Timeout"]] == ["Active", 128, 3]
    assert answer == {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
    assert (tmp_path / "out").read_bytes() == b"2"


def aws(endpoint: Endpoint, *arguments: str) -> Any:
    """Run the AWS CLI of this environment."""
    command = [sys.executable, "-m", "awscli", "--endpoint-url", endpoint.url, "lambda", *arguments]
    credentials = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}
    ran = subprocess.run(command, env=os.environ | credentials, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def test_code_may_come_from_s3(endpoint: Endpoint, functions: Any) -> None:
    s3 = endpoint.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="f.zip", Body=archive("def handler(event, context): return 'from s3'"))

    functions.create_function(
        FunctionName="from-s3",
        Runtime="python3.13",
        Handler="index.handler",
        Role=ROLE,
        Code={"S3Bucket": "code", "S3Key": "f.zip"},
    )

    assert functions.invoke(FunctionName="from-s3")["Payload"].read() == b'"from s3"'


def test_functions_are_listed_in_pages(functions: Any) -> None:
    for number in range(3):
        create(functions, f"page-{number}")

    pages = functions.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    names = [[function["FunctionName"] for function in page["Functions"]] for page in pages]

    listed = [name for page in names for name in page]
    assert [name for name in listed if name.startswith("page-")] == ["page-0", "page-1", "page-2"]
    assert listed == sorted(listed)
    assert {len(page) for page in names[:-1]} == {2}


@pytest.mark.parametrize(
    ("operation", "request_", "expected"),
    [
        ("invoke", {"FunctionName": "missing"}, ("ResourceNotFoundException", 404)),
        ("invoke", {"FunctionName": "there", "Qualifier": "7"}, ("ResourceNotFoundException", 404)),
        ("invoke", {"FunctionName": "there", "Payload": b"{"}, ("InvalidRequestContentException", 400)),
        ("invoke", {"FunctionName": "bad name"}, ("ValidationException", 400)),
        ("invoke", {"FunctionName": "there:$LATEST", "Qualifier": "7"}, ("InvalidParameterValueException", 400)),
        ("invoke", {"FunctionName": "there", "InvocationType": "Odd"}, ("InvalidParameterValueException", 400)),
        (
            "invoke",
            {"FunctionName": "there", "InvocationType": "Event", "Payload": b'"' + b"x" * (1 << 20) + b'"'},
            ("RequestTooLargeException", 413),
        ),
        (
            "invoke",
            {"FunctionName": "there", "Payload": b'"' + b"x" * (6 << 20) + b'"'},
            ("RequestTooLargeException", 413),
        ),
        ("invoke", {"FunctionName": "there", "Payload": b"[NaN]"}, ("InvalidRequestContentException", 400)),
        ("invoke", {"FunctionName": "there", "Payload": b"[" * 10_000}, ("InvalidRequestContentException", 400)),
        ("invoke", {"FunctionName": "there", "ClientContext": "e30=="}, ("InvalidRequestContentException", 400)),
        ("invoke", {"FunctionName": "there", "ClientContext": "MQ=="}, ("InvalidRequestContentException", 400)),
        ("get_function", {"FunctionName": "missing"}, ("ResourceNotFoundException", 404)),
        ("get_function", {"FunctionName": "there", "Qualifier": "live"}, ("ResourceNotFoundException", 404)),
        ("delete_function", {"FunctionName": "missing"}, ("ResourceNotFoundException", 404)),
        ("delete_function", {"FunctionName": "there", "Qualifier": "$LATEST"}, ("InvalidParameterValueException", 400)),
        ("update_function_code", {"FunctionName": "missing", "ZipFile": b""}, ("ResourceNotFoundException", 404)),
        (
            "update_function_code",
            {"FunctionName": "there", "ZipFile": b"PK\5\6" + bytes(18)},
            ("InvalidParameterValueException", 400),
        ),
        (
            "update_function_code",
            {"FunctionName": "there", "ZipFile": b"", "Publish": True},
            ("InvalidParameterValueException", 400),
        ),
        (
            "update_function_code",
            {"FunctionName": "there", "ZipFile": b"no zip"},
            ("InvalidParameterValueException", 400),
        ),
        ("update_function_code", {"FunctionName": "there"}, ("InvalidParameterValueException", 400)),
        (
            "update_function_configuration",
            {"FunctionName": "there", "Timeout": 901},
            ("InvalidParameterValueException", 400),
        ),
        (
            "update_function_code",
            {"FunctionName": "there", "S3Bucket": "no-such-bucket", "S3Key": "k"},
            ("InvalidParameterValueException", 400),
        ),
        ("get_policy", {"FunctionName": "there"}, ("UnknownOperationException", 404)),
    ],
)
def test_what_cannot_be_done_is_answered_with_lambdas_error(
    functions: Any, operation: str, request_: dict[str, Any], expected: tuple[str, int]
) -> None:
    if "there" not in {function["FunctionName"] for function in functions.list_functions()["Functions"]}:
        create(functions, "there")

    with pytest.raises(ClientError) as refused:
        getattr(functions, operation)(**request_)

    model = functions.meta.service_model.operation_model(functions.meta.method_to_api_mapping[operation])
    assert code_of(refused) == expected
    assert expected[0] in {error.name for error in model.error_shapes} | OF_EVERY_SERVICE


@pytest.mark.parametrize(
    ("request_", "body", "code"),
    [
        ("POST ", b"no JSON", "SerializationException"),
        ("POST ", b"[]", "SerializationException"),
        ("POST ", b"{}", "ValidationException"),
        ("POST ", b'{"FunctionName": "f", "Role": "r", "Code": "zip"}', "ValidationException"),
        ("POST ", b'{"FunctionName": "f", "Role": "r", "Code": {}}', "InvalidParameterValueException"),
        ("PUT /known/configuration", b'{"Timeout": 0}', "ValidationException"),
        ("PUT /known/configuration", b'{"Environment": {"Variables": [1]}}', "ValidationException"),
        ("PUT /known/code", b'{"ZipFile": "*"}', "SerializationException"),
        ("PUT /known/code", b'{"ZipFile": "", "Architectures": []}', "ValidationException"),
        ("GET ?MaxItems=%C2%B2", b"", "InvalidParameterValueException"),
        ("GET ?MaxItems=0", b"", "InvalidParameterValueException"),
        ("PATCH /known", b"", "UnknownOperationException"),
    ],
)
def test_requests_no_sdk_would_send_are_answered_too(
    endpoint: Endpoint, functions: Any, request_: str, body: bytes, code: str
) -> None:
    if "known" not in {function["FunctionName"] for function in functions.list_functions()["Functions"]}:
        create(functions, "known")
    connection = http.client.HTTPConnection(endpoint.url.removeprefix("http://"), timeout=20)

    method, path = request_.split(" ")
    connection.request(method, f"/2015-03-31/functions{path}", body)
    response = connection.getresponse()

    assert [response.headers["x-amzn-ErrorType"], json.loads(response.read())["Type"]] == [code, "User"]
    connection.close()


@pytest.mark.parametrize(
    "settings",
    [{"Runtime": "nodejs24.x"}, {"MemorySize": 20_000}, {"Timeout": 1_000}],
    ids=str,
)
def test_settings_lambda_would_refuse_are_refused(functions: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        create(functions, "odd", **settings)

    assert code_of(refused) == ("InvalidParameterValueException", 400)


def test_a_name_is_taken_once(functions: Any) -> None:
    create(functions, "twice")

    with pytest.raises(ClientError) as refused:
        create(functions, "twice")

    assert code_of(refused) == ("ResourceConflictException", 409)
