"""dynamodb-load end to end: the shipped workflow and function over HTTP, and the stack's own table."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import polars as pl
import pytest
from boto3.dynamodb.types import TypeDeserializer

from fanfold.local.server import Endpoint
from fanfold.local.stack import deploy
from tests.conftest import PROJECT, Cloud
from tests.template.application import application, template

_read = TypeDeserializer().deserialize


def make_table(client: Any, **key: str) -> str:
    """Create a table of its own for a test."""
    name = f"orders-{uuid.uuid4()}"
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": kind} for each, kind in key.items()],
        KeySchema=[
            {"AttributeName": each, "KeyType": kind} for each, kind in zip(key, ("HASH", "RANGE"), strict=False)
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def items(client: Any, table: str) -> list[dict[str, Any]]:
    pages = client.get_paginator("scan").paginate(TableName=table)
    found = [item for page in pages for item in page["Items"]]
    return [{name: _read(value) for name, value in item.items()} for item in found]


def put_tables(cloud: Cloud) -> str:
    """Put three tables and a bad one below a prefix and return it."""
    place = f"load/{uuid.uuid4()}/"
    parquet = io.BytesIO()
    pl.DataFrame({"id": ["p"], "day": [3], "amount": [0.1]}).write_parquet(parquet)
    cloud.put(f"{place}a.csv", b"id,day,amount\na,1,10.50\nb,1,x\na,1,11\n")
    cloud.put(f"{place}b.jsonl", b'{"id": "j", "day": 2, "amount": 12.30}\n')
    cloud.put(f"{place}c.parquet", parquet.getvalue())
    cloud.put(f"{place}bad.csv", b"id,day\na,monday\n")
    return f"s3://{cloud.application.input_bucket}/{place}"


def test_objects_become_items_and_a_bad_one_is_told(cloud):
    dynamodb = cloud.client("dynamodb")
    table = make_table(dynamodb, id="S", day="N")
    job = {
        "operation": "dynamodb-load",
        "source": put_tables(cloud),
        "destination": f"s3://{cloud.application.output_bucket}/receipts/{uuid.uuid4()}/",
        "options": {"table": table, "key": ["id", "day"]},
        "tolerate": {"percent": 50},
    }

    first, second = cloud.run(job).summary, cloud.run(job).summary

    assert (first["items"]["succeeded"], first["items"]["failed"], first["reconciled"]) == (3, 1, True)
    (failure,) = first["errors"]
    assert failure["type"] == "InvalidRow"
    assert (second["items"]["skipped"], second["items"]["failed"]) == (3, 1)
    assert sorted((item["id"], item["day"], str(item["amount"])) for item in items(dynamodb, table)) == [
        ("a", 1, "11"), ("b", 1, "x"), ("j", 2, "12.3"), ("p", 3, "0.1"),
    ]  # fmt: skip
    assert cloud.keys(job["destination"]) == [f"{name}.{table}.json" for name in ("a.csv", "b.jsonl", "c.parquet")]
    receipt = json.loads(cloud.get(f"{job['destination']}a.csv.{table}.json"))
    assert {name: receipt[name] for name in ("rows", "written", "duplicates")} == {
        "rows": 3, "written": 2, "duplicates": 1,
    }  # fmt: skip


def test_with_fingerprint_the_newer_of_two_objects_stays_whatever_the_batches_are(cloud):
    dynamodb = cloud.client("dynamodb")
    table = make_table(dynamodb, id="S")
    place = f"load/{uuid.uuid4()}/"
    # Of one second, as S3 counts: the greater key is the newer.
    for name in ("a", "b", "c"):
        cloud.put(f"{place}{name}.csv", f"id,from\nx,{name}\n".encode())

    summary = cloud.run(
        {
            "operation": "dynamodb-load",
            "source": f"s3://{cloud.application.input_bucket}/{place}",
            "options": {"table": table, "conflict": "fingerprint"},
            "batch": {"items": 1},
        }
    ).summary

    assert summary["items"]["succeeded"] == 3
    (item,) = items(dynamodb, table)
    assert item["from"] == "c"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"table": "nowhere"}, "there is no table nowhere in this account and Region"),
        ({"table": "nowhere", "keys": ["id"]}, "unknown option 'keys': did you mean 'key'?"),
        ({}, "option 'table' is missing"),
    ],
)
def test_a_job_that_does_not_fit_runs_nothing(cloud, options, told):
    run = cloud.run({"operation": "dynamodb-load", "source": put_tables(cloud), "options": options})

    assert (run.status, run.described["error"]) == ("FAILED", "InvalidJob")
    assert told in run.described["cause"]


class TestTable:
    """The stack makes a table where a parameter asks for one."""

    PARAMETERS = {"LoadTablePartitionKey": "customer", "LoadTableSortKey": "day"}  # noqa: RUF012 - read alone

    def test_is_stood_up_with_its_key_and_ttl(self, tmp_path):
        with Endpoint(log_dir=tmp_path) as endpoint:
            stack = deploy(endpoint, PROJECT / "template.yaml", stack_name="loaded", parameters=self.PARAMETERS)
            dynamodb = endpoint.client("dynamodb")
            described = dynamodb.describe_table(TableName="loaded-load")["Table"]
            expiry = dynamodb.describe_time_to_live(TableName="loaded-load")["TimeToLiveDescription"]

        assert stack.tables == {"LoadTable": "loaded-load"}
        assert [(each["AttributeName"], each["KeyType"]) for each in described["KeySchema"]] == [
            ("customer", "HASH"), ("day", "RANGE"),
        ]  # fmt: skip
        assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
        assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}

    def test_is_not_there_unless_it_is_asked_for(self, cloud):
        assert "fanfold-load" not in cloud.client("dynamodb").list_tables()["TableNames"]

    def test_is_recoverable_and_outlives_the_stack(self):
        resource = application(template()).expanded["Resources"]["LoadTable"]

        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
        assert resource["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert resource["Properties"]["BillingMode"] == "PAY_PER_REQUEST"


# --- as what follows a run


def orders_job(cloud: Cloud, table: str, **load: Any) -> dict[str, Any]:
    place = f"load/{uuid.uuid4()}/"
    cloud.put(f"{place}a.csv", b"id,amount\na,1\nb,2\n")
    cloud.put(f"{place}b.csv", b"id,amount\nb,3\nc,4.5\n")
    return {
        "operation": "table-transform",
        "source": f"s3://{cloud.application.input_bucket}/{place}",
        "destination": f"s3://{cloud.application.output_bucket}/loaded/{uuid.uuid4()}/",
        "load": {"dynamodb": {"table": table, **load}, "concurrency": 1},
    }


def test_a_run_loads_the_tables_it_wrote_once(cloud):
    dynamodb = cloud.client("dynamodb")
    table = make_table(dynamodb, id="S")
    job = orders_job(cloud, table, key=["id"])

    first, second = cloud.run(job).summary, cloud.run(job).summary

    assert (first["state"], first["tables"], first["items"]["succeeded"]) == ("SUCCEEDED", 2, 2)
    assert (first["load"]["items"]["succeeded"], first["load"]["reconciled"]) == (2, True)
    assert sorted(item["id"] for item in items(dynamodb, table)) == ["a", "b", "c"]
    assert (second["items"]["skipped"], second["load"]["items"]["skipped"]) == (2, 2)
    assert json.loads(cloud.get(first["load"]["artifacts"]["summary"]))["operation"] == "dynamodb-load"


def test_what_cannot_be_loaded_is_refused_before_anything_is_spent(cloud):
    run = cloud.run(orders_job(cloud, "never-made", key=["id"]))

    assert (run.status, run.described["error"]) == ("FAILED", "InvalidJob")
    assert "never-made" in run.described["cause"]


def test_a_table_that_does_not_fit_fails_the_run(cloud):
    table = make_table(cloud.client("dynamodb"), number="S")
    run = cloud.run(orders_job(cloud, table), "unfit")

    assert (run.status, run.described["error"]) == ("FAILED", "RunFailed")
    assert "Loading failed: " in run.described["cause"]
