"""``states:startExecution``, the optimised integration of Step Functions with itself, and its wait for the end.

See "Start a new AWS Step Functions state machine from a running execution" in the Developer Guide of Step Functions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from fanfold.local.protocol import ServiceError
from fanfold.local.stepfunctions.document import dumps, loads
from fanfold.local.stepfunctions.failure import RUNTIME, TASK_FAILED, TIMEOUT, Failure, Stopped
from fanfold.local.stepfunctions.scope import Scope

START: Final = "startExecution"
# ``.sync`` gives the output as text, ``.sync:2`` as JSON.
SYNC: Final = frozenset({f"{START}.sync", f"{START}.sync:2"})
_LOOK: Final = 0.05  # seconds between two looks at the other execution
_ARGUMENTS: Final = frozenset({"StateMachineArn", "Name", "Input", "TraceHeader"})
_MOMENTS: Final = frozenset({"startDate", "stopDate", "redriveDate"})
# What DescribeExecution says of a redrive is not handed on.
_LEFT_OUT: Final = frozenset({"redriveCount", "redriveStatus", "redriveStatusReason"})


class Api(Protocol):
    """The Step Functions API of this endpoint."""

    def __call__(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one call; raises ServiceError."""
        ...


def start_execution(api: Api, arguments: dict[str, Any]) -> dict[str, Any]:
    """Start an execution and return what the API answers, in the spelling of a Task.

    Raises:
        Failure: the arguments are none, or the API's own error, such as
            ``StepFunctions.ExecutionAlreadyExistsException``.
    """
    unknown = sorted(set(arguments) - _ARGUMENTS)
    if unknown or not isinstance(arguments.get("StateMachineArn"), str):
        fault = f"'{unknown[0]}' is unknown" if unknown else "StateMachineArn is missing"
        raise Failure(RUNTIME, f"The Arguments of states:startExecution are not valid: {fault}.")
    request = {"stateMachineArn": arguments["StateMachineArn"], "name": arguments.get("Name")}
    given = arguments.get("Input")
    if given is not None:
        request["input"] = given if isinstance(given, str) else dumps(given)
    try:
        answer = api("StartExecution", request)
    except ServiceError as problem:
        code = problem.code if problem.code.endswith("Exception") else f"{problem.code}Exception"
        cause = f"{problem.message} (Service: AWSStepFunctions; Status Code: {problem.status})"
        raise Failure(f"StepFunctions.{code}", cause) from None
    return {"ExecutionArn": answer["executionArn"], "StartDate": _milliseconds(answer["startDate"])}


def run_execution(
    api: Api, arguments: dict[str, Any], scope: Scope, timeout: float | None, submitted: Callable[[Any], None]
) -> dict[str, Any]:
    """Start an execution, wait for its end and return it; it is stopped with the state that waits for it.

    Args:
        api: of this endpoint.
        arguments: of the Task.
        scope: of the waiting execution.
        timeout: seconds to wait, ``None``: for ever.
        submitted: is told what StartExecution answered.

    Raises:
        Failure: as ``start_execution``; ``States.TaskFailed``, with the execution as the cause, where it did not
            succeed; ``States.Timeout``.
        Stopped: the waiting execution was.
    """
    started = start_execution(api, arguments)
    submitted(started)
    which = {"executionArn": started["ExecutionArn"]}
    deadline = None if timeout is None else time.monotonic() + timeout
    while (described := api("DescribeExecution", which))["status"] == "RUNNING":
        if deadline is not None and time.monotonic() > deadline:
            api("StopExecution", which)
            raise Failure(TIMEOUT, None)
        try:
            scope.wait(_LOOK)
        except Stopped:
            api("StopExecution", which)
            raise
    told = {
        f"{name[0].upper()}{name[1:]}": _value(name, each) for name, each in described.items() if name not in _LEFT_OUT
    }
    if described["status"] != "SUCCEEDED":
        raise Failure(TASK_FAILED, dumps(told))
    return told


def with_json(ended: dict[str, Any]) -> dict[str, Any]:
    """Return what ``run_execution`` gave with its input and output as JSON, as ``.sync:2`` has them."""
    return ended | {name: loads(ended[name]) for name in ("Input", "Output")}


def _value(name: str, value: Any) -> Any:
    if name in _MOMENTS:
        return _milliseconds(value)
    return {"Included": value["included"]} if name in {"inputDetails", "outputDetails"} else value


def _milliseconds(moment: float) -> int:
    return int(moment * 1000)
