"""What the API tells of map runs and their children."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from fanfold.local.protocol import ServiceError
from fanfold.local.stepfunctions import paging
from fanfold.local.stepfunctions.arns import Arn
from fanfold.local.stepfunctions.children import RUNNING, SUCCEEDED, UNSUCCESSFUL, Child, Children, Choice
from fanfold.local.stepfunctions.document import dumps
from fanfold.local.stepfunctions.mapruns import MapRun, MapRuns, child_arn

_OVER: Final = (SUCCEEDED, *UNSUCCESSFUL)
_LAST: Final = 2**62


def describe_map_run(run: MapRun) -> dict[str, Any]:
    """Answer DescribeMapRun."""
    details = {
        "mapRunArn": run.arn,
        "executionArn": run.origin.execution_arn,
        "status": run.status,
        "startDate": run.started,
        "stopDate": run.stopped,
        "maxConcurrency": run.max_concurrency,
        "toleratedFailurePercentage": float(run.tolerance.percentage or 0),
        "toleratedFailureCount": run.tolerance.count or 0,
        "itemCounts": run.counts(items=True),
        "executionCounts": run.counts(items=False),
        "redriveCount": run.redrives,
        "redriveDate": run.redriven,
    }
    return {key: value for key, value in details.items() if value is not None}


def update_map_run(run: MapRun, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer UpdateMapRun; the new limits hold at once."""
    if run.status != RUNNING:
        raise ServiceError("ValidationException", "Map Run is completed and cannot be updated")
    run.max_concurrency = request.get("maxConcurrency", run.max_concurrency)
    run.tolerance.count = request.get("toleratedFailureCount", run.tolerance.count)
    run.tolerance.percentage = request.get("toleratedFailurePercentage", run.tolerance.percentage)
    run.wake()
    return {}


def list_item(run: MapRun) -> dict[str, Any]:
    """Return an entry of ListMapRuns."""
    stopped = {} if run.stopped is None else {"stopDate": run.stopped}
    return {
        "executionArn": run.origin.execution_arn,
        "mapRunArn": run.arn,
        "stateMachineArn": run.origin.machine_arn,
        "startDate": run.started,
        **stopped,
    }


def list_children(run: MapRun, children: Children, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer ListExecutions for a map run, newest first."""
    wanted, redriven = request.get("statusFilter"), request.get("redriveFilter")
    before = paging.position(request)
    size = paging.size(request)
    edge = _LAST if before is None else before
    found = {child.index: child for child in list(run.running.values()) if child.index < edge}
    if wanted not in (None, RUNNING):
        found.clear()
    if wanted != RUNNING:
        chosen = Choice((wanted,) if wanted else _OVER, None if redriven is None else redriven == "REDRIVEN")
        found |= {child.index: child for child in children.before(run.number, chosen, edge, size + 1)}
    listed = sorted(
        (c for c in found.values() if redriven is None or (c.redrives > 0) == (redriven == "REDRIVEN")),
        key=lambda child: -child.index,
    )
    more = {"nextToken": paging.token(listed[size - 1].index)} if len(listed) > size else {}
    return {"executions": [_details(run, child) for child in listed[:size]], **more}


def find_child(runs: MapRuns, children: Children, arn: Arn) -> tuple[MapRun, Child]:
    """Return a child by its ARN; raises ServiceError ExecutionDoesNotExist."""
    machine, name = arn.resource.split(":")[:2]
    machine_arn = str(Arn(arn.partition, arn.region, arn.account, "stateMachine", machine))
    for run in runs.of_machine(machine_arn):
        child = next((each for each in list(run.running.values()) if each.name == name), None)
        child = child or children.find(run.number, name)
        if child is not None and child_arn(run, child) == str(arn):
            return run, child
    raise ServiceError("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")


def describe_child(run: MapRun, child: Child) -> dict[str, Any]:
    """Answer DescribeExecution for a child."""
    listed = _details(run, child)
    listed.pop("itemCount")
    return {**listed, **carried(child.input, child.output, child.error, child.cause), **_redrive(child)}


def carried(given: str, output: str | None, error: str | None, cause: str | None) -> dict[str, Any]:
    """Return what went into an execution and what came of it, as DescribeExecution has them."""
    included = {"included": True}
    details = {
        "input": given,
        "inputDetails": included,
        "output": output,
        "outputDetails": included if output is not None else None,
        "error": error,
        "cause": cause,
    }
    return {key: value for key, value in details.items() if value is not None}


def child_events(run: MapRun, child: Child) -> list[dict[str, Any]]:
    """Return the events of a STANDARD child."""
    live = run.live.get(child.index)
    events: list[dict[str, Any]] = list(live.history.events) if live else json.loads(child.history or "[]")
    return events


def stop_child(run: MapRun, child: Child, error: str | None, cause: str | None) -> float:
    """Abort a STANDARD child, if it still runs, and return when it stopped."""
    live = run.live.get(child.index)
    if live is None:
        return child.stopped
    live.error, live.cause = error, cause
    live.scope.stop()
    return time.time()


def describe_child_machine(run: MapRun) -> dict[str, Any]:
    """Return what DescribeStateMachineForExecution says of a child beyond its parent's machine."""
    source = {key: value for key, value in run.origin.processor.source.items() if key != "ProcessorConfig"}
    return {
        "stateMachineArn": run.origin.machine_arn,
        "definition": dumps(source),
        "mapRunArn": run.arn,
        "label": run.origin.label,
    }


def _details(run: MapRun, child: Child) -> dict[str, Any]:
    stopped = {"stopDate": child.stopped} if child.status != RUNNING else {}
    redriven = {} if child.redriven is None else {"redriveDate": child.redriven}
    return {
        "executionArn": child_arn(run, child),
        "stateMachineArn": run.origin.machine_arn,
        "name": child.name,
        "status": child.status,
        "startDate": child.started,
        **stopped,
        "mapRunArn": run.arn,
        "itemCount": child.items,
        "redriveCount": child.redrives,
        **redriven,
    }


def _redrive(child: Child) -> dict[str, Any]:
    if child.status in UNSUCCESSFUL:
        return {"redriveStatus": "REDRIVABLE_BY_MAP_RUN"}
    reason = f"Execution is {child.status} and cannot be redriven"
    return {"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": reason}
