"""CSV exports into DynamoDB: every good row is an item with its own digits, however often the job runs."""

from __future__ import annotations

import csv
import json
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT

RUN = PROJECT / "examples" / "csv-to-dynamodb" / "run"


def exported(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Read the exports again, by other means, and return what the table should hold, by its key."""
    wanted = {}
    for path in sorted(folder.iterdir()):
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for row in csv.DictReader(stream, delimiter=";" if path.name == "orders-2026-08.csv" else ","):
                if row["amount"] == "n/a" or not row["customer"]:
                    continue
                written = "%d.%m.%Y" if "." in row["ordered"] else "%Y-%m-%d"
                ordered = datetime.strptime(row["ordered"], written).replace(tzinfo=UTC)
                wanted[row["customer"], row["order_id"]] = {
                    "ordered": ordered.date().isoformat(),
                    "amount": Decimal(row["amount"]),
                    "status": row["status"],
                    "expires": Decimal(int((ordered + timedelta(days=3650)).timestamp())),
                }
    return wanted


def held(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the items of a scan, by their key."""
    items = [
        {name: Decimal(text) if kind == "N" else text for name, value in item.items() for kind, text in value.items()}
        for item in json.loads(path.read_text())
    ]
    return {(item.pop("customer"), item.pop("order_id")): item for item in items}


@pytest.mark.e2e
def test_orders_are_in_the_table_once_with_all_their_digits(tmp_path):
    done = subprocess.run([RUN, tmp_path], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    wanted = exported(tmp_path / "bucket" / "exports")
    assert len(wanted) == 300
    assert Decimal("90071992547409.93") in [each["amount"] for each in wanted.values()]
    for run in ("first", "again"):
        assert held(tmp_path / f"{run}-table.json") == wanted
    first, again = (json.loads((tmp_path / f"{run}.json").read_text()) for run in ("first", "again"))
    assert (first["rows"], first["load"]["rows"]) == ({"in": 307, "out": 305}, {"in": 305, "out": 305})
    assert (again["items"]["skipped"], again["load"]["items"]["skipped"]) == (3, 3)
    assert (again["items"]["succeeded"], again["load"]["items"]["succeeded"]) == (0, 0)

    (rejected,) = (tmp_path / "rejected").iterdir()
    with rejected.open(newline="") as stream:
        rows = [(row["order_id"], row["rejected_reasons"]) for row in csv.DictReader(stream)]
    assert rows == [("A-10300", r"amount: 'n/a' does not match \d+\.\d{2}"), ("A-10301", "customer: empty")]
