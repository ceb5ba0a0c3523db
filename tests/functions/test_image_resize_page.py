"""docs/image-resize.md says what is so: its tables are the code's, its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from functions.image_resize.formats import EFFORTS, ENCODINGS
from functions.image_resize.naming import FIELDS
from functions.image_resize.source import FORMATS
from tests.functions.pictures import SAMPLES

PAGE = (Path(__file__).parents[2] / "docs" / "image-resize.md").read_text()


def test_the_fields_of_names_are_those_of_the_code():
    names = PAGE.partition("## Names")[2].partition("##")[0]

    assert dict(re.findall(r"^\| `\{(\w+)\}` \| (.*) \|$", names, re.MULTILINE)) == FIELDS


def test_the_efforts_are_those_of_the_encoders():
    rows = dict(re.findall(r"^\| (\w+) \|(.*)\|$", PAGE.partition("## Effort")[2].partition("##")[0], re.MULTILINE))

    for name in ("jpeg", "webp", "avif", "png"):
        cells = rows[name].split("|")
        for effort, cell in zip(EFFORTS, cells, strict=True):
            told = [f"{setting} {value}" for setting, value in ENCODINGS[name].settings(effort).items()]
            assert all(each.replace("optimize True", "optimized") in cell for each in told)


def test_the_formats_read_are_named():
    assert all(name in PAGE.partition("## Formats")[2].partition("##")[0] for name in FORMATS)


def test_the_example_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "photo.jpg").write_bytes((SAMPLES / "album" / "noon at the lake.jpg").read_bytes())
    monkeypatch.chdir(tmp_path)

    exec(compile(example, "docs/image-resize.md", "exec"), {})

    written = {path.name: Image.open(path).size for path in tmp_path.glob("*.webp")}
    assert written == {"photo_1024.webp": (1024, 768), "photo_256.webp": (256, 192)}
