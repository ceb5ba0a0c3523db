"""A table in Hive partitions: a file for each, all rows in one of them, and a list that stands for the item."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.table_transform import partition
from functions.table_transform.errors import QueryFailed
from functions.table_transform.operation import OPERATION
from itemkit.batch import Task, run_batch
from itemkit.destination import Destination
from itemkit.item import Item
from tests.functions.tabular import parquet, transform
from tests.memory_store import MemoryStore

BODY = b"id,region,day\n1,south,2026-01-31\n2,north,2026-01-31\n3,,2026-02-01\n4,south,2026-02-01\n"


def test_a_batch_writes_the_partitions_and_their_list_and_skips_them_again() -> None:
    store = MemoryStore({"s3://in/a/orders.csv": BODY})
    task = Task(OPERATION, OPERATION.parse({"partition_by": ["region"], "format": "csv"}), Destination("s3://out/x/"))
    item = Item("s3://in/a/orders.csv", "a/orders.csv", etag=store.head("s3://in/a/orders.csv").etag)

    record = run_batch([item], task, store)[0]
    again = run_batch([item], task, store)[0]

    assert store.bodies("s3://out/x/region=") == {
        "__HIVE_DEFAULT_PARTITION__/a/orders.csv": b"id,day\n3,2026-02-01\n",
        "north/a/orders.csv": b"id,day\n2,2026-01-31\n",
        "south/a/orders.csv": b"id,day\n1,2026-01-31\n4,2026-02-01\n",
    }
    listing = json.loads(store.bodies("s3://out/x/_partitions/")["a/orders.csv.json"])
    assert listing["partition_by"] == ["region"]
    assert listing["files"][2] == {"output": "region=south/a/orders.csv", "rows": 2, "bytes": 33}
    assert record.outputs[0] == "s3://out/x/_partitions/a/orders.csv.json"
    assert (record.rows_in, record.rows_out, len(record.outputs)) == (4, 4, 4)
    assert again.status.value == "skipped"


@given(
    st.lists(st.tuples(st.sampled_from(["", "a", "A", "a/b", "ä=ö", "%2F", "..", " x"]), st.booleans()), max_size=30)
)
@settings(deadline=None, max_examples=40)
def test_a_hive_reader_finds_every_row(tmp_path_factory: Any, cells: list[tuple[str, bool]]) -> None:
    frame = pl.DataFrame(cells, schema={"key": pl.String, "flag": pl.Boolean}, orient="row").with_row_index("n")
    root: Path = tmp_path_factory.mktemp("hive")
    result = transform(parquet(frame), partition_by=["key", "flag"])
    for output in result.outputs[1:]:
        path = root / str(output.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(output.body)

    assert result.rows_out == len(cells)
    if not cells:
        return
    types = {"key": pl.String, "flag": pl.Boolean}
    found = pl.scan_parquet(root / "**/*.parquet", hive_partitioning=True, hive_schema=types).collect().sort("n")
    assert found["key"].fill_null("").to_list() == [key for key, _ in cells]
    assert found["flag"].to_list() == [flag for _, flag in cells]


def test_with_what_came_before_it() -> None:
    result = transform(
        BODY + b"4,south,2026-02-01\nx,east,\n",
        schema={"id": {"type": "integer"}},
        max_rejected=1,
        drop_duplicates=["id"],
        sql="SELECT *, UPPER(region) AS area FROM self",
        partition_by=["area"],
    )

    names = [output.name for output in result.outputs[1:]]
    assert names == [
        "area=NORTH/orders.csv.parquet",
        "area=SOUTH/orders.csv.parquet",
        "area=__HIVE_DEFAULT_PARTITION__/orders.csv.parquet",
        "_rejected/orders.csv",
    ]
    assert pl.read_parquet(io.BytesIO(result.outputs[2].body))["id"].to_list() == [1, 4]
    assert (result.rows_in, result.rows_out, result.facts["duplicates_dropped"]) == (6, 4, 1)


@pytest.mark.parametrize(
    ("body", "columns", "message"),
    [
        (b"a,b\n1.5,2\n", ["a"], "names 'a', which is Float64: partition by texts"),
        (b"a,b\n1,2\n", ["c"], "no column 'c'"),
        (b"a,b\n1,2\n", ["a", "b"], "names all columns, so that no column is left"),
        (b"a,b\n1,2\n2,2\n3,2\n4,2\n", ["a"], "a have more than 3 values: partition by fewer"),
    ],
)
def test_what_is_no_partition(body: bytes, columns: list[str], message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "MOST_PARTITIONS", 3)
    with pytest.raises(QueryFailed) as raised:
        transform(body, partition_by=columns)

    assert message in str(raised.value)
