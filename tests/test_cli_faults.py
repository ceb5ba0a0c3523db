"""What AWS and the machine refuse, answered with the next step, exit code 4 and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from botocore import exceptions as aws
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from fanfold.faults import explain
from tests.conftest import PROJECT, Cloud
from tests.test_cli import call, environment

pytestmark = pytest.mark.e2e

BARE = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1"}
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}


def fanfold(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "fanfold"), *words],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def refused(client: str, method: str, code: str, message: str) -> str:
    """Return what is said when a service answers a call with an error."""
    made = boto3.client(client, "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(made) as stubber:
        stubber.add_client_error(method, code, message, 400)
        arguments = {"list_objects_v2": {"Bucket": "b"}, "head_object": {"Bucket": "b", "Key": "k"}}
        with pytest.raises(ClientError) as caught:
            getattr(made, method)(**arguments.get(method, {}))
    fault = explain(caught.value)
    assert fault.exit == 4
    return str(fault)


@pytest.mark.parametrize(
    ("client", "method", "code", "message", "said"),
    [
        ("sts", "get_caller_identity", "ExpiredToken", "The token is expired", "have expired (ExpiredToken): sign in"),
        ("lambda", "list_functions", "ExpiredTokenException", "expired", "have expired"),
        ("sts", "get_caller_identity", "InvalidClientTokenId", "The token is invalid", "AWS_PROFILE"),
        ("s3", "list_objects_v2", "SignatureDoesNotMatch", "no match", "clock of this machine"),
        ("s3", "list_objects_v2", "AccessDenied", "Access Denied", "not permitted: s3:ListBucket (Access Denied)"),
        ("s3", "head_object", "403", "Forbidden", "not permitted: s3:GetObject"),
        (
            "lambda", "list_functions", "AccessDeniedException",
            "User: arn:aws:iam::123456789012:user/x is not authorized to perform: lambda:ListFunctions on resource: *",
            "not permitted: lambda:ListFunctions (User: arn:aws:iam::123456789012:user/x",
        ),
        ("lambda", "list_functions", "ResourceNotFoundException", "Function not found: f-prepare", "'sam deploy'"),
        ("lambda", "list_functions", "TooManyRequestsException", "Rate exceeded", "again in a minute"),
        ("lambda", "list_functions", "ServiceException", "oh no", "AWS: An error occurred (ServiceException)"),
    ],
)  # fmt: skip
def test_what_a_service_refuses(client, method, code, message, said):
    assert said in refused(client, method, code, message)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (aws.ProfileNotFound(profile="nope"), "'aws configure list-profiles'"),
        (aws.NoRegionError(), "set AWS_REGION"),
        (aws.NoCredentialsError(), "'aws sso login'"),
        (aws.PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "AWS_SECRET_ACCESS_KEY"),
        (aws.UnauthorizedSSOTokenError(), "sign in again"),
        (aws.TokenRetrievalError(provider="sso", error_msg="Token has expired"), "Token has expired"),
        (aws.LoginRefreshRequired(), "sign in again"),
        (aws.EndpointConnectionError(endpoint_url="https://x/"), "https://x/"),
        (aws.ReadTimeoutError(endpoint_url="https://x/"), "AWS does not answer"),
        (aws.SSLError(endpoint_url="https://x/", error="certificate"), "HTTPS_PROXY"),
        (aws.DataNotFoundError(data_path="x"), "AWS: Unable to load data"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_the_library_refuses(error, said, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    fault = explain(error)

    assert (fault.exit, said in str(fault)) == (4, True), str(fault)


@pytest.mark.parametrize(
    ("has", "said"),
    [
        (KEYS, "fanfold: no AWS Region is set: set AWS_REGION"),
        ({"AWS_REGION": "us-east-1"}, "fanfold: no AWS credentials: sign in"),
        ({"AWS_REGION": "us-east-1", "AWS_PROFILE": "nope"}, "(nope) could not be found: 'aws configure list"),
        (
            {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", **KEYS},
            "AWS_ENDPOINT_URL is http://127.0.0.1:9: is 'fanfold local' still running there?",
        ),
    ],
    ids=["no Region", "no credentials", "no such profile", "no endpoint"],
)  # fmt: skip
def test_a_machine_that_is_not_set_up(has, said):
    done = fanfold(BARE | {"AWS_DEFAULT_REGION": ""} | has, "status")

    assert (done.returncode, done.stdout) == (4, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def refusing() -> Iterator[Callable[[str, str], dict[str, str]]]:
    """Serve AWS refusing everything with an error; return the environment that leads there."""
    answer = {"code": "", "message": ""}

    class Refusal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
            told = body.format(**answer).encode()
            self.send_response(403)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def refuse(code: str, message: str) -> dict[str, str]:
            answer.update(code=code, message=message)
            return (
                BARE | KEYS | {"AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
            )

        yield refuse
        server.shutdown()


@pytest.mark.parametrize(
    ("code", "message", "said"),
    [
        ("ExpiredToken", "The security token included in the request is expired", "fanfold: the AWS credentials have"),
        (
            "AccessDenied",
            "User: arn:aws:iam::1:user/x is not authorized to perform: sts:GetCallerIdentity with an explicit deny",
            "fanfold: not permitted: sts:GetCallerIdentity (User:",
        ),
    ],
)
@pytest.mark.parametrize("words", [("status",), ("watch", "some-run"), ("stop", "some-run")], ids=str)
def test_whatever_the_command_a_refusal_is_one_line(refusing, words, code, message, said):
    done = fanfold(refusing(code, message), *words)

    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("operations",),
        ("cost", "some-run"),
        ("run", "image-resize", "s3://bucket/photos/"),
        ("plan", "image-resize", "s3://bucket/photos/"),
        ("query", "some-run", "select * from records"),
    ],
    ids=str,
)
def test_a_stack_that_is_not_there(cloud: Cloud, words: tuple[str, ...]):
    done = call(cloud, *words, "--stack", "nowhere")

    assert (done.returncode, done.stdout) == (4, "")
    assert "--stack or FANFOLD_STACK names it" in done.stderr
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("{", "the job from stdin is no JSON: Expecting property name"),
        ("[]", 'the job from stdin is no JSON object: write {"operation": ..., "source": ...}'),
        ('{"operation": "image-resize"}', "invalid job"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_job_that_is_none_is_a_usage_problem(cloud: Cloud, command: str, job: str, said: str):
    done = call(cloud, command, "--job", "-", stdin=job)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written_is_named(cloud: Cloud, tmp_path: Path):
    (tmp_path / "file").touch()
    done = fanfold(environment(cloud), "demo", "--to", str(tmp_path / "file"))

    assert (done.returncode, "Traceback" in done.stderr) == (4, False), done.stderr
    assert f"{tmp_path / 'file'}" in done.stderr
    assert "cannot be used" in done.stderr
