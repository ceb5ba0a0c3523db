"""Delimited text that is proven whole and typed in passing: every row is looked at once, on its way to the output.

The types are guessed from pieces of the text. Whatever is made of the rows holds if, at the end, no cell spoke against
its type and there were as many as the separators between fields make rows of full width. polars itself refuses rows
that are too long and quotes that do not pair, because here it reads the last column whatever is asked for.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl
from polars.io.plugins import register_io_source

from functions.table_transform.columns import (
    BOOLEAN,
    CODE,
    LONG,
    TOO_LONG_FOR_A_FLOAT,
    TYPES,
    Evidence,
    gathered,
    schema_of,
    undecided,
)
from functions.table_transform.errors import POLARS_FAULTS
from functions.table_transform.spool import Content, rows_at_once, whole_lines

_COUNTED_WHOLE = 128 * 1024 * 1024
# Each piece has its own cost; larger ones than a processor's cache holds take longer, too.
_COUNTED_AT_ONCE = 8 * 1024 * 1024
# Without a separator in so many bytes there is a row that polars would take gigabytes to read.
_LONGEST_FIELD = 32 * 1024 * 1024
_BEGINNING = 512 * 1024
_SAMPLE = 64 * 1024
_SAMPLES = 4
# Rows looked at together: each look has its cost, and they are in memory.
_CELLS_AT_ONCE = 1_000_000
_MOST_ROWS = 50_000
# Samples of so many cost more than they save.
_MANY_COLUMNS = 1000
# A character that separates nothing.
_NONE = "\x01"


@dataclass(frozen=True)
class Layout:
    """A delimited text and how it is divided."""

    content: Content
    separator: str

    @property
    def cells(self) -> pl.LazyFrame:
        """All cells, as text."""
        return pl.scan_csv(self.content.source, separator=self.separator, infer_schema=False, glob=False)

    @property
    def first_cells(self) -> pl.LazyFrame:
        """The cells of the first rows: to take them from all cells costs as much as thousands more."""
        beginning = whole_lines(self.content.beginning(_BEGINNING), cut_off=self.content.size > _BEGINNING)
        return replace(self, content=Content(beginning)).cells if beginning else self.cells

    def typed(self, kinds: Mapping[str, str | None]) -> pl.LazyFrame:
        """All cells, as the types of their columns by name."""
        return pl.scan_csv(self.content.source, separator=self.separator, schema=schema_of(kinds), glob=False)

    def rows(self, width: int) -> float | None:
        """Return how many rows of ``width`` fields are below the header; no whole number where some are of another.

        ``None`` where there is a row so long that polars would take gigabytes to read it, or to say what is wrong.
        """
        if width > 1:
            between = self._outside_quotes(self.separator.encode())
            return None if between is None else between / (width - 1) - 1
        ends = self._outside_quotes(b"\n")
        return None if ends is None else float(ends - (self.content.ending(1) == b"\n"))

    def _outside_quotes(self, sign: bytes) -> int | None:
        """Count a sign outside of quotes; by pieces where all of it would take much memory."""
        if isinstance(self.content.body, bytes) and self.content.size <= _COUNTED_WHOLE:
            return _lines(self.content.body, sign) - (not self.content.body.endswith(sign))
        count, is_open, since = 0, False, 0
        for piece in self.content.pieces(_COUNTED_AT_ONCE):
            text = b"".join([b"x", sign, b'"' * is_open, piece, b"x"])
            found = _lines(text, sign) - 2
            since = 0 if found else since + len(piece)
            if since >= _LONGEST_FIELD:
                return None
            count += found
            is_open = _lines(text, b'"', quote=None) % 2 == 0
        return count


def _lines(text: bytes, end: bytes, quote: str | None = '"') -> int:
    """Count the lines that a character ends outside of quotes, and what is left as one.

    As polars does, in a twentieth of a parser's time.
    """
    lines = pl.scan_csv(
        io.BytesIO(text),
        has_header=False,
        eol_char=end.decode(),
        separator=_NONE,
        quote_char=quote,
        infer_schema=False,
        glob=False,
    )
    count: int = lines.select(pl.len()).collect(engine="streaming").item()
    return count


class Passage:
    """The rows of a text on their way; of a column that nothing asks for, the type is not proven.

    Attributes:
        kinds: the types of the columns by name, ``None`` for those without values; guessed unless given.
        rows: how many there are; 0 before all of them have been read once.
    """

    def __init__(self, layout: Layout, names: Sequence[str], types: Mapping[str, str]) -> None:
        """Guess the types of columns that ``types`` does not name.

        Raises what polars does, and ValueError where the text has not as many separators as whole rows have.
        """
        self._layout = layout
        self._expected = layout.rows(len(names))
        _require(self._expected is not None and self._expected.is_integer())
        found = _found(layout, names)
        self.kinds: dict[str, str | None] = {
            name: types.get(name, found[name].meant if name in found else "text") for name in names
        }
        self._given = types
        self.rows = 0
        self._lacking: set[str] = set()
        self._proven: set[str] = set()

    @property
    def frame(self) -> pl.LazyFrame:
        """The typed rows; what is made of them holds if ``is_proven`` afterwards."""
        # Not kept: it refers to this, and Python's collector does not see through it to let go of both.
        return register_io_source(self._read, schema=schema_of(self.kinds))

    @property
    def is_proven(self) -> bool:
        """Tell whether the rows were read to the end, all of them whole, and what was asked for of its type."""
        return not self._lacking and self.rows > 0 and self.rows == self._expected

    def run_through(self) -> None:
        """Read all rows with all of their columns, for nothing but the proof; raises what polars does."""
        for _ in self._read(None, None, None, None):
            pass

    def _read(
        self, columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows as polars asks for them; raises ValueError where a cell speaks against the guess."""
        names = list(self.kinds) if columns is None else columns
        is_known = self._proven.issuperset(names)
        run = _Run({} if is_known else {name: self.kinds[name] for name in names}, self._given)
        at_once = rows_at_once(len(names), _CELLS_AT_ONCE, _MOST_ROWS)
        # The last cell of every row is looked at, for the width of the row.
        looked_at = list(dict.fromkeys([*names, list(self.kinds)[-1]]))
        read = self._layout.typed(self.kinds).select(names) if is_known else self._layout.cells.select(looked_at)
        count = 0
        for cells in read.collect_batches(chunk_size=at_once, maintain_order=True, engine="streaming"):
            typed = cells if is_known else run.typed(cells)
            if rows is not None:
                typed = typed.head(rows - count)
            count += cells.height
            yield typed if predicate is None else typed.filter(predicate)
            if rows is not None and count >= rows:
                return
        _require(self.rows in (0, count))
        self.rows = count
        self._lacking |= run.lacking
        self._proven.update(names)


class _Run:
    """One reading of the rows.

    Attributes:
        lacking: columns of which no cell has shown yet that they are of their type and of no narrower one.
    """

    def __init__(self, kinds: Mapping[str, str | None], given: Mapping[str, str]) -> None:
        self._kinds = kinds
        self._given = given
        self.lacking = {name for name, kind in kinds.items() if kind not in (None, "text") and name not in given}

    def typed(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Return the next rows with the types of their columns; raises ValueError where a cell is of another."""
        return pl.DataFrame([self._typed(cells[name], kind) for name, kind in self._kinds.items()])

    def _typed(self, cells: pl.Series, kind: str | None) -> pl.Series:
        if kind == "text":
            return cells
        if kind is None:
            _require(_longest(cells) == 0)
            return cells
        values = self._values(cells, kind)
        if cells.name not in self._given:
            self._require_type(cells, values, kind)
        return values

    @staticmethod
    def _values(cells: pl.Series, kind: str) -> pl.Series:
        values = _booleans(cells) if kind == "boolean" else cells.cast(TYPES[kind], strict=False)
        lost = values.null_count() - cells.null_count()
        _require(lost == 0 or lost == (cells == "").sum())
        return values

    def _require_type(self, cells: pl.Series, values: pl.Series, kind: str) -> None:
        """Raise ValueError where the type would change a cell; note when a narrower type would not do."""
        if kind != "boolean":
            self._require_plain(cells, values)
        if cells.name in self.lacking:
            of_another = cells.cast(pl.Int64, strict=False).null_count() if kind == "number" else len(cells)
            if of_another > values.null_count():
                self.lacking.discard(cells.name)

    @staticmethod
    def _require_plain(cells: pl.Series, values: pl.Series) -> None:
        """Raise ValueError for numbers that are more than their value: codes, and more digits than a float holds."""
        # What begins a code comes before 1 in the order of characters; few numbers begin with any of it.
        low = cells < "1"
        _require(not low.any() or not cells.filter(low).str.contains(CODE).any())
        if values.dtype.is_float() and not _within(values, TOO_LONG_FOR_A_FLOAT):
            _require(not cells.str.contains(LONG).any())


def _within(values: pl.Series, limit: float) -> bool:
    """Tell whether all of the numbers are below a limit and above its negative."""
    least, most = values.min(), values.max()
    return least is None or most is None or bool(least > -limit and most < limit)  # type: ignore[operator]


def _longest(cells: pl.Series) -> int:
    longest = cells.str.len_bytes().max()
    return longest if isinstance(longest, int) else 0


def _require(condition: object) -> None:
    if not condition:
        raise ValueError("the rows speak against what their samples looked like")


def _booleans(cells: pl.Series) -> pl.Series:
    frame = cells.to_frame("cell").select(
        pl.when(pl.col("cell").str.contains(BOOLEAN)).then(pl.col("cell").str.to_lowercase() == "true")
    )
    return frame.to_series().alias(cells.name)


def _found(layout: Layout, names: Sequence[str]) -> dict[str, Evidence]:
    """Return the evidence in samples of the columns that the first rows do not make text."""
    found = undecided(layout.first_cells)
    for sample in _samples(layout, names):
        try:
            more = gathered(sample, list(found))
        except POLARS_FAULTS:
            # It began within a quoted field. A sample is a hint: that there is one less decides nothing.
            continue
        found = {name: known + more[name] for name, known in found.items()}
    return found


def _samples(layout: Layout, names: Sequence[str]) -> Iterator[pl.LazyFrame]:
    size = layout.content.size
    if size <= _SAMPLE * _SAMPLES or len(names) > _MANY_COLUMNS:
        return
    with layout.content.open() as stream:
        for number in range(1, _SAMPLES + 1):
            stream.seek(number * (size - _SAMPLE) // _SAMPLES)
            lines = stream.read(_SAMPLE).split(b"\n")[1:-1]
            if lines:
                yield pl.scan_csv(
                    io.BytesIO(b"\n".join(lines)),
                    separator=layout.separator,
                    has_header=False,
                    schema=dict.fromkeys(names, pl.String()),
                    truncate_ragged_lines=True,
                )
