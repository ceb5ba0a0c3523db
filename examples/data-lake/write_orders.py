"""Writes what a shop delivers, the same bytes every time: ``python write_orders.py (first|second) DIRECTORY``.

The first delivery is a file of orders for each of five days and a table of the products. The second one is a correction
of the last day, and a new day.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

A_DAY = 60
LAST, NEW = 6, 9  # days of November 2026
# As people type them.
REGIONS = ("north", "East", " south", "WEST ")
# Code, name, category, price in cents, tax.
PRODUCTS = (
    ("P01", "desk lamp", "light", 3490, "0.19"),
    ("P02", "office chair", "furniture", 18_900, "0.19"),
    ("P03", "notebook, A5", "paper", 450, "0.07"),
    ("P04", "standing desk", "furniture", 42_900, "0.19"),
    ("P05", "calendar", "paper", 1290, "0.07"),
)


@dataclass(frozen=True)
class Order:
    """A row of a file of orders."""

    order_id: int
    ordered: str
    region: str
    product: str
    quantity: int
    price: str


def orders(day: int) -> list[Order]:
    """Make the orders of a day; on the fourth, one of nothing."""
    made = [order(day, number) for number in range(A_DAY)]
    return [replace(each, quantity=0) if (day, each.order_id) == (4, 40_006) else each for each in made]


def order(day: int, number: int) -> Order:
    """Make an order."""
    mixed = number * 7919 + day * 31
    code, _, _, cents, _ = PRODUCTS[mixed % len(PRODUCTS)]
    quantity, region = 1 + mixed // 5 % 4, REGIONS[mixed // 7 % len(REGIONS)]
    return Order(10_000 * day + number, f"2026-11-{day:02}", region, code, quantity, f"{cents / 100:.2f}")


def delimited(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Write rows below a header."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def order_file(day: int, rows: Iterable[Order]) -> dict[str, str]:
    """Return the name of a day's file, and its text."""
    header = [field.name for field in fields(Order)]
    return {f"raw/orders/2026-11-{day:02}.csv": delimited(header, map(astuple, rows))}


def first() -> dict[str, str]:
    """Return the files of the first delivery by name."""
    files = {"reference/products.csv": delimited(("product", "name", "category", "tax"), map(without_price, PRODUCTS))}
    for day in range(2, LAST + 1):
        files |= order_file(day, orders(day))
    return files


def without_price(product: tuple[str, str, str, int, str]) -> tuple[str, str, str, str]:
    """Return what the table of products has of one: orders have the price that was paid."""
    code, name, category, _, tax = product
    return code, name, category, tax


def second() -> dict[str, str]:
    """Return the files of the second delivery by name: in the correction, the first order is ten times as large."""
    mistaken, *others = orders(LAST)
    corrected = [replace(mistaken, quantity=10 * mistaken.quantity), *others]
    return order_file(LAST, corrected) | order_file(NEW, orders(NEW))


def main(delivery: str, directory: Path) -> None:
    """Write a delivery into a directory."""
    for name, text in {"first": first, "second": second}[delivery]().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
