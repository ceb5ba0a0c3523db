"""Many small tables made one: parsed together where their headers are the same, unified where they drifted apart.

Reading a table costs far more than its few rows. So the rows of files with the same header are joined below one header
and proven and typed as one table. If that fails, the files are halved until the one that is to blame stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from functions.table_transform.content import MOST_BYTES, unpack
from functions.table_transform.conversion import misfit
from functions.table_transform.errors import POLARS_FAULTS, InvalidRows, UnreadableTable, first_line
from functions.table_transform.options import TransformOptions
from functions.table_transform.output import CONTENT_TYPES, write
from functions.table_transform.query import refuse_taken, refuse_unknown, told
from functions.table_transform.reading import DELIMITED, read
from functions.table_transform.table import Table
from functions.table_transform.text import to_utf8
from functions.table_transform.transform import Prepared, run, shaped
from itemkit import Item, Output, PermanentError, Result
from itemkit.operation import Combined

# Objects of up to so many bytes are compacted; larger ones are transformed on their own.
COMPACTED_BYTES = 16 * 1024 * 1024
# Of what one batch unpacks to; all of it is in memory together.
_MOST_UNPACKED = MOST_BYTES
_FILE = " file"
# A float holds any whole number up to here.
_EXACT = 2**53
_DELIMITERS = b",;\t|"
_NOT_TEXT = (b"{", b"[", b"<", b"PAR1", b"ARROW1")


@dataclass(frozen=True)
class _File:
    """An object of the batch, unpacked.

    Attributes:
        header: the first line, ``None`` where the table cannot be joined with others as it is.
        lines: what is below the header, ending with a line break.
        count: rows in these lines.
    """

    place: int
    content: bytes
    header: bytes | None = None
    lines: bytes = b""
    count: int = 0

    @classmethod
    def of(cls, place: int, content: bytes) -> _File:
        """Cut the header off where that can be done without reading the table."""
        alone = cls(place, content)
        if content.startswith(_NOT_TEXT):
            return alone
        try:
            text, _ = to_utf8(content)
        except PermanentError:
            return alone
        header, _, lines = text.partition(b"\n")
        header = header.rstrip(b"\r")
        is_plain = b'"' not in header and len(header.translate(None, _DELIMITERS)) < len(header)
        pieces = lines.split(b'"') if b'"' in lines else [lines]
        if not is_plain or text.startswith(_NOT_TEXT) or len(pieces) % 2 == 0:
            return alone
        lines = lines.rstrip(b"\r\n")
        lines += b"\n" * bool(lines)
        # Every second piece between quotes is outside of them. A blank line counts as well: it shows when the rows that
        # are read are fewer.
        outside = lines.split(b'"')[::2] if len(pieces) > 1 else [lines]
        return cls(place, text, header, lines, sum(piece.count(b"\n") for piece in outside))


@dataclass(frozen=True)
class _Piece:
    """Files that were read as one table."""

    files: Sequence[_File]
    content: bytes
    table: Table

    @property
    def counts(self) -> list[int]:
        """The rows of each file."""
        return [self.table.rows] if len(self.files) == 1 else [file.count for file in self.files]

    @property
    def schema(self) -> pl.Schema:
        """The columns; those without a value are open."""
        return self.table.open_schema


@dataclass
class _Batch:
    """The files of a batch, and what became of them so far."""

    items: Sequence[Item]
    prepared: Prepared
    errors: dict[int, Exception] = field(default_factory=dict)

    def failed(self, files: Sequence[_File], error: PermanentError) -> None:
        """Keep why files are not in the output."""
        for file in files:
            self.errors[file.place] = type(error)(f"{self.items[file.place].uri}: {error}")

    def opened(self, bodies: Sequence[bytes]) -> list[list[_File]]:
        """Unpack the objects and group those with the same header."""
        groups: dict[Any, list[_File]] = {}
        left = _MOST_UNPACKED
        for place, body in enumerate(bodies):
            try:
                content = unpack(body)
                left -= len(content)
                if left < 0:
                    raise UnreadableTable(
                        f"its batch unpacks to more than {_MOST_UNPACKED:,} bytes: set 'batch.items' lower"
                    )
            except PermanentError as error:
                self.failed([_File(place, b"")], error)
                continue
            file = _File.of(place, content)
            groups.setdefault(place if file.header is None else file.header, []).append(file)
        return list(groups.values())

    def read(self, files: Sequence[_File]) -> list[_Piece]:
        """Read files with one header as one table, or in halves where they are none."""
        first = files[0]
        together = len(files) > 1 and first.header is not None
        content = b"".join([first.header or b"", b"\n", *(file.lines for file in files)]) if together else first.content
        try:
            table = self.table(content)
            if not together or table.rows == sum(file.count for file in files):
                return [_Piece(files, content, table)]
        except PermanentError as error:
            if not together:
                self.failed(files, error)
                return []
        middle = len(files) // 2
        return [*self.read(files[:middle]), *self.read(files[middle:])]

    def table(self, content: bytes, as_text: Sequence[str] = ()) -> Table:
        """Read a table into memory; ``as_text`` columns whatever they look like."""
        table = read(content, self.prepared, as_text)
        try:
            return replace(table, frame=table.frame.collect().lazy())
        except POLARS_FAULTS as error:
            raise UnreadableTable(f"the table is damaged ({first_line(error)}): write it again") from error

    def unlike(self, pieces: Sequence[_Piece]) -> list[_Piece]:
        """Return the pieces with the columns of most files; the others have failed."""
        usual = max(pieces, key=lambda piece: len(piece.files)).schema
        like = []
        for piece in pieces:
            difference = _difference(piece.schema, usual)
            if difference:
                error = InvalidRows(
                    f'it differs from most tables of its batch: {difference}; "drift": "unify" takes it'
                )
                self.failed(piece.files, error)
            else:
                like.append(piece)
        return like

    def numbered(self, piece: _Piece, target: pl.Schema) -> pl.DataFrame | None:
        """Return a piece's rows with the types of all, and the number of their file; ``None`` where it has failed."""
        own = piece.schema
        as_text = [
            name for name, dtype in own.items() if dtype not in (pl.Null, pl.String) and target[name] == pl.String
        ]
        # From the text itself: a number that is written again may look otherwise.
        table = (
            self.table(piece.content, as_text) if as_text and piece.table.facts["source"] in DELIMITED else piece.table
        )
        columns = [
            (pl.col(name) if name in own else pl.lit(None)).cast(dtype).alias(name) for name, dtype in target.items()
        ]
        try:
            frame = table.frame.select(columns).collect() if own != target else table.frame.collect()
        except POLARS_FAULTS as error:
            told = InvalidRows(f"its columns cannot be brought to the types of the others ({first_line(error)})")
            self.failed(piece.files, told)
            return None
        places = pl.DataFrame({_FILE: [file.place for file in piece.files], "rows": piece.counts})
        numbers = places.filter(pl.col("rows") > 0).select(pl.col(_FILE).cast(pl.UInt32).repeat_by("rows").explode())
        return frame.hstack(numbers)


def compact(bodies: Sequence[tuple[Item, bytes]], prepared: Prepared) -> Combined:
    """Make one table of a batch's objects, with the object of each row; one that is no table fails on its own."""
    batch = _Batch([item for item, _ in bodies], prepared)
    pieces = [piece for files in batch.opened([body for _, body in bodies]) for piece in batch.read(files)]
    if prepared.options.drift == "refuse" and pieces:
        pieces = batch.unlike(pieces)
    target = _unified(pieces)
    frames = [frame for piece in pieces if (frame := batch.numbered(piece, target)) is not None]
    if not frames:
        return Combined(None, [batch.errors[place] for place in range(len(bodies))])
    rows, output, facts = _written(batch, pl.concat(frames))
    read = {
        file.place: (count, piece.table.facts)
        for piece in pieces
        for file, count in zip(piece.files, piece.counts, strict=True)
    }
    results: list[Result | Exception] = []
    for place in range(len(bodies)):
        if place in batch.errors:
            results.append(batch.errors[place])
        else:
            count, known = read[place]
            results.append(
                Result([], rows_in=count, rows_out=rows.get(place, 0), facts={**known, "columns": len(target), **facts})
            )
    return Combined(output if len(batch.errors) < len(bodies) else None, results)


def _written(batch: _Batch, frame: pl.DataFrame) -> tuple[Mapping[int, int], Output, Mapping[str, Any]]:
    """Lead the rows through the options' steps; return the rows out by file, the output and its facts."""
    options, source = batch.prepared.options, batch.prepared.options.source or ""
    refuse_taken([source], "source_column", frame.columns)
    uris = pl.Series([item.uri for item in batch.items], dtype=pl.String)
    frame = frame.with_columns(uris.gather(frame[_FILE]).alias(source))
    if misfits := _misfits(frame, options, source):
        for place, error in misfits.items():
            batch.failed([_File(place, b"")], error)
        frame = frame.filter(~pl.col(_FILE).is_in(list(misfits)))
    with told("the SQL", frame.schema):
        flow = run(frame.lazy(), lambda: frame.height, batch.prepared, None, kept=(source, _FILE))
        made = flow.frame.collect(engine=flow.engine)
        body = write(made.drop(_FILE).lazy(), options.format, "streaming").body
    counts = dict(made.group_by(_FILE).len().rows())
    return counts, Output(body, CONTENT_TYPES[options.format]), flow.facts


def _misfits(frame: pl.DataFrame, options: TransformOptions, source: str) -> dict[int, InvalidRows]:
    """Return for each file the first value of it that the option 'cast' does not fit."""
    found: dict[int, InvalidRows] = {}
    if not options.cast:
        return found
    shapes = TransformOptions(rename=options.rename, select=options.select, normalize=options.normalize)
    shape = (
        shaped(frame.lazy(), shapes, kept=(source, _FILE))
        .with_columns((pl.int_range(pl.len()).over(_FILE) + 1).alias(" row"))
        .collect()
    )
    refuse_unknown(options.cast, "cast", shape.columns)
    for name, kind in options.cast.items():
        wrong = shape.filter(misfit(name, shape.schema[name], kind)).select(_FILE, " row", name)
        for place, row, value in wrong.unique(_FILE, keep="first", maintain_order=True).rows():
            error = InvalidRows(f"row {row}, column {name!r}: {str(value)[:80]!r} is no {kind}: correct it")
            found.setdefault(place, error)
    return found


def _unified(pieces: Sequence[_Piece]) -> pl.Schema:
    """Return all columns in the order they come up, with a type each that holds the values of all pieces."""
    types: dict[str, list[tuple[_Piece, pl.DataType]]] = {}
    for piece in pieces:
        for name, dtype in piece.schema.items():
            types.setdefault(name, []).append((piece, dtype))
    return pl.Schema({name: _widest(name, found) for name, found in types.items()})


def _widest(name: str, found: Sequence[tuple[_Piece, pl.DataType]]) -> pl.DataType:
    dtypes = {dtype for _, dtype in found if dtype != pl.Null}
    if len(dtypes) < 2:
        return dtypes.pop() if dtypes else pl.String()
    if all(dtype.is_integer() for dtype in dtypes):
        return pl.Int64()
    if all(dtype.is_integer() or dtype.is_float() for dtype in dtypes):
        largest = [_largest(name, piece) for piece, dtype in found if dtype.is_integer()]
        return pl.Float64() if max(largest) <= _EXACT else pl.String()
    return pl.String()


def _largest(name: str, piece: _Piece) -> int:
    least, most = (
        piece.table.frame.select(pl.col(name).min().alias("least"), pl.col(name).max().alias("most")).collect().row(0)
    )
    return max(abs(int(least or 0)), abs(int(most or 0)))


def _difference(own: pl.Schema, usual: pl.Schema) -> str:
    """Say in what a table's columns differ; whole numbers and others are one type here, and no value is any."""
    lacking, more = [name for name in usual if name not in own], [name for name in own if name not in usual]
    other = [
        f"{name!r} is {own[name]}, not {usual[name]}"
        for name in own
        if name in usual and _plain(own[name]) != _plain(usual[name]) and pl.Null not in (own[name], usual[name])
    ]
    found = [f"it lacks {name!r}" for name in lacking[:1]] + [f"it has {name!r}" for name in more[:1]]
    return ", ".join(found + other[:1])


def _plain(dtype: pl.DataType) -> pl.DataType:
    return pl.Float64() if dtype.is_numeric() else dtype
