"""failures.csv: every item without an output, with its reason, as a manifest the next run can take.

The columns are those of ``COLUMNS``, then ``item_name`` and ``output`` where they are needed, then the manifest's own.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

from itemkit.record import Record

COLUMNS = ("uri", "error", "message", "retryable", "attempts")


class Failures:
    """Collects failed records on disk and writes them as CSV; memory does not grow with their number.

    Two walks are needed because the manifest's columns are known only when all records have been seen.
    """

    def __init__(self) -> None:
        self.count = 0
        self._columns: dict[str, None] = {}
        self._spool: IO[str] = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115

    def add(self, record: Record) -> None:
        """Take one record that has a failure."""
        row = failure_row(record)
        self.count += 1
        self._columns.update(dict.fromkeys(name for name in row if name not in COLUMNS))
        self._spool.write(json.dumps(row) + "\n")

    def csv(self) -> IO[bytes]:
        """Return the CSV as a stream to upload: UTF-8, header row, comma, LF."""
        binary = tempfile.TemporaryFile()  # noqa: SIM115 - handed to the caller
        # A message may quote half a surrogate pair, which UTF-8 cannot hold.
        text = io.TextIOWrapper(binary, encoding="utf-8", errors="backslashreplace", newline="", write_through=True)
        writer = csv.DictWriter(_LineFeeds(text), [*COLUMNS, *self._columns], restval="", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(self._rows())
        text.detach()
        binary.seek(0)
        return binary

    def _rows(self) -> Iterator[dict[str, Any]]:
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
