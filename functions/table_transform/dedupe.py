"""Rows that repeat an earlier one, found within bounded memory: the first stays, the order is kept.

A first pass hashes the keys of all rows, eight bytes each. The pass that writes the rows leaves out those whose hash
was there before and lays aside the keys of all rows with such a hash; then these keys are compared themselves. Should
two different keys ever have the same hash, the rows are written again without the rows that are truly repeated.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

T = TypeVar("T")
_ROW, _HASH = " row", " hash"
# Keys laid aside that are compared at a time.
_COMPARED_BYTES = 32 * 1024 * 1024


class Repeats:
    """The rows of a frame that repeat an earlier one in some columns.

    Attributes:
        marked: whether each row is one, ``None`` where none is; by the hashes of the keys until they are proven.
    """

    def __init__(self, frame: pl.LazyFrame, keys: Sequence[str]) -> None:
        """Hash the keys: runs ``frame`` once."""
        self._keys = list(keys)
        self._hashed = pl.struct(self._keys).hash()
        hashes = frame.select(self._hashed.alias(_HASH)).collect(engine="streaming").to_series()
        self._suspects = _shared(hashes)
        self.marked = None if self._suspects is None else _repeated(hashes, self._suspects)
        self._folder = Path()
        self._files: list[Path] = []
        self._proven = False

    @property
    def count(self) -> int:
        """How many rows are marked."""
        return 0 if self.marked is None else int(self.marked.sum())

    def dropped(self, frame: pl.LazyFrame, run: Callable[[pl.LazyFrame], T]) -> T:
        """Return what ``run`` makes of the frame without its repeated rows; it is run twice if hashes collided."""
        if self.marked is None:
            return run(frame)
        with tempfile.TemporaryDirectory(prefix="fanfold-") as folder:
            self._folder, self._files = Path(folder), []
            made = run(self._over(frame))
            if self._hold():
                return made
        return run(self._over(frame))

    def rows(self, frame: pl.LazyFrame, number: str) -> pl.Series:
        """Return the values of the column ``number`` in the rows that are repeated."""
        numbers = frame.select(number)
        if self.marked is None:
            return numbers.head(0).collect().to_series()
        self.dropped(frame, lambda kept: kept.select(pl.len()).collect(engine="streaming"))
        return numbers.collect(engine="streaming").to_series().filter(self.marked)

    def _over(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        seen = pl.struct(_ROW, *self._keys)
        return (
            frame.with_row_index(_ROW)
            .filter(seen.map_batches(self._is_kept, return_dtype=pl.Boolean, is_elementwise=True))
            .drop(_ROW)
        )

    def _is_kept(self, seen: pl.Series) -> pl.Series:
        """Tell which rows stay; elementwise, as they may come in any pieces and order."""
        if self._suspects is None or self.marked is None:
            raise AssertionError("without suspects nothing is looked at")
        rows = seen.struct.field(_ROW)
        if not self._proven:
            suspected = seen.filter(self._suspects.gather(rows))
            if len(suspected):
                # Written at once: a filtered text column keeps hold of all the text it came from.
                file = self._folder / f"{len(self._files)}.arrow"
                self._files.append(file)
                suspected.struct.unnest().write_ipc(file)
        return ~self.marked.gather(rows)

    def _hold(self) -> bool:
        """Compare the keys themselves; tell whether the marks were right, and set them right if not."""
        if self._proven or self.marked is None or not self._files:
            return True
        pieces = 1 + sum(file.stat().st_size for file in self._files) // _COMPARED_BYTES
        found = [self._compared(piece, pieces) for piece in range(pieces)]
        exact = _mask(pl.concat(found), len(self.marked))
        right = bool((exact == self.marked).all())
        self.marked, self._proven = exact, True
        return right

    def _compared(self, piece: int, pieces: int) -> pl.Series:
        """Return the rows that repeat an earlier one, of those whose hash falls into a piece."""
        laid_aside = pl.scan_ipc(self._files).with_columns(self._hashed.alias(_HASH))
        if pieces > 1:
            laid_aside = laid_aside.filter(pl.col(_HASH) % pieces == piece)
        keys = laid_aside.collect().sort(_HASH, _ROW)
        # What is run may run the frame more than once, and lays the same rows aside again.
        keys = keys.filter(pl.col(_ROW).ne_missing(pl.col(_ROW).shift()))
        same_hash = pl.col(_HASH).eq_missing(pl.col(_HASH).shift())
        same_keys = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in self._keys)
        if not keys.select((same_hash & ~same_keys).any()).item():
            return keys.filter(same_hash)[_ROW]
        return keys.sort(_ROW).filter(~pl.struct(self._keys).is_first_distinct())[_ROW]


def _shared(hashes: pl.Series) -> pl.Series | None:
    """Tell which rows have their hash in common with others; ``None`` where none has. Sorting saves memory."""
    in_order = hashes.sort()
    twice = in_order.filter(in_order == in_order.shift()).unique()
    return hashes.is_in(twice.implode()) if len(twice) else None


def _repeated(hashes: pl.Series, suspects: pl.Series) -> pl.Series:
    rows = suspects.arg_true()
    return _mask(rows.filter(~hashes.filter(suspects).is_first_distinct()), len(hashes))


def _mask(rows: pl.Series, length: int) -> pl.Series:
    return pl.repeat(False, length, dtype=pl.Boolean, eager=True).scatter(rows, True)
