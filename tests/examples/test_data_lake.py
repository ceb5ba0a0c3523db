"""The lake: typed and enriched rows in partitions, a table in the catalog, and only what changed is done again."""

from __future__ import annotations

import csv
import re
import subprocess
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import PROJECT

RUN = PROJECT / "examples" / "data-lake" / "run"
SOURCE = "s3://fanfold-input-123456789012-us-east-1/raw/orders/"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def delivered(folder: Path) -> dict[int, dict[str, object]]:
    """Read the newest delivery of each day by other means, and return what the lake should have of each order."""
    products = {row["product"]: row for row in rows(folder / "bucket" / "reference" / "products.csv")}
    files = {path.name: path for part in ("bucket", "second") for path in (folder / part / "raw" / "orders").iterdir()}
    wanted = {}
    for name, path in files.items():
        for row in rows(path):
            if row["quantity"] == "0":
                continue
            net, product = int(row["quantity"]) * float(row["price"]), products[row["product"]]
            wanted[int(row["order_id"])] = {
                "ordered": row["ordered"],
                "region": row["region"].strip().lower(),
                "category": product["category"],
                "net": pytest.approx(net, abs=0.006),
                "gross": pytest.approx(net * (1 + float(product["tax"])), abs=0.006),
                "source": SOURCE + name,
            }
    return wanted


@pytest.mark.e2e
def test_raw_orders_become_a_lake_and_what_is_done_is_skipped(tmp_path):
    done = subprocess.run([RUN, tmp_path], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    lake = pl.read_parquet(tmp_path / "lake" / "region=*" / "*.parquet", hive_partitioning=True)
    assert {name: str(dtype) for name, dtype in lake.schema.items() if name != "source"} == {
        "order_id": "Int64", "ordered": "Date", "product": "String", "quantity": "Int64", "price": "Float64",
        "category": "String", "tax": "Float64", "net": "Float64", "gross": "Float64", "region": "String",
    }  # fmt: skip
    wanted = delivered(tmp_path)
    found = {row["order_id"]: row | {"ordered": str(row["ordered"])} for row in lake.iter_rows(named=True)}
    assert (len(wanted), lake.height) == (6 * 60 - 1, 6 * 60 - 1)
    assert {order: {name: found[order][name] for name in each} for order, each in wanted.items()} == wanted

    assert re.findall(r"= 0 excluded \+ (\d) skipped \+ (\d) succeeded", done.stdout) == [("0", "5"), ("4", "2")]
    assert "quantity: '0' is below 1" in done.stdout
    assert re.findall(r"^  (\w+)\t(\w+)$", done.stdout, re.MULTILINE) == [
        ("order_id", "bigint"), ("ordered", "date"), ("product", "string"), ("quantity", "bigint"),
        ("price", "double"), ("category", "string"), ("tax", "double"), ("source", "string"), ("net", "double"),
        ("gross", "double"), ("region", "string"),
    ]  # fmt: skip
    # The last answer is over all six days.
    answers = re.findall(r"^\| (\w+) +\| (\d+) +\| ([\d.]+) +\| ([\d.]+) +\|$", done.stdout, re.MULTILINE)
    here = lake.filter(pl.col("region").is_in(["north", "south"])).group_by("category").agg(
        pl.len().alias("orders"), pl.col("net").sum(), pl.col("gross").sum()
    )  # fmt: skip
    assert [(category, int(count), float(net), float(gross)) for category, count, net, gross in answers[3:]] == [
        (category, count, pytest.approx(net), pytest.approx(gross))
        for category, count, net, gross in here.sort("category").rows()
    ]
