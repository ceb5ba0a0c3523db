"""What a run wrote, as manifests for those who load it: JSON lines for the next map, and what Redshift's COPY takes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from functions.summarize.evidence import read_all
from functions.summarize.results import Fault
from itemkit.record import Record, Status
from itemkit.store import S3Store, require_head

# Tables, as table-transform writes them.
TABLES = (".parquet", ".csv", ".jsonl", ".csv.gz", ".jsonl.gz")
REJECTED = "_rejected/"


def tables(store: S3Store, records: str, destination: str, fault: Fault) -> Iterator[str]:
    """Yield the URI of each table a run wrote or found done, once; ``records`` is the folder of all its passes.

    Rows that were refused are no outputs to load. Items of a batch share outputs, and a batch that died may have left
    records beside those of the pass that took it up: so all URIs are remembered, by 96 bits of their digest.
    """
    told: set[bytes] = set()
    for _, found in read_all(store, records, fault):
        for uri in sorted({uri for record in found for uri in _tables_of(record, destination)}):
            digest = hashlib.blake2b(uri.encode(errors="surrogatepass"), digest_size=12).digest()
            if digest not in told:
                told.add(digest)
                yield uri


def _tables_of(record: Record, destination: str) -> Iterator[str]:
    if record.status in (Status.SUCCEEDED, Status.SKIPPED):
        for uri in record.outputs:
            if uri.endswith(TABLES) and not uri.removeprefix(destination).startswith(REJECTED):
                yield uri


def write_manifests(store: S3Store, plan: Mapping[str, Any], fault: Fault) -> int:
    """Write what the plan's ``load`` asks for, and return the number of tables in it."""
    load, count = plan["load"], 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for uri in tables(store, f"{plan['runs']}records/", plan["destination"], fault):
            count += 1
            yield json.dumps({"uri": uri, "item_name": uri.removeprefix("s3://")}).encode() + b"\n"

    store.upload_chunks(load["outputs"], lines(), "application/jsonlines")
    if load["redshift"]:
        _write_copy(store, plan, load["redshift"])
    return count


def _write_copy(store: S3Store, plan: Mapping[str, Any], redshift: Mapping[str, str]) -> None:
    """Write a manifest of the Parquet files and the statement that copies them.

    Redshift wants the length of each file: https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html
    """
    manifest = f"{plan['runs']}redshift.manifest"
    with store.open(plan["load"]["outputs"]) as (_, stream):
        uris = [json.loads(line)["uri"] for line in stream]
    entries = [
        {"url": uri, "mandatory": True, "meta": {"content_length": require_head(store, uri).size}}
        for uri in uris
        if uri.endswith(".parquet")
    ]
    role = redshift["iam_role"]
    who = "IAM_ROLE default" if role == "default" else f"IAM_ROLE '{role}'"
    statement = f"COPY {redshift['table']}\nFROM '{manifest}'\n{who}\nFORMAT AS PARQUET\nMANIFEST;\n"
    store.write(manifest, json.dumps({"entries": entries}, indent=1).encode(), "application/json")
    store.write(f"{plan['runs']}redshift.sql", statement.encode(), "application/sql")
