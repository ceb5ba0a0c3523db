"""SQL over the records of real runs, as Athena would take it, through ``fanfold query``."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import json
import sys

import polars as pl
import pytest

import fanfold
from fanfold import analysis
from fanfold.commands import query as query_command
from fanfold.problems import EnvironmentFault, UsageProblem
from itemkit.record import Record
from tests.conftest import PROJECT, Cloud
from tests.test_cli import call

pytestmark = pytest.mark.e2e

CATALOG = analysis.read_catalog(PROJECT / "template.yaml")
RUN = "analysed"


@pytest.fixture(scope="module")
def summary(cloud: Cloud) -> dict:
    """The summary of a run with failures, several batches and columns of a manifest."""
    images = [f"s3://{cloud.application.input_bucket}/images/{name}" for name in cloud.keys(
        f"s3://{cloud.application.input_bucket}/images/") if "/" not in name]  # fmt: skip
    rows = "".join(f"{uri},it's {place}\n" for place, uri in enumerate(images))
    manifest = cloud.put("analysed/list.csv", f"uri,Remark\n{rows}".encode())
    job = {"operation": "image-resize", "source": manifest, "batch": {"items": 4}, "options": {"width": 100}}
    return cloud.run(job, RUN).summary


def ask(cloud: Cloud, *words: str) -> list[dict]:
    done = call(cloud, "query", RUN, *words, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def records(cloud: Cloud, summary: dict) -> list[dict]:
    place = summary["artifacts"]["records"]
    return [
        json.loads(line) for key in cloud.keys(place) for line in gzip.decompress(cloud.get(place + key)).splitlines()
    ]


def test_failures_by_type(cloud, summary):
    found = ask(cloud, "--named", "failures-by-type")

    assert [(row["type"], row["items"]) for row in found] == [(e["type"], e["count"]) for e in summary["errors"]]
    assert found[0]["items"] == summary["items"]["failed"] == 2
    assert found[0]["example"].endswith("/broken-not-an-image.jpg")


def test_slowest_objects(cloud, summary):
    found = ask(cloud, "--named", "slowest-objects")

    assert [{"uri": r["uri"], "milliseconds": r["milliseconds"]} for r in found[:5]] == summary["slowest"]
    assert len(found) == min(20, sum(1 for record in records(cloud, summary) if "milliseconds" in record))


def test_bytes_saved(cloud, summary):
    (found,) = ask(cloud, "--named", "bytes-saved")

    done = [record for record in records(cloud, summary) if record["status"] == "succeeded"]
    before, after = (sum(record[name] for record in done) for name in ("bytes_in", "bytes_out"))
    assert found == {
        "run": RUN,
        "items": summary["items"]["succeeded"],
        "bytes_in": before,
        "bytes_out": after,
        "saved": before - after,
        "percent": pytest.approx(100 * (before - after) / before, abs=0.1),
    }


def test_runs_by_day(cloud, summary):
    found = {row["day"]: row for row in ask(cloud, "--named", "runs-by-day")}

    assert found[summary["started"][:10]]["runs"] >= 1
    assert found[summary["started"][:10]]["items"] >= summary["items"]["listed"]


def test_every_named_query_is_tested_here():
    assert [name for name in CATALOG.queries if f"test_{name.replace('-', '_')}" not in globals()] == []


def test_a_query_of_ones_own(cloud, summary):
    found = ask(cloud, "select status, count(*) as items from records where run = ? group by status order by status")

    counts = {row["status"]: row["items"] for row in found}
    assert counts == {name: count for name, count in summary["items"].items() if count and name != "listed"}


def test_values_of_maps_are_read_as_athena_does(cloud, summary):
    sized = next(record for record in records(cloud, summary) if record.get("facts", {}).get("width") == 100)
    remark = sized["columns"]["Remark"]
    sql = f"""
        -- a ? in a comment, '?' in a text
        select cast(r.facts['width'] as bigint) as width, element_at(columns, 'Remark') as remark, '?' as mark
        from records r where element_at(columns, 'Remark') = '{remark.replace("'", "''")}' and run = ?"""

    (found,) = ask(cloud, sql)

    assert found == {"width": 100, "remark": remark, "mark": "?"}


def test_records_and_summaries_are_joined(cloud, summary):
    sql = """select s.operation, s.items.listed as listed, count(*) as records
             from records r join summaries s on r.run = s.run group by s.operation, s.items.listed"""

    (found,) = ask(cloud, sql)

    assert (found["operation"], found["listed"]) == ("image-resize", summary["items"]["listed"])
    assert found["records"] == len(records(cloud, summary))


def test_rows_are_csv_when_piped(cloud, summary):
    done = call(cloud, "query", RUN, "select * from records order by uri")

    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert list(rows[0]) == CATALOG.tables["records"].names()
    assert [row["uri"] for row in rows] == sorted(record["uri"] for record in records(cloud, summary))
    (failed,) = [row for row in rows if row["uri"].endswith("broken-truncated.jpg")]
    assert json.loads(failed["failure"])["retryable"] is False
    assert (failed["bytes_out"], json.loads(failed["columns"]).keys()) == ("", {"Remark"})


def test_no_rows_are_an_answer_too(cloud, summary):
    assert ask(cloud, "select uri from records where status = 'nothing'") == []
    assert call(cloud, "query", RUN, "select uri from records where false").stdout == "uri\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([RUN, "select urii from records"], "unable to find column \"urii\"; did you mean 'uri'?"),
        ([RUN, "select nothing_like_it from records"], "records has the columns uri, status, outputs"),
        ([RUN, "select bytes.nope from summaries"], "there is no field nope"),
        ([RUN, "select * from nowhere"], "the tables are records, summaries"),
        ([RUN, "select count(* from records"], "sql parser error"),
        ([RUN, "delete from records"], "write SQL that begins with SELECT or WITH"),
        ([RUN, "select cast(uri as bigint) as n from records"], "conversion from `str` to `i64` failed"),
        (["analyse", "select 1"], "there is no run 'analyse' in s3://fanfold-output-"),
        (["analyse", "select 1"], "did you mean analysed?"),
        (["no/such", "select 1"], "lists the runs"),
        ([RUN, "--named", "slowest"], "write one of failures-by-type, slowest-objects, bytes-saved"),
        ([RUN], "write SQL or --named NAME"),
        ([RUN, "select 1", "--named", "bytes-saved"], "write SQL or --named NAME"),
        ([], "name a run"),
    ],
)
def test_what_cannot_be_answered_ends_with_2_and_says_why(cloud, summary, words, message):
    done = call(cloud, "query", *words)

    assert done.returncode == 2
    assert message in done.stderr


def test_the_named_queries_are_listed(cloud):
    done = call(cloud, "query", "--list", "--json")

    assert {each["name"]: each["sql"] for each in json.loads(done.stdout)} == {
        name: query.sql for name, query in CATALOG.queries.items()
    }
    assert "slowest-objects: The 20 objects" in call(cloud, "query", "--list").stdout


def test_the_columns_of_records_are_those_of_a_record():
    assert CATALOG.tables["records"].names() == [*(each.name for each in dataclasses.fields(Record)), "run"]


def test_the_columns_of_summaries_are_those_of_a_summary(summary):
    schema = CATALOG.tables["summaries"]

    assert sorted([*summary, "day"]) == sorted(schema.names())
    typed = pl.DataFrame([summary], schema={name: schema[name] for name in summary}, strict=True)
    assert typed.to_dicts()[0] | {"artifacts": summary["artifacts"]} == summary


@pytest.mark.parametrize(
    ("hive", "expected"),
    [
        ("array<string>", pl.List(pl.String)),
        ("map<string,array<bigint>>", pl.Map(pl.String, pl.List(pl.Int64))),
        ("struct<a:struct<b:double,c:map<string,string>>,d:boolean>",
         pl.Struct({"a": pl.Struct({"b": pl.Float64, "c": pl.Map(pl.String, pl.String)}), "d": pl.Boolean})),
    ],
)  # fmt: skip
def test_a_type_of_hive_has_its_type_of_polars(hive, expected):
    assert analysis.to_polars(hive) == expected


def test_records_that_lack_columns_do_not_change_their_types(tmp_path):
    paths = [tmp_path / name for name in ("[empty]", "sparse")]
    for path, text in zip(paths, (b"", b'{"uri": "s3://b/k", "status": "excluded", "unknown": 3}\n'), strict=True):
        path.write_bytes(gzip.compress(text))
    sql = "select uri, bytes_in, failure.type as type, facts['width'] as width, run from records"

    answer = analysis.prepare(sql, "r'1", CATALOG.tables).answer({"records": {"r'1": paths[1:]}})

    assert list(answer.rows) == [("s3://b/k", None, None, None, "r'1")]


def test_a_run_is_bound_as_text():
    query = analysis.prepare("select 1 as one from records where run = ?", "x' or 'a' = 'a", CATALOG.tables)

    assert query.sql == "select 1 as one from records where run = 'x'' or ''a'' = ''a'"


def test_a_fault_shows_before_anything_is_read():
    with pytest.raises(UsageProblem, match="did you mean 'milliseconds'"):
        analysis.prepare("select milisecond from records", "r", CATALOG.tables)


def test_without_polars_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.delitem(sys.modules, "fanfold.analysis")
    monkeypatch.delattr(fanfold, "analysis")

    with pytest.raises(EnvironmentFault, match=r"fanfold query needs polars: pip install 'fanfold\[local\]'"):
        query_command.query(listed=True)
