"""Rules about what analysts get: tables whose partitions Athena can work out, queries it can run, bounded costs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.template.application import Application, Json, text

_RECORDS = re.compile(r"\bFROM\s+records\b", re.IGNORECASE)


def tables(app: Application) -> list[str]:
    """Find tables with partitions that somebody would have to add, or outside the output bucket."""
    return [
        f"{name}: {fault}"
        for name, properties in app.properties("AWS::Glue::Table")
        for fault in _table_faults(properties["TableInput"])
    ]


def _table_faults(table: Json) -> Iterator[str]:
    parameters = table["Parameters"]
    # `Fn::Sub` leaves ${!key} as ${key}, which is Athena's own.
    place = text(parameters["storage.location.template"]).replace("${!", "${")
    if parameters.get("projection.enabled") != "true":
        yield "its partitions are not projected"
    for key in table["PartitionKeys"]:
        if f"projection.{key['Name']}.type" not in parameters:
            yield f"nothing is said of the values of {key['Name']}"
        if f"${{{key['Name']}}}/" not in place:
            yield f"{key['Name']} is not in the location of a partition"
    if not place.startswith("s3://${OutputBucket}/") or not place.endswith("/"):
        yield "its partitions are no folders of the output bucket"


def workgroups(app: Application) -> list[str]:
    """Find workgroups whose queries may read any amount, or leave their results anywhere."""
    return [
        f"{name}: {fault}"
        for name, properties in app.properties("AWS::Athena::WorkGroup")
        for fault in _workgroup_faults(properties["WorkGroupConfiguration"])
    ]


def _workgroup_faults(settings: Json) -> Iterator[str]:
    results = settings.get("ResultConfiguration", {})
    if settings.get("EnforceWorkGroupConfiguration") is not True:
        yield "a client may choose other settings"
    if not settings.get("BytesScannedCutoffPerQuery"):
        yield "a query may read any amount"
    if settings.get("EngineVersion") != {"SelectedEngineVersion": "Athena engine version 3"}:
        yield "not engine version 3"
    if text(results.get("OutputLocation")) != "s3://${OutputBucket}/athena/":
        yield "results do not lie below athena/"
    if not results.get("EncryptionConfiguration"):
        yield "results are not encrypted"


def queries(app: Application) -> list[str]:
    """Find named queries outside the workgroup, and such over records that name no run, which Athena refuses."""
    groups = [{"Ref": name} for name, _ in app.properties("AWS::Athena::WorkGroup")]
    databases = [{"Ref": name} for name, _ in app.properties("AWS::Glue::Database")]
    found = []
    for name, properties in app.properties("AWS::Athena::NamedQuery"):
        if properties.get("WorkGroup") not in groups or properties.get("Database") not in databases:
            found.append(f"{name}: not in the workgroup and the database of the stack")
        if _RECORDS.search(properties["QueryString"]) and "run = ?" not in properties["QueryString"]:
            found.append(f"{name}: names no run")
    return found
