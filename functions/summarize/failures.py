"""Items without an output: those that stay so, for failures.csv, and those that the next pass takes up.

failures.csv is a manifest the next run can take. Its columns are those of ``COLUMNS``, then ``item_name`` and
``output`` where they are needed, then the manifest's own.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from itemkit.record import Record

COLUMNS = ("uri", "error", "message", "retryable", "attempts")
# What a row says of the failure and not of the item.
_OF_THE_FAILURE = ("error", "message", "retryable")


class Failures:
    """Collects rows of failed records on disk and writes them as CSV; memory does not grow with their number.

    Two walks are needed because the manifest's columns are known only when all records have been seen.
    """

    def __init__(self) -> None:
        self.count = 0
        self._columns: dict[str, None] = {}
        self._spool = tempfile.TemporaryFile("w+", encoding="ascii", newline="\n")  # noqa: SIM115

    def add(self, record: Record) -> None:
        """Take one record that has a failure."""
        self._add(failure_row(record))

    def resume(self, lines: Iterable[bytes]) -> None:
        """Take up the rows of an earlier pass, as ``lines`` gave them."""
        for line in lines:
            self._add(json.loads(line))

    def _add(self, row: dict[str, str]) -> None:
        self.count += 1
        self._columns.update(dict.fromkeys(name for name in row if name not in COLUMNS))
        self._spool.write(json.dumps(row) + "\n")

    def lines(self) -> Iterator[bytes]:
        """Yield the rows as JSON lines, for ``resume``."""
        return (json.dumps(row).encode() + b"\n" for row in self.rows())

    def next_manifest(self) -> Iterator[bytes]:
        """Yield the items as JSON lines that a map reads: without their failure, with their attempts."""
        for row in self.rows():
            yield json.dumps({name: row[name] for name in row if name not in _OF_THE_FAILURE}).encode() + b"\n"

    def csv(self) -> IO[bytes]:
        """Return the CSV as a stream to upload: UTF-8, header row, comma, LF."""
        binary = tempfile.TemporaryFile()  # noqa: SIM115 - handed to the caller
        # A message may quote half a surrogate pair, which UTF-8 cannot hold.
        text = io.TextIOWrapper(binary, encoding="utf-8", errors="backslashreplace", newline="", write_through=True)
        writer = csv.DictWriter(_LineFeeds(text), [*COLUMNS, *self._columns], restval="", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(self.rows())
        text.detach()
        binary.seek(0)
        return binary

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows in the order they came."""
        self._spool.seek(0)
        for line in self._spool:
            yield json.loads(line)


class _LineFeeds:
    """Ends rows in LF; the csv module is told CRLF, because only then it quotes a cell that holds a CR alone."""

    def __init__(self, text: IO[str]) -> None:
        self._text = text

    def write(self, row: str) -> int:
        return self._text.write(row.removesuffix("\r\n") + "\n")


def failure_row(record: Record) -> dict[str, str]:
    """Return a record's row; the columns of an earlier failures.csv are replaced and its attempts counted on."""
    failure = record.failure
    if failure is None:
        raise ValueError(f"{record.uri} has no failure: {record.status}")
    own = {name: value for name, value in record.columns.items() if name not in COLUMNS}
    return {
        "uri": record.uri,
        "error": failure.type,
        "message": failure.message,
        "retryable": str(failure.retryable).lower(),
        "attempts": str(_attempts(record.columns) + 1),
        **_naming(record),
        **own,
    }


def _naming(record: Record) -> dict[str, str]:
    """Return the columns that make the next run write where this one would have, where they say more than the URI."""
    key = record.uri.removeprefix("s3://").partition("/")[2]
    naming = {"item_name": record.name if record.name != key else None, "output": record.output}
    return {column: value for column, value in naming.items() if value}


def _attempts(columns: Mapping[str, str]) -> int:
    before = columns.get("attempts", "")
    return int(before) if before.isdecimal() else 0
