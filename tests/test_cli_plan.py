"""``fanfold plan`` over the endpoint: beside what the same run came to and cost, and what it says to people."""

from __future__ import annotations

import json

import pytest

from tests.brought import bring
from tests.conftest import PROJECT, Cloud
from tests.test_cli import call, images, own

pytestmark = pytest.mark.e2e

TIME = "Lambda: duration, arm64", "Step Functions: EXPRESS duration"


def answered(cloud: Cloud, *words: str, code: int = 0, stdin: str = "") -> dict:
    done = call(cloud, *words, "--json", stdin=stdin)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def counted(bill: dict) -> dict[str, float]:
    """Return a bill's quantities that can be counted, not its times."""
    return {line["what"]: line["quantity"] for line in bill["lines"] if line["what"] not in TIME}


def compare(cloud: Cloud, job: dict, *words: str, code: int = 0) -> tuple[dict, dict]:
    """Plan a job, run it, and hold the plan's bill against that of the run; return the plan and the summary."""
    planned = answered(cloud, "plan", "--job", "-", *words, stdin=json.dumps(job))
    summary = answered(cloud, "run", "--job", "-", stdin=json.dumps(job), code=code)
    billed = answered(cloud, "cost", summary["run"])
    assert counted(planned["bill"]) == pytest.approx(counted(billed), rel=0.1)
    assert planned["items"]["listed"] == summary["items"]["listed"]
    assert planned["items"]["excluded"] == summary["items"]["excluded"]
    return planned, summary


def album(cloud: Cloud, **more) -> dict:
    return {"operation": "image-resize", "source": images(cloud), "destination": own(cloud), **more}


def tables(cloud: Cloud, **more) -> dict:
    source = f"s3://{cloud.application.input_bucket}/manifests/tables.csv"
    return {"operation": "table-transform", "source": source, "destination": own(cloud), **more}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"batch": {"items": 2}},
        {"max_items": 3},
        {"select": {"suffix": [".jpg"], "glob": "*t*", "max_bytes": 60_000}},
    ],
    ids=str,
)
def test_the_plan_of_a_prefix_is_what_its_run_counts(cloud, more):
    planned, summary = compare(cloud, album(cloud, **more))

    assert planned["items"]["to_run"] == summary["items"]["succeeded"]
    assert planned["bytes"] == summary["bytes"]["in"]


def test_the_plan_of_a_manifest_is_what_its_run_counts(cloud):
    planned, summary = compare(cloud, tables(cloud))

    assert planned["items"]["to_run"] == summary["items"]["succeeded"] == 4
    assert planned["bytes"] is None
    assert planned["manifest_rewritten"]
    assert any("the sizes of 4 items are not known" in each for each in planned["assumptions"])


def test_a_manifest_whose_rows_are_asked_for_their_sizes(cloud):
    job = tables(cloud, select={"min_bytes": 1000, "modified_after": "2020-01-01"})
    unasked = answered(cloud, "plan", "--job", "-", stdin=json.dumps(job))

    planned, summary = compare(cloud, job, "--head")

    assert planned["bytes"] == summary["bytes"]["in"]
    assert planned["asked"]["heads"] == 4
    assert (unasked["asked"]["heads"], unasked["bytes"]) == (0, None)
    assert any("--head asks for them, with 4 HEAD requests" in each for each in unasked["assumptions"])


def test_named_objects_are_planned_too(cloud):
    job = album(cloud)
    job["source"] = {"objects": [images(cloud) + "tiny.jpg", images(cloud) + "night wide.jpg"]}

    planned, _ = compare(cloud, job)

    assert (planned["items"]["to_run"], planned["items"]["listed"]) == (2, 2)


def test_a_probe_measures_what_the_plan_takes_for_granted(cloud):
    job = album(cloud, options={"widths": [64, 32]}, source=images(cloud, "images/"))

    planned, summary = compare(cloud, job, "--probe", "100", code=1)

    probe = planned["probe"]
    assert probe["items"] == summary["items"]
    assert probe["destination"].startswith(f"s3://{cloud.application.output_bucket}/runs/")
    assert planned["milliseconds"] == {
        "item": probe["usage"]["milliseconds"] / (summary["items"]["succeeded"] + 2), "from": "probed",
    }  # fmt: skip
    assert any(warning.startswith("of the probe, 2 x UnreadableImage") for warning in planned["warnings"])
    assert probe["bill"]["total"] > 0


def test_a_probe_runs_the_first_items_alone(cloud):
    planned = answered(cloud, "plan", "--job", "-", "--probe", "2", stdin=json.dumps(album(cloud)))

    # The folder marker comes first, and is listed too.
    assert planned["probe"]["items"]["listed"] == 3
    assert planned["probe"]["items"]["succeeded"] == 2
    assert planned["items"]["to_run"] == 4


@pytest.mark.parametrize("made", [album, tables])
def test_what_is_done_is_found_by_its_fingerprint(cloud, made):
    job = made(cloud)
    answered(cloud, "run", "--job", "-", stdin=json.dumps(job))

    planned, summary = compare(cloud, job, "--check-done")
    changed = {**job, "options": {"quality": 79} if made is album else {"format": "csv"}}
    anew = answered(cloud, "plan", "--job", "-", "--check-done", stdin=json.dumps(changed))

    assert planned["items"]["done"] == summary["items"]["skipped"] == 4
    assert (planned["items"]["to_run"], planned["bytes"]) == (0, 0)
    assert (anew["items"]["done"], anew["items"]["to_run"]) == (0, 4)


def test_looking_for_what_is_done_says_first_what_it_costs(cloud):
    job = json.dumps(album(cloud))
    answered(cloud, "run", "--job", "-", stdin=job)

    done = call(cloud, "plan", "--job", "-", "--check-done", stdin=job)

    assert done.stderr == "4 objects at the destination: a HEAD each, 0.000002 dollars\n"
    assert "5 listed = 0 to run + 1 excluded + 4 done + 0 failing" in done.stdout


def test_people_read_what_runs_what_does_not_and_what_it_costs(cloud):
    done = call(
        cloud, "plan", "image-resize", images(cloud, "images/"), "-s", 'select.suffix=[".jpg"]',
        "--milliseconds", "12000", "-s", "destination=s3://" + cloud.application.output_bucket + "/golden/",
    )  # fmt: skip

    bucket = f"s3://{cloud.application.input_bucket}/images/"
    size = sum(path.stat().st_size for path in (PROJECT / "sample_data/images").rglob("*.jpg")) / 1e6
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout
        == f"""\
image-resize: {bucket} to s3://{cloud.application.output_bucket}/golden/
  26 listed = 19 to run + 7 excluded + 0 done + 0 failing
  excluded: 2 x folder marker, such as {bucket}
  excluded: 5 x suffix, such as {bucket}animated.gif (suffix is none of .jpg)
  {size:.2f} MB; batches of 50: 1
  3.8 minutes, 0.005886 dollars
what                                    quantity  unit         dollars
Step Functions: states of the workflow        10  transition  0.000250
Step Functions: children started               1  transition  0.000025
Step Functions: EXPRESS requests               1  request     0.000001
Step Functions: EXPRESS duration           14.25  GB-second   0.000238
Lambda: requests                               1  request     0.000000
Lambda: duration, arm64                  393.879  GB-second   0.005252
CloudWatch Logs: ingestion, estimated      9e-07  GB          0.000000
S3: HEAD                                      19  request     0.000008
S3: GET                                       19  request     0.000008
S3: PUT                                       20  request     0.000100
S3: LIST                                       1  request     0.000005
total                                                         0.005886
226.39 dollars a million items
list prices of us-east-1 on 2026-08-31, free tiers not deducted
to look took 3 LIST and 0 HEAD: 0.000015 dollars
warning: a batch takes up to 228 s and its function has 240 s: items would be deferred to a further pass; set \
batch.items=18 or less
assumed: 12000 ms of a function an item, as given, and one output an item
assumed: one pass: nothing is deferred or lost, every item comes through that is not known to fail
assumed: functions at once: 1, from the first moment; the account's Lambda concurrency allows them
assumed: the time is that of the map: without cold starts, Prepare, Summarize and Publish
assumed: nothing is done already: --check-done looks, with a HEAD for each object at the destination
"""
    )


def test_a_sample_estimates_the_whole_and_says_so(cloud):
    for number in range(40):
        cloud.put(f"sampled/{number // 4:02}/{number}.txt", b"x" * 10)
    source = f"s3://{cloud.application.input_bucket}/sampled/"

    planned = answered(cloud, "plan", "image-resize", source, "--sample", "9", "-s", f"destination={own(cloud)}")

    assert planned["sample"] == {"keys": 12, "parts": 10, "listed": 3, "cut": False, "error": 0.0, "factor": 10 / 3}
    assert (planned["items"]["to_run"], planned["bytes"]) == (40, 400)
    assert planned["assumptions"][0].startswith("all figures are estimated from 12 keys in 3 of 10 parts")


def test_prices_of_ones_own_and_of_another_region(cloud, tmp_path):
    free = json.loads((PROJECT / "itemkit/prices.json").read_text())
    free["regions"] = {"eu-west-3": dict.fromkeys(free["regions"]["eu-west-3"], 0) | {"date": "2026-11-21"}}
    path = tmp_path / "free.json"
    path.write_text(json.dumps(free))
    job = json.dumps(album(cloud))

    paid = answered(cloud, "plan", "--job", "-", "--region", "eu-west-3", stdin=job)
    mine = answered(cloud, "plan", "--job", "-", "--region", "eu-west-3", "--prices", str(path), stdin=job)
    other = call(cloud, "plan", "--job", "-", "--prices", str(path), stdin=job)

    assert (paid["bill"]["region"], paid["bill"]["note"]) == ("eu-west-3", None)
    assert (paid["bill"]["total"] > 0, mine["bill"]["total"], mine["bill"]["date"]) == (True, 0, "2026-11-21")
    assert (other.returncode, "has prices of neither us-east-1" in other.stderr) == (2, True)


def test_nothing_matched_ends_with_3_and_says_what_was_left_out(cloud):
    nothing = answered(cloud, "plan", "image-resize", images(cloud, "nowhere/"), code=3)
    unwanted = answered(cloud, "plan", "image-resize", images(cloud), "-s", 'select.suffix=[".tif"]', code=3)

    assert nothing["items"]["listed"] == 0
    assert [(each["kind"], each["count"]) for each in unwanted["excluded"]] == [("folder marker", 1), ("suffix", 4)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name an operation and a source"),
        (("image-resize", "s3://b/x/", "-s", "concurency=3"), "did you mean 'concurrency'?"),
        (("image-resize", "sample_data/images"), "'fanfold plan' is for S3"),
        (("image-resize", "never-there"), "neither an S3 URI nor a directory"),
        (("image-resize", "ALBUM", "-o", "width=-4"), "option 'width' is -4"),
        (("image-rezise", "ALBUM"), "did you mean 'image-resize'?"),
        (("image-resize", "s3://no-such-bucket-at-all/x/"), "the bucket no-such-bucket-at-all does not exist"),
        (("image-resize", "ALBUM", "-s", 'load.dynamodb={"colour": 1}'), "colour"),
        (("image-resize", "ALBUMS.csv", "--sample", "3"), "--sample is for prefixes"),
        (("image-resize", "ALBUM", "-s", "overwrite=true", "--check-done"), "skips nothing"),
        (("image-resize", "ALBUM", "--probe", "3", "--milliseconds", "7"), "leave one of them out"),
        (("image-resize", "ALBUM", "--probe", "3", "-s", 'select.suffix=[".x"]'), "none of the first 10,000 items"),
        (("image-resize", "ALBUM", "--prices", "never-there.json"), "the price file never-there.json cannot be used"),
    ],
)
def test_what_cannot_be_planned_ends_with_2_and_the_next_step(cloud, words, said):
    manifest = cloud.put("planned/albums.csv", b"key\nimages/album/tiny.jpg\n")
    sources = {"ALBUM": images(cloud), "ALBUMS.csv": manifest}

    done = call(cloud, "plan", *(sources.get(word, word) for word in words))

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_operation_without_the_kit_is_planned_but_its_outputs_are_not_known(cloud):
    job = json.dumps(bring(cloud, "unversioned", "pass") | {"destination": own(cloud)})

    planned = answered(cloud, "plan", "--job", "-", stdin=job)
    checked = call(cloud, "plan", "--job", "-", "--check-done", stdin=job)

    assert (planned["items"]["to_run"], planned["batches"], planned["version"]) == (4, {"count": 2, "items": 2}, None)
    assert (checked.returncode, "leave --check-done out" in checked.stderr) == (2, True)
