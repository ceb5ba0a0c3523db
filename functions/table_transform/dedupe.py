"""Rows that repeat an earlier one, found within bounded memory: the first stays, the order is kept.

The rows are run once and laid aside, in files from some size on; of each the hash of its key stays in memory, eight
bytes. They come back from there without those whose hash was there before, and the keys of all rows with such a hash
are then compared themselves. Should two different keys ever have the same hash, the rows come back once more, without
the rows that are truly repeated.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import polars as pl
from polars.io.plugins import register_io_source

from functions.table_transform.spool import rows_at_once

T = TypeVar("T")
_ROW, _HASH = " row", " hash"
# Of a piece that is laid aside, and the bytes of rows that stay in memory, as polars estimates them.
_CELLS_A_PIECE, _MOST_ROWS = 1_000_000, 100_000
_BYTES_IN_MEMORY = 8 * 1024 * 1024
# Keys that are compared at a time.
_COMPARED_BYTES = 32 * 1024 * 1024
# Hashes sorted at a time.
_SORTED_HASHES = 4_000_000


class Repeats:
    """The rows of a frame that repeat an earlier one in some columns; a context, after which the rows are gone.

    Attributes:
        marked: whether each row is one, ``None`` where none is; by the hashes of the keys until they are proven.
    """

    def __init__(self, frame: pl.LazyFrame, keys: Sequence[str]) -> None:
        """Run ``frame``, once, lay its rows aside and hash their ``keys``."""
        self._keys = list(keys)
        self._schema = frame.collect_schema()
        self._folder = tempfile.TemporaryDirectory(prefix="repeats-")
        self._pieces: list[pl.DataFrame | Path] = []
        hashes = pl.Series([], dtype=pl.UInt64)
        for hashed in self._laid_aside(frame):
            hashes.append(hashed)
        self._suspects, self.marked = _shared(hashes)
        self._noted: dict[int, Path] = {}
        self._proven = self.marked is None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Delete what was laid aside."""
        self._pieces.clear()
        self._folder.cleanup()

    @property
    def count(self) -> int:
        """How many rows are marked."""
        return 0 if self.marked is None else int(self.marked.sum())

    def dropped(self, run: Callable[[pl.LazyFrame], T]) -> T:
        """Return what ``run`` makes of the rows that stay; it is run twice if hashes collided."""
        made = run(self._kept())
        return made if self._hold() else run(self._kept())

    def values(self, name: str) -> pl.Series:
        """Return the values of a column in the rows that are repeated."""
        if self.marked is None:
            return pl.Series(name, [], dtype=self._schema[name])
        self._hold()
        return pl.concat([rows.filter(marked)[name] for rows, marked in self._marked_pieces() if marked is not None])

    def _laid_aside(self, frame: pl.LazyFrame) -> Iterator[pl.Series]:
        """Lay the rows aside; yield the hashes of their keys."""
        in_memory = 0
        at_once = rows_at_once(len(self._schema), _CELLS_A_PIECE, _MOST_ROWS)
        for rows in frame.collect_batches(chunk_size=at_once, maintain_order=True, engine="streaming"):
            yield _hashed(rows, self._keys)
            in_memory += int(rows.estimated_size())
            self._pieces.append(rows if in_memory <= _BYTES_IN_MEMORY else self._filed(rows, len(self._pieces)))

    def _filed(self, rows: pl.DataFrame, name: int | str) -> Path:
        path = Path(self._folder.name) / f"{name}.arrow"
        rows.write_ipc(path)
        return path

    def _kept(self) -> pl.LazyFrame:
        """Return the rows that are not marked."""

        def read(
            columns: list[str] | None, predicate: pl.Expr | None, most: int | None, _: int | None
        ) -> Iterator[pl.DataFrame]:
            for rows, marked in self._marked_pieces():
                kept = rows if marked is None else rows.filter(~marked)
                if most is not None:
                    kept, most = kept.head(most), most - min(most, kept.height)
                kept = kept if columns is None else kept.select(columns)
                yield kept if predicate is None else kept.filter(predicate)
                if most == 0:
                    return

        return register_io_source(read, schema=self._schema)

    def _marked_pieces(self) -> Iterator[tuple[pl.DataFrame, pl.Series | None]]:
        """Yield the pieces with their marks; note the keys of suspected rows."""
        first = 0
        for number, piece in enumerate(self._pieces):
            rows = piece if isinstance(piece, pl.DataFrame) else pl.read_ipc(piece)
            if not self._proven and number not in self._noted:
                self._note(number, first, rows)
            yield rows, None if self.marked is None else self.marked.slice(first, rows.height)
            first += rows.height

    def _note(self, number: int, first: int, rows: pl.DataFrame) -> None:
        """Lay the keys of suspected rows aside, written at once: a filtered text keeps hold of all it came from."""
        if self._suspects is None:
            raise AssertionError("without suspects nothing is looked at")
        keys = rows.select(self._keys).with_row_index(_ROW, offset=first)
        suspected = keys.filter(self._suspects.slice(first, rows.height))
        self._noted[number] = self._filed(suspected.with_columns(_hashed(suspected, self._keys)), f"{number} keys")

    def _hold(self) -> bool:
        """Compare the keys themselves; tell whether the marks were right, and set them right if not."""
        if self._proven or self.marked is None:
            return True
        for _ in self._marked_pieces():
            if len(self._noted) == len(self._pieces):
                break
        files = list(self._noted.values())
        pieces = 1 + sum(file.stat().st_size for file in files) // _COMPARED_BYTES
        exact = _mask(pl.concat([self._compared(files, piece, pieces) for piece in range(pieces)]), len(self.marked))
        right = bool((exact == self.marked).all())
        self.marked, self._proven = exact, True
        return right

    def _compared(self, files: list[Path], piece: int, pieces: int) -> pl.Series:
        """Return the rows that repeat an earlier one, of those whose hash falls into a piece."""
        noted = pl.scan_ipc(files)
        keys = (noted.filter(pl.col(_HASH) % pieces == piece) if pieces > 1 else noted).collect().sort(_HASH, _ROW)
        same_hash = pl.col(_HASH).eq_missing(pl.col(_HASH).shift())
        same_keys = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in self._keys)
        if not keys.select((same_hash & ~same_keys).any()).item():
            return keys.filter(same_hash)[_ROW]
        return keys.sort(_ROW).filter(~pl.struct(self._keys).is_first_distinct())[_ROW]


def _hashed(rows: pl.DataFrame, keys: Sequence[str]) -> pl.Series:
    return rows.select(keys).hash_rows().alias(_HASH)


def _shared(hashes: pl.Series) -> tuple[pl.Series | None, pl.Series | None]:
    """Tell which rows have their hash in common with others, and which with an earlier one; ``None`` where none has."""
    shared, repeated = [], []
    parts = 1 + len(hashes) // _SORTED_HASHES
    for part in range(parts):
        of_part = hashes % parts == part if parts > 1 else None
        in_order = (hashes if of_part is None else hashes.filter(of_part)).sort()
        twice = in_order.filter(in_order == in_order.shift()).unique()
        if len(twice):
            rows = hashes.is_in(twice.implode()).arg_true()
            shared.append(rows)
            repeated.append(rows.filter(~hashes.gather(rows).is_first_distinct()))
    if not shared:
        return None, None
    return _mask(pl.concat(shared), len(hashes)), _mask(pl.concat(repeated), len(hashes))


def _mask(rows: pl.Series, length: int) -> pl.Series:
    return pl.repeat(False, length, dtype=pl.Boolean, eager=True).scatter(rows, True)
