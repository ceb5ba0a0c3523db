"""Datasets of every kind, as a Map reads them."""

from __future__ import annotations

import datetime
import gzip
import io
import json
from typing import Any

import polars
import pytest
from states_stage import BUCKET, Stage, distributed, reading

PASS = {"Type": "Pass", "End": True}


def items(
    stage: Stage, action: str, arguments: dict[str, Any], fields: dict[str, Any] | None = None, **config: Any
) -> Any:
    """Return the items a reader yields, as the children get them."""
    reader = reading(action, arguments, **config)
    return stage.output({"All": distributed(PASS, "EXPRESS", ItemReader=reader, **(fields or {}))})


def failure(stage: Stage, body: str | bytes, key: str = "in", **config: Any) -> tuple[str | None, str]:
    """Return how reading an object fails."""
    stage.put(key, body)
    reader = reading("getObject", {"Key": key}, **config)
    execution = stage.run({"All": distributed(PASS, ItemReader=reader)})
    assert execution.map_run["status"] == "FAILED"
    return execution.failure


def test_listing_goes_on_page_after_page(stage: Stage) -> None:
    """A listing has as many pages as it takes, and only keys below the prefix."""
    for number in range(25):
        stage.put(f"in/{number:02d}", "")
    stage.put("inside", "")

    listed = items(
        stage,
        "listObjectsV2",
        {"Prefix": "in/", "MaxKeys": 10},
        {"ItemBatcher": {"MaxItemsPerBatch": 16}},
        MaxItems=23,
    )

    assert [len(batch["Items"]) for batch in listed] == [16, 7]
    assert listed[1]["Items"][-1]["Key"] == "in/22"


def test_source_of_a_listing_is_the_bucket(stage: Stage) -> None:
    """Map.Item.Source names the bucket of a listing and the object of rows."""
    stage.put("in/a.jsonl", "1\n")
    selector = {"ItemSelector": "{% $states.context.Map.Item.Source %}"}

    listed = items(stage, "listObjectsV2", {"Prefix": "in/"}, selector)
    flattened = items(
        stage, "listObjectsV2", {"Prefix": "in/"}, selector, InputType="JSONL", Transformation="LOAD_AND_FLATTEN"
    )

    assert (listed, flattened) == ([f"s3://{BUCKET}"], [f"s3://{BUCKET}/in/a.jsonl"])


@pytest.mark.parametrize("key", ["in.json", "in.json.gz"])
def test_pointer_into_json(stage: Stage, key: str) -> None:
    """ItemsPointer finds the array, in compressed files too."""
    body = b'{"d": {"rows": [1, 2]}}'
    stage.put(key, gzip.compress(body) if key.endswith(".gz") else body)

    assert items(stage, "getObject", {"Key": key}, InputType="JSON", ItemsPointer="/d/rows") == [1, 2]


def test_zstandard_by_name(stage: Stage) -> None:
    """A .zstd object is decompressed."""
    buffer = io.BytesIO()
    polars.DataFrame({"line": ['{"n":1}', '{"n":2}']}).write_csv(
        buffer, include_header=False, quote_style="never", compression="zstd"
    )
    stage.put("in.jsonl.zstd", buffer.getvalue())

    assert items(stage, "getObject", {"Key": "in.jsonl.zstd"}, InputType="JSONL") == [{"n": 1}, {"n": 2}]


def test_parquet_values_become_json(stage: Stage) -> None:
    """Nulls stay, dates become text, nested values nest."""
    table = polars.DataFrame({"n": [1, None], "day": [datetime.date(2026, 1, 2)] * 2, "l": [[1, 2], []]})
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    stage.put("in.parquet", buffer.getvalue())

    assert items(stage, "getObject", {"Key": "in.parquet"}, InputType="PARQUET") == [
        {"n": 1, "day": "2026-01-02", "l": [1, 2]},
        {"n": None, "day": "2026-01-02", "l": []},
    ]


def test_athena_manifest_names_files(stage: Stage) -> None:
    """ATHENA_DATA lists one S3 URI a line; each file is read as InputType says."""
    stage.put("a.jsonl", '{"n":1}\n')
    stage.put("b.jsonl", '{"n":2}\n')
    stage.put("manifest.csv", f"s3://{BUCKET}/a.jsonl\ns3://{BUCKET}/b.jsonl\n")

    got = items(stage, "getObject", {"Key": "manifest.csv"}, InputType="JSONL", ManifestType="ATHENA_DATA")

    assert got == [{"n": 1}, {"n": 2}]


def test_inventory_by_manifest_type(stage: Stage) -> None:
    """S3_INVENTORY without InputType reads what MANIFEST does."""
    manifest = {
        "destinationBucket": f"arn:aws:s3:::{BUCKET}",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key",
        "files": [{"key": "data.csv.gz"}],
    }
    stage.put("data.csv.gz", gzip.compress(b'"src","a%20b"\n'))
    stage.put("manifest.json", json.dumps(manifest))

    got = items(stage, "getObject", {"Key": "manifest.json"}, ManifestType="S3_INVENTORY")

    assert got == [{"Bucket": "src", "Key": "a%20b"}]


@pytest.mark.parametrize(
    ("config", "body", "cause"),
    [
        ({"InputType": "JSON"}, "3", "Attempting to map over non-iterable node."),
        (
            {"InputType": "JSON", "ItemsPointer": "/none"},
            "{}",
            "The ItemsPointer '/none' names nothing in the dataset.",
        ),
        ({"InputType": "JSON"}, "[1,", f"The dataset s3://{BUCKET}/in could not be read: "),
        ({"InputType": "JSONL"}, '{"a": NaN}', f"The dataset s3://{BUCKET}/in could not be read: NaN is not JSON"),
        ({"InputType": "PARQUET"}, "no", f"The dataset s3://{BUCKET}/in could not be read: not a Parquet file"),
        ({"InputType": "MANIFEST"}, "{}", f"The dataset s3://{BUCKET}/in could not be read: 'destinationBucket'"),
        (
            {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "a"]},
            "1,2",
            "CSV headers cannot contain duplicates.",
        ),
    ],
)
def test_unreadable_datasets_fail_the_run(stage: Stage, config: dict[str, Any], body: str, cause: str) -> None:
    """States.ItemReaderFailed says what could not be read and why."""
    error, got = failure(stage, body, **config)

    assert error == "States.ItemReaderFailed"
    assert got.startswith(cause)


def test_item_too_large_for_a_child(stage: Stage) -> None:
    """An item above 256 KiB needs a selector, and the cause says so."""
    error, cause = failure(stage, json.dumps("x" * 262_143), InputType="JSONL")

    assert error == "States.DataLimitExceeded"
    assert "Select less of the item with ItemSelector." in cause


def test_max_items_may_be_an_expression(stage: Stage) -> None:
    """MaxItems 0 means all; an expression is evaluated."""
    stage.put("in.jsonl", "1\n2\n\n3")

    assert items(stage, "getObject", {"Key": "in.jsonl"}, InputType="JSONL", MaxItems="{% 1 + 1 %}") == [1, 2]
    assert items(stage, "getObject", {"Key": "in.jsonl"}, InputType="JSONL", MaxItems=0) == [1, 2, 3]
