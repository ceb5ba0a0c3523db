"""The Step Functions API: one method an operation, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fanfold.local.protocol import Clients, Invoke, ServiceError
from fanfold.local.stepfunctions import arns, childapi, paging, requests
from fanfold.local.stepfunctions.children import Child, Children
from fanfold.local.stepfunctions.definition import validate_definition
from fanfold.local.stepfunctions.document import Document, loads, well_formed
from fanfold.local.stepfunctions.executions import Execution, Executions, details_of, new_name
from fanfold.local.stepfunctions.machines import Machine, Machines, check_name
from fanfold.local.stepfunctions.mapruns import MapRun, MapRuns
from fanfold.local.stepfunctions.parallel import run_map, run_parallel
from fanfold.local.stepfunctions.readers import Lister
from fanfold.local.stepfunctions.scope import Scope
from fanfold.local.stepfunctions.services import Services, Workers
from fanfold.local.stepfunctions.states import run_choice, run_fail, run_pass, run_wait
from fanfold.local.stepfunctions.tasks import run_task

Request = dict[str, Any]
Response = dict[str, Any]

_RUNNERS: Final = {
    "Pass": run_pass,
    "Succeed": run_pass,
    "Task": run_task,
    "Choice": run_choice,
    "Wait": run_wait,
    "Fail": run_fail,
    "Parallel": run_parallel,
    "Map": run_map,
}


class StepFunctions:
    """The service: state machines, their executions and map runs, as long as the endpoint lives.

    Args:
        region: the region in ARNs.
        account: the account in ARNs.
        invoke: the door to Lambda.
        clients: makes clients of the other services of this endpoint.
        parallel_children: how many threads help the executions along; MaxConcurrency 0 means this many and one.
        directories: lists directories of this machine for maps over the bucket ``file:``; ``None``: it is not there.
    """

    def __init__(  # noqa: PLR0913 - the endpoint is the one caller
        self,
        *,
        region: str,
        account: str,
        invoke: Invoke,
        clients: Clients,
        parallel_children: int,
        directories: Lister | None = None,
    ) -> None:
        self._region, self._account = region, account
        self._children, self._map_runs = Children(), MapRuns()
        self._workers = Workers(parallel_children)
        self._machines = Machines()
        self._scope = Scope()
        services = Services(
            region=region,
            account=account,
            invoke=invoke,
            clients=clients,
            scope=self._scope,
            workers=self._workers,
            children=self._children,
            map_runs=self._map_runs,
            runners=_RUNNERS,
            api=self.handle,
            directories=directories,
        )
        self._executions = Executions(services)
        self._operations: Mapping[str, Callable[[Request], Response]] = {
            "CreateStateMachine": self._create_state_machine,
            "UpdateStateMachine": self._update_state_machine,
            "DeleteStateMachine": self._delete_state_machine,
            "DescribeStateMachine": self._describe_state_machine,
            "ListStateMachines": self._list_state_machines,
            "ValidateStateMachineDefinition": self._validate_definition,
            "StartExecution": self._start_execution,
            "StopExecution": self._stop_execution,
            "DescribeExecution": self._describe_execution,
            "DescribeStateMachineForExecution": self._describe_machine_for_execution,
            "GetExecutionHistory": self._get_execution_history,
            "ListExecutions": self._list_executions,
            "RedriveExecution": self._redrive_execution,
            "ListMapRuns": self._list_map_runs,
            "DescribeMapRun": lambda request: childapi.describe_map_run(self._map_run(request)),
            "UpdateMapRun": lambda request: childapi.update_map_run(self._map_run(request), request),
            "ListTagsForResource": self._list_tags,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }

    def handle(self, operation: str, request: Request) -> Response:
        """Answer one API call with JSON-ready values, dates as epoch seconds; raises ServiceError."""
        answer = self._operations.get(operation)
        if answer is None:
            raise ServiceError("UnknownOperationException", f"This endpoint does not answer {operation}.")
        given = {name: value for name, value in request.items() if value is not None}
        requests.check(operation, given)
        return answer(given)

    def close(self) -> None:
        """End what runs; nothing is answered any more."""
        self._scope.stop()
        self._workers.close()

    def _create_state_machine(self, request: Request) -> Response:
        check_name(request["name"])
        if request.get("type", "STANDARD") != "STANDARD":
            message = "This endpoint runs STANDARD state machines; EXPRESS is for the children of a distributed Map."
            raise ServiceError("StateMachineTypeNotSupported", message)
        if request.get("publish") or "versionDescription" in request:
            raise ServiceError("ValidationException", "This endpoint keeps no versions: leave out publish.")
        machine = self._machines.create(arns.machine(self._region, self._account, request["name"]), request)
        return {"stateMachineArn": machine.arn, "creationDate": machine.created}

    def _update_state_machine(self, request: Request) -> Response:
        arn = arns.machine_of(request["stateMachineArn"])
        if not {"definition", "roleArn", "loggingConfiguration", "tracingConfiguration"} & request.keys():
            raise ServiceError(
                "MissingRequiredParameter",
                "Either the definition, the role ARN, the LoggingConfiguration, "
                "or the TracingConfiguration must be specified",
            )
        machine = self._machines.update(arn, request)
        return {"updateDate": machine.updated, "revisionId": machine.revision}

    def _delete_state_machine(self, request: Request) -> Response:
        self._machines.delete(arns.machine_of(request["stateMachineArn"]))
        return {}

    def _machine(self, text: str) -> Machine:
        return self._machines.get(arns.machine_of(text))

    def _describe_state_machine(self, request: Request) -> Response:
        machine = self._machine(request["stateMachineArn"])
        return {**machine.described(), "status": "ACTIVE", "type": "STANDARD", "creationDate": machine.created}

    def _list_state_machines(self, request: Request) -> Response:
        listed = [
            {"stateMachineArn": each.arn, "name": each.name, "type": "STANDARD", "creationDate": each.created}
            for each in self._machines.each()
        ]
        return paging.page(request, listed, "stateMachines")

    def _validate_definition(self, request: Request) -> Response:
        found = validate_definition(request["definition"])
        most = request.get("maxResults") or paging.PAGE
        diagnostics = [
            {"severity": "ERROR", "code": each.code, "message": each.message}
            | ({"location": each.location} if each.location else {})
            for each in found
        ]
        result = "FAIL" if diagnostics else "OK"
        return {"result": result, "diagnostics": diagnostics[:most], "truncated": len(diagnostics) > most}

    def _start_execution(self, request: Request) -> Response:
        machine = self._machine(request["stateMachineArn"])
        name = request.get("name") or new_name()
        check_name(name)
        text = well_formed(request.get("input", "{}"))
        try:
            document = Document(text, loads(text))
        except (ValueError, RecursionError) as problem:
            message = f"Invalid State Machine Execution Input: '{problem}'"
            raise ServiceError("InvalidExecutionInput", message) from None
        execution = self._executions.start(machine, arns.execution(machine.arn, name), name, document)
        return {"executionArn": execution.identity.arn, "startDate": execution.identity.started}

    def _execution(self, request: Request) -> Execution:
        return self._executions.get(str(arns.parse(request["executionArn"], "execution")))

    def _child(self, request: Request) -> tuple[MapRun, Child] | None:
        arn = arns.parse(request["executionArn"], "execution", "express")
        return self._labelled(request) if arn.labelled else None

    def _labelled(self, request: Request) -> tuple[MapRun, Child]:
        return childapi.find_child(self._map_runs, self._children, arns.parse(request["executionArn"]))

    def _stop_execution(self, request: Request) -> Response:
        reason = (request.get("error"), request.get("cause"))
        if arns.parse(request["executionArn"], "execution").labelled:
            return {"stopDate": childapi.stop_child(*self._labelled(request), *reason)}
        return {"stopDate": self._execution(request).stop(*reason)}

    def _describe_execution(self, request: Request) -> Response:
        found = self._child(request)
        if found is not None:
            return childapi.describe_child(*found)
        execution = self._execution(request)
        reason = execution.not_redrivable
        redrive = {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}
        return {
            **details_of(execution),
            **childapi.carried(execution.document.text, execution.output, execution.error, execution.cause),
            **(redrive if reason else {"redriveStatus": "REDRIVABLE"}),
        }

    def _describe_machine_for_execution(self, request: Request) -> Response:
        found = self._child(request)
        arn = found[0].origin.execution_arn if found else request["executionArn"]
        while (parsed := arns.parse(arn)).labelled:
            arn = childapi.find_child(self._map_runs, self._children, parsed)[0].origin.execution_arn
        machine = self._executions.get(arn).machine
        own = childapi.describe_child_machine(found[0]) if found else {}
        return {**machine.described(), "updateDate": machine.updated, **own}

    def _get_execution_history(self, request: Request) -> Response:
        arn = arns.parse(request["executionArn"], "execution")
        found = self._child({"executionArn": str(arn)})
        events = childapi.child_events(*found) if found else list(self._execution(request).history.events)
        if request.get("reverseOrder"):
            events.reverse()
        if request.get("includeExecutionData") is False:
            events = [_without_data(event) for event in events]
        return paging.page(request, events, "events")

    def _list_executions(self, request: Request) -> Response:
        machine, map_run = request.get("stateMachineArn"), request.get("mapRunArn")
        if (machine is None) == (map_run is None):
            raise ServiceError("ValidationException", "Specify exactly one of stateMachineArn and mapRunArn")
        if map_run is not None:
            return childapi.list_children(self._map_run(request), self._children, request)
        known = self._executions.of(self._machine(str(machine)).arn)
        wanted = request.get("statusFilter")
        if wanted == "PENDING_REDRIVE" or "redriveFilter" in request:
            message = "redriveFilter and the statusFilter PENDING_REDRIVE can only be used with a mapRunArn"
            raise ServiceError("ValidationException", message)
        return paging.page(request, [details_of(each) for each in known if wanted in (None, each.status)], "executions")

    def _redrive_execution(self, request: Request) -> Response:
        if arns.parse(request["executionArn"], "execution").labelled:
            raise ServiceError("ValidationException", "Labeled Execution ARNs are not supported for this API")
        return {"redriveDate": self._execution(request).redrive(request.get("clientToken"))}

    def _map_run(self, request: Request) -> MapRun:
        arn = str(arns.parse(request["mapRunArn"], "mapRun"))
        run = self._map_runs.get(arn)
        if run is None:
            raise ServiceError("ResourceNotFound", f"Resource not found: '{arn}'")
        return run

    def _list_map_runs(self, request: Request) -> Response:
        found = self._child(request)
        arn = request["executionArn"] if found else self._execution(request).identity.arn
        return paging.page(request, [childapi.list_item(run) for run in self._map_runs.of(arn)], "mapRuns")

    def _tagged(self, request: Request) -> Machine:
        try:
            return self._machine(request["resourceArn"])
        except ServiceError as problem:
            if problem.code != "StateMachineDoesNotExist":
                raise
            raise ServiceError("ResourceNotFound", f"Resource not found: '{request['resourceArn']}'") from None

    def _list_tags(self, request: Request) -> Response:
        tags = self._tagged(request).tags
        return {"tags": [{"key": key, "value": value} for key, value in tags.items()]}

    def _tag(self, request: Request) -> Response:
        machine = self._tagged(request)
        self._machines.tag(
            machine.arn, {**machine.tags, **{tag["key"]: tag.get("value", "") for tag in request["tags"]}}
        )
        return {}

    def _untag(self, request: Request) -> Response:
        machine = self._tagged(request)
        kept = {key: value for key, value in machine.tags.items() if key not in request["tagKeys"]}
        self._machines.tag(machine.arn, kept)
        return {}


def _without_data(event: dict[str, Any]) -> dict[str, Any]:
    carried = ("input", "output", "assignedVariables")
    hidden = {*carried, *(f"{name}Details" for name in carried), "parameters"}
    return {
        key: {name: each for name, each in value.items() if name not in hidden} if isinstance(value, dict) else value
        for key, value in event.items()
    }
