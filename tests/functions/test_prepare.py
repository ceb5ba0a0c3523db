"""Prepare: a job becomes a plan, or is refused before anything is spent."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectTimeoutError

from functions.prepare import handler as prepare
from functions.prepare.plan import Place, Planner
from functions.prepare.preflight import Aws
from itemkit import InvalidJob, TransientError
from itemkit.store import S3Store

Intercept = Callable[[str, Callable[..., Any]], None]
Refuse = Callable[[str, int, str], None]
PREFIX_JOB = {"operation": "image-resize", "source": "s3://photos/in/"}
CSV_JOB = {"operation": "image-resize", "source": "s3://photos/m.csv"}
PREFIX_PLAN = {
    "run": "r1",
    "operation": "image-resize",
    "function": "fanfold-op-image-resize",
    "source": {"kind": "prefix", "uri": "s3://photos/in/", "bucket": "photos", "prefix": "in/"},
    "sample": None,
    "select": {},
    "options": {},
    "destination": "s3://output/out/image-resize/",
    "runs": "s3://output/runs/r1/",
    "summaries": "s3://output/summaries/",
    "results": {"bucket": "output", "prefix": "runs/r1/results"},
    "batch_items": None,
    "concurrency": 400,
    "max_items": 0,
    "tolerated_percent": 25,
    "passes": 3,
    "overwrite": False,
    "load": None,
    "on_done": None,
}
REWRITTEN = {
    "kind": "jsonl",
    "uri": "s3://output/runs/r1/manifest.jsonl",
    "bucket": "output",
    "key": "runs/r1/manifest.jsonl",
}


def rewritten(key: str) -> dict[str, str]:
    """The source that reads the rewritten manifest, under the name of the one the job gave."""
    return REWRITTEN | {"uri": f"s3://photos/{key}"}


@pytest.fixture
def functions(clients: dict[str, Any], intercept: Intercept) -> Any:
    """A Lambda client over an account with two operations and a function that is none."""
    names = ("fanfold-op-image-resize", "fanfold-op-table-transform", "fanfold-prepare")
    known = [{"FunctionName": name} for name in names]

    def configuration(request: Any, **_: Any) -> AWSResponse:
        name = request.url.split("/")[-2]
        if name in names:
            return answer(request, 200, {"FunctionName": name})
        return answer(request, 404, {"Message": "Function not found"}, "ResourceNotFoundException")

    intercept("lambda.GetFunctionConfiguration", configuration)
    intercept("lambda.ListFunctions", lambda request, **_: answer(request, 200, {"Functions": known}))
    return clients["lambda"]


@pytest.fixture
def planner(s3: Any, functions: Any) -> Planner:
    return Planner(Aws(s3, functions, "us-east-1"), S3Store(s3), Place("photos", "output", "fanfold-op-"))


def put(s3: Any, key: str, body: bytes = b"x") -> None:
    s3.put_object(Bucket="photos", Key=key, Body=body)


def everything(s3: Any) -> list[str]:
    """Return what lies in all buckets, unfinished uploads included."""
    found = []
    for bucket in (each["Name"] for each in s3.list_buckets()["Buckets"]):
        found += [f"{bucket}/{each['Key']}" for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        found += [f"upload {each['Key']}" for each in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])]
    return found


def lines(s3: Any) -> list[Any]:
    """Return the rows of the rewritten manifest."""
    body = s3.get_object(Bucket="output", Key="runs/r1/manifest.jsonl")["Body"].read()
    return [json.loads(line) for line in body.splitlines()]


class _Body(io.BytesIO):
    def stream(self, **_: Any) -> list[bytes]:
        return [self.getvalue()]


def answer(request: Any, status: int, body: Any, error: str = "") -> AWSResponse:
    """Make an answer of AWS's: bytes as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return AWSResponse(request.url, status, {"x-amzn-errortype": error}, _Body(raw))


@pytest.fixture
def refuse(intercept: Intercept) -> Callable[[str, int, str], None]:
    """Makes an S3 call end in an error: ``refuse("HeadBucket", 403, "AccessDenied")``."""

    def install(call: str, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        intercept(f"s3.{call}", lambda request, **_: answer(request, status, b"" if request.method == "HEAD" else body))

    return install


def refusal(planner: Planner, job: Any, error: type[Exception] = InvalidJob) -> str:
    """Return the message with which a job is refused."""
    with pytest.raises(error) as refused:
        planner.plan(job, "r1")
    assert type(refused.value) is error
    return str(refused.value)


# --- plans


def test_a_minimal_prefix_job_is_planned_with_all_defaults(planner: Planner, s3: Any) -> None:
    put(s3, "in/", b"")
    put(s3, "in/a.jpg")

    assert planner.plan(PREFIX_JOB, "r1") == PREFIX_PLAN | {"sample": "s3://photos/in/a.jpg"}


def test_an_empty_prefix_is_planned_without_a_sample(planner: Planner) -> None:
    assert planner.plan(PREFIX_JOB, "r1") == PREFIX_PLAN


def test_a_whole_job_is_planned_as_it_is_written(planner: Planner, s3: Any) -> None:
    put(s3, "in/a.txt")
    put(s3, "in/empty.jpg", b"")
    put(s3, "in/z.jpg")
    job = {
        **PREFIX_JOB,
        "select": {"suffix": [".jpg"], "min_bytes": 1, "modified_after": "2020-01-01T00:00:00Z"},
        "options": {"width": 512},
        "destination": "s3://photos/thumbs",
        "batch": {"items": 7},
        "concurrency": 9,
        "max_items": 11,
        "tolerate": {"percent": 2.5},
        "passes": 1,
        "overwrite": True,
    }

    assert planner.plan(job, "r1") == PREFIX_PLAN | {
        "sample": "s3://photos/in/z.jpg",
        "select": {"suffix": [".jpg"], "min_bytes": 1, "modified_after": "2020-01-01T00:00:00Z"},
        "options": {"width": 512},
        "destination": "s3://photos/thumbs/",
        "batch_items": 7,
        "concurrency": 9,
        "max_items": 11,
        "tolerated_percent": 2.5,
        "passes": 1,
        "overwrite": True,
    }


def test_a_prefix_without_wanted_objects_has_no_sample(planner: Planner, s3: Any) -> None:
    put(s3, "in/a.txt")

    assert planner.plan({**PREFIX_JOB, "select": {"suffix": [".jpg"]}}, "r1")["sample"] is None


def test_a_plain_csv_manifest_is_read_where_it_lies(planner: Planner, s3: Any) -> None:
    put(s3, "m.csv", b"key,label\nin/a.jpg,x\n")

    assert planner.plan(CSV_JOB, "r1") == PREFIX_PLAN | {
        "source": {"kind": "csv", "uri": "s3://photos/m.csv", "bucket": "photos", "key": "m.csv"},
        "sample": "s3://photos/in/a.jpg",
    }
    assert everything(s3) == ["photos/m.csv"]


def test_a_plain_jsonl_manifest_is_read_where_it_lies(planner: Planner, s3: Any) -> None:
    put(s3, "m.jsonl.gz", gzip.compress(b'{"uri": "s3://photos/in/a.jpg"}\n'))

    assert planner.plan({**CSV_JOB, "source": "s3://photos/m.jsonl.gz"}, "r1") == PREFIX_PLAN | {
        "source": {"kind": "jsonl", "uri": "s3://photos/m.jsonl.gz", "bucket": "photos", "key": "m.jsonl.gz"},
        "sample": "s3://photos/in/a.jpg",
    }


def test_a_manifest_with_semicolons_is_rewritten_and_keeps_its_own_bucket(planner: Planner, s3: Any) -> None:
    put(s3, "m.csv", "key;bucket;größe\nin/ä.jpg;;1\nb.jpg;other;2\n;;3\n".encode("utf-8-sig"))

    assert planner.plan(CSV_JOB, "r1") == PREFIX_PLAN | {"source": rewritten("m.csv"), "sample": "s3://photos/in/ä.jpg"}
    assert lines(s3) == [
        {"key": "in/ä.jpg", "bucket": "photos", "größe": "1"},
        {"key": "b.jpg", "bucket": "other", "größe": "2"},
        {"key": "", "bucket": "", "größe": "3"},
    ]


def test_a_json_manifest_with_half_a_surrogate_pair_is_rewritten(planner: Planner, s3: Any) -> None:
    put(s3, "m.json", b'["no object", {"key": "a.jpg", "note": "\\ud800"}]')

    plan = planner.plan({**CSV_JOB, "source": "s3://photos/m.json"}, "r1")

    assert (plan["source"], plan["sample"]) == (rewritten("m.json"), "s3://photos/a.jpg")
    assert lines(s3) == ["no object", {"key": "a.jpg", "bucket": "photos", "note": "\ud800"}]


def test_a_manifest_in_the_form_of_s3_batch_operations_needs_an_object_that_is_there(planner: Planner, s3: Any) -> None:
    put(s3, "in/a.jpg")
    put(s3, "m.csv", b"photos,in/a.jpg\nphotos,in/b.jpg\n")

    assert planner.plan(CSV_JOB, "r1") == PREFIX_PLAN | {"source": rewritten("m.csv"), "sample": "s3://photos/in/a.jpg"}
    assert lines(s3) == [{"bucket": "photos", "key": "in/a.jpg"}, {"bucket": "photos", "key": "in/b.jpg"}]


def test_a_manifest_with_rows_alone_and_a_manifest_without_any_have_no_sample(planner: Planner, s3: Any) -> None:
    put(s3, "m.csv", b"uri\n")

    assert planner.plan(CSV_JOB, "r1")["sample"] is None


@pytest.mark.parametrize(
    ("select", "sample"),
    [
        ({"suffix": [".jpg"]}, "s3://photos/gone.jpg"),
        ({"suffix": [".jpg"], "min_bytes": 1}, "s3://photos/in/b.jpg"),
        ({"min_bytes": 100}, None),
    ],
)
def test_the_sample_of_a_manifest_is_an_object_the_job_wants(
    planner: Planner, s3: Any, select: dict[str, Any], sample: str | None
) -> None:
    put(s3, "in/a.txt")
    put(s3, "in/b.jpg")
    put(s3, "m.csv", b'key\n""\nin/a.txt\ngone.jpg\nin/b.jpg\n')

    assert planner.plan({**CSV_JOB, "select": select}, "r1")["sample"] == sample


def test_named_objects_become_a_manifest(planner: Planner, s3: Any) -> None:
    job = {**PREFIX_JOB, "source": {"objects": ["s3://photos/a.txt", "s3://photos/é.jpg"]}, "select": {"glob": "*.jpg"}}

    assert planner.plan(job, "r1") == PREFIX_PLAN | {
        "source": REWRITTEN,
        "sample": "s3://photos/é.jpg",
        "select": {"glob": "*.jpg"},
    }
    assert lines(s3) == [{"uri": "s3://photos/a.txt"}, {"uri": "s3://photos/é.jpg"}]


def test_the_write_check_leaves_nothing_behind(planner: Planner, s3: Any) -> None:
    planner.plan(PREFIX_JOB, "r1")

    assert everything(s3) == []


def test_a_manifest_of_several_parts_that_breaks_at_its_end_leaves_nothing_behind(planner: Planner, s3: Any) -> None:
    """The upload began before the damage was met: 9 MB of JSON lines and then one that is none."""
    put(s3, "m.jsonl", b"\xef\xbb\xbf" + (json.dumps({"key": "k" * 10_000}).encode() + b"\n") * 900 + b"nonsense")

    message = refusal(planner, {**CSV_JOB, "source": "s3://photos/m.jsonl"})

    assert message == (
        "s3://photos/m.jsonl: line 901 is not JSON: Expecting value: line 1 column 1 (char 0); correct it"
    )
    assert everything(s3) == ["photos/m.jsonl"]


# --- refusals


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ({**PREFIX_JOB, "selct": {}}, "unknown field 'selct': did you mean 'select'?"),
        ({**PREFIX_JOB, "select": {"sufix": []}}, "unknown field 'select.sufix': did you mean 'suffix'?"),
        (
            {**PREFIX_JOB, "operation": "image-rezise"},
            "unknown operation 'image-rezise' (there is no function fanfold-op-image-rezise): "
            "did you mean 'image-resize'?",
        ),
        (
            {**PREFIX_JOB, "operation": "zip"},
            "unknown operation 'zip' (there is no function fanfold-op-zip): known are image-resize, table-transform",
        ),
        (
            {**PREFIX_JOB, "source": "s3://nowhere/in/"},
            "s3://nowhere/in/: the bucket nowhere does not exist; check the name",
        ),
        (
            {**PREFIX_JOB, "source": "s3://No Bucket/in/"},
            "s3://No Bucket/in/: the bucket No Bucket cannot exist under such a name; correct it",
        ),
        (
            {**PREFIX_JOB, "source": "s3://nowhere/m.csv"},
            "s3://nowhere/m.csv: the bucket nowhere does not exist; check the name",
        ),
        (
            {**PREFIX_JOB, "destination": "s3://nowhere/"},
            "s3://nowhere/: the bucket nowhere does not exist; check the name",
        ),
        (
            {**PREFIX_JOB, "source": "s3://away/in/"},
            "s3://away/in/: the bucket away lies in eu-west-1 and this stack in us-east-1: a Distributed Map reads and "
            "writes in its own Region; deploy the stack there, or replicate the bucket",
        ),
        (
            CSV_JOB,
            "the manifest s3://photos/m.csv cannot be read: cannot read s3://photos/m.csv: it does not exist; "
            "check the bucket and the key",
        ),
        (
            {**PREFIX_JOB, "destination": "s3://photos/in/thumbs/"},
            "the source s3://photos/in/ contains s3://photos/in/thumbs/, which this run writes: "
            "choose a narrower prefix",
        ),
        (
            {**PREFIX_JOB, "destination": "s3://photos/"},
            "the destination s3://photos/ contains the source s3://photos/in/: choose one beside it",
        ),
        (
            {**PREFIX_JOB, "source": "s3://output/out/"},
            "the source s3://output/out/ contains s3://output/out/image-resize/, which this run writes: "
            "choose a narrower prefix",
        ),
        (
            {**PREFIX_JOB, "source": "s3://output/runs/", "destination": "s3://photos/thumbs/"},
            "the source s3://output/runs/ contains s3://output/runs/r1/, which this run writes: "
            "choose a narrower prefix",
        ),
        (
            {**PREFIX_JOB, "source": "s3://output/", "destination": "s3://photos/thumbs/"},
            "the source s3://output/ contains s3://output/runs/r1/, which this run writes: choose a narrower prefix",
        ),
        (
            {**PREFIX_JOB, "source": {"objects": []}},
            "source.objects: List should have at least 1 item after validation, not 0 (it is [])",
        ),
        ("s3://photos/in/", "the job is 's3://photos/in/': write a JSON object with 'operation' and 'source'"),
    ],
)
def test_a_job_that_cannot_run_is_refused_before_anything_is_written(
    planner: Planner, s3: Any, job: Any, message: str
) -> None:
    s3.create_bucket(Bucket="away", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    assert refusal(planner, job) == message
    assert everything(s3) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b"path,title\nx,y\n",
            "s3://photos/m.csv has no column 'uri' or 'key', and its first row, taken for a bucket and a key, names no "
            "object that can be read (s3://path/title): give it a header row that names one",
        ),
        (
            b"PATH;title\n",
            "s3://photos/m.csv: no column 'uri' or 'key' in its first row ['PATH', 'title']: "
            "give it a header row that names one",
        ),
        (b"uri,uri\n", "s3://photos/m.csv: the header names 'uri' twice: rename one of the columns"),
        (
            b"uri;x\ns3://b/\x81",
            "s3://photos/m.csv is no text (charmap: character maps to <undefined>): save it as UTF-8",
        ),
    ],
)
def test_a_csv_that_is_no_manifest_is_refused(planner: Planner, s3: Any, body: bytes, message: str) -> None:
    put(s3, "m.csv", body)

    assert refusal(planner, CSV_JOB) == message
    assert everything(s3) == ["photos/m.csv"]


def test_a_file_that_is_no_gzip_is_a_bad_job_and_nothing_to_try_again(planner: Planner, s3: Any) -> None:
    put(s3, "m.csv.gz", b"uri\n")

    assert refusal(planner, {**CSV_JOB, "source": "s3://photos/m.csv.gz"}) == (
        "s3://photos/m.csv.gz is no gzip file, or a damaged one: Not a gzipped file (b'ur'); write it again"
    )


@pytest.mark.parametrize("cell", [b"x", b"\xe4"], ids=["utf-8", "cp1252"])
def test_a_gzip_file_with_a_wrong_checksum_is_refused_and_leaves_nothing(
    planner: Planner, s3: Any, cell: bytes
) -> None:
    """In cp1252 the damage is met while the rewritten manifest is already on its way."""
    put(s3, "m.csv.gz", gzip.compress(b"uri;x\ns3://photos/a.jpg;" + cell)[:-8] + b"\0" * 8)

    message = refusal(planner, {**CSV_JOB, "source": "s3://photos/m.csv.gz"})

    assert message.startswith("s3://photos/m.csv.gz is no gzip file, or a damaged one: CRC check failed")
    assert everything(s3) == ["photos/m.csv.gz"]


GRANT = "is denied; grant it to the stack with the parameters SourceBucketArns and DestinationBucketArns"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("HeadBucket", f"s3://output/out/image-resize/: access to the bucket output {GRANT}"),
        ("ListObjectsV2", f"s3://photos/in/: access to the prefix {GRANT}"),
        ("CreateMultipartUpload", f"s3://output/out/image-resize/: access to the destination {GRANT}"),
    ],
)
def test_what_the_role_may_not_do_is_refused(planner: Planner, refuse: Refuse, call: str, message: str) -> None:
    refuse(call, 403, "AccessDenied")

    assert refusal(planner, PREFIX_JOB) == message


def test_a_manifest_the_role_may_not_read_is_refused(planner: Planner, refuse: Refuse) -> None:
    refuse("GetObject", 403, "AccessDenied")

    assert refusal(planner, CSV_JOB) == (
        "the manifest s3://photos/m.csv cannot be read: cannot read s3://photos/m.csv: access denied; "
        "grant the function's role the bucket and its key"
    )


def test_a_first_row_the_role_may_not_read_is_no_proof_of_a_bucket_and_a_key(
    planner: Planner, s3: Any, refuse: Refuse
) -> None:
    put(s3, "m.csv", b"path,title\n")
    refuse("HeadObject", 403, "AccessDenied")

    assert refusal(planner, CSV_JOB).endswith("(s3://path/title): give it a header row that names one")


@pytest.mark.parametrize("call", ["HeadBucket", "ListObjectsV2", "CreateMultipartUpload"])
def test_a_busy_s3_is_asked_again(planner: Planner, refuse: Refuse, call: str) -> None:
    refuse(call, 503, "SlowDown")

    assert refusal(planner, PREFIX_JOB, TransientError).endswith("it passes")


@pytest.mark.parametrize("call", ["s3.HeadBucket", "lambda.GetFunctionConfiguration"])
def test_an_aws_that_cannot_be_reached_is_asked_again(planner: Planner, intercept: Intercept, call: str) -> None:
    def never(**_: Any) -> None:
        raise ConnectTimeoutError(endpoint_url="https://aws")

    intercept(call, never)

    assert "AWS cannot be reached" in refusal(planner, PREFIX_JOB, TransientError)


# --- the handler


def test_the_handler_plans_with_the_settings_of_its_environment(
    s3: Any, functions: Any, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"AWS_REGION": "us-east-1", "OPERATION_PREFIX": "fanfold-op-"}
    settings |= {"INPUT_BUCKET": "photos", "OUTPUT_BUCKET": "output"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(prepare, "boto3", SimpleNamespace(client={"s3": s3, "lambda": functions}.__getitem__))
    prepare.planner.cache_clear()

    assert prepare.handler({"job": PREFIX_JOB, "run": "r1"}, context) == PREFIX_PLAN
    prepare.planner.cache_clear()


# --- moving sources ---------------------------------------------------------------------------------------------------


def moving(**on_done: str) -> dict[str, Any]:
    return {**PREFIX_JOB, "on_done": {"move_source_to": "s3://photos/done/", **on_done}}


def test_where_sources_go_is_planned(planner):
    plan = planner.plan(moving(move_failed_to="s3://photos/failed"), "r1")

    assert plan["on_done"] == {
        "from": "s3://photos/in/", "move_source_to": "s3://photos/done/", "move_failed_to": "s3://photos/failed/",
    }  # fmt: skip
    assert planner.plan(moving(), "r1")["on_done"]["move_failed_to"] is None


def test_sources_may_move_to_another_bucket_that_can_be_written(planner, s3):
    s3.create_bucket(Bucket="archive")
    planned = planner.plan(moving(move_source_to="s3://archive/done/"), "r1")

    assert planned["on_done"]["move_source_to"] == "s3://archive/done/"
    assert everything(s3) == []


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (moving(move_source_to="s3://output/processed/"), "s3://output/processed/ is in the output bucket"),
        (moving(move_source_to="s3://output/out/image-resize/x/"), "and s3://output/out/image-resize/, which this run"),
        (moving(move_failed_to="s3://output/runs/"), "on_done.move_failed_to: s3://output/runs/ and s3://output/runs/r1/"),
        (moving(move_source_to="s3://nowhere/done/"), "the bucket nowhere does not exist"),
        (
            {**moving(), "source": {"objects": ["s3://output/a"]}, "on_done": {
                "from": "s3://output/a/", "move_source_to": "s3://photos/done/"}},
            "on_done.from: s3://output/a/ is not in the input bucket: objects are moved only out of s3://photos/",
        ),
    ],
)  # fmt: skip
def test_moves_that_cannot_be_made_are_refused(planner, s3, job, message):
    with pytest.raises(InvalidJob) as refused:
        planner.plan(job, "r1")

    assert message in str(refused.value)
    assert everything(s3) == []
