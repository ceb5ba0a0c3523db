"""Draw radar products of orbits that never were: ``python simulate.py FOLDER``; the same bytes each time.

Nothing here was measured. Terrain, ice, ionosphere and noise are invented; instrument and format are those of MARSIS as
far as README.md says. It shares no code with the operation, whose results are compared with what was drawn.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LIGHT, PLASMA, SAMPLING, BANDWIDTH, SAMPLES = 299_792_458.0, 40.308, 1.4e6, 1.0e6, 512
FRAMES, SECONDS_A_FRAME = 360, 1.2
ICE = 3.1  # relative permittivity
# Samples of an echo before the height at which the instrument expects the surface.
AHEAD = 90
DATA_SET = "SIMULATED-FANFOLD-EXAMPLE-NOT-MEASURED"
Real = NDArray[np.float64]

COLUMNS = (
    # name, data type, type for numpy, items, unit
    ("CENTRAL_FREQUENCY", "PC_REAL", "<f4", 1, "Hz"),
    ("SCET_FRAME_WHOLE", "LSB_UNSIGNED_INTEGER", "<u4", 1, "s"),
    ("SCET_FRAME_FRAC", "LSB_UNSIGNED_INTEGER", "<u2", 1, "2**-16 s"),
    ("RECEIVE_WINDOW_DELAY", "PC_REAL", "<f8", 1, "us"),
    ("ECHO_MODULUS_ZERO_F1_DIP", "PC_REAL", "<f4", SAMPLES, "N/A"),
    ("ECHO_PHASE_ZERO_F1_DIP", "PC_REAL", "<f4", SAMPLES, "rad"),
    ("GEOMETRY_EPHEMERIS_TIME", "PC_REAL", "<f8", 1, "s"),
    ("GEOMETRY_EPOCH", "CHARACTER", "S23", 1, "N/A"),
    ("ORBIT_NUMBER", "LSB_UNSIGNED_INTEGER", "<u4", 1, "N/A"),
    ("SPACECRAFT_ALTITUDE", "PC_REAL", "<f8", 1, "km"),
    ("SUB_SC_LONGITUDE", "PC_REAL", "<f8", 1, "deg"),
    ("SUB_SC_LATITUDE", "PC_REAL", "<f8", 1, "deg"),
    ("SOLAR_ZENITH_ANGLE", "PC_REAL", "<f8", 1, "deg"),
)
ROW: np.dtype[np.void] = np.dtype(
    [(name, kind, (items,)) if items > 1 else (name, kind) for name, _, kind, items, _ in COLUMNS]
)


@dataclass(frozen=True)
class Orbit:
    """What is invented of an orbit; the number is beyond those that Mars Express has flown."""

    number: int
    megahertz: float
    electrons: float  # a square metre, above the middle of the pass
    periapsis: float  # km
    ice: float  # metres, at its thickest; 0: none
    base: float  # metres above the ellipsoid


ORBITS = (
    Orbit(90001, 4.0, 9.0e14, 312.0, 2600.0, -200.0),
    Orbit(90002, 4.0, 1.6e15, 345.0, 3100.0, 400.0),
    Orbit(90003, 5.0, 2.4e15, 401.0, 1800.0, 900.0),
    Orbit(90004, 3.0, 4.0e14, 288.0, 2200.0, -600.0),
    Orbit(90005, 4.0, 6.0e14, 520.0, 0.0, -1500.0),
    Orbit(90006, 5.0, 1.2e15, 474.0, 3600.0, -300.0),
    Orbit(90007, 3.0, 7.0e14, 331.0, 1500.0, 1200.0),
    Orbit(90008, 4.0, 1.1e15, 615.0, 2900.0, 100.0),
    Orbit(90009, 5.0, 3.2e15, 702.0, 2400.0, 700.0),
    Orbit(90010, 4.0, 3.0e14, 265.0, 0.0, 2100.0),
    Orbit(90011, 3.0, 5.5e14, 389.0, 2700.0, -900.0),
    Orbit(90012, 5.0, 1.9e15, 834.0, 3300.0, 300.0),
)


@dataclass(frozen=True)
class Truth:
    """What was drawn, a number a frame: heights above the ellipsoid and depths in metres, electrons a square metre."""

    surface: Real
    depth: Real  # 0 where there is no ice
    electrons: Real


def terrain(orbit: Orbit, random: np.random.Generator) -> Truth:
    """Invent rolling ground, a cap of ice upon a rolling base, and an ionosphere that thins towards the night."""
    along = np.linspace(0, 1, FRAMES)
    waves = [(160, 2.2), (70, 5.1), (35, 11.0), (14, 23.0), (9, 41.0)]
    ground = np.sum([high * np.sin(2 * np.pi * (often * along + random.random())) for high, often in waves], axis=0)
    base = orbit.base + ground
    left, right = 0.22 + 0.1 * random.random(), 0.75 + 0.1 * random.random()
    edge = 1 / (1 + np.exp(-(along - left) / 0.02)) / (1 + np.exp((along - right) / 0.035))
    dome = 0.72 + 0.28 * np.sin(np.pi * np.clip((along - left) / (right - left), 0, 1))
    ice = orbit.ice * edge * dome
    ice[ice < 100] = 0
    smooth = base + 0.55 * (orbit.base - base) * edge  # ice lies flatter than what it covers
    electrons = orbit.electrons * (1 + 0.25 * np.cos(np.pi * along))
    return Truth(smooth + ice, ice + (smooth - base) * (ice > 0), electrons)


def altitudes(orbit: Orbit) -> Real:
    """Invent a passage of the periapsis, in metres."""
    seconds = (np.arange(FRAMES, dtype=np.float64) - 0.35 * FRAMES) * SECONDS_A_FRAME
    return orbit.periapsis * 1e3 + 0.85 * seconds**2


def echoes(
    orbit: Orbit, truth: Truth, altitude: Real, opened: Real, random: np.random.Generator
) -> NDArray[np.complex128]:
    """Draw range-compressed echoes: surface, its rough tail, ice and its base, noise; through the ionosphere."""
    frequency = np.fft.fftfreq(2 * SAMPLES, 1 / SAMPLING)
    spectra = np.zeros((FRAMES, 2 * SAMPLES), dtype=np.complex128)

    def echo(height: Real, more: Real, amplitude: Real) -> None:
        """Add an echo from a height, ``more`` seconds late, of random phase."""
        late = 2 * (altitude - height) / LIGHT + more - opened
        turned = amplitude * np.exp(2j * np.pi * random.random(FRAMES))
        spectra[:] += turned[:, None] * np.exp(-2j * np.pi * late[:, None] * frequency)

    rough = np.abs(1 + 0.35 * (random.standard_normal(FRAMES) + 1j * random.standard_normal(FRAMES)))
    echo(truth.surface, np.zeros(FRAMES), rough)
    for _ in range(10):
        echo(truth.surface, random.exponential(1.2e-6, FRAMES), 0.09 * random.rayleigh(size=FRAMES))
    weak = 10 ** (-(7 + 1.6 * truth.depth / 1e3) / 20) * np.abs(1 + 0.3 * random.standard_normal(FRAMES))
    echo(truth.surface, 2 * truth.depth * ICE**0.5 / LIGHT, np.where(truth.depth > 0, weak, 0))
    for part, faint in ((0.28, 0.055), (0.45, 0.075), (0.62, 0.045)):  # layers within the ice
        echo(truth.surface, part * 2 * truth.depth * ICE**0.5 / LIGHT, np.where(truth.depth > 900, faint, 0.0))
    through = 2 * PLASMA * truth.electrons[:, None] / LIGHT / (orbit.megahertz * 1e6 + frequency)
    spectra *= np.exp(2j * np.pi * through) * (np.abs(frequency) <= BANDWIDTH / 2)
    samples = np.fft.ifft(spectra, axis=1)[:, :SAMPLES] * SAMPLING / BANDWIDTH
    noise = random.standard_normal((FRAMES, SAMPLES)) + 1j * random.standard_normal((FRAMES, SAMPLES))
    return (samples + 0.024 * noise) * 5e3  # of no unit: such data are not calibrated


def table(orbit: Orbit) -> tuple[NDArray[np.void], Truth]:
    """Draw the rows of an orbit; return them and what is in them."""
    random = np.random.default_rng(orbit.number)
    truth, altitude = terrain(orbit, random), altitudes(orbit)
    # The instrument expects the ground at the mean height, and opens its window in steps of 10 us.
    expected = 2 * (altitude - truth.surface.mean()) / LIGHT - AHEAD / SAMPLING
    opened = np.floor(expected / 10e-6) * 10e-6
    drawn = echoes(orbit, truth, altitude, opened, random)
    start = datetime(2050, 1, 1, tzinfo=UTC) + timedelta(hours=7 * (orbit.number - 90000))
    times = [start + timedelta(seconds=SECONDS_A_FRAME * frame) for frame in range(FRAMES)]
    ephemeris = np.array([(time - datetime(2000, 1, 1, 12, tzinfo=UTC)).total_seconds() for time in times])
    along = np.linspace(0, 1, FRAMES)
    rows = np.zeros(FRAMES, ROW)
    rows["CENTRAL_FREQUENCY"] = orbit.megahertz * 1e6
    rows["SCET_FRAME_WHOLE"], rows["SCET_FRAME_FRAC"] = ephemeris, ephemeris % 1 * 65536
    rows["RECEIVE_WINDOW_DELAY"] = opened * 1e6
    rows["ECHO_MODULUS_ZERO_F1_DIP"], rows["ECHO_PHASE_ZERO_F1_DIP"] = np.abs(drawn), np.angle(drawn)
    rows["GEOMETRY_EPHEMERIS_TIME"] = ephemeris
    rows["GEOMETRY_EPOCH"] = [time.strftime("%Y-%m-%dT%H:%M:%S.%f")[:23].encode() for time in times]
    rows["ORBIT_NUMBER"] = orbit.number
    rows["SPACECRAFT_ALTITUDE"] = altitude / 1e3
    rows["SUB_SC_LONGITUDE"] = (29.0 * (orbit.number - 90000) + 6 * along) % 360
    rows["SUB_SC_LATITUDE"] = -71 - 16 * along
    rows["SOLAR_ZENITH_ANGLE"] = 98 + 22 * along
    return rows, truth


def label(orbit: Orbit, rows: NDArray[np.void], record: int = ROW.itemsize) -> bytes:
    """Write the label of some rows, filled up to whole records."""
    columns, start = "", 1
    for name, kind, _, items, unit in COLUMNS:
        size = ROW[name].itemsize
        columns += f"  OBJECT = COLUMN\r\n    NAME = {name}\r\n    DATA_TYPE = {kind}\r\n"
        columns += f"    START_BYTE = {start}\r\n    BYTES = {size}\r\n"
        columns += f"    ITEMS = {items}\r\n    ITEM_BYTES = {size // items}\r\n" if items > 1 else ""
        columns += f'    UNIT = "{unit}"\r\n  END_OBJECT = COLUMN\r\n'
        start += size
    epochs = [str(epoch, "ascii") for epoch in rows["GEOMETRY_EPOCH"][[0, -1]]]
    text = (
        "PDS_VERSION_ID = PDS3\r\n"
        "/* This product is drawn by a program. Nothing in it was measured. */\r\n"
        f"RECORD_TYPE = FIXED_LENGTH\r\nRECORD_BYTES = {record}\r\nFILE_RECORDS = {{records}}\r\n"
        "LABEL_RECORDS = {label}\r\n^TABLE = {first}\r\n"
        f'DATA_SET_ID = "{DATA_SET}"\r\nPRODUCT_ID = "SIM_{orbit.number}_SS3_TRK_CMP_M"\r\n'
        'PRODUCT_TYPE = SIMULATED\r\nINSTRUMENT_ID = "MARSIS, SIMULATED"\r\nINSTRUMENT_MODE_ID = SS3_TRK_CMP\r\n'
        f"TARGET_NAME = MARS\r\nORBIT_NUMBER = {orbit.number}\r\n"
        f"START_TIME = {epochs[0]}\r\nSTOP_TIME = {epochs[1]}\r\n"
        f"OBJECT = TABLE\r\n  INTERCHANGE_FORMAT = BINARY\r\n  ROWS = {len(rows)}\r\n  COLUMNS = {len(COLUMNS)}\r\n"
        f"  ROW_BYTES = {ROW.itemsize}\r\n{columns}END_OBJECT = TABLE\r\nEND\r\n"
    )
    records = -(-(len(text) + 16) // ROW.itemsize)
    filled = text.format(records=records + len(rows), label=records, first=records + 1)
    return filled.encode("ascii").ljust(records * ROW.itemsize)


def product(orbit: Orbit) -> tuple[bytes, Truth]:
    """Return the bytes of an orbit's product, and what is in them."""
    rows, truth = table(orbit)
    return label(orbit, rows) + rows.tobytes(), truth


def main(folder: Path) -> None:
    """Write all products, and three files that a run has to refuse."""
    folder.mkdir(parents=True, exist_ok=True)
    for orbit in ORBITS:
        (folder / f"sim_{orbit.number}.dat").write_bytes(product(orbit)[0])
    whole = (folder / "sim_90001.dat").read_bytes()
    (folder / "sim_90013_truncated.dat").write_bytes(whole[: len(whole) // 2])
    rows, _ = table(ORBITS[1])
    (folder / "sim_90014_wrong_label.dat").write_bytes(label(ORBITS[1], rows, record=4096) + rows.tobytes())
    (folder / "pass_plan.txt").write_text("orbit 90015: no radar, the antenna points to Earth\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python simulate.py FOLDER")
    main(Path(sys.argv[1]))
