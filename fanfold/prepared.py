"""What the stack answers about a job before anything is run: the questions that the workflow begins with, too."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from fanfold.application import Application, lambda_answer
from fanfold.planning import Setting
from fanfold.problems import EnvironmentFault, UsageProblem
from itemkit.cost import Architecture, ChildType
from itemkit.select import Select


@dataclass(frozen=True)
class Prepared:
    """A job that may run.

    Attributes:
        plan: what Prepare answered, with the source as the workflow would read it.
        check: what the operation answered of itself and the job's options.
    """

    plan: dict[str, Any]
    check: dict[str, Any]
    setting: Setting

    @property
    def select(self) -> Select:
        """Which items are wanted."""
        return Select.from_json(self.plan["select"])

    @property
    def was_rewritten(self) -> bool:
        """Tell whether Prepare wrote a manifest for the workflow, because it cannot read what the job names."""
        source = self.plan["source"]
        return source["kind"] != "prefix" and f"s3://{source['bucket']}/{source['key']}".startswith(self.plan["runs"])


def prepare(application: Application, job: dict[str, Any], run: str) -> Prepared:
    """Ask Prepare and the operation what the workflow would ask them; what has to be written is below ``runs/RUN/``.

    Raises:
        UsageProblem: the job is invalid.
        EnvironmentFault: a function of the stack does not work.
    """
    plan = _ask(application, application.prepare_function, {"job": job, "run": run})
    check = _ask(application, plan["function"], {"Check": {"options": plan["options"], "sample": plan["sample"]}})
    if loading := (plan["load"] or {}).get("plan"):
        _ask(application, loading["function"], {"Check": {"options": loading["options"], "sample": None}})
    configuration = application.client("lambda").get_function_configuration(FunctionName=plan["function"])
    select = Select.from_json(plan["select"])
    setting = Setting(
        kind=plan["source"]["kind"],
        heads_rows=select.needs_head,
        batch_items=plan["batch_items"] or check["defaults"]["batch"]["items"],
        concurrency=plan["concurrency"],
        memory=configuration["MemorySize"],
        timeout=configuration["Timeout"],
        architecture=cast(Architecture, configuration["Architectures"][0]),
        child_type=_child_type(application),
    )
    return Prepared(plan, check, setting)


def _ask(application: Application, function: str, question: dict[str, Any]) -> dict[str, Any]:
    answer = application.client("lambda").invoke(FunctionName=function, Payload=json.dumps(question))
    body = json.loads(lambda_answer(answer))
    if "FunctionError" not in answer:
        return cast(dict[str, Any], body)
    error, message = body.get("errorType"), body.get("errorMessage")
    if error == "InvalidJob":
        raise UsageProblem(f"invalid job: {message}")
    raise EnvironmentFault(f"{function} does not answer: {error}: {message}")


def _child_type(application: Application) -> ChildType:
    """Return what the workflow starts for a batch: a parameter of the template, written into its definition."""
    machine = application.client("stepfunctions").describe_state_machine(stateMachineArn=application.machine_arn)
    states = json.loads(machine["definition"])["States"].values()
    types = {state["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] for state in states if state["Type"] == "Map"}
    return cast(ChildType, types.pop())
