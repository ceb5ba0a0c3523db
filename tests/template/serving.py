"""Rules about functions, their layer, their folders and their logs, and about the machine that calls them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from tests.template.application import Application, Json, text

# An EXPRESS child lives five minutes, its function's retries included.
EXPRESS_SECONDS = 300
_LAMBDA_SECONDS = 900


def functions(app: Application) -> list[str]:
    """Find functions of another runtime or processor, untraced, without our layer, or with too much time."""
    return [
        f"{name}: {fault}"
        for name, properties in app.properties("AWS::Lambda::Function")
        for fault in _function_faults(app, properties)
    ]


def _function_faults(app: Application, properties: Json) -> Iterator[str]:
    if (properties.get("Runtime"), properties.get("Architectures")) != ("python3.13", ["arm64"]):
        yield "not python3.13 on arm64"
    if properties.get("TracingConfig") != {"Mode": "Active"}:
        yield "Tracing is not Active"
    layers = {name for name, _ in app.properties("AWS::Lambda::LayerVersion")}
    if not layers & {layer.get("Ref") for layer in properties.get("Layers", []) if isinstance(layer, dict)}:
        yield "no layer, so no itemkit"
    express = "-op-" in text(properties.get("FunctionName"))
    limit = EXPRESS_SECONDS - 1 if express else _LAMBDA_SECONDS
    if properties.get("Timeout", 3) > limit:
        yield f"Timeout is over {limit} seconds"


def folders(app: Application) -> list[str]:
    """Find functions and folders that do not belong together by name, and handlers that cannot be imported so."""
    found, seen = [], set()
    for name, resource in app.written("AWS::Serverless::Function"):
        folder = resource["Properties"]["CodeUri"].removeprefix("functions/").rstrip("/")
        if folder in seen:
            found.append(f"{name}: functions/{folder}/ has another entry")
        seen.add(folder)
        if folder not in app.folders:
            found.append(f"{name}: there is no functions/{folder}/")
        found += [f"{name}: {fault}" for fault in _naming_faults(app, folder, resource)]
    return found + [f"functions/{folder}/ has no entry" for folder in sorted(app.folders - seen)]


def _naming_faults(app: Application, folder: str, resource: Json) -> Iterator[str]:
    properties = resource["Properties"]
    kind = "op-" if folder in app.operations else ""
    named = f"${{AWS::StackName}}-{kind}{folder.replace('_', '-')}"
    if text(properties.get("FunctionName")) != named:
        yield f"FunctionName is not {named}"
    if properties["Handler"] != f"functions.{folder}.handler.handler":
        yield f"Handler is not functions.{folder}.handler.handler"
    # Anywhere else in Metadata, `sam build` passes over these without a word, and the handler cannot be imported.
    explicit = {"ParentPackageMode": "explicit", "ParentPackages": f"functions.{folder}"}
    if resource.get("Metadata", {}).get("BuildProperties") not in ({"ParentPackageMode": "auto"}, explicit):
        yield "Metadata.BuildProperties does not keep the package functions"


def handlers(app: Application) -> list[str]:
    """Find handlers that are not there."""
    found = []
    for name, properties in app.properties("AWS::Lambda::Function"):
        module, _, attribute = properties["Handler"].rpartition(".")
        try:
            there = callable(getattr(importlib.import_module(module), attribute, None))
        except ModuleNotFoundError:
            there = False
        if not there:
            found.append(f"{name}: there is no {properties['Handler']}")
    return found


def logs(app: Application) -> list[str]:
    """Find functions and machines whose logs are kept for ever, and log groups that say so."""
    kept = {name for name, properties in app.properties("AWS::Logs::LogGroup") if "RetentionInDays" in properties}
    found = [f"{name}: no RetentionInDays" for name, _ in app.properties("AWS::Logs::LogGroup") if name not in kept]
    for name, properties in app.properties("AWS::Lambda::Function"):
        group = properties.get("LoggingConfig", {}).get("LogGroup", {}).get("Ref")
        if group not in kept:
            found.append(f"{name}: no log group with RetentionInDays")
        elif text(app.property_of(group, "LogGroupName")) != f"/aws/lambda/{text(properties.get('FunctionName'))}":
            found.append(f"{name}: {group} is not named /aws/lambda/ and the function's name")
    return found


def machines(app: Application) -> list[str]:
    """Find state machines without a fixed name, a log that ends one day, or traces."""
    return [
        f"{name}: {fault}"
        for name, properties in app.properties("AWS::StepFunctions::StateMachine")
        for fault in _machine_faults(app, properties)
    ]


def _machine_faults(app: Application, properties: Json) -> Iterator[str]:
    if not text(properties.get("StateMachineName")).startswith("${AWS::StackName}-"):
        yield "Name does not begin with the stack's"
    if properties.get("TracingConfiguration") != {"Enabled": True}:
        yield "Tracing is not enabled"
    logging = properties.get("LoggingConfiguration", {})
    groups = [
        each["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0] for each in logging.get("Destinations", [])
    ]
    if logging.get("Level", "OFF") == "OFF" or not groups:
        yield "nothing is logged"
    yield from (f"{group} is kept for ever" for group in groups if app.property_of(group, "RetentionInDays") is None)
