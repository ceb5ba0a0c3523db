"""A stage for Step Functions in one process: S3 by moto, functions in Python, no HTTP."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from typing import Any

import boto3

from fanfold.local.protocol import Invocation, ServiceError
from fanfold.local.stepfunctions import StepFunctions

PATIENCE = 30.0
ROLE = "arn:aws:iam::123456789012:role/states"
BUCKET = "stage"

Json = Any
Function = Callable[[Json], Json]


class Stage:
    """Step Functions with a few functions to call and one bucket."""

    def __init__(self, parallel_children: int = 8) -> None:
        self.functions: dict[str, Function] = {}
        self.service = StepFunctions(
            region="us-east-1",
            account="123456789012",
            invoke=self.invoke,
            clients=self.client,
            parallel_children=parallel_children,
        )
        self._machines = 0

    @functools.cached_property
    def s3(self) -> Any:
        """The client of S3, with the bucket made."""
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        return client

    def client(self, service: str) -> Any:
        """Return a client as the endpoint would."""
        return self.s3 if service == "s3" else boto3.client(service, region_name="us-east-1")

    def invoke(self, function_name: str, payload: bytes) -> Invocation:
        """Call a function as Lambda would, its exceptions made errors."""
        function = self.functions.get(function_name)
        if function is None:
            raise ServiceError("ResourceNotFoundException", f"Function not found: {function_name}", 404)
        try:
            return Invocation(json.dumps(function(json.loads(payload))).encode(), None)
        except ServiceError:
            raise
        except Exception as problem:
            error = {"errorMessage": str(problem), "errorType": type(problem).__name__}
            return Invocation(json.dumps(error).encode(), "Unhandled")

    def put(self, key: str, body: str | bytes) -> None:
        """Put an object into the bucket."""
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def get(self, key: str) -> str:
        """Return an object of the bucket as text."""
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()

    def keys(self, prefix: str) -> list[str]:
        """Return the keys below a prefix."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for each in listed.get("Contents", [])]

    def create(self, definition: dict[str, Json], name: str | None = None) -> str:
        """Create a machine and return its ARN."""
        self._machines += 1
        text = json.dumps({"QueryLanguage": "JSONata", **definition})
        request = {"name": name or f"machine-{self._machines}", "definition": text, "roleArn": ROLE}
        arn: str = self.service.handle("CreateStateMachine", request)["stateMachineArn"]
        return arn

    def start(self, states: dict[str, Json], given: Json = None, **machine: Json) -> Execution:
        """Start an execution of states, the first of which is the start."""
        arn = self.create({"StartAt": next(iter(states)), "States": states, **machine})
        request = {"stateMachineArn": arn, "input": json.dumps({} if given is None else given)}
        return Execution(self, self.service.handle("StartExecution", request)["executionArn"])

    def run(self, states: dict[str, Json], given: Json = None, **machine: Json) -> Execution:
        """Run states to their end."""
        return self.start(states, given, **machine).wait()

    def output(self, states: dict[str, Json], given: Json = None) -> Json:
        """Run states and return what they give out; raises AssertionError if they fail."""
        return self.run(states, given).output


class Execution:
    """An execution of the stage."""

    def __init__(self, stage: Stage, arn: str) -> None:
        self.stage = stage
        self.arn = arn

    def ask(self, operation: str, **more: Json) -> dict[str, Json]:
        """Call an operation that takes the execution's ARN."""
        return self.stage.service.handle(operation, {"executionArn": self.arn, **more})

    def wait(self) -> Execution:
        """Wait for the end."""
        until(lambda: self.described["status"] != "RUNNING")
        return self

    @property
    def described(self) -> dict[str, Json]:
        return self.ask("DescribeExecution")

    @property
    def status(self) -> str:
        return str(self.described["status"])

    @property
    def failure(self) -> tuple[str | None, str]:
        """The error, and the cause or ''."""
        described = self.described
        assert described["status"] == "FAILED", described
        return described.get("error"), described.get("cause", "")

    @property
    def output(self) -> Json:
        described = self.described
        assert described["status"] == "SUCCEEDED", described
        return json.loads(described["output"])

    @property
    def events(self) -> list[str]:
        """The types of its events."""
        return [event["type"] for event in self.ask("GetExecutionHistory", maxResults=1000)["events"]]

    @property
    def map_run(self) -> dict[str, Json]:
        """DescribeMapRun of its newest map run."""
        arn = until(lambda: [run["mapRunArn"] for run in self.ask("ListMapRuns")["mapRuns"]])[0]
        return self.stage.service.handle("DescribeMapRun", {"mapRunArn": arn})

    @property
    def children(self) -> list[dict[str, Json]]:
        """ListExecutions of its newest map run, oldest first."""
        listed = self.stage.service.handle("ListExecutions", {"mapRunArn": self.map_run["mapRunArn"]})["executions"]
        return list(reversed(listed))


def until(condition: Callable[[], Json]) -> Json:
    """Wait until a condition holds, and return what it gave."""
    deadline = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)
    return value


def task(function: str, payload: Json = "{% $states.input %}", **fields: Json) -> dict[str, Json]:
    """Return a Task that calls a function and gives out its answer."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": function, "Payload": payload},
        "Output": "{% $states.result.Payload %}",
        **({} if "Next" in fields else {"End": True}),
        **fields,
    }


def distributed(each: dict[str, Json], kind: str = "STANDARD", state: str = "Each", **fields: Json) -> dict[str, Json]:
    """Return a distributed Map whose children have one state, ``each``."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind},
        "StartAt": state,
        "States": {state: each},
    }
    return {"Type": "Map", "Label": "Items", "ItemProcessor": processor, "End": True, **fields}


def reading(action: str, arguments: dict[str, Json], **config: Json) -> dict[str, Json]:
    """Return an ItemReader."""
    return {
        "Resource": f"arn:aws:states:::s3:{action}",
        "Arguments": {"Bucket": BUCKET, **arguments},
        **({"ReaderConfig": config} if config else {}),
    }


def writing(prefix: str = "out", **config: Json) -> dict[str, Json]:
    """Return a ResultWriter."""
    return {
        "Resource": "arn:aws:states:::s3:putObject",
        "Arguments": {"Bucket": BUCKET, "Prefix": prefix},
        "WriterConfig": config,
    }
