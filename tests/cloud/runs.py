"""Runs that together have the functions do what they can, each on the machine of the shipped template."""

from __future__ import annotations

import io
import json
from typing import Any

import polars as pl

from tests.brought import bring_with_kit
from tests.conftest import Cloud
from tests.template.application import ROOT
from tests.waiting import until

PICTURE = (ROOT / "sample_data/images/album/tiny.jpg").read_bytes()
DRAINED = json.dumps({"operation": "image-resize"})
_PATIENCE = 120.0


class Runs:
    """Runs of the application behind one endpoint."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.states = cloud.client("stepfunctions")

    def all(self) -> None:
        """Run all of them, one after the other: each finds what those before it left."""
        self.pictures_that_move()
        self.a_manifest()
        self.tables_twice()
        self.load()
        self.lost_items()
        self.unknown_operation()
        self.drain()
        self.upload()

    def pictures_that_move(self) -> None:
        place = "resize/incoming/"
        self.cloud.put(f"{place}good.jpg", PICTURE)
        self.cloud.put(f"{place}bad.jpg", b"no picture")
        moves = {
            "move_source_to": self._input("resize/processed/"),
            "move_failed_to": self._input("resize/failed/"),
        }
        self._run("pictures", {"operation": "image-resize", "source": self._input(place), "on_done": moves})

    def a_manifest(self) -> None:
        self.cloud.put("listed/good.jpg", PICTURE)
        lines = json.dumps({"uri": self._input("listed/good.jpg")}) + "\n"
        self.cloud.put("manifests/listed.jsonl", lines.encode())
        self._run("listed", {"operation": "image-resize", "source": self._input("manifests/listed.jsonl")})

    def tables_twice(self) -> None:
        self.cloud.put("tables/a.csv", b"id,day\na,1\n")
        job = {"operation": "table-transform", "source": self._input("tables/")}
        self._run("tables", job)
        self.cloud.put("tables/b.csv", b"id,day\nb,2\n")
        self._run("tables-again", job)

    def load(self) -> None:
        parquet = io.BytesIO()
        pl.DataFrame({"id": ["p"], "day": ["1"]}).write_parquet(parquet)
        self.cloud.put("load/a.parquet", parquet.getvalue())
        table = {"table": "fanfold-load", "key": ["id", "day"]}
        self._run("load", {"operation": "dynamodb-load", "source": self._input("load/"), "options": table})

    def lost_items(self) -> None:
        job = bring_with_kit(self.cloud, "dies", "os._exit(1)", ["dies.txt"])
        self._run("lost", job)

    def unknown_operation(self) -> None:
        assert self._run("unknown", {"operation": "image-risize", "source": self._input("tables/")}) == "FAILED"

    def drain(self) -> None:
        self.cloud.put("incoming/good.jpg", PICTURE)
        self.cloud.put("incoming/bad.jpg", b"no picture")
        arn = self.cloud.application.drain_arn
        for _ in range(2):
            started = self.states.start_execution(stateMachineArn=arn, input="{}")["executionArn"]
            self._wait(started)

    def upload(self) -> None:
        before = len(self._executions())
        self.cloud.put("incoming/up/good.jpg", PICTURE)
        until(lambda: len(self._executions()) > before, "the upload's run", _PATIENCE)
        until(lambda: all(each["status"] != "RUNNING" for each in self._executions()), "its end", _PATIENCE)

    def _executions(self) -> list[dict[str, Any]]:
        listed = self.states.list_executions(stateMachineArn=self.cloud.application.machine_arn)
        return list(listed["executions"])

    def _run(self, name: str, job: dict[str, Any]) -> str:
        return str(self.cloud.run_as_it_is(job | {"tolerate": {"percent": 100}}, name).status)

    def _wait(self, arn: str) -> None:
        def ended() -> bool:
            return bool(self.states.describe_execution(executionArn=arn)["status"] != "RUNNING")

        until(ended, f"the end of {arn}", _PATIENCE)

    def _input(self, key: str) -> str:
        return f"s3://{self.cloud.application.input_bucket}/{key}"
