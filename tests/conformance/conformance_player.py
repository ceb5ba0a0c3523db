"""Plays one conformance case against an endpoint; the fields of a case are described in README.md."""

from __future__ import annotations

import base64
import io
import json
import re
import time
import uuid
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError
from conformance_patterns import differences, fits, shown

Case = dict[str, Any]

PATIENCE = 30.0  # seconds a case may take
SETTLING = 5.0  # seconds results and counts may come after the end of the execution
ROLE = "arn:aws:iam::000000000000:role/conformance"


class Player:
    """One case under way: its clients, the names its placeholders stand for, and its deadline."""

    def __init__(self, case: Case, clients: Callable[[str], Any]) -> None:
        self.case = case
        self.clients = clients
        self.states = clients("stepfunctions")
        self.deadline = time.monotonic() + PATIENCE
        tag = uuid.uuid4().hex[:10]
        self.names = {"Tag": tag, "Bucket": f"conf-{tag}"}

    def play(self) -> None:
        """Run the case; raises AssertionError where the endpoint answers otherwise than expected."""
        self.clients("s3").create_bucket(Bucket=self.names["Bucket"])
        self._upload()
        for name, source in self.case.get("functions", {}).items():
            self._create_function(name, source)
        if self._create_machine() and self.case.get("start", True):
            self._execute()
            self._check()

    def _upload(self) -> None:
        bodies = dict(_bodies(self.case.get("objects", {}), self._fill))
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self._put(key, bodies[key]), bodies))

    def _put(self, key: str, body: bytes) -> None:
        self.clients("s3").put_object(Bucket=self.names["Bucket"], Key=key, Body=body)

    def _create_function(self, name: str, source: str) -> None:
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("index.py", source)
        created = self.clients("lambda").create_function(
            FunctionName=f"{name}-{self.names['Tag']}",
            Runtime="python3.13",
            Handler="index.handler",
            Role=ROLE,
            Timeout=10,
            Code={"ZipFile": archive.getvalue()},
        )
        self.names[f"Function:{name}"] = created["FunctionArn"]

    def _create_machine(self) -> bool:
        """Create the state machine; tell whether it was accepted, which the case may forbid."""
        text = self.case.get("definition_text") or json.dumps(self.case["definition"])
        refusal = self.case.get("expect", {}).get("create_fails")
        name = f"sm-{self.names['Tag']}"
        created, error = _ask(
            self.states.create_state_machine, {"name": name, "definition": self._fill(text), "roleArn": ROLE}
        )
        assert error.get("Code") == refusal, error or f"created instead of {refusal}"
        self.names["StateMachineArn"] = created.get("stateMachineArn", "")
        return not error

    def _execute(self) -> None:
        text = self._fill(self.case.get("input_text") or json.dumps(self.case.get("input", {})))
        began = time.monotonic()
        started = self.states.start_execution(stateMachineArn=self.names["StateMachineArn"], input=text)
        self.names["ExecutionArn"] = started["executionArn"]
        for call in self.case.get("during", []):
            self._call(call)
        if "expect" in self.case:
            self._check_end(self.case["expect"])
            least, most = self.case.get("expect_seconds", (0, PATIENCE))
            assert least <= time.monotonic() - began <= most

    def _check(self) -> None:
        if "expect_map_run" in self.case:
            self._settle(self._check_map_run)
        if self.case.keys() & {"expect_history", "expect_events"}:
            self._check_events()
        for want in self.case.get("expect_objects", []):
            self._settle(lambda want=want: self._check_objects(want))
        for call in self.case.get("after", []):
            self._call(call)

    def _check_end(self, expect: Case) -> None:
        while (got := self._execution())["status"] == "RUNNING":
            assert time.monotonic() < self.deadline, f"still running after {PATIENCE} s"
            time.sleep(0.03)
        ended = shown({key: got.get(key) for key in ("status", "error", "cause", "output")})
        assert fits(expect["status"], got["status"]), ended
        if "error" in expect:
            assert fits(self._filled(expect["error"]), got.get("error")), ended
        assert expect.get("cause_contains", "") in got.get("cause", ""), ended
        if "output" in expect:
            self._expect(expect["output"], json.loads(got["output"]), "output")

    def _execution(self) -> Case:
        return self.states.describe_execution(executionArn=self.names["ExecutionArn"])

    def _check_map_run(self) -> None:
        self._find_map_run()
        got = self.states.describe_map_run(mapRunArn=self.names["MapRunArn"])
        self._expect(self.case["expect_map_run"], _plain(got), "map run", subset=True)

    def _check_events(self) -> None:
        pages = self.states.get_paginator("get_execution_history").paginate(executionArn=self.names["ExecutionArn"])
        events = [event for page in pages for event in page["events"]]
        if "expect_history" in self.case:
            assert [event["type"] for event in events] == self.case["expect_history"]
        for want in self._filled(self.case.get("expect_events", [])):
            assert any(fits(want, event, subset=True) for event in events), f"no event like {shown(want)}"

    def _check_objects(self, want: Case) -> None:
        s3, bucket = self.clients("s3"), self.names["Bucket"]
        listed = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        keys = [key for key in listed if re.fullmatch(self._fill(want["key_regex"]), key)]
        assert len(keys) == want.get("count", 1), f"{want['key_regex']} among {listed}"
        for key in keys:
            text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
            for kind, subset in (("json", False), ("json_subset", True)):
                if kind in want:
                    self._expect(want[kind], json.loads(text), key, subset)
            if "jsonl_unordered" in want:
                lines = [json.loads(line) for line in text.splitlines() if line]
                self._expect({"$unordered": want["jsonl_unordered"]}, lines, key)

    def _call(self, call: Case) -> None:
        """Make one of the calls of ``during`` or ``after``."""
        if call["op"] == "wait":
            self._check_end(call["expect"])
        elif call["op"] == "sleep":
            time.sleep(call["seconds"])
        else:
            if "${MapRun" in json.dumps(call):
                self._settle(self._find_map_run)
            self._settle(lambda: self._ask(call), call.get("retry_seconds", 0))

    def _ask(self, call: Case) -> None:
        service, _, operation = call["op"].rpartition(":")
        ask = getattr(self.clients(service or "stepfunctions"), operation)
        got, error = _ask(ask, self._filled(call.get("args", {})))
        assert fits(call.get("error"), error.get("Code")), f"{operation}: {error or 'succeeded'}"
        assert call.get("message_contains", "") in error.get("Message", "")
        if not error:
            self._expect(call.get("expect", "$any"), _plain(got), operation, subset=True)
            self.names |= {name: got[field] for name, field in call.get("save", {}).items()}

    def _find_map_run(self) -> None:
        runs = self.states.list_map_runs(executionArn=self.names["ExecutionArn"])["mapRuns"]
        assert runs, "the execution has no map run"
        self.names["MapRunArn"] = runs[-1]["mapRunArn"]
        self.names["MapRunId"] = self.names["MapRunArn"].rsplit(":", 1)[1]

    def _settle(self, check: Callable[[], None], seconds: float = SETTLING) -> None:
        """Check until it holds or the time for that is over."""
        end = min(self.deadline, time.monotonic() + seconds)
        while True:
            try:
                return check()
            except AssertionError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.05)

    def _expect(self, want: Any, got: Any, place: str, subset: bool = False) -> None:
        assert list(differences(self._filled(want), got, place, subset)) == []

    def _fill(self, text: str) -> str:
        return re.sub(r"\$\{([\w:]+)\}", lambda found: self.names.get(found[1], found[0]), text)

    def _filled(self, value: Any) -> Any:
        return json.loads(self._fill(json.dumps(value)))


def _ask(ask: Callable[..., Case], arguments: Case) -> tuple[Case, Case]:
    """Make a call and return its answer and its error, one of which is empty."""
    try:
        answer = ask(**arguments)
    except ClientError as problem:
        return {}, problem.response["Error"]
    answer.pop("ResponseMetadata", None)
    return answer, {}


def _bodies(objects: Case, fill: Callable[[str], str]) -> list[tuple[str, bytes]]:
    """Return the keys and bodies of a case's objects."""
    bodies = []
    for key, content in objects.items():
        if isinstance(content, str):
            bodies.append((key, fill(content).encode()))
        elif "base64" in content:
            bodies.append((key, base64.b64decode(content["base64"])))
        else:
            body = content.get("body", "x").encode()
            bodies += [(content["key_format"].format(index), body) for index in range(content["repeat"])]
    return bodies


def _plain(answer: Any) -> Any:
    return json.loads(json.dumps(answer, default=str))
