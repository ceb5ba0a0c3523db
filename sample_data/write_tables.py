"""Write the sample tables: a year of orders, each month as another system would export it.

Usage: python sample_data/write_tables.py [DIRECTORY]

The same bytes each time. All but the last three hold the same columns, so that one query fits them all; those three
are what a bucket holds as well: a table with bad rows, an empty object, an error page under the name of a table.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

Thing = TypeVar("Thing")
SEED = 20260101
REGIONS = ("north", "east", "south", "west")
CUSTOMERS = ("Anna Müller", "Björn Åkesson", "Chloé Lefèvre", "Dario Rossi", "Eva Núñez", "Finn O'Hara", "Grete Weiß")
PRODUCTS = (
    ("desk lamp", 3490),
    ("office chair", 18900),
    ("notebook, A5", 450),
    ("standing desk", 42900),
    ("cable", 799),
)
NOTES = ("", "", "", "gift", "call before delivery", "leave at the door")
LONG_NOTES = ('second floor\nring "Weiß" twice', "fragile;\r\nthis side up", 'says: "no rush", really', "a, b | c; d")
ERROR_PAGE = """<!DOCTYPE html>
<html><head><title>503 Service Unavailable</title></head>
<body><h1>Service Unavailable</h1><p>The export is being prepared, please try again later.</p></body></html>
"""


@dataclass(frozen=True)
class Order:
    """One row; ``postcode`` has leading zeros, ``amount`` two decimals."""

    order_id: int
    ordered_on: str
    region: str
    customer: str
    postcode: str
    product: str
    quantity: int
    amount: str
    note: str


COLUMNS = tuple(field.name for field in fields(Order))


def orders(month: int, count: int) -> list[Order]:
    """Make the orders of a month of 2026; the same for the same month and count."""
    chance = random.Random(SEED + month)
    first = date(2026, month, 1)
    return [_order(chance, first, number) for number in range(month * 10_000, month * 10_000 + count)]


def _order(chance: random.Random, first: date, number: int) -> Order:
    product, cents = _one_of(chance, PRODUCTS)
    quantity = 1 + int(chance.random() * 6)
    return Order(
        order_id=number,
        ordered_on=(first + timedelta(days=int(chance.random() * 28))).isoformat(),
        region=_one_of(chance, REGIONS),
        customer=_one_of(chance, CUSTOMERS),
        postcode=f"{int(chance.random() * 100_000):05}",
        product=product,
        quantity=quantity,
        amount=f"{cents * quantity / 100:.2f}",
        note=_one_of(chance, NOTES),
    )


def _one_of(chance: random.Random, things: Sequence[Thing]) -> Thing:
    # Not choice(): only random() is promised to stay the same from one Python to the next.
    return things[int(chance.random() * len(things))]


def delimited(rows: Sequence[Order], delimiter: str = ",", ending: str = "\n") -> str:
    """Write orders as delimited text, quoted where it must be."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ending)
    writer.writerow(COLUMNS)
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue()


def json_lines(rows: Sequence[Order]) -> str:
    """Write orders as JSON lines, the amount as a number and an empty note as null."""
    objects = ({**asdict(row), "amount": float(row.amount), "note": row.note or None} for row in rows)
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects)


def zipped(text: str) -> bytes:
    """Compress text; without a time or a name in it, the same text gives the same bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as stream:
        stream.write(text.encode())
    return packed.getvalue()


def with_long_notes(rows: Sequence[Order]) -> list[Order]:
    """Give every third order a note with newlines, quotes or delimiters in it."""
    return [replace(row, note=LONG_NOTES[row.order_id % 4]) if row.order_id % 3 == 0 else row for row in rows]


def with_bad_amounts(rows: Sequence[Order]) -> list[Order]:
    """Put what is no number into the amounts of rows 58 and 171."""
    return [replace(row, amount="n/a") if place in (58, 171) else row for place, row in enumerate(rows, start=1)]


def tables() -> dict[str, bytes]:
    """Return the bytes of each table by file name."""
    return {
        "orders_01.csv": delimited(orders(1, 400)).encode(),
        "orders_02_semicolon.csv": delimited(orders(2, 250), ";").encode(),
        "orders_03_bom.csv": delimited(orders(3, 300), ending="\r\n").encode("utf-8-sig"),
        "orders_04.csv.gz": zipped(delimited(orders(4, 500))),
        "orders_05_latin1.csv": delimited(orders(5, 200)).encode("latin-1"),
        "orders_06_newlines.csv": delimited(with_long_notes(orders(6, 240))).encode(),
        "orders_07.tsv": delimited(orders(7, 220), "\t").encode(),
        "orders_08_pipe.txt": delimited(orders(8, 180), "|").encode(),
        "orders_09.jsonl": json_lines(orders(9, 160)).encode(),
        "orders_10_utf16.csv": codecs.BOM_UTF16_LE + delimited(orders(10, 120)).encode("utf-16-le"),
        "orders_11_bad_rows.csv": delimited(with_bad_amounts(orders(11, 200))).encode(),
        "orders_12_empty.csv": b"",
        "orders_13_error_page.csv": ERROR_PAGE.encode(),
    }


def main(directory: Path) -> None:
    """Write all tables into ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, body in tables().items():
        (directory / name).write_bytes(body)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "tables")
