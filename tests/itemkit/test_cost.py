"""The cost model: the bill of a usage, price files, and the page that explains both."""

import hashlib
import json
import math
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from itemkit import Operation, Output, Result, lambda_handler
from itemkit.cost import (
    LOG_BYTES,
    STATES_OF_CHILD,
    STATES_OF_PASS,
    STATES_OF_RUN,
    InvalidPrices,
    Line,
    Usage,
    bill,
    load_prices,
)
from itemkit.store import S3Store

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/cost.md").read_text("utf-8")
WORKFLOW = json.loads((ROOT / "workflows/process.asl.json").read_text("utf-8"))
PRICES = load_prices()
N = 1_000_000

COUNTS = st.integers(0, 10**9)
SECONDS = st.floats(0, 1e9)


def usages(child_type, architecture):
    numbers = {
        field.name: SECONDS if field.type == "float" else COUNTS
        for field in fields(Usage)
        if field.type in ("int", "float")
    }
    return st.builds(Usage, **numbers, child_type=st.just(child_type), architecture=st.just(architecture))


PAIRS = st.tuples(st.sampled_from(["EXPRESS", "STANDARD"]), st.sampled_from(["arm64", "x86_64"])).flatmap(
    lambda kind: st.tuples(usages(*kind), usages(*kind))
)


def together(one, two):
    return replace(
        one,
        **{
            field.name: getattr(one, field.name) + getattr(two, field.name)
            for field in fields(Usage)
            if field.type in ("int", "float")
        },
    )


def million(batch, child_type="EXPRESS", *, seconds=0.12, heads=1, lists=N // 1000, done=False):
    """What the shipped workflow and functions use for a million images."""
    children = N // batch
    return Usage(
        items=N,
        transitions=STATES_OF_RUN + STATES_OF_PASS,
        children=children,
        child_type=child_type,
        child_states=STATES_OF_CHILD * children,
        child_seconds=children * math.ceil(round(batch * seconds * 10, 6)) / 10,
        invocations=children,
        megabyte_seconds=N * seconds * 1769,
        heads=heads * N,
        gets=0 if done else N,
        puts=children if done else N + children,
        lists=lists,
    )


def dollars(made, service):
    return math.fsum(line.dollars for line in made.lines if line.what.startswith(service))


# --- the bill ---------------------------------------------------------------------------------------------------------


@given(PAIRS, st.sampled_from(sorted(PRICES.regions)))
def test_two_runs_together_cost_what_they_cost_apart(pair, region):
    one, two = pair
    apart = bill(one, PRICES, region).total + bill(two, PRICES, region).total

    assert bill(together(one, two), PRICES, region).total == pytest.approx(apart)


@given(PAIRS, st.sampled_from(sorted(PRICES.regions)))
def test_no_line_is_negative_and_more_never_costs_less(pair, region):
    less, more = bill(pair[0], PRICES, region), bill(together(*pair), PRICES, region)

    assert all(line.dollars >= 0 for line in less.lines)
    assert all(
        line.what == other.what and line.dollars <= other.dollars
        for line, other in zip(less.lines, more.lines, strict=True)
    )


USED = Usage(
    items=4_000_000,
    transitions=10,
    children=1_000_000,
    child_states=3_000_000,
    child_seconds=1_600_000,
    invocations=1_000_000,
    megabyte_seconds=1_024_000_000,
    heads=1_000_000,
    gets=2_000_000,
    puts=3_000_000,
    lists=4_000,
)


def test_every_line_of_a_run_with_express_children():
    made = bill(USED, PRICES, "us-east-1")

    assert made.lines == (
        Line("Step Functions: states of the workflow", 10, "transition", 0.000025),
        Line("Step Functions: children started", 1_000_000, "transition", 0.000025),
        Line("Step Functions: EXPRESS requests", 1_000_000, "request", 0.000001),
        Line("Step Functions: EXPRESS duration", 100_000, "GB-second", 0.00001667),
        Line("Lambda: requests", 1_000_000, "request", 0.0000002),
        Line("Lambda: duration, arm64", 1_000_000, "GB-second", 0.0000133334),
        Line("CloudWatch Logs: ingestion, estimated", 0.9, "GB", 0.5),
        Line("S3: HEAD", 1_000_000, "request", 0.0000004),
        Line("S3: GET", 2_000_000, "request", 0.0000004),
        Line("S3: PUT", 3_000_000, "request", 0.000005),
        Line("S3: LIST", 4_000, "request", 0.000005),
    )
    assert [round(line.dollars, 5) for line in made.lines] == [
        0.00025, 25.0, 1.0, 1.667, 0.2, 13.3334, 0.45, 0.4, 0.8, 15.0, 0.02,
    ]  # fmt: skip
    assert round(made.total, 5) == 57.87065
    assert round(made.per_million, 5) == round(57.87065 / 4, 5)
    assert (made.region, made.date, made.note) == ("us-east-1", "2026-08-31", None)


def test_standard_children_are_billed_by_their_states_and_nothing_else():
    express = bill(USED, PRICES, "us-east-1")
    standard = bill(replace(USED, child_type="STANDARD"), PRICES, "us-east-1")

    assert [line for line in standard.lines if line not in express.lines] == [
        Line("Step Functions: states of children", 3_000_000, "transition", 0.000025),
    ]
    assert [line.what for line in express.lines if line not in standard.lines] == [
        "Step Functions: EXPRESS requests",
        "Step Functions: EXPRESS duration",
    ]


def test_the_other_architecture_has_its_own_price():
    made = bill(replace(USED, architecture="x86_64"), PRICES, "us-east-1")

    assert Line("Lambda: duration, x86_64", 1_000_000, "GB-second", 0.0000166667) in made.lines


def test_nothing_listed_has_no_price_a_million():
    made = bill(Usage(transitions=10), PRICES, "us-east-1")

    assert made.total == pytest.approx(0.00025)
    assert made.per_million is None


@pytest.mark.parametrize(
    ("usage", "by_service", "total"),
    [
        (million(1, "STANDARD"), {"Lambda": 2.96, "Step Functions": 50.00, "S3": 5.41}, 58.37),
        (million(1), {"Lambda": 2.96, "Step Functions": 26.21, "S3": 5.41}, 34.58),
        (million(50, "STANDARD"), {"Lambda": 2.77, "Step Functions": 1.00, "S3": 5.41}, 9.17),
        (million(50), {"Lambda": 2.77, "Step Functions": 0.645, "S3": 5.41}, 8.82),
    ],
)
def test_a_table_worked_by_hand(usage, by_service, total):
    """It counts one state a child, neither HEADs nor records nor logs, and no state of the workflow itself."""
    by_hand = replace(usage, transitions=0, child_states=usage.children, heads=0, puts=N)
    made = bill(by_hand, PRICES, "us-east-1")

    assert {service: dollars(made, service) for service in by_service} == pytest.approx(by_service, abs=0.01)
    assert made.total - dollars(made, "CloudWatch") == pytest.approx(total, abs=0.01)


# --- from a summary ---------------------------------------------------------------------------------------------------


def summary(**used):
    usage = {
        "invocations": 3,
        "milliseconds": 1510.2,
        "megabyte_seconds": 2671.5,
        "child_seconds": 1.6,
        "child_type": "EXPRESS",
        "requests": {"head": 24, "get": 22, "put": 25, "list": 1},
    }
    return {"items": {"listed": 26, "succeeded": 22}, "passes": [{"pass": 1}, {"pass": 2}], "usage": usage | used}


def test_what_a_run_used_is_read_from_its_summary():
    assert Usage.of_summary(summary()) == Usage(
        items=26,
        transitions=STATES_OF_RUN + 2 * STATES_OF_PASS,
        children=3,
        child_type="EXPRESS",
        child_states=3 * STATES_OF_CHILD,
        child_seconds=1.6,
        invocations=3,
        megabyte_seconds=2671.5,
        architecture="arm64",
        heads=24,
        gets=22,
        puts=25,
        lists=1,
    )


def following(state):
    """Return the states that may come after one, without its errors."""
    choices = [choice["Next"] for choice in state.get("Choices", [])]
    return [name for name in (*choices, state.get("Default"), state.get("Next")) if name]


def steps(states, start, end):
    """Count the states entered on the shortest way, both ends included."""
    ways = [[start]]
    for way in ways:
        for name in following(states[way[-1]]):
            if name == end:
                return len(way) + 1
            if name not in way:
                ways.append([*way, name])
    raise AssertionError(f"no way leads from {start} to {end}")


def test_the_states_counted_are_those_of_the_workflow():
    states = WORKFLOW["States"]

    assert steps(states, WORKFLOW["StartAt"], "Done") == STATES_OF_RUN + STATES_OF_PASS
    assert steps(states, "Summarize", "Summarize") - 1 == STATES_OF_PASS


def test_the_states_of_a_child_are_those_of_the_workflow():
    children = [state["ItemProcessor"] for state in WORKFLOW["States"].values() if state["Type"] == "Map"]
    ends = {"Succeed", "Fail"}

    assert children
    assert {
        steps(child["States"], child["StartAt"], name)
        for child in children
        for name, state in child["States"].items()
        if state["Type"] in ends
    } == {STATES_OF_CHILD}


# --- the estimate of the logs -----------------------------------------------------------------------------------------

REQUEST = "4f7d9a52-1c3e-4b8e-9a51-0b6c2d8e7f90"
TRACE = "1-6743ab12-0123456789abcdef01234567"
ARN = "arn:aws:lambda:us-east-1:123456789012:function:fanfold-op-image-resize"
PLATFORM = (
    f"START RequestId: {REQUEST} Version: $LATEST\n"
    f"END RequestId: {REQUEST}\n"
    f"REPORT RequestId: {REQUEST}\tDuration: 6012.34 ms\tBilled Duration: 6013 ms\tMemory Size: 1769 MB\t"
    f"Max Memory Used: 214 MB\t\nXRAY TraceId: {TRACE}\tSegmentId: 0123456789abcdef\tSampled: true\t\n"
)


@dataclass
class Context:
    function_name: str = "fanfold-op-image-resize"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = ARN
    aws_request_id: str = REQUEST

    def get_remaining_time_in_millis(self) -> int:
        return 240_000


@dataclass(frozen=True)
class Options:
    """None."""


def copying(name):
    """Return an operation; its logger lives as long as the process and is known by its name."""
    return Operation(
        name, "1", "Copies.", Options, lambda name, options: [name],
        lambda item, body, options: Result([Output(body, "text/plain")]),
    )  # fmt: skip


KEYS = [f"images/{number}.jpg" for number in range(50)]
ETAG = f'"{hashlib.md5(b"x").hexdigest()}"'
LISTING = {"kind": "prefix", "bucket": "photos", "prefix": "images/"}


@pytest.fixture
def store(monkeypatch):
    """Fifty images in S3, and the environment of an item function."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_LAMBDA_FUNCTION_NAME": "fanfold-op-image-resize",
        "POWERTOOLS_TRACE_DISABLED": "1",
        "_X_AMZN_TRACE_ID": f"Root={TRACE};Parent=0123456789abcdef;Sampled=1",
    }.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="photos")
        client.create_bucket(Bucket="results")
        for key in KEYS:
            client.put_object(Bucket="photos", Key=key, Body=b"x")
        yield S3Store(client)


def invoke(operation, store, run, source=LISTING):
    """Invoke an item function with a batch of the fifty images."""
    settings = {
        "run": run,
        "destination": "s3://results/image-resize/",
        "source": source,
        "records": f"s3://results/runs/{run}/records/pass-1/",
    }
    listed = [{"Key": key, "Size": 1, "Etag": ETAG, "LastModified": 1.7e9} for key in KEYS]
    items = listed if source is LISTING else [{"key": key} for key in KEYS]
    return lambda_handler(operation, store)({"BatchInput": settings, "Items": items, "Batch": REQUEST}, Context())


def test_the_bytes_of_logs_are_what_an_invocation_writes(store, capsys):
    # As long as image-resize, which other tests use.
    answer = invoke(copying("cost-logging"), store, "images-2026-11-21")

    written = capsys.readouterr().out
    assert answer["counts"] == {"succeeded": 50}
    assert '"batch done"' in written
    assert len(written) + len(PLATFORM) == pytest.approx(LOG_BYTES, rel=0.1)


def test_the_requests_of_the_examples_are_those_of_the_functions(store):
    operation = copying("cost-requests")
    listed = [invoke(operation, store, run) for run in ("first", "second")]
    rows = [invoke(operation, store, run, {"bucket": "photos"}) for run in ("third", "fourth")]

    for first, second in (listed, rows):
        assert first["counts"] == {"succeeded": 50}
        assert first["effort"]["requests"] == {"head": 50, "get": 50, "put": 51}
        assert second["counts"] == {"skipped": 50}
    assert listed[1]["effort"]["requests"] == {"head": 50, "put": 1}
    assert rows[1]["effort"]["requests"] == {"head": 100, "put": 1}


# --- Regions and price files ------------------------------------------------------------------------------------------


def test_a_region_without_prices_is_billed_at_those_of_us_east_1_and_says_so():
    made = bill(USED, PRICES, "eu-north-1")

    assert made.lines == bill(USED, PRICES, "us-east-1").lines
    assert made.region == "eu-north-1"
    assert made.note == "The price file has no prices of eu-north-1: those of us-east-1 stand in for them."


def test_a_region_with_prices_is_billed_at_its_own():
    made = bill(USED, PRICES, "eu-west-3")

    assert Line("Step Functions: children started", 1_000_000, "transition", 0.0000297) in made.lines
    assert made.note is None


def test_where_no_prices_can_stand_in_there_is_no_bill():
    prices = replace(PRICES, regions={"eu-west-3": PRICES.regions["eu-west-3"]})

    with pytest.raises(InvalidPrices, match="neither eu-north-1 nor us-east-1: add those of eu-north-1"):
        bill(USED, prices, "eu-north-1")


RATES = vars(PRICES.regions["us-east-1"])
WHOLE = {"sources": ["https://example.com/prices"], "regions": {"us-east-1": RATES}}


def written(tmp_path, value):
    path = tmp_path / "prices.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return path


def test_a_price_file_of_ones_own(tmp_path):
    dear = {**WHOLE, "regions": {"mars-1": RATES | {"lambda_request": 1}}}

    prices = load_prices(written(tmp_path, dear))

    assert prices.sources == ("https://example.com/prices",)
    assert Line("Lambda: requests", 1_000_000, "request", 1) in bill(USED, prices, "mars-1").lines


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("{", "is no price file that can be read"),
        ("[]", "it holds no JSON object"),
        ({**WHOLE, "sources": []}, "'sources' is no list of texts"),
        ({**WHOLE, "sources": "https://example.com"}, "'sources' is no list of texts"),
        ({**WHOLE, "sources": [1]}, "'sources' is no list of texts"),
        ({**WHOLE, "regions": {}}, "'regions' is no object of Regions"),
        ({"sources": WHOLE["sources"]}, "'regions' is no object of Regions"),
        ({**WHOLE, "regions": {"us-east-1": 5}}, "regions.us-east-1 is no object"),
        ({**WHOLE, "regions": {"a": RATES | {"date": "soon"}}}, "regions.a.date is 'soon': write it as 2026-11-21"),
        ({**WHOLE, "regions": {"a": RATES | {"date": 2026}}}, "regions.a.date is 2026"),
        ({**WHOLE, "regions": {"a": RATES | {"s3_put": "0.005"}}}, "regions.a.s3_put is '0.005': write dollars"),
        ({**WHOLE, "regions": {"a": RATES | {"s3_put": -1}}}, "regions.a.s3_put is -1"),
        ({**WHOLE, "regions": {"a": RATES | {"s3_put": True}}}, "regions.a.s3_put is True"),
        ({**WHOLE, "regions": {"a": RATES | {"s3_put": None}}}, "regions.a.s3_put is None"),
        ({**WHOLE, "regions": {"a": RATES | {"s3_put": math.nan}}}, "regions.a.s3_put is nan"),
        ({**WHOLE, "regions": {"a": RATES | {"s3_put": math.inf}}}, "regions.a.s3_put is inf"),
        ({**WHOLE, "regions": {"a": RATES | {"s3_copy": 1}}}, "regions.a.s3_copy is not known; known are date, "),
    ],
)
def test_a_price_file_that_cannot_be_used_says_what_is_wrong(tmp_path, value, fault):
    path = written(tmp_path, value)

    with pytest.raises(InvalidPrices) as caught:
        load_prices(path)

    assert str(caught.value).startswith(str(path))
    assert fault in str(caught.value)


@pytest.mark.parametrize("name", RATES)
def test_every_price_is_needed(tmp_path, name):
    rates = {other: value for other, value in RATES.items() if other != name}

    with pytest.raises(InvalidPrices, match=rf"regions\.us-east-1\.{name} is missing"):
        load_prices(written(tmp_path, {**WHOLE, "regions": {"us-east-1": rates}}))


def test_every_fault_of_a_price_file_is_told(tmp_path):
    with pytest.raises(InvalidPrices, match=r"'sources' .*; regions\.a is no object.*; regions\.b is no object"):
        load_prices(written(tmp_path, {"regions": {"a": 1, "b": 2}}))


def test_a_price_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidPrices, match=r"nowhere\.json is no price file that can be read"):
        load_prices(tmp_path / "nowhere.json")


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_the_layer_has_the_prices(tmp_path):
    """Run what the layer's makefile does but for pip, and load the prices from there."""
    recipe = subprocess.run(
        ["make", "-n", "build-ItemkitLayer", f"ARTIFACTS_DIR={tmp_path}"],
        cwd=ROOT / "itemkit", capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for command in re.findall(r"^(?:mkdir|cp) .*$", recipe, re.MULTILINE):
        subprocess.run(command, shell=True, cwd=ROOT / "itemkit", check=True)
    told = subprocess.run(
        [sys.executable, "-c", "import itemkit.cost as c; print(c.__file__, *c.load_prices().regions)"],
        cwd=tmp_path / "python", capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    assert told.split() == [str(tmp_path / "python/itemkit/cost.py"), *PRICES.regions]


# --- the page ---------------------------------------------------------------------------------------------------------


def row(name, usage):
    made = bill(usage, PRICES, "us-east-1")
    groups = ("Step Functions", "Lambda", "S3", "CloudWatch")
    cells = [f"{dollars(made, group):.2f}" for group in groups]
    return f"| {name} | {' | '.join(cells)} | **{made.total:.2f}** |"


EXAMPLES = {
    "1 a child, STANDARD": million(1, "STANDARD"),
    "1 a child, EXPRESS": million(1),
    "10 a child, EXPRESS": million(10),
    "50 a child, STANDARD": million(50, "STANDARD"),
    "50 a child, EXPRESS": million(50),
    "500 a child, EXPRESS": million(500),
    "a second run over the same prefix": million(50, seconds=0.005, done=True),
    "a second run over a manifest": million(50, seconds=0.010, heads=2, lists=0, done=True),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_shows_what_the_model_says(name):
    assert row(name, EXAMPLES[name]) in PAGE


def test_the_page_shows_a_whole_bill():
    for line in bill(EXAMPLES["50 a child, EXPRESS"], PRICES, "us-east-1").lines:
        unit = f"{line.unit_price:.10f}".rstrip("0")
        assert f"| {line.what} | {line.quantity:,.10g} | {unit} | {line.dollars:.4f} |" in PAGE


def test_the_page_names_the_regions_that_have_prices():
    listed = re.search(r"It has prices of (.*)\.\n", PAGE)

    assert listed
    assert re.findall(r"`([\w-]+)`", listed[1]) == list(PRICES.regions)


def test_the_example_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "summary.json").write_text(json.dumps(summary()), "utf-8")
    written(tmp_path, WHOLE).rename(tmp_path / "our-prices.json")
    example = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)

    exec(example[1], {})

    assert "S3: HEAD" in capsys.readouterr().out
