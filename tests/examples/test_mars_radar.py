"""The Mars radar example: its labels, its physics against what was drawn, and the whole run."""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from itemkit import Item, PermanentError, Result
from tests.conftest import PROJECT

EXAMPLE = PROJECT / "examples" / "mars-radar"
sys.path.insert(0, str(EXAMPLE))

import simulate  # noqa: E402
from radargram.errors import InvalidFrame, InvalidLabel, TruncatedProduct  # noqa: E402
from radargram.focus import STEP, focus  # noqa: E402
from radargram.label import read_label  # noqa: E402
from radargram.layers import find_layers, look_together  # noqa: E402
from radargram.operation import OPERATION  # noqa: E402
from radargram.product import read_product  # noqa: E402

ITEM = Item("s3://b/sim.dat", "sim.dat")
drawn = functools.cache(simulate.product)


def process(body: bytes, **options: Any) -> Result:
    return OPERATION.process(ITEM, body, OPERATION.parse(options))


ROWS = simulate.table(simulate.ORBITS[0])[0][:3]
HEAD = simulate.label(simulate.ORBITS[0], ROWS)
SMALL = HEAD + ROWS.tobytes()


# --- labels -----------------------------------------------------------------------------------------------------------


def test_a_label_is_read_back():
    label = read_label(HEAD)
    table = label.one("TABLE")
    columns = [(each.text("NAME"), each.count("START_BYTE") - 1, each.count("BYTES")) for each in table.all("COLUMN")]

    assert (label.count("RECORD_BYTES"), table.count("ROWS")) == (simulate.ROW.itemsize, 3)
    assert label.text("DATA_SET_ID") == simulate.DATA_SET
    assert columns == [
        (name, offset, kind.itemsize)
        for name, (kind, offset) in ((n, simulate.ROW.fields[n][:2]) for n in simulate.ROW.names)
    ]


words = st.text("ABCXYZ_", min_size=1, max_size=12).filter(
    lambda word: word[0] != "_" and word not in {"END", "OBJECT", "END_OBJECT"}
)
values = st.one_of(
    st.integers(-(10**14), 10**14),
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"'), max_size=40),
    st.floats(-1e6, 1e6).map(lambda number: round(number, 3)),
)


@given(
    st.dictionaries(words, values, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", " <km>", " /* why */"]),
)
def test_any_label_of_the_form_is_read_as_it_was_written(said, line_break, after):
    written = ["PDS_VERSION_ID = PDS3", "/* a comment */"]
    written += [
        f"{name} = " + (f'"{value}"' if isinstance(value, str) else f"{value}") + after for name, value in said.items()
    ]
    body = line_break.join([*written, "END", ""]).encode() + b"\xff\0 binary"

    assert dict(read_label(body).values) == {"PDS_VERSION_ID": "PDS3", **said}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no PDS3 label"),
        (b"\x89PNG\r\n", "no PDS3 label: it begins with b'\\\\x89PNG"),
        (b"PDS_VERSION_ID = PDS4\nEND\n", "only PDS3 is read"),
        (b"PDS_VERSION_ID = PDS3\n", "END never comes"),
        (b"PDS_VERSION_ID = PDS3\nA = \"never closed\nEND\n", "line 2 of the label"),
        (b"PDS_VERSION_ID = PDS3\nA = 1\nA = 2\nEND\n", "line 3 of the label says A a second time"),
        (b"PDS_VERSION_ID = PDS3\nOBJECT = TABLE\nEND\n", "ends within OBJECT = TABLE"),
        (b"PDS_VERSION_ID = PDS3\nOBJECT = TABLE\nEND_OBJECT = IMAGE\nEND\n", "line 3 of the label ends an object I"),
        (b"PDS_VERSION_ID = PDS3\nEND_OBJECT\nEND\n", "line 2 of the label ends an object"),
        (b"PDS_VERSION_ID = PDS3\nA\nEND\n", "line 2 of the label gives A no value"),
        (b"PDS_VERSION_ID = PDS3\n" + b"OBJECT = A\n" * 5 + b"END\n", "deeper than 4"),
        (b"PDS_VERSION_ID = PDS3\nA = \"\xe4\"\nEND\n", "beyond ASCII"),
        (b"PDS_VERSION_ID = PDS3\n" + b"/* long */\n" * 10_000 + b"END\n", "END never comes"),
    ],
)  # fmt: skip
def test_a_label_of_another_form_is_refused(body, message):
    with pytest.raises(InvalidLabel, match=message):
        read_label(body)


# --- products ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"RECORD_TYPE = FIXED_LENGTH", b"RECORD_TYPE = STREAM", "only FIXED_LENGTH"),
        (b"\nRECORD_BYTES = 4", b"\nRECORD_BYTES = 9", "one is wrong"),
        (b"  ROWS = 3", b"  ROWS = 9", "are not FILE_RECORDS"),
        (b"  ROWS = 3", b"  ROWS = 999999999", "999999999 rows"),
        (b"  ROWS = 3", b"  ROWS = -3", "ROWS is '-3'"),
        (b"^TABLE = ", b"^TABLE = 9", "records before the table"),
        (b"NAME = CENTRAL_FREQUENCY", b"NAME = OF_SOMETHING_ELSE", "no column CENTRAL_FREQUENCY"),
        (b"BYTES = 2048", b"BYTES = 1000", "1000 bytes of PC_REAL"),
        (b"START_BYTE = 19\r", b"START_BYTE = 4000\r", "ends beyond"),
        (b"NAME = ORBIT_NUMBER\r\n    DATA_TYPE = LSB_U", b"NAME = ORBIT_NUMBER\r\n    DATA_TYPE = VAX_U", "VAX_U"),
    ],
)  # fmt: skip
def test_a_label_that_lies_is_found_out(old, new, message):
    assert old in HEAD
    head = (HEAD.rstrip() + b"\r\n").replace(old, new, 1).ljust(len(HEAD))

    with pytest.raises(InvalidLabel, match=message):
        read_product(head + ROWS.tobytes())


def test_a_product_that_is_cut_off_or_followed_by_something():
    with pytest.raises(TruncatedProduct, match="fetch it again"):
        read_product(SMALL[:-1])
    with pytest.raises(InvalidLabel, match="1 more than its label says"):
        read_product(SMALL + b"\0")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("SPACECRAFT_ALTITUDE", np.nan, "frame 2: SPACECRAFT_ALTITUDE is nan"),
        ("SPACECRAFT_ALTITUDE", 1.0, "frame 2: SPACECRAFT_ALTITUDE is 1.0, not between 100 and 2000"),
        ("SPACECRAFT_ALTITUDE", 400.0, "frame 2: its window opens at"),
        ("CENTRAL_FREQUENCY", 0, "frame 2: CENTRAL_FREQUENCY"),
        ("ECHO_MODULUS_ZERO_F1_DIP", np.inf, "frame 2: its echo holds what is no number"),
        ("ECHO_PHASE_ZERO_F1_DIP", np.nan, "frame 2: its echo holds what is no number"),
        ("ECHO_MODULUS_ZERO_F1_DIP", 0, "frame 2: there is nothing in its echo"),
    ],
)
def test_a_frame_that_cannot_be_is_named(column, value, message):
    rows = ROWS.copy()
    rows[column][1] = value

    with pytest.raises(InvalidFrame, match=f"^s3://b/sim.dat: {message}"):
        process(HEAD + rows.tobytes())


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.binary(min_size=1, max_size=9)), max_size=6),
    st.integers(0, len(SMALL)),
)
def test_whatever_bytes_change_it_is_a_result_or_a_permanent_error(changes, length):
    body = bytearray(SMALL)
    for place, new in changes:
        body[place : place + len(new)] = new
    for mutated in (bytes(body), bytes(body)[:length]):
        try:
            result = process(mutated)
        except PermanentError:
            continue
        json.dumps(dict(result.facts), allow_nan=False)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 4000), st.binary(min_size=1, max_size=4))
def test_a_label_with_other_bytes_in_it_is_read_or_refused(place, new):
    with contextlib.suppress(PermanentError):
        process(SMALL[:place] + new + SMALL[place + len(new) :])


# --- physics ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "orbit", [simulate.ORBITS[number] for number in (1, 3, 4, 11)], ids=lambda orbit: str(orbit.number)
)
def test_what_is_found_is_what_was_drawn(orbit):
    body, truth = drawn(orbit)
    focused = focus(read_product(body))
    layers = find_layers(look_together(focused.power, 5))

    found = focused.top - layers.surface * STEP
    # A sample is 107 m; the ground's own slope within five frames counts against it.
    assert np.median(np.abs(found - truth.surface)) < STEP
    assert np.percentile(np.abs(found - truth.surface - np.median(found - truth.surface)), 90) < STEP
    assert np.abs(focused.electrons / truth.electrons - 1).max() < 0.1

    icy = truth.depth > 1000
    seen = np.isfinite(layers.reflector)
    assert seen[truth.depth == 0].mean() < 0.05
    if icy.any():
        assert seen[icy].mean() > 0.9
        error = layers.depth(simulate.ICE)[icy & seen] - truth.depth[icy & seen]
        assert np.median(np.abs(error)) < 60


def test_without_the_correction_it_would_not_be_flat():
    """The test above would fail on echoes as they were drawn: late by kilometres, and smeared."""
    body, truth = drawn(simulate.ORBITS[1])
    product = read_product(body)
    altitude, opened = product.scalar("SPACECRAFT_ALTITUDE") * 1e3, product.scalar("RECEIVE_WINDOW_DELAY") * 1e-6
    raw = np.abs(product.echoes(0, len(product))) ** 2
    found = altitude - opened * 299_792_458 / 2 - raw.argmax(axis=1) * STEP

    assert np.median(truth.surface - found) > 2000
    sharp = focus(product).power
    assert (sharp.max(axis=1) / sharp.sum(axis=1)).mean() > 2 * (raw.max(axis=1) / raw.sum(axis=1)).mean()


def test_an_ionosphere_that_is_not_there_is_not_found():
    quiet = simulate.Orbit(90099, 4.0, 0.0, 300.0, 2000.0, 0.0)

    assert focus(read_product(simulate.product(quiet)[0])).electrons.max() < 3e13


def test_looks_average_neighbours_and_lessen_speckle():
    power = np.arange(24.0).reshape(6, 4)

    assert (look_together(power, 1) == power).all()
    assert look_together(power, 3)[:, 0].tolist() == [2, 4, 8, 12, 16, 18]
    random = np.random.default_rng(1).exponential(size=(400, 512))
    assert look_together(random, 16)[16:-16].std() == pytest.approx(0.25, rel=0.1)


# --- the operation and the run ----------------------------------------------------------------------------------------


def test_the_permittivity_makes_the_depth_and_the_range_the_picture():
    body = drawn(simulate.ORBITS[0])[0]
    ice, rock = (process(body, permittivity=value) for value in (3.1, 9.0))

    assert rock.facts["reflector_depth_m"] == pytest.approx(ice.facts["reflector_depth_m"] * (3.1 / 9) ** 0.5, abs=1)
    assert rock.facts["reflector_delay_us"] == ice.facts["reflector_delay_us"]
    light, dark = (
        np.asarray(Image.open(io.BytesIO(process(body, dynamic_range=value).outputs[0].body))) for value in (20, 60)
    )
    assert light.mean() > 1.5 * dark.mean()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("mars-radar")
    done = subprocess.run(
        [EXAMPLE / "run", out], env={"PATH": os.environ["PATH"], "HOME": "/"}, cwd=out,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    return out, done


@pytest.mark.e2e
def test_the_run_makes_radargrams_a_catalogue_and_a_ledger(ran):
    out, done = ran
    assert done.returncode == 0, done.stdout + done.stderr

    (home,) = (out / "radargrams" / ".fanfold" / "runs").iterdir()
    summary = json.loads((home / "summary.json").read_text())
    counts = {name: count for name, count in summary["items"].items() if count}
    assert counts == {"listed": 15, "succeeded": 12, "failed": 3}
    failed = {row["uri"].rsplit("/", 1)[-1]: row["error"] for row in csv.DictReader((home / "failures.csv").open())}
    assert failed == {
        "pass_plan.txt": "InvalidLabel",
        "sim_90013_truncated.dat": "TruncatedProduct",
        "sim_90014_wrong_label.dat": "InvalidLabel",
    }
    for orbit in simulate.ORBITS:
        picture = Image.open(out / "radargrams" / "pictures" / f"sim_{orbit.number}.dat.png")
        assert (picture.mode, picture.width, picture.text["Source"]) == ("L", 2 * simulate.FRAMES, simulate.DATA_SET)


@pytest.mark.e2e
def test_the_catalogue_holds_what_was_drawn(ran):
    out, _ = ran
    (table,) = out.glob("catalogue/*/*.parquet")
    catalogue = pl.read_parquet(table).sort("orbit")

    assert catalogue["orbit"].to_list() == [orbit.number for orbit in simulate.ORBITS]
    assert set(catalogue["data_set_id"]) == {simulate.DATA_SET}
    for orbit, row in zip(simulate.ORBITS, catalogue.iter_rows(named=True), strict=True):
        truth = drawn(orbit)[1]
        assert row["electrons_per_m2"] == pytest.approx(np.median(truth.electrons), rel=0.1)
        if orbit.ice:
            assert row["reflector_depth_m"] == pytest.approx(np.median(truth.depth[truth.depth > 800]), rel=0.08)
        else:
            assert row["reflector_frames"] < 18
