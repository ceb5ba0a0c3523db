"""The fuzz itself: it finds what is planted, keeps it, and repeats itself; and a short run of each target."""

from __future__ import annotations

import random
import time
from itertools import islice
from pathlib import Path

import pytest

from tests.fuzz import fuzz_image_resize
from tests.fuzz.campaign import Target, cases, main

SAMPLES = {"one": b"0123456789" * 20, "two": bytes(range(256))}
MEGABYTE = 1024 * 1024
PLENTY = 1 << 50


def target(check, *, most_seconds: float = 10, most_bytes: int = PLENTY) -> Target:
    return Target("planted", SAMPLES, check, most_seconds, most_bytes)


def refuse_nines(body: bytes, rnd: random.Random) -> None:
    assert b"9" in body


def accept(body: bytes, rnd: random.Random) -> None:
    """Find nothing wrong."""


def campaign(found: Path, checked: Target, *arguments: str) -> int:
    return main(checked, ["--found", str(found), "--seed", "1", "--cases", "200", *arguments])


def test_a_seed_repeats_its_cases():
    first, again, other = (list(islice(cases(target(accept), seed), 50)) for seed in (1, 1, 2))

    assert first == again
    assert [body for _, body in first] != [body for _, body in other]


def test_what_is_found_is_kept_and_can_be_checked_again(tmp_path: Path, capsys):
    assert campaign(tmp_path, target(refuse_nines)) == 1

    kept = sorted((tmp_path / "planted").iterdir())
    assert kept
    assert all(b"9" not in path.read_bytes() for path in kept)
    assert f"FOUND {kept[0]}" in capsys.readouterr().out
    assert campaign(tmp_path, target(refuse_nines), str(kept[0])) == 1
    assert campaign(tmp_path, target(accept), str(kept[0])) == 0


def test_a_clean_run_ends_with_0_and_leaves_nothing(tmp_path: Path, capsys):
    assert campaign(tmp_path, target(accept)) == 0

    assert list((tmp_path / "planted").iterdir()) == []
    assert "planted: seed 1, 2 samples" in capsys.readouterr().out


@pytest.mark.parametrize(("bounds", "reason"), [({"most_seconds": 0.0005}, "it took"), ({"most_bytes": 1}, "memory")])
def test_slow_cases_and_greedy_ones_are_found(tmp_path: Path, capsys, bounds: dict[str, float], reason: str):
    def slow(body: bytes, rnd: random.Random) -> None:
        until = time.monotonic() + 0.001
        while time.monotonic() < until:
            pass

    assert campaign(tmp_path, target(slow, **bounds), "--cases", "3") == 1

    assert reason in capsys.readouterr().out


def test_time_ends_a_run(tmp_path: Path, capsys):
    assert campaign(tmp_path, target(accept), "--seconds", "0") == 0

    assert "planted: 0 cases" in capsys.readouterr().out


def test_image_resize_for_a_moment():
    """A thousand cases of a fixed seed; time and memory are for `make fuzz`, where nothing else runs."""
    checked = 0
    for case, body in islice(cases(fuzz_image_resize.TARGET, 5), 1000):
        fuzz_image_resize.check(body, random.Random(case))
        checked += 1

    assert checked == 1000
