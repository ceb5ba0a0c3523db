"""log-hits: hits and bytes of a web access log by hour and status class, counted by an AWK program."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from itemkit import InvalidJob, Item, Operation, Output, Result, option, rename
from log_hits.errors import DamagedGzip, LogTooLarge, ProgramFailed
from log_hits.program import Limits, is_installed, run_program

SCRIPT = Path(__file__).with_name("hits.awk")
COMMAND = ("awk", "-f", str(SCRIPT))
GZIP = b"\x1f\x8b"
MOST_OUTPUT = 4 * 1024 * 1024
# Of text, unpacked. On a core of a small server gawk took 3.0 s for 45 MB, so some 70 s for this; mawk a third of that.
MOST_TEXT = 1024**3
_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Options:
    """What a job can say."""

    percent: float = option(
        1.0, help="percent of a log's lines that may not be in the Combined Log Format", least=0, most=100, example=5
    )
    seconds: float = option(120.0, help="seconds that the program may take for a log", least=0.1, most=200, example=60)


def output_names(name: str, options: Options) -> Sequence[str]:
    """Return the name of a log's output: ``a/b.log.gz`` becomes ``a/b.log.gz.csv``."""
    return [rename(name, extension=".csv")]


def check(options: Options, sample: bytes | None) -> None:
    """Raise InvalidJob where there is no awk, before any log is read."""
    if not is_installed(COMMAND[0]):
        raise InvalidJob(
            f"log-hits needs the program {COMMAND[0]}, which is not on the PATH of its function: install it in the "
            "function's image, and for runs on this machine with its package manager (such as gawk or mawk)"
        )


def process(item: Item, body: bytes, options: Options) -> Result:
    """Count a log; raises the errors of ``log_hits.errors``."""
    command = [*COMMAND, "-v", f"percent={options.percent}"]
    written = run_program(item.uri, command, _text(item.uri, body), Limits(options.seconds, MOST_OUTPUT))
    rows = sorted(_row(item.uri, line) for line in written.decode().splitlines())
    hits = [row for row in rows if row[0] != "-"]
    unreadable = sum(row[2] for row in rows if row[0] == "-")
    table = ["hour,status,hits,bytes", *(f"{hour},{status},{count},{size}" for hour, status, count, size in hits)]
    counted = sum(row[2] for row in hits)
    facts = {
        "hits": counted,
        "bytes": sum(row[3] for row in hits),
        "server_errors": sum(row[2] for row in hits if row[1] == "5xx"),
        "unreadable_lines": unreadable,
    }
    output = Output("".join(f"{line}\n" for line in table).encode(), "text/csv")
    return Result([output], rows_in=counted + unreadable, rows_out=len(hits), facts=facts)


def _text(uri: str, body: bytes) -> Iterator[bytes]:
    """Yield the log's text in pieces, unpacked where it is gzip, whatever its name says."""
    if not body.startswith(GZIP):
        yield body
        return
    size = 0
    with gzip.GzipFile(fileobj=BytesIO(body)) as unpacked:
        try:
            while piece := unpacked.read(_CHUNK):
                size += len(piece)
                if size > MOST_TEXT:
                    raise LogTooLarge(f"{uri} has more than {MOST_TEXT:,} bytes when unpacked: split it")
                yield piece
        except (EOFError, OSError, zlib.error) as error:
            raise DamagedGzip(f"{uri} is damaged gzip ({error}): upload it again from its origin") from error


def _row(uri: str, line: str) -> tuple[str, str, int, int]:
    """Read a row of the program."""
    try:
        hour, status, hits, size = line.split("\t")
        return hour, status, int(hits), int(size)
    except ValueError as error:
        raise ProgramFailed(f"{uri}: {SCRIPT.name} wrote what is no row: {line[:80]!r}") from error


OPERATION = Operation(
    name="log-hits",
    version="1",
    summary="hits and bytes of web access logs, by hour and status class, counted by an AWK program",
    options=Options,
    names=output_names,
    process=process,
    check=check,
)
