"""What a run wrote, for those who load it: each table once, and Redshift's manifest with its statement."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.summarize.outputs import write_manifests
from itemkit.record import Record, Status
from itemkit.store import S3Store

PLAN = {
    "runs": "s3://output/runs/r1/",
    "destination": "s3://output/out/t/",
    "load": {"outputs": "s3://output/runs/r1/outputs.jsonl", "redshift": None, "plan": None},
}
OUT = "s3://output/out/t/"


def table(name: str, *outputs: str, status: Status = Status.SUCCEEDED) -> Record:
    return Record(f"s3://photos/in/{name}", status, tuple(OUT + each for each in outputs))


@pytest.fixture
def written(map_run: Any, store: S3Store, s3: Any) -> Any:
    """Write manifests over batches of records, and return their number, the lines and what was told."""

    def write(*batches: list[Record], **load: Any) -> tuple[int, list[dict[str, str]], list[str]]:
        for place, records in enumerate(batches):
            map_run.batch(f"b{place}", records)
        told: list[str] = []
        count = write_manifests(store, PLAN | {"load": PLAN["load"] | load}, told.append)
        body = s3.get_object(Bucket="output", Key="runs/r1/outputs.jsonl")["Body"].read()
        return count, [json.loads(line) for line in body.splitlines()], told

    return write


def test_each_table_is_named_once_and_nothing_else(written: Any) -> None:
    count, lines, told = written(
        [
            table("a.csv", "a.csv.parquet", "_rejected/a.csv"),
            table("b.csv", "r1/b0.parquet"),
            table("c.csv", "r1/b0.parquet"),
            table("d.csv", "d.csv.json", "region=north/d.csv.parquet"),
            table("e.csv", "e.csv.csv", status=Status.SKIPPED),
        ],
        [table("f.csv", "f.jsonl.gz"), table("g.csv", status=Status.EXCLUDED)],
    )

    assert lines == [
        {"uri": OUT + name, "item_name": f"output/out/t/{name}"}
        for name in ("a.csv.parquet", "e.csv.csv", "r1/b0.parquet", "region=north/d.csv.parquet", "f.jsonl.gz")
    ]
    assert (count, told) == (5, [])


def test_records_that_cannot_be_read_are_told(written: Any, map_run: Any, s3: Any) -> None:
    s3.put_object(Bucket="output", Key="runs/r1/records/pass-1/b9.jsonl.gz", Body=b"no gzip")

    count, _, [told] = written([table("a.csv", "a.parquet")])

    assert count == 1
    assert "b9.jsonl.gz cannot be read" in told


@pytest.mark.parametrize(
    ("role", "clause"),
    [("default", "IAM_ROLE default"), ("arn:aws:iam::1:role/x", "IAM_ROLE 'arn:aws:iam::1:role/x'")],
)
def test_redshift_gets_a_manifest_with_lengths_and_the_statement(written: Any, s3: Any, role: str, clause: str) -> None:
    s3.put_object(Bucket="output", Key="out/t/a.parquet", Body=b"1234567")

    written(
        [table("a.csv", "a.parquet"), table("b.csv", "b.csv")], redshift={"table": "public.orders", "iam_role": role}
    )

    read = {
        name: s3.get_object(Bucket="output", Key=f"runs/r1/redshift.{name}")["Body"].read()
        for name in ("manifest", "sql")
    }
    assert json.loads(read["manifest"]) == {
        "entries": [{"url": f"{OUT}a.parquet", "mandatory": True, "meta": {"content_length": 7}}]
    }
    assert read["sql"].decode() == (
        f"COPY public.orders\nFROM 's3://output/runs/r1/redshift.manifest'\n{clause}\nFORMAT AS PARQUET\nMANIFEST;\n"
    )
