"""Standing resources up: one creator a type, each through the service that would do it in AWS."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from botocore.exceptions import ClientError

from fanfold.local.awslambda import EventInvokeConfig, FunctionConfig, Mount
from fanfold.local.protocol import ServiceError
from fanfold.local.schedules import timetable
from fanfold.local.server import Endpoint
from fanfold.local.stack import kinds
from fanfold.local.stack.dockerfile import read_image
from fanfold.local.stack.errors import StackError
from fanfold.local.stack.identity import Identity
from fanfold.local.stack.scope import Scope
from fanfold.local.stack.template import Template

_TABLE_ARGUMENTS = (
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
)
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9_]+)\}")


class Creators:
    """Creates the resources of one stack on an endpoint, in the order they need each other.

    What is there already by its name is brought up to date: functions and state machines are replaced, buckets and
    tables keep what they hold, tables of the Glue catalog get their columns anew.
    """

    def __init__(self, endpoint: Endpoint, template: Template, scope: Scope) -> None:
        self._endpoint = endpoint
        self._template = template
        self._scope = scope

    def create(self) -> dict[str, dict[str, str]]:
        """Create or update everything and return the physical names by type and logical id."""
        creators = {
            kinds.BUCKET: self._bucket,
            kinds.TABLE: self._table,
            kinds.QUEUE: self._queue,
            kinds.FUNCTION: self._function,
            kinds.EVENT_CONFIG: self._event_config,
            kinds.MACHINE: self._machine,
            kinds.CATALOG: self._catalog,
            kinds.CATALOG_TABLE: self._catalog_table,
            kinds.RULE: self._rule,
            kinds.SCHEDULE: self._schedule,
        }
        names: dict[str, dict[str, str]] = {}
        for kind, creator in creators.items():
            names[kind] = {}
            for identity, properties in self._scope.each(kind):
                try:
                    creator(identity, properties)
                except (ServiceError, ClientError) as error:
                    raise StackError(f"{identity.logical_id}: {error}") from error
                names[kind][identity.logical_id] = identity.name
        return names

    def _bucket(self, identity: Identity, properties: Mapping[str, Any]) -> None:
        """Create a bucket with its versioning and events; encryption, ownership and life cycle change nothing here."""
        s3 = self._endpoint.client("s3")
        s3.create_bucket(Bucket=identity.name)
        if versioning := properties.get("VersioningConfiguration"):
            s3.put_bucket_versioning(Bucket=identity.name, VersioningConfiguration=versioning)
        events = properties.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {})
        if events.get("EventBridgeEnabled") in {True, "true"}:
            s3.put_bucket_notification_configuration(
                Bucket=identity.name, NotificationConfiguration={"EventBridgeConfiguration": {}}
            )

    def _table(self, identity: Identity, properties: Mapping[str, Any]) -> None:
        dynamodb = self._endpoint.client("dynamodb")
        arguments = {name: properties[name] for name in _TABLE_ARGUMENTS if name in properties}
        with contextlib.suppress(dynamodb.exceptions.ResourceInUseException):  # an earlier deployment made it
            dynamodb.create_table(TableName=identity.name, **arguments)
        if expiry := properties.get("TimeToLiveSpecification"):
            dynamodb.update_time_to_live(TableName=identity.name, TimeToLiveSpecification=expiry)

    def _catalog(self, _: Identity, properties: Mapping[str, Any]) -> None:
        glue = self._endpoint.client("glue")
        with contextlib.suppress(glue.exceptions.AlreadyExistsException):  # it keeps its tables
            glue.create_database(DatabaseInput=properties["DatabaseInput"])

    def _catalog_table(self, _: Identity, properties: Mapping[str, Any]) -> None:
        glue = self._endpoint.client("glue")
        request = {"DatabaseName": properties["DatabaseName"], "TableInput": properties["TableInput"]}
        try:
            glue.create_table(**request)
        except glue.exceptions.AlreadyExistsException:
            glue.update_table(**request)

    def _queue(self, identity: Identity, _: Mapping[str, Any]) -> None:
        self._endpoint.client("sqs").create_queue(QueueName=identity.name)

    def _event_config(self, _: Identity, properties: Mapping[str, Any]) -> None:
        on_failure = properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
        config = EventInvokeConfig(int(properties.get("MaximumRetryAttempts", 2)), on_failure)
        self._endpoint.functions.configure_later(properties["FunctionName"], config)

    def _rule(self, identity: Identity, properties: Mapping[str, Any]) -> None:
        """Create a rule for events; one with a schedule alone does not fire."""
        if "EventPattern" not in properties:
            return
        events = self._endpoint.client("events")
        pattern = _text(properties["EventPattern"])
        events.put_rule(Name=identity.name, EventPattern=pattern, State=properties.get("State", "ENABLED"))
        events.put_targets(Rule=identity.name, Targets=properties.get("Targets", []))

    def _schedule(self, identity: Identity, properties: Mapping[str, Any]) -> None:
        """Begin a schedule that starts a state machine, which is the one target it can have here."""
        target = properties["Target"]
        if ":stateMachine:" not in target["Arn"]:
            raise StackError(f"{identity.logical_id}: a schedule here starts a state machine, not {target['Arn']}")
        try:
            times = timetable(properties["ScheduleExpression"], properties.get("ScheduleExpressionTimezone", "UTC"))
        except (ValueError, ZoneInfoNotFoundError) as error:
            raise StackError(f"{identity.logical_id}: {error}") from error
        request = {"stateMachineArn": target["Arn"], "input": target.get("Input", "{}")}
        if properties.get("State", "ENABLED") == "ENABLED":
            start = functools.partial(self._endpoint.stepfunctions.handle, "StartExecution", request)
            self._endpoint.schedules.put(identity.name, times, start)

    def _function(self, identity: Identity, properties: Mapping[str, Any]) -> None:
        package_type = properties.get("PackageType", "Zip")
        handler, task = (
            self._image(identity, properties)
            if package_type == "Image"
            else (properties["Handler"], (self._task(identity, properties),))
        )
        self._endpoint.functions.put(
            FunctionConfig(
                name=identity.name,
                handler=handler,
                task=task,
                package_type=package_type,
                layers=self._layers(properties.get("Layers", [])),
                timeout=int(properties.get("Timeout", 3)),
                memory=int(properties.get("MemorySize", 128)),
                environment={
                    name: str(value) for name, value in properties.get("Environment", {}).get("Variables", {}).items()
                },
                runtime=properties.get("Runtime", "python3.13"),
                architecture=properties.get("Architectures", ["x86_64"])[0],
                description=properties.get("Description", ""),
                role=properties["Role"],
            )
        )

    def _image(self, identity: Identity, properties: Mapping[str, Any]) -> tuple[str, tuple[Mount, ...]]:
        """Return handler and files of a function whose image `sam build` would make of a Dockerfile."""
        build = self._scope.metadata(identity.logical_id)
        if not {"Dockerfile", "DockerContext"} <= build.keys():
            raise StackError(
                f"{identity.logical_id}: images do not run here, only the code a Dockerfile copies into one: name that "
                "in Metadata (Dockerfile, DockerContext), as `sam build` wants it, or give the function a CodeUri"
            )
        context = self._template.folder / str(build["DockerContext"])
        try:
            image = read_image(context / str(build["Dockerfile"]), context)
        except StackError as error:
            raise StackError(f"{identity.logical_id}: {error}") from error
        config = properties.get("ImageConfig", {})
        command = config.get("Command", image.command)
        if config.keys() - {"Command"} or len(command) != 1:
            raise StackError(
                f"{identity.logical_id}: name the handler, and nothing else, in Command of ImageConfig or in CMD of "
                "the Dockerfile: here AWS's base image for Python starts it, in its own working directory"
            )
        return command[0], image.task

    def _task(self, identity: Identity, properties: Mapping[str, Any]) -> Mount:
        """Mount a function's folder where `sam build` puts it: below its parent packages."""
        folder = self._template.local_path(properties.get("Code"), identity.logical_id)
        build = self._scope.metadata(identity.logical_id).get("BuildProperties", {})
        mode = build.get("ParentPackageMode")
        if mode == "explicit":
            return Mount(folder, PurePosixPath(*str(build["ParentPackages"]).split(".")))
        if mode == "auto":
            return Mount(folder, _parents(properties["Handler"], folder))
        return Mount(folder, PurePosixPath())

    def _layers(self, arns: list[str]) -> tuple[Mount, ...]:
        """Mount the stack's own layers; libraries in those of others come from this interpreter instead."""
        own = {identity.ref: (identity, properties) for identity, properties in self._scope.each(kinds.LAYER)}
        return tuple(self._layer(*own[arn]) for arn in arns if arn in own)

    def _layer(self, identity: Identity, properties: Mapping[str, Any]) -> Mount:
        folder = self._template.local_path(properties.get("Content"), identity.logical_id)
        if (folder / "__init__.py").exists():
            return Mount(folder, PurePosixPath(folder.name))
        built = folder / "python"
        return Mount(built if built.is_dir() else folder, PurePosixPath())

    def _machine(self, identity: Identity, properties: Mapping[str, Any]) -> None:
        request = {
            "name": identity.name,
            "definition": self._definition(identity, properties),
            "roleArn": properties["RoleArn"],
            "type": properties.get("StateMachineType", "STANDARD"),
        }
        try:
            self._endpoint.stepfunctions.handle("CreateStateMachine", request)
        except ServiceError as error:
            if error.code != "StateMachineAlreadyExists":
                raise
            self._endpoint.stepfunctions.handle("UpdateStateMachine", request | {"stateMachineArn": identity.ref})

    def _definition(self, identity: Identity, properties: Mapping[str, Any]) -> str:
        if "DefinitionString" in properties:
            text = str(properties["DefinitionString"])
        else:
            text = self._template.local_path(properties.get("DefinitionS3Location"), identity.logical_id).read_text()
        given = {name: _text(value) for name, value in properties.get("DefinitionSubstitutions", {}).items()}
        return _PLACEHOLDER.sub(lambda match: given.get(match[1], match[0]), text)


def _parents(handler: str, folder: Path) -> PurePosixPath:
    """Tell the parent packages of a function's folder as SAM's mode `auto` infers them from its handler."""
    packages = handler.split(".")[:-2]
    found = packages and folder.parts[-len(packages) :] == tuple(packages)
    return PurePosixPath(*packages) if found else PurePosixPath()


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
