"""Tells what both runs did; ends with 1 unless the second left the table as it was: ``python compare.py DIRECTORY``.

The directory has the summary of each run, and the table after it.
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any


def told(items: dict[str, int]) -> str:
    """Say in words what became of a run's items."""
    return ", ".join(f"{count} {name}" for name, count in items.items() if count)


def total(table: list[dict[str, Any]]) -> Decimal:
    """Add up the amounts; as decimals, which they are in DynamoDB."""
    return sum((Decimal(item["amount"]["N"]) for item in table), Decimal())


def main(directory: Path) -> None:
    """Compare the runs and the tables."""
    found = {path.stem: json.loads(path.read_text()) for path in directory.glob("*.json")}
    for run in ("first", "again"):
        summary, table = found[run], found[f"{run}-table"]
        print(f"{run}: of the exports {told(summary['items'])}; of the tables to load {told(summary['load']['items'])}")
        print(f"  the table has {len(table)} orders, {total(table):,} in all")
    if found["first-table"] != found["again-table"] or found["again"]["load"]["items"]["succeeded"]:
        sys.exit(f"the second run should have changed nothing: see {directory}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
