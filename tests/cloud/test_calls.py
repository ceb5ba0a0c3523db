"""The committed recording of what the functions call of AWS is that of this code."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cloud.permissions import recorded
from tests.template.application import ROOT

pytestmark = pytest.mark.cloud


def test_the_functions_call_what_was_recorded(tmp_path):
    """In a process of its own: it serves the application, and moto has one world a process."""
    into = tmp_path / "calls.json"

    done = subprocess.run(
        [sys.executable, "-m", "tests.cloud.record", into],
        cwd=ROOT, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert json.loads(into.read_text()) == recorded(), "python -m tests.cloud.record writes it anew"
