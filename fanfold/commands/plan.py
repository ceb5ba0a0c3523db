"""``fanfold plan``: what a job would run, leave out and cost, before it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from fanfold import run as runs
from fanfold.application import Application, on_aws
from fanfold.commands.cost import as_dict, read_prices, show
from fanfold.commands.parameters import Fields, JobFile, Operation, Options, Stack
from fanfold.commands.run import build_job, find_directory, read_job, run_job, split_words
from fanfold.planning import Estimate, Finding, Pace, assumptions, estimate, warnings
from fanfold.prepared import Prepared, prepare
from fanfold.problems import EnvironmentFault, Exit, UsageProblem
from fanfold.story import answer_json, say, tell
from fanfold.survey import Depth, Survey, Surveyor
from itemkit.cost import Bill, InvalidPrices, Prices, Usage, bill
from itemkit.errors import InvalidJob, PermanentError, TransientError
from itemkit.job import parse_job

# Of a source's first items, how many are looked at for those that a probe runs.
_MOST_BEFORE_PROBE = 10_000


def plan(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[OPERATION] SOURCE", help="As for 'fanfold run', but in S3.", show_default=False),
    ] = None,
    operation: Operation = None,
    option: Options = None,
    field: Fields = None,
    job: JobFile = None,
    sample: Annotated[
        int | None, typer.Option(help="List about so many keys of the prefix and estimate the rest.", min=1)
    ] = None,
    head: Annotated[bool, typer.Option("--head", help="Ask for the sizes of a manifest's rows: a HEAD each.")] = False,
    check_done: Annotated[
        bool, typer.Option("--check-done", help="Find what is done already: a HEAD for each object at the destination.")
    ] = False,
    probe: Annotated[int | None, typer.Option(help="Run the first so many items and measure them.", min=1)] = None,
    milliseconds: Annotated[
        float | None, typer.Option(help="Of a function an item, where you know it.", min=0.0)
    ] = None,
    prices: Annotated[Path | None, typer.Option(help="A price file of your own; see docs/cost.md.")] = None,
    region: Annotated[str | None, typer.Option(help="The Region whose prices count; the stack's own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    stack: Stack = "fanfold",
) -> None:
    """Tell what a job would run, leave out, take and cost.

    Examples:
        fanfold plan image-resize s3://bucket/photos/ -o width=512
        fanfold plan --job job.json --probe 20 --json
    """
    if probe and milliseconds is not None:
        raise UsageProblem("--probe measures the milliseconds that --milliseconds gives: leave one of them out")
    wanted = read_job(job) if job else build_job(*split_words(words or [], operation), option or [], field or [])
    if find_directory(wanted, local=False):
        raise UsageProblem(
            "a directory is run on this machine and costs nothing: 'fanfold plan' is for S3; to try a few files, "
            "'fanfold run' with -s max_items=20"
        )
    asked = Asked(Depth(sample, head=head, done=check_done), probe, milliseconds, read_prices(prices), region)
    told = make_plan(on_aws(stack), wanted, asked)
    answer_json(to_json(told)) if as_json else show_plan(told)
    raise typer.Exit(Exit.GOOD if told.survey.census.wanted else Exit.NOTHING_MATCHED)


@dataclass(frozen=True)
class Asked:
    """What the command line asks for beside the job."""

    depth: Depth
    probe: int | None
    milliseconds: float | None
    prices: Prices
    region: str | None


@dataclass(frozen=True)
class Requests:
    """Requests, and what they cost."""

    lists: int
    heads: int
    dollars: float


@dataclass(frozen=True)
class Plan:
    """A plan.

    Attributes:
        bill: of the run.
        asked: LIST and HEAD requests made to look at the source and the destination, and their dollars.
        probe: the summary of the probe, and its bill, where there was one.
    """

    prepared: Prepared
    survey: Survey
    pace: Pace
    estimate: Estimate
    bill: Bill
    asked: Requests
    probe: tuple[dict[str, Any], Bill] | None


def make_plan(application: Application, job: dict[str, Any], asked: Asked) -> Plan:
    """Plan a job.

    Raises:
        UsageProblem: the job is invalid, or cannot be planned as asked.
        EnvironmentFault: S3 or the stack does not answer.
    """
    try:
        name = f"{runs.run_name(parse_job(job).operation)}-plan"
    except InvalidJob as error:
        raise UsageProblem(f"invalid job: {error}") from error

    def billed(usage: Usage) -> Bill:
        try:
            return bill(usage, asked.prices, asked.region or application.region)
        except InvalidPrices as error:
            raise UsageProblem(str(error)) from error

    def warn(heads: int) -> None:
        say(f"{heads:,} objects at the destination: a HEAD each, {billed(Usage(heads=heads)).total:.6f} dollars")

    prepared = prepare(application, job, name)
    surveyor = Surveyor(application, prepared, asked.depth, warn)
    try:
        survey = surveyor.take()
        first = surveyor.place_of(asked.probe, _MOST_BEFORE_PROBE) if asked.probe else None
    except PermanentError as error:
        raise UsageProblem(str(error)) from error
    except TransientError as error:
        raise EnvironmentFault(str(error)) from error
    probe = _probe(application, prepared, job, first) if asked.probe else None
    pace = _pace(probe, asked.milliseconds)
    made = estimate(survey.census, prepared.setting, pace)
    dollars = billed(Usage(lists=surveyor.lists, heads=surveyor.heads)).total
    requests = Requests(surveyor.lists, surveyor.heads, dollars)
    told = (probe, billed(Usage.of_summary(probe))) if probe else None
    return Plan(prepared, survey, pace, made, billed(made.usage), requests, told)


def _probe(application: Application, prepared: Prepared, job: dict[str, Any], items: int | None) -> dict[str, Any]:
    """Run the first items to a place of their own, and return the summary."""
    if items is None:
        raise UsageProblem(f"--probe: none of the first {_MOST_BEFORE_PROBE:,} items is wanted; give --milliseconds")
    own = {name: value for name, value in job.items() if name != "load"}
    home = prepared.plan["runs"]
    probing = {**own, "max_items": items, "destination": f"{home}probe/", "tolerate": {"percent": 100}}
    return run_job(application, probing, home.rstrip("/").rsplit("/", 1)[-1].removesuffix("plan") + "probe")


def _pace(probe: dict[str, Any] | None, milliseconds: float | None) -> Pace:
    if probe is None:
        return Pace() if milliseconds is None else Pace(milliseconds, source="given")
    measured = Pace.of_summary(probe)
    if measured is None:
        raise UsageProblem(f"the probe {probe['run']} worked on no item, and measured nothing: give --milliseconds")
    return measured


def to_json(told: Plan) -> dict[str, Any]:
    """Return a plan for programs."""
    plan, survey, made = told.prepared.plan, told.survey, told.estimate
    census = survey.census
    counts = {"listed": census.listed, "to_run": census.to_run, "done": census.done}
    return {
        **{name: plan[name] for name in ("operation", "source", "destination", "select")},
        "version": told.prepared.check.get("version"),
        "options": told.prepared.check["normalised"],
        "manifest_rewritten": told.prepared.was_rewritten,
        "items": {**counts, "excluded": census.listed - census.wanted, "failing": census.failures},
        "excluded": _findings(census.excluded),
        "failing": _findings(census.failing),
        "sample": survey.sample and {**asdict(survey.sample), "factor": survey.sample.factor},
        "bytes": None if census.unsized else census.bytes,
        "batches": {"count": made.batches, "items": told.prepared.setting.batch_items},
        "milliseconds": {"item": told.pace.milliseconds, "from": told.pace.source},
        "seconds": round(made.seconds, 3),
        "usage": asdict(made.usage),
        "bill": as_dict(told.bill),
        "asked": asdict(told.asked),
        "probe": told.probe and {**told.probe[0], "bill": as_dict(told.probe[1])},
        "assumptions": list(_assumptions(told)),
        "warnings": list(_warnings(told)),
    }


def _findings(findings: Mapping[str, Finding]) -> list[dict[str, Any]]:
    return [{"kind": kind, **asdict(found)} for kind, found in sorted(findings.items())]


def show_plan(told: Plan) -> None:
    """Print a plan for people."""
    plan, census, made = told.prepared.plan, told.survey.census, told.estimate

    tell(f"{plan['operation']}: {plan['source']['uri']} to {plan['destination']}")
    counts = {"excluded": census.listed - census.wanted, "done": census.done, "failing": census.failures}
    ledger = [f"{census.listed:,} listed", f"= {census.to_run:,} to run"]
    tell([*ledger, *(f"+ {count:,} {name}" for name, count in counts.items())], "  ")
    for word, findings in (("excluded", census.excluded), ("failing", census.failing)):
        for kind, found in sorted(findings.items()):
            reason = "" if found.reason == kind else f" ({found.reason})"
            tell(f"{word}: {found.count:,} x {kind}, such as {found.example}{reason}", "  ")
    known = f"{census.bytes / 1e6:,.2f} MB" + (" and what is not known" if census.unsized else "")
    tell(f"{known}; batches of {told.prepared.setting.batch_items}: {made.batches:,}", "  ")
    tell(f"{_time(made.seconds)}, {told.bill.total:.6f} dollars", "  ")
    show(told.bill)
    tell(f"to look took {told.asked.lists:,} LIST and {told.asked.heads:,} HEAD: {told.asked.dollars:.6f} dollars")
    if told.probe:
        tell(f"the probe {told.probe[0]['run']} cost {told.probe[1].total:.6f} dollars")
    for text in _warnings(told):
        tell(f"warning: {text}")
    for text in _assumptions(told):
        tell(f"assumed: {text}")


def _time(seconds: float) -> str:
    return f"{seconds:.1f} seconds" if seconds < 120 else f"{seconds / 60:,.1f} minutes"


def _assumptions(told: Plan) -> Iterator[str]:
    survey, sample = told.survey, told.survey.sample
    if sample:
        error = "" if sample.error is None else f", give or take {sample.error:g} % (one standard error)"
        least = "; one of them has more keys than were listed, so that all figures are the least" if sample.cut else ""
        yield (
            f"all figures are estimated from {sample.keys:,} keys in {sample.listed} of {sample.parts} parts of the "
            f"prefix{error}{least}"
        )
    yield from assumptions(survey.census, told.prepared.setting, told.pace, told.estimate)
    yield from survey.notes
    if told.prepared.plan["load"]:
        yield "loading the outputs is not in these figures"
    if told.prepared.was_rewritten:
        source = told.prepared.plan["source"]
        yield (
            "the workflow cannot read the source as it is: Prepare rewrites it, as it did now to "
            f"s3://{source['bucket']}/{source['key']}"
        )


def _warnings(told: Plan) -> Iterator[str]:
    yield from warnings(told.prepared.setting, told.pace, told.estimate)
    for error in told.probe[0]["errors"] if told.probe else ():
        yield f"of the probe, {error['count']} x {error['type']}, such as {error['example']}"
