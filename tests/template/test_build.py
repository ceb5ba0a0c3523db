"""``sam build`` makes what Lambda can import and will take."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.template.application import ROOT
from tests.template.artefacts import findings, packages
from tests.template.building import NoWay, sam_build

LIBRARY = Path("ItemkitLayer/python/wrapt/wrappers.so")


@pytest.mark.cloud
def test_sam_builds_what_lambda_can_import(tmp_path):
    try:
        done = sam_build(tmp_path)
    except NoWay as reason:
        pytest.skip(f"SKIPPED: {reason}")

    assert done.returncode == 0, done.stderr
    assert findings(tmp_path / "build") == []


@pytest.fixture
def build(tmp_path):
    """A build as it should be, with next to nothing in it."""
    for name, (folder, place) in packages().items():
        shutil.copytree(folder, tmp_path / name / place, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("aws_lambda_powertools", "aws_xray_sdk"):
        (tmp_path / "ItemkitLayer/python" / name).mkdir()
    write_library(tmp_path, machine=183)
    return tmp_path


def write_library(build, machine):
    (build / LIBRARY).parent.mkdir(exist_ok=True)
    (build / LIBRARY).write_bytes(b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little"))


def test_a_build_as_it_should_be_has_no_findings(build):
    assert findings(build) == []


def test_a_package_flattened_into_the_artefact_is_found(build):
    (build / "SummarizeFunction/functions/summarize").rename(build / "SummarizeFunction/flat")

    modules = sorted(path.name for path in (ROOT / "functions/summarize").glob("*.py"))
    assert findings(build) == [f"SummarizeFunction: functions/summarize/{name} is missing" for name in modules]


def test_a_stale_module_is_found(build):
    (build / "ItemkitLayer/python/itemkit/store.py").write_text("old = True\n")

    assert findings(build) == ["ItemkitLayer: python/itemkit/store.py is another"]


def test_a_layer_with_the_wrong_packages_is_found(build):
    (build / "ItemkitLayer/python/aws_xray_sdk").rename(build / "ItemkitLayer/python/botocore")

    assert findings(build) == [
        "ItemkitLayer: python/aws_xray_sdk is missing",
        "ItemkitLayer: python/botocore is in the runtime",
    ]


@pytest.mark.parametrize(
    ("name", "limit"),
    [("ImageResizeFunction", 60), ("TableTransformFunction", 200), ("ItemkitLayer", 30), ("SettleFunction", 5)],
)
def test_an_artefact_that_is_too_large_is_found(build, name, limit):
    with (build / name / "weights").open("wb") as sparse:
        sparse.truncate((limit + 1) * 1_000_000)

    assert findings(build) == [f"{name}: {limit + 1} MB, over {limit} MB"]


def test_a_library_for_another_processor_is_found(build):
    write_library(build, machine=62)

    assert findings(build) == [f"{LIBRARY} is not for arm64"]
