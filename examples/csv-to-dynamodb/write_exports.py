"""Writes three months of orders: ``python write_exports.py DIRECTORY``; the same bytes every time.

They are as exports are: one with semicolons, a byte order mark and dates of the country it comes from, one that repeats
the last orders of the month before, one with two bad rows.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path

COLUMNS = ("order_id", "customer", "ordered", "amount", "status")
A_MONTH = 100
REPEATED = 5
# As a float it would be 90071992547409.94.
MOST_DIGITS = "90071992547409.93"
STATES = ("open", "paid", "shipped")
Row = tuple[str, ...]


def order(number: int) -> Row:
    """Make an order: a hundred of them a month, from August 2026 on."""
    cents = 1 + number * 7919 % 500_000
    amount = MOST_DIGITS if number == A_MONTH else f"{cents // 100}.{cents % 100:02}"
    day = f"2026-{8 + number // A_MONTH:02}-{1 + number % 28:02}"
    return (f"A-{10_000 + number}", f"C{1001 + number * 31 % 40}", day, amount, STATES[number % 3])


def with_local_dates(rows: Sequence[Row]) -> list[Row]:
    """Write dates as 31.08.2026."""
    return [(*row[:2], ".".join(reversed(row[2].split("-"))), *row[3:]) for row in rows]


def delimited(rows: Sequence[Row], delimiter: str = ",", ending: str = "\n") -> str:
    """Write rows below a header."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=ending).writerows([COLUMNS, *rows])
    return text.getvalue()


def exports() -> dict[str, bytes]:
    """Return the exports by name."""
    august, september, october = ([order(month * A_MONTH + each) for each in range(A_MONTH)] for month in range(3))
    bad = [("A-10300", "C1007", "2026-10-29", "n/a", "open"), ("A-10301", "", "2026-10-29", "12.00", "open")]
    return {
        "orders-2026-08.csv": delimited(with_local_dates(august), ";", "\r\n").encode("utf-8-sig"),
        "orders-2026-09.csv": delimited(september).encode(),
        "orders-2026-10.csv": delimited([*september[-REPEATED:], *october, *bad]).encode(),
    }


def main(directory: Path) -> None:
    """Write all exports into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, body in exports().items():
        (directory / name).write_bytes(body)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
