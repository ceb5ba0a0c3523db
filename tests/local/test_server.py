"""The front door: every service behind one address, whatever its clients do."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import socket
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from fanfold.local.server import Endpoint
from fanfold.local.wsgi import Body, ClientGone, Server

ROLE = "arn:aws:iam::123456789012:role/any"
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=none"
}


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


def until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


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


def test_it_listens_on_loopback_only_unless_told_otherwise(endpoint: Endpoint) -> None:
    assert address(endpoint)[0] == "127.0.0.1"


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


@given(st.binary(max_size=200), st.lists(st.integers(0, 50), max_size=10))
def test_a_body_is_read_to_its_length_and_no_further(content: bytes, sizes: list[int]) -> None:
    body = Body(io.BufferedReader(io.BytesIO(content + b"next request")), len(content))

    parts = [body.read(size) for size in sizes]

    assert b"".join(parts) + body.read() == content
    assert [body.read(), body.remaining] == [b"", 0]


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_a_body_is_read_line_by_line(parts: list[bytes]) -> None:
    content = b"\n".join(parts)

    lines = Body(io.BufferedReader(io.BytesIO(content + b"next")), len(content)).readlines()

    assert lines == io.BytesIO(content).readlines()


def test_a_body_that_ends_early_is_an_error() -> None:
    body = Body(io.BufferedReader(io.BytesIO(b"short")), 10)

    with pytest.raises(ClientGone, match="5 bytes before the end"):
        body.read()


@pytest.fixture
def small_server() -> Iterator[Callable[[Any], http.client.HTTPConnection]]:
    """Serve a WSGI application of the test."""
    server = Server("127.0.0.1", 0)
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=10)

    def serve(app: Any) -> http.client.HTTPConnection:
        server.start(app)
        return connection

    yield serve
    connection.close()
    server.close()


def test_an_answer_without_a_length_is_sent_in_chunks(small_server: Callable[[Any], Any]) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield from (b"one ", b"", b"two")

    connection = small_server(app)
    for _ in range(2):
        connection.request("GET", "/")
        response = connection.getresponse()
        assert [response.headers["Transfer-Encoding"], response.read()] == ["chunked", b"one two"]


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Same")])
def test_an_answer_that_may_have_no_body_has_none(small_server: Callable[[Any], Any], method: str, status: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(status, [])
        return [b"not to be sent"]

    connection = small_server(app)
    for _ in range(2):
        connection.request(method, "/")
        response = connection.getresponse()
        assert [response.status, response.read()] == [int(status[:3]), b""]


def test_an_application_that_raises_is_an_internal_failure_and_the_next_request_is_served(
    small_server: Callable[[Any], Any],
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/bad":
            raise KeyError("a defect")
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    connection = small_server(app)
    answers = []
    for path in ("/bad", "/good"):
        connection.request("GET", path)
        response = connection.getresponse()
        answers.append((response.status, response.read()[:2]))

    assert [answers[0][0], answers[1]] == [500, (200, b"ok")]
