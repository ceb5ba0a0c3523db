"""Radar products: a PDS3 label and, behind it, a table with a row for each frame.

The columns are found by what the label says of them, under the names that MARSIS products give them (R_SS3_TRK_CMP.FMT
of MEX-M-MARSIS-3-RDR-SS-V2.0); RECEIVE_WINDOW_DELAY is an invention of this example.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from radargram.errors import InvalidFrame, InvalidLabel, TruncatedProduct
from radargram.label import Label, read_label

# Samples of an echo.
SAMPLES = 512
MOST_FRAMES = 20_000
MOST_RECORD_BYTES = 64 * 1024
MODULUS, PHASE, EPOCH = "ECHO_MODULUS_ZERO_F1_DIP", "ECHO_PHASE_ZERO_F1_DIP", "GEOMETRY_EPOCH"
# What a frame must have, and between which numbers it can be: Hz, microseconds, kilometres, degrees.
SCALARS: dict[str, tuple[float, float]] = {
    "ORBIT_NUMBER": (0, 999_999),
    "CENTRAL_FREQUENCY": (1.0e6, 6.0e6),
    "RECEIVE_WINDOW_DELAY": (0.0, 20_000.0),
    "SPACECRAFT_ALTITUDE": (100.0, 2_000.0),
    "SUB_SC_LATITUDE": (-90.0, 90.0),
    "SUB_SC_LONGITUDE": (-360.0, 360.0),
}
# More than any amplitude is, and its fourth power still a number.
_LOUDEST = 1e30
_EPOCH = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}")
_NUMBERS = {
    "PC_REAL": ("<f", {4, 8}),
    "IEEE_REAL": (">f", {4, 8}),
    "LSB_UNSIGNED_INTEGER": ("<u", {1, 2, 4, 8}),
    "MSB_UNSIGNED_INTEGER": (">u", {1, 2, 4, 8}),
    "LSB_INTEGER": ("<i", {1, 2, 4, 8}),
    "MSB_INTEGER": (">i", {1, 2, 4, 8}),
}
Real = NDArray[np.float64]


@dataclass(frozen=True)
class Product:
    """A product whose sizes were found right; its rows are still the object's own bytes.

    Attributes:
        label: what it says of itself.
        rows: a structured array, one row a frame, one field a column.
    """

    label: Label
    rows: NDArray[np.void]

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.rows)

    def scalar(self, column: str) -> Real:
        """Return one number a frame; raises InvalidFrame for the first that cannot be."""
        least, most = SCALARS[column]
        values = self.rows[column].astype(np.float64)
        wrong = np.flatnonzero(~((values >= least) & (values <= most)))
        if wrong.size:
            value = values[wrong[0]]
            raise InvalidFrame(f"frame {wrong[0] + 1}: {column} is {value}, not between {least:g} and {most:g}")
        return values

    def epoch(self, frame: int) -> str:
        """Return the UTC of a frame (0: the first) in ISO 8601; raises InvalidFrame."""
        text = bytes(self.rows[EPOCH][frame]).decode("latin-1")
        if not _EPOCH.fullmatch(text):
            raise InvalidFrame(
                f"frame {frame % len(self) + 1}: {EPOCH} is {text!r}, no time such as 2026-01-31T10:00:00.000"
            )
        return text

    def echoes(self, first: int, count: int) -> NDArray[np.complex128]:
        """Return the complex samples of some frames, ``SAMPLES`` each; raises InvalidFrame."""
        modulus = self.rows[MODULUS][first : first + count].astype(np.float64)
        phase = self.rows[PHASE][first : first + count].astype(np.float64)
        good = (np.abs(modulus) < _LOUDEST) & (np.abs(phase) < _LOUDEST)
        if not good.all():
            wrong = int(np.flatnonzero(~good.all(axis=1))[0])
            raise InvalidFrame(f"frame {first + wrong + 1}: its echo holds what is no number, or none an echo has")
        echoes: NDArray[np.complex128] = modulus * np.exp(1j * phase)
        return echoes


def read_product(body: bytes) -> Product:
    """Read a product with an attached label. Nothing is allocated by what the label says before it proved true.

    Raises:
        InvalidLabel: there is none, it contradicts itself, or the columns wanted are not among its own.
        TruncatedProduct: the object ends before the table does.
    """
    label = read_label(body)
    if (kind := label.text("RECORD_TYPE")) != "FIXED_LENGTH":
        raise InvalidLabel(f"RECORD_TYPE is {kind}: only FIXED_LENGTH is read")
    record, table = label.count("RECORD_BYTES"), label.one("TABLE")
    rows, first = table.count("ROWS"), label.count("^TABLE")
    if record > MOST_RECORD_BYTES or rows > MOST_FRAMES:
        raise InvalidLabel(f"{rows} rows of {record} bytes are more than {MOST_FRAMES} of {MOST_RECORD_BYTES}")
    if table.count("ROW_BYTES") != record:
        raise InvalidLabel(f"RECORD_BYTES is {record}, ROW_BYTES of the table {table.count('ROW_BYTES')}: one is wrong")
    records = label.count("FILE_RECORDS")
    if first - 1 + rows != records:
        raise InvalidLabel(f"{first - 1} records before the table and {rows} rows are not FILE_RECORDS = {records}")
    if len(body) < records * record:
        raise TruncatedProduct(
            f"it has {len(body)} bytes, but {records} records of {record} are {records * record}: fetch it again"
        )
    if len(body) > records * record:
        raise InvalidLabel(f"it has {len(body)} bytes, {len(body) - records * record} more than its label says")
    layout = _layout(table, record)
    return Product(label, np.frombuffer(body, layout, count=rows, offset=(first - 1) * record))


def _layout(table: Label, record: int) -> np.dtype[np.void]:
    """Return the rows' layout as numpy knows it, of the columns wanted and those that tell of the product."""
    columns = {column.text("NAME"): column for column in table.all("COLUMN")}
    wanted = {**dict.fromkeys(SCALARS, 1), MODULUS: SAMPLES, PHASE: SAMPLES, EPOCH: 1}
    formats, offsets = [], []
    for name, items in wanted.items():
        if name not in columns:
            raise InvalidLabel(f"the table has no column {name}: this is no product of MARSIS's subsurface mode")
        formats.append(_format(name, columns[name], items))
        offsets.append(columns[name].count("START_BYTE") - 1)
        if offsets[-1] + columns[name].count("BYTES") > record:
            raise InvalidLabel(f"the column {name} ends beyond the {record} bytes of a row")
    return np.dtype({"names": list(wanted), "formats": formats, "offsets": offsets, "itemsize": record})


def _format(name: str, column: Label, items: int) -> str:
    size, kind = column.count("BYTES"), column.text("DATA_TYPE")
    if kind == "CHARACTER" and name == EPOCH:
        return f"S{size}"
    code, sizes = _NUMBERS.get(kind, ("", set()))
    if name == EPOCH or size % items or size // items not in sizes:
        raise InvalidLabel(f"the column {name} is {size} bytes of {kind}: that is not {items} of a known type")
    return f"{items}{code}{size // items}" if items > 1 else f"{code}{size}"
