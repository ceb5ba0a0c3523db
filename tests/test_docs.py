"""The documentation says what is so: its generated parts are the code's, and its examples run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from itemkit import Item, PermanentError
from tests.conftest import PROJECT, Cloud
from tests.test_cli import call

DOCS = PROJECT / "docs"


def blocks(page: str, language: str) -> list[str]:
    """Return what a page shows in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)


def job(page: str, bucket: str, number: int = 0) -> dict[str, Any]:
    """Return a job that a page shows, with a bucket."""
    return json.loads(blocks(page, "json")[number].replace("BUCKET", bucket))


def generate(*words: str, root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "docs/generate.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_page_that_says_something_else_is_found_and_made_anew(tmp_path):
    """``make check`` finds none of them here."""
    for name in ("itemkit", "fanfold", "bench"):
        (tmp_path / name).symlink_to(PROJECT / name)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/generate.py").write_text((DOCS / "generate.py").read_text())
    (tmp_path / "README.md").write_text("# Nothing made\n")
    page = (DOCS / "job.md").read_text()
    other = page.replace("| `400` |", "| `500` |")
    assert other != page
    (tmp_path / "docs/job.md").write_text(other)

    found = generate("--check", root=tmp_path)
    assert (found.returncode, found.stdout) == (1, "out of date, run `make docs`: docs/job.md\n"), found.stderr
    assert generate(root=tmp_path).returncode == 0
    assert (tmp_path / "docs/job.md").read_text() == page
    again = generate("--check", root=tmp_path)
    assert (again.returncode, again.stdout) == (0, "")


def test_the_function_of_the_migration_from_a_lambda_runs():
    names: dict[str, Any] = {}
    exec(compile(blocks("from-s3-event-lambda.md", "python")[0], "docs/from-s3-event-lambda.md", "exec"), names)

    result = names["process"](Item("s3://b/a.txt", "a.txt", 4), b"a\nb\n", None)
    assert json.loads(result.outputs[0].body) == {"lines": 2}
    with pytest.raises(PermanentError, match=r"s3://b/a\.txt is no UTF-8"):
        names["process"](Item("s3://b/a.txt", "a.txt", 1), b"\xff", None)


def test_the_noaa_sample_comes_to_the_hottest_stations(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    head = '"STATION","DATE","LATITUDE","NAME","TEMP"\n'
    for station, name, temperatures in (
        ("01001099999", "JAN MAYEN", (40.5, 9999.9)),
        ("72259003927", "DALLAS", (90, 95)),
    ):
        rows = [f'"{station}","2026-0{month}-1{day}","1.5","{name}","{temperature}"\n'
                for month in (6, 7) for day, temperature in enumerate(temperatures)]  # fmt: skip
        cloud.put(f"gsod/2026/{station}.csv", (head + "".join(rows)).encode())
    cloud.put("gsod/2026/broken.csv", b"<html>busy</html>")
    wanted = job("from-noaa-sample.md", cloud.application.input_bucket) | {"tolerate": {"percent": 50}}

    summary = cloud.run_as_it_is(wanted).summary

    assert {status: count for status, count in summary["items"].items() if count} == {
        "listed": 3, "succeeded": 2, "failed": 1,
    }  # fmt: skip
    for key in cloud.keys(wanted["destination"]):
        path = tmp_path / "stations" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cloud.get(wanted["destination"] + key))
    told = blocks("from-noaa-sample.md", "python")[0].replace("s3://BUCKET", str(tmp_path))
    names: dict[str, Any] = {"print": lambda _: None}
    exec(compile(told, "docs/from-noaa-sample.md", "exec"), names)
    assert names["hottest"].select("month", "name", "temperature", "days").rows() == [
        ("2026-06", "DALLAS", 92.5, 2), ("2026-07", "DALLAS", 92.5, 2),
    ]  # fmt: skip


def test_the_job_of_the_migration_from_glue_runs(cloud: Cloud):
    cloud.put(
        "raw/orders/a.csv", b"id,region,Ordr Date,amount\n1,north,2026-01-31,10\n2,south,2026-02-01,20\n3,west,?,1\n"
    )
    wanted = job("from-glue.md", cloud.application.input_bucket)
    wanted["options"]["max_rejected"] = "50%"

    summary = cloud.run_as_it_is(wanted).summary

    assert (summary["state"], summary["items"]["succeeded"]) == ("SUCCEEDED", 1)
    written = cloud.keys(wanted["destination"])
    assert [key for key in written if key.endswith(".parquet")] == [
        "region=north/a.csv.parquet",
        "region=south/a.csv.parquet",
    ]
    assert [key for key in written if key.startswith("_rejected/")] == ["_rejected/a.csv"]


def test_terraform_is_told_of_parameters_and_outputs_that_are_there():
    told = blocks("from-terraform.md", "terraform")[0]
    template = yaml.load((PROJECT / "template.yaml").read_text(), Loader=_Loader)

    assert set(re.findall(r"^    (\w+) += ", told, re.MULTILINE)) <= set(template["Parameters"])
    assert set(re.findall(r'outputs\["(\w+)"\]', told)) <= set(template["Outputs"])
    assert 'capabilities = "CAPABILITY_IAM"' in (PROJECT / "samconfig.toml").read_text()
    assert '"CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"' in told
    assert len((PROJECT / "template.yaml").read_bytes()) > 51_200


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as nothing."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: suffix)


def test_the_sql_for_quicksight_is_answered(cloud: Cloud):
    ran = cloud.run({"operation": "image-resize", "source": f"s3://{cloud.application.input_bucket}/images/album/"})
    day = ran.summary["started"][:10]
    sql = re.sub(r"'2026-11-\d\d'", f"'{day}'", blocks("quicksight.md", "sql")[0])

    answered = call(cloud, "query", ran.summary["run"], sql, "--json")

    assert answered.returncode == 0, answered.stderr
    found = pl.DataFrame(json.loads(answered.stdout))
    assert set(found["day"]) == {day}
    assert ran.summary["items"]["succeeded"] in found["succeeded"].to_list()
