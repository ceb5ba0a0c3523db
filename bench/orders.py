"""The CSV files the benchmark of tables reads: orders as a shop exports them, the same ones each time.

Ids have leading zeros, notes have commas and quotes, some are empty, and one row in fifty is a copy of an earlier one.
A row is a function of its number alone, so a file of any size is made block by block and any part of it can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl

# One in so many rows repeats an earlier one.
COPIES = 50
_BLOCK = 200_000
# Of a row, on average.
_ROW_BYTES = 86
_REGIONS = ("Centre", "East", "North", "North East", "North West", "South", "South West", "West")
_STATUS = ("delivered", "delivered", "delivered", "delivered", "shipped", "open", "returned", "cancelled")
_WAREHOUSES = ("Antwerp", "Bilbao", "Graz", "Leeds", "Lyon")
_WORDS = (
    "bell", "behind", "blue", "box", "call", "cellar", "dog", "door", "fence", "fragile", "garden", "gate", "gift",
    "green", "leave", "left", "letter", "neighbour", "office", "parcel", "porch", "ring", "second", "shed", "third",
)  # fmt: skip
_HASHES = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93)


def write_orders(path: Path, size: int) -> int:
    """Write a CSV of about ``size`` bytes and return its rows."""
    rows = max(1, size // _ROW_BYTES)
    with path.open("wb") as file:
        for first in range(0, rows, _BLOCK):
            orders(first, min(first + _BLOCK, rows)).write_csv(file, include_header=first == 0)
    return rows


def write_small(folder: Path, files: int, size: int) -> list[Path]:
    """Write so many CSVs of about ``size`` bytes, each with rows of its own."""
    rows = max(1, size // _ROW_BYTES)
    paths = [folder / f"orders-{number:04d}.csv" for number in range(files)]
    for number, path in enumerate(paths):
        orders(number * rows, (number + 1) * rows).write_csv(path)
    return paths


def orders(first: int, end: int) -> pl.DataFrame:
    """Return the rows from ``first`` to before ``end``."""
    row = pl.Series(range(first, end), dtype=pl.UInt64)
    frame = pl.DataFrame({"row": row, "chance": _drawn(row, 0), "other": _drawn(row, 1)})
    # A copy is of a row that is none itself.
    earlier = pl.col("chance") % (pl.col("row") // COPIES).clip(1) * COPIES + pl.col("other") % (COPIES - 1)
    is_copy = (pl.col("row") % COPIES == COPIES - 1) & (pl.col("row") >= COPIES)
    return _orders(frame.select(pl.when(is_copy).then(earlier).otherwise("row")).to_series())


def _orders(number: pl.Series) -> pl.DataFrame:
    day = (_drawn(number, 4) % 2000).cast(pl.Int32)
    return pl.DataFrame({
        "order_id": number.cast(pl.String).str.zfill(10),
        "customer": (_drawn(number, 3) % 200_000).cast(pl.String).str.zfill(6),
        "ordered_on": (day + (date(2021, 1, 1) - date(1970, 1, 1)).days).cast(pl.Date),
        "region": _picked(_REGIONS, _drawn(number, 5)),
        "status": _picked(_STATUS, _drawn(number, 6)),
        "warehouse": _picked(_WAREHOUSES, _drawn(number, 7)),
        "quantity": _drawn(number, 8) % 20 + 1,
        "price": ((_drawn(number, 9) % 100_000) / 100).round(2),
        "weight": ((_drawn(number, 10) % 1_000_000) / 10_000).round(4),
        "note": _notes(number),
    })  # fmt: skip


def _notes(number: pl.Series) -> pl.Series:
    """Return texts: of ten two are missing, two have a comma, and one has quotes."""
    words = {name: _picked(_WORDS, _drawn(number, place)) for place, name in enumerate("abcd", start=11)}
    kind = pl.col("kind")
    return pl.DataFrame({"kind": _drawn(number, 15) % 10, **words}).select(
        pl.when(kind < 2)
        .then(None)
        .when(kind < 4)
        .then(pl.format("{}, {} {} {}", *words))
        .when(kind < 5)
        .then(pl.format('{} the "{} {}"', *list(words)[:3]))
        .otherwise(pl.format("{} {} {}", *list(words)[:3]))
        .alias("note")
    )["note"]


def _picked(values: Sequence[str], chance: pl.Series) -> pl.Series:
    return pl.Series(values).gather(chance % len(values))


def _drawn(number: pl.Series, salt: int) -> pl.Series:
    """Return 32-bit numbers that look drawn by chance: by arithmetic, the same in any version."""
    mixed = number * _HASHES[0] + (salt + 1) * _HASHES[1] % 2**63
    for factor in _HASHES[1:]:
        mixed = (mixed ^ (mixed // 2**31)) * factor
    return mixed // 2**32
