"""The front door: every service behind one address, whatever its clients do."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import re
import socket
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from fanfold.local.server import Endpoint
from tests.waiting import until

ROLE = "arn:aws:iam::123456789012:role/any"
AUTHORIZATION = (
    "Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=none"
)
WELL_FORMED = (
    f"PUT /bucket/spoilt HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{AUTHORIZATION}\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    'POST /2015-03-31/functions HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\n{"FunctionName": "f"}',
    "POST / HTTP/1.1\r\nX-Amz-Target: AWSStepFunctions.ListStateMachines\r\nContent-Length: 2\r\n\r\n{}",
)
SIGNED = dict([AUTHORIZATION.split(": ", 1)])


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with Endpoint(lambda_concurrency=2, log_dir=tmp_path_factory.mktemp("logs")) as endpoint:
        endpoint.client("s3").create_bucket(Bucket="bucket")
        yield endpoint


@pytest.fixture
def connection(endpoint: Endpoint) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(*address(endpoint), timeout=20)
    yield connection
    connection.close()


def address(endpoint: Endpoint) -> tuple[str, int]:
    host, port = endpoint.url.removeprefix("http://").split(":")
    return host, int(port)


def keys(endpoint: Endpoint, prefix: str) -> list[str]:
    listed = endpoint.client("s3").list_objects_v2(Bucket="bucket", Prefix=prefix)
    return [item["Key"] for item in listed.get("Contents", [])]


def create_function(endpoint: Endpoint, name: str, source: str, timeout: int = 30) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        opened.writestr("index.py", source)
    endpoint.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="index.handler",
        Role=ROLE,
        Timeout=timeout,
        Code={"ZipFile": packed.getvalue()},
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 on its loopback device")
def test_it_listens_on_one_address_unless_told_otherwise(endpoint: Endpoint, tmp_path: Path) -> None:
    """127.0.0.2 stands for every other address of this machine."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", address(endpoint)[1]), timeout=5)

    with Endpoint(host="0.0.0.0", log_dir=tmp_path) as open_to_all:
        connection = http.client.HTTPConnection("127.0.0.2", address(open_to_all)[1], timeout=10)
        connection.request("GET", "/", headers=SIGNED)
        assert connection.getresponse().status == 200
        connection.close()


def test_where_the_logs_are_is_told(endpoint: Endpoint, tmp_path: Path) -> None:
    with Endpoint(log_dir=tmp_path / "logs") as told, Endpoint() as untold:
        scratch = untold.log_dir
        assert [told.log_dir, scratch.is_dir()] == [tmp_path / "logs", True]

    assert not scratch.exists()


def test_s3_keeps_keys_metadata_and_bytes(endpoint: Endpoint) -> None:
    s3, body = endpoint.client("s3"), bytes(range(256)) * 5000
    s3.put_object(Bucket="bucket", Key="a b/ü+%41.bin", Body=body, Metadata={"under_score": "1"})

    found = s3.get_object(Bucket="bucket", Key="a b/ü+%41.bin")

    assert found["Body"].read() == body
    assert found["Metadata"] == {"under_score": "1"}
    assert keys(endpoint, "a b/") == ["a b/ü+%41.bin"]


def test_a_multipart_upload_arrives_whole(endpoint: Endpoint, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"0123456789abcdef" * (1 << 20))

    endpoint.client("s3").upload_file(str(tmp_path / "big"), "bucket", "big")

    assert endpoint.client("s3").head_object(Bucket="bucket", Key="big")["ContentLength"] == 16 << 20


@pytest.mark.parametrize(
    ("service", "operation", "field"),
    [
        ("sts", "get_caller_identity", "Account"),
        ("dynamodb", "list_tables", "TableNames"),
        ("events", "list_rules", "Rules"),
        ("cloudwatch", "list_metrics", "Metrics"),
        ("cloudformation", "list_stacks", "StackSummaries"),
        ("stepfunctions", "list_state_machines", "stateMachines"),
        ("lambda", "list_functions", "Functions"),
    ],
)
def test_each_service_is_found_behind_the_one_address(
    endpoint: Endpoint, service: str, operation: str, field: str
) -> None:
    assert field in getattr(endpoint.client(service), operation)()


def test_the_account_is_the_one_in_every_arn(endpoint: Endpoint) -> None:
    assert endpoint.client("sts").get_caller_identity()["Account"] == endpoint.account == "123456789012"


def test_errors_of_step_functions_have_their_code(endpoint: Endpoint) -> None:
    arn = "arn:aws:states:us-east-1:123456789012:stateMachine:missing"

    with pytest.raises(ClientError) as refused:
        endpoint.client("stepfunctions").start_execution(stateMachineArn=arn)

    assert refused.value.response["Error"]["Code"] == "StateMachineDoesNotExist"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert len(refused.value.response["ResponseMetadata"]["RequestId"]) == 36


@pytest.mark.parametrize(
    ("body", "operation", "code"),
    [
        (b"{", "ListStateMachines", "SerializationException"),
        (b"[]", "ListStateMachines", "SerializationException"),
        (b"\xff", "ListStateMachines", "SerializationException"),
        (b"{}", "DanceStateMachine", "UnknownOperationException"),
    ],
)
def test_requests_step_functions_cannot_read_are_answered(
    connection: http.client.HTTPConnection, body: bytes, operation: str, code: str
) -> None:
    connection.request("POST", "/", body, {"X-Amz-Target": f"AWSStepFunctions.{operation}"})
    response = connection.getresponse()

    assert [response.status, response.headers["x-amzn-ErrorType"]] == [400, code]
    assert json.loads(response.read())["__type"] == code


def test_a_task_reaches_lambda_and_lambda_reaches_s3(endpoint: Endpoint) -> None:
    source = (
        "import boto3\ndef handler(event, context):\n    return boto3.client('s3').list_buckets()['Buckets'][0]['Name']"
    )
    create_function(endpoint, "lists", source)
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "lists"}}
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "A",
        "States": {"A": task | {"Output": "{% $states.result.Payload %}", "End": True}},
    }
    client = endpoint.client("stepfunctions")
    machine = client.create_state_machine(name="lists", definition=json.dumps(definition), roleArn=ROLE)
    execution = client.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]

    until(lambda: client.describe_execution(executionArn=execution)["status"] != "RUNNING", "the execution ends")

    assert client.describe_execution(executionArn=execution)["output"] == '"bucket"'


def test_invocations_that_wait_do_not_starve_the_s3_calls_of_those_that_run(endpoint: Endpoint) -> None:
    """Thirty invocations over HTTP at two environments, each of which needs S3 itself."""
    source = """
import boto3
s3 = boto3.client("s3")
def handler(event, context):
    s3.put_object(Bucket="bucket", Key=f"starve/{event}")
"""
    create_function(endpoint, "writes", source)
    client = endpoint.client("lambda")
    failures: list[str] = []

    def invoke(number: int) -> None:
        answer = client.invoke(FunctionName="writes", Payload=str(number).encode())
        if "FunctionError" in answer:
            failures.append(answer["Payload"].read().decode())

    threads = [threading.Thread(target=invoke, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert len(keys(endpoint, "starve/")) == 30


def test_a_connection_is_used_again(connection: http.client.HTTPConnection) -> None:
    connection.request("PUT", "/bucket/alive", b"x", SIGNED)
    connection.getresponse().read()
    kept = connection.sock
    connection.request("GET", "/bucket/alive", headers=SIGNED)

    assert connection.getresponse().read() == b"x"
    assert connection.sock is kept is not None


def test_a_body_nobody_read_does_not_disturb_the_next_request(connection: http.client.HTTPConnection) -> None:
    connection.request("POST", "/2015-03-31/functions/missing/invocations", b"x" * 100_000)
    assert [connection.getresponse().read()[:20]] == [b'{"Type": "User", "Me']
    connection.request("GET", "/bucket?list-type=2&prefix=nothing", headers=SIGNED)

    assert connection.getresponse().status == 200


def test_a_chunked_upload_is_taken(endpoint: Endpoint, connection: http.client.HTTPConnection) -> None:
    connection.request("PUT", "/bucket/chunked", iter([b"one ", b"two"]), SIGNED, encode_chunked=True)
    assert connection.getresponse().status == 200

    assert endpoint.client("s3").get_object(Bucket="bucket", Key="chunked")["Body"].read() == b"one two"


@pytest.mark.parametrize(
    "rubbish",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PUT /bucket/x HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"PUT /bucket/x HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT /bucket/x HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n",
        b"PUT /bucket/x HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"PUT /bucket/x HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabc",
        b"PUT /bucket/x HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nX-Amz-Target: AWSStepFunctions.ListStateMachines\r\nContent-Length: 50000\r\n\r\n"
        + b"[" * 50_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /2015-03-31/functions/%ff%00/invocations HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_malformed_requests_are_refused_and_harm_nobody(endpoint: Endpoint, rubbish: bytes) -> None:
    answer = b""
    with (
        socket.create_connection(address(endpoint), timeout=20) as client,
        contextlib.suppress(ConnectionError, OSError),
    ):
        client.sendall(rubbish)
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()  # what is far too long may be cut off by a reset instead

    assert b" 200 " not in answer.split(b"\n")[0]
    assert endpoint.client("s3").list_buckets()["Buckets"][0]["Name"] == "bucket"


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        (b"5\r\nab", None),
        (b"5\r\nabcde\r\n", None),
        (b"5\r\nabcde", None),
        (b"", None),
        (b"5\r\nabcdefgh\r\n0\r\n\r\n", b"400"),
        (b"five\r\nabcde\r\n0\r\n\r\n", b"400"),
        (b"-5\r\nabcde\r\n0\r\n\r\n", b"400"),
        (b"ffffffffffffffff\r\nabcde\r\n", b"400"),
        (b"5" * 5000, b"400"),
    ],
)
def test_a_chunked_upload_that_breaks_off_stores_nothing(
    endpoint: Endpoint, chunks: bytes, status: bytes | None
) -> None:
    head = f"PUT /bucket/broken HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{AUTHORIZATION}\r\n\r\n"
    with socket.create_connection(address(endpoint), timeout=20) as client:
        client.sendall(head.encode() + chunks)
        client.shutdown(socket.SHUT_WR)
        answer = client.makefile("rb").read()

    assert (answer.split()[1] if answer else None) == status
    assert keys(endpoint, "broken") == []


def test_requests_sent_ahead_are_answered_in_order(endpoint: Endpoint) -> None:
    requests = [
        f"PUT /bucket/ahead HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n{AUTHORIZATION}\r\n\r\none",
        "POST /2015-03-31/functions/missing/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        f"GET /bucket/ahead HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{AUTHORIZATION}\r\n\r\n",
    ]
    with socket.create_connection(address(endpoint), timeout=20) as client:
        client.sendall("".join(requests).encode())
        answer = client.makefile("rb").read()

    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"404", b"200"]
    assert answer.endswith(b"\r\n\r\none")


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Return a request with bytes lost, changed and added."""
    request = bytearray(draw(st.sampled_from(WELL_FORMED)).encode())
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(request)))
        request[start : start + draw(st.integers(0, 20))] = draw(st.binary(max_size=20))
    return bytes(request)


@settings(max_examples=60, deadline=None)
@given(spoilt(), st.booleans())
def test_whatever_arrives_the_next_client_is_served(endpoint: Endpoint, request_: bytes, waits: bool) -> None:
    with contextlib.suppress(OSError), socket.create_connection(address(endpoint), timeout=20) as client:
        client.sendall(request_)
        client.shutdown(socket.SHUT_WR)
        if waits:
            client.recv(100)

    assert endpoint.client("s3").list_buckets()["Buckets"][0]["Name"] == "bucket"


@pytest.mark.parametrize("path", ["/un\x06printable", "/un%06printable", "/un%7Fprintable/key"])
def test_a_bucket_that_would_break_the_list_of_buckets_is_refused(endpoint: Endpoint, path: str) -> None:
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n{AUTHORIZATION}\r\n\r\n"
    with socket.create_connection(address(endpoint), timeout=20) as client:
        client.sendall(head.encode())
        answer = client.makefile("rb").read()

    assert [answer.split()[1], b"<Code>InvalidBucketName</Code>" in answer] == [b"400", True]
    assert endpoint.client("s3").list_buckets()["Buckets"][0]["Name"] == "bucket"


@pytest.mark.parametrize("part", [b"", b"x" * 500, b"a line\n"])
def test_a_half_sent_body_stores_nothing(endpoint: Endpoint, part: bytes) -> None:
    head = "PUT /bucket/half HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nAuthorization: {}\r\n\r\n"
    with socket.create_connection(address(endpoint), timeout=20) as client:
        client.sendall(head.format(SIGNED["Authorization"]).encode() + part)
        client.shutdown(socket.SHUT_WR)
        assert client.makefile("rb").read() == b""

    assert keys(endpoint, "half") == []


def test_a_client_that_does_not_wait_for_its_answer_harms_nobody(endpoint: Endpoint, tmp_path: Path) -> None:
    create_function(
        endpoint, "slow", "import time\ndef handler(event, context):\n    time.sleep(0.2)\n    open(event, 'w').close()"
    )
    event = json.dumps(str(tmp_path / "done")).encode()
    with socket.create_connection(address(endpoint)) as client:
        head = f"POST /2015-03-31/functions/slow/invocations HTTP/1.1\r\nContent-Length: {len(event)}\r\n\r\n"
        client.sendall(head.encode() + event)

    until((tmp_path / "done").exists, "the invocation goes on without its caller")
    assert endpoint.client("lambda").invoke(FunctionName="slow", Payload=event)["StatusCode"] == 200


def test_expect_100_continue_is_answered_once(endpoint: Endpoint) -> None:
    head = (
        "PUT /bucket/expected HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
        "Expect: 100-continue\r\nConnection: close\r\nAuthorization: {}\r\n\r\n"
    )
    with socket.create_connection(address(endpoint), timeout=20) as client:
        client.sendall(head.format(SIGNED["Authorization"]).encode())
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ok")

        assert client.makefile("rb").read().startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_last_endpoint_to_close_takes_what_was_stored_with_it() -> None:
    """In a process of its own, because moto has one world a process."""
    script = """
        from fanfold.local.server import Endpoint
        def buckets(endpoint):
            return [bucket["Name"] for bucket in endpoint.client("s3").list_buckets()["Buckets"]]
        first, second = Endpoint(), Endpoint()
        first.client("s3").create_bucket(Bucket="kept")
        first.close()
        seen = buckets(second)
        second.close()
        with Endpoint() as third:
            print(seen, buckets(third))
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)

    assert ran.stdout == "['kept'] []\n"


def test_a_closed_endpoint_lets_its_port_and_connections_go(tmp_path: Path) -> None:
    endpoint = Endpoint(log_dir=tmp_path)
    host, port = address(endpoint)
    with socket.create_connection((host, port)) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert idle.recv(12) == b"HTTP/1.1 200"

        endpoint.close()

        idle.settimeout(10)
        while idle.recv(65536):
            pass
    with Endpoint(port=port, log_dir=tmp_path) as again:
        assert again.url == endpoint.url


def test_what_the_user_has_set_for_aws_is_not_heeded(endpoint: Endpoint, tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_ENDPOINT_URL", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Endpoint(log_dir=tmp_path) as fresh:
        assert fresh.client("s3").list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_two_endpoints_on_one_port_is_an_error(endpoint: Endpoint, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="in use"):
        Endpoint(port=address(endpoint)[1], log_dir=tmp_path)
