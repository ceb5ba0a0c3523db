"""A program: read an Arrow file or stream and write it as Parquet, with a bound on memory.

``python -m functions.table_transform.arrow SOURCE TARGET``; it ends with 1 and a line on stderr where the bytes are
damaged, or is ended by polars or the bound.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from functions.table_transform.errors import POLARS_FAULTS, first_line

if sys.platform != "win32":
    import resource

MARK = b"ARROW1"
# Beside the process that waits for it, in a function of 1,769 MB.
_MOST_MEMORY = 1024 * 1024 * 1024


def main(source: Path, target: Path) -> str | None:
    """Convert a file; return what is wrong with it."""
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_DATA, (_MOST_MEMORY, _MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with source.open("rb") as stream:
        is_file = stream.read(len(MARK)) == MARK
    try:
        frame = pl.scan_ipc(source, glob=False) if is_file else pl.read_ipc_stream(source).lazy()
        frame.sink_parquet(target, compression="lz4", engine="streaming")
    except POLARS_FAULTS as error:
        return first_line(error)
    return None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
