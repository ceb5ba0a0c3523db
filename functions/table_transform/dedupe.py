"""Rows that repeat an earlier one, found within bounded memory: the first stays, the order is kept.

The rows are run and of each the hash of its key stays in memory, eight bytes. They come again without those whose hash
was there before, from memory where they are few, and the keys of all rows with such a hash are laid aside and compared
themselves. Should two different keys ever have the same hash, the rows come once more, without the rows that are truly
repeated.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

import polars as pl

T = TypeVar("T")
_ROW, _HASH = " row", " hash"
# Of rows that stay in memory, as polars estimates them.
_BYTES_IN_MEMORY = 80 * 1024 * 1024
# Keys that are compared at a time.
_COMPARED_BYTES = 32 * 1024 * 1024
# Hashes sorted at a time.
_SORTED_HASHES = 16_000_000


class Repeats:
    """The rows of a frame that repeat an earlier one in some columns; a context.

    Attributes:
        marked: whether each row is one, ``None`` where none is; by the hashes of the keys until they are proven.
    """

    def __init__(self, frame: pl.LazyFrame, keys: Sequence[str]) -> None:
        """Run ``frame`` and hash its ``keys``. Where its rows are many it is run again, and has to give the same."""
        self._keys = list(keys)
        self._schema = frame.collect_schema()
        hashes, few = self._run(frame)
        self._frame = frame if few is None else few.lazy()
        self._suspects, self.marked = _shared(hashes)
        self._proven = self.marked is None
        self._notes = _Notes()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Delete what was laid aside."""
        self._notes.clear()

    @property
    def count(self) -> int:
        """How many rows are marked."""
        return 0 if self.marked is None else int(self.marked.sum())

    def dropped(self, run: Callable[[pl.LazyFrame], T]) -> T:
        """Return what ``run`` makes of the rows that stay; it is run twice if hashes collided."""
        made = run(self._rows(repeated=False))
        return made if self._hold() else run(self._rows(repeated=False))

    def values(self, name: str) -> pl.Series:
        """Return the values of a column in the rows that are repeated."""
        self._hold()
        return self._rows(repeated=True).select(name).collect(engine="streaming")[name]

    def _run(self, frame: pl.LazyFrame) -> tuple[pl.Series, pl.DataFrame | None]:
        """Return the hashes of the keys of all rows, and the rows if they are few."""
        hashes: dict[int, pl.Series] = {}
        few: dict[int, pl.DataFrame] = {}
        size = 0

        def keep(rows: pl.DataFrame, first: int) -> pl.DataFrame:
            nonlocal size
            hashes[first] = _hashed(rows, self._keys)
            size += int(rows.estimated_size()) if size <= _BYTES_IN_MEMORY else 0
            few[first] = rows
            if size > _BYTES_IN_MEMORY:
                few.clear()
            return rows.clear()

        nothing = _numbered(frame, keep).collect(engine="streaming")
        in_order = pl.concat([pl.Series(_HASH, [], dtype=pl.UInt64), *(hashes[first] for first in sorted(hashes))])
        if size > _BYTES_IN_MEMORY:
            return in_order, None
        return in_order, pl.concat([nothing, *(few[first] for first in sorted(few))])

    def _rows(self, *, repeated: bool) -> pl.LazyFrame:
        """Return the rows that are marked or those that are not; when they are run, the keys of suspects are noted."""
        if self.marked is None:
            return self._frame.head(0) if repeated else self._frame

        def choose(rows: pl.DataFrame, first: int) -> pl.DataFrame:
            marked = self._of(self.marked, rows, first)
            if not self._proven:
                self._notes.add(first, self._suspected(rows, first))
            return rows.filter(marked if repeated else ~marked)

        return _numbered(self._frame, choose)

    def _suspected(self, rows: pl.DataFrame, first: int) -> pl.DataFrame:
        """Return the keys of suspected rows, with their numbers and hashes."""
        places = self._of(self._suspects, rows, first).arg_true()
        suspected = rows[places]
        keys = [suspected[name] for name in self._keys]
        return pl.DataFrame([*keys, _hashed(suspected, self._keys), (places + first).alias(_ROW)])

    @staticmethod
    def _of(marks: pl.Series | None, rows: pl.DataFrame, first: int) -> pl.Series:
        if marks is None or first + rows.height > len(marks):
            raise RuntimeError("the rows have become more: what made them does not give the same in any run")
        return marks.slice(first, rows.height)

    def _hold(self) -> bool:
        """Compare the keys themselves; tell whether the marks were right, and set them right if not."""
        if self._proven or self.marked is None or self._suspects is None:
            return True
        suspects = int(self._suspects.sum())
        if self._notes.rows != suspects:
            # They ran other than once, and not all of them or not in the same pieces.
            self._notes.clear()
            self._rows(repeated=True).select(pl.len()).collect(engine="streaming")
        parts = 1 + self._notes.size // _COMPARED_BYTES
        exact = _mask(pl.concat([self._compared(part, parts) for part in range(parts)]), len(self.marked))
        right = bool((exact == self.marked).all())
        self.marked, self._proven = exact, True
        return right

    def _compared(self, part: int, parts: int) -> pl.Series:
        """Return the rows that repeat an earlier one, of those whose hash falls into a part."""
        keys = pl.concat(noted.filter(pl.col(_HASH) % parts == part) for noted in self._notes).sort(_HASH, _ROW)
        same_hash = pl.col(_HASH).eq_missing(pl.col(_HASH).shift())
        if not keys.select((same_hash | same_hash.shift(-1, fill_value=False)).all()).item():
            raise RuntimeError("rows have changed: what made them does not give the same in any run")
        same_keys = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in self._keys)
        if not keys.select((same_hash & ~same_keys).any()).item():
            return keys.filter(same_hash)[_ROW]
        return keys.sort(_ROW).filter(~pl.struct(self._keys).is_first_distinct())[_ROW]


class _Notes:
    """Keys laid aside in a file: in memory, a filtered text would keep hold of all it came from.

    Attributes:
        rows, size: how many, and their bytes.
    """

    def __init__(self) -> None:
        self.rows = self.size = 0
        self._places: dict[int, tuple[int, int]] = {}
        self._file: BinaryIO | None = None

    def clear(self) -> None:
        """Forget them."""
        if self._file is not None:
            self._file.close()
        self._file = None
        self.rows = self.size = 0
        self._places.clear()

    def add(self, first: int, keys: pl.DataFrame) -> None:
        """Note keys of rows from the ``first`` on, unless that has been done."""
        if first in self._places:
            return
        if self._file is None:
            # Closed by ``clear``: it outlives the call.
            self._file = tempfile.TemporaryFile(prefix="repeats-", buffering=0)  # noqa: SIM115
        # As a stream: the other writers of polars run in its engine, which would run ahead meanwhile, however far.
        keys.write_ipc_stream(self._file)
        end = self._file.tell()
        self._places[first] = (self.size, end - self.size)
        self.rows, self.size = self.rows + keys.height, end

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Yield the keys as they were noted."""
        for place, size in self._places.values():
            if self._file is not None:
                self._file.seek(place)
                yield pl.read_ipc_stream(self._file.read(size))


def _numbered(frame: pl.LazyFrame, work: Callable[[pl.DataFrame, int], pl.DataFrame]) -> pl.LazyFrame:
    """Return what ``work`` makes of the rows, piece by piece; it is told the number of the first row of each.

    It is called by one thread at a time, not always in order, and has the engine wait: that computes ahead what it
    hands out by ``collect_batches``, without bounds where this is slower.
    """
    turns = threading.Lock()

    def worked(numbered: pl.DataFrame) -> pl.DataFrame:
        numbers = numbered.drop_in_place(_ROW)
        if numbered.is_empty():
            return numbered
        with turns:
            return work(numbered, numbers[0])

    schema = frame.collect_schema()
    return frame.with_row_index(_ROW).map_batches(worked, schema=schema, streamable=True)


def _hashed(rows: pl.DataFrame, keys: Sequence[str]) -> pl.Series:
    return pl.DataFrame([rows[name] for name in keys]).hash_rows().alias(_HASH)


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
