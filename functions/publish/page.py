"""The report as one page of HTML that needs nothing else: no script, no file beside it, no network. Pure.

Keys, messages and cells are strangers' text: the template escapes all of it, and characters that show nothing or turn
the order of the text around are shown as what they are.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from functions.publish import quantities
from functions.publish.charts import charts
from functions.publish.console import Console
from functions.publish.report import Picture, Report, Table, Unshown

# Of the page; a new one whenever it shows something else.
VERSION = "1"
STATUSES = {
    "excluded": "not wanted by the job",
    "skipped": "had their output already",
    "succeeded": "have their output now",
    "failed": "cannot succeed as they are",
    "deferred": "may succeed another time",
    "lost": "in batches that died",
}
LONGEST_REASON = 4_000
LONGEST_TEXT = 1_200
MOST_NOTES = 12
MOST_PASSES = 20
MOST_SLOWEST = 5
# Control characters, halves of surrogate pairs, and what turns or hides text; line feed and tab are harmless.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def render(report: Report) -> str:
    """Return the page, in which no half of a surrogate pair is left: it can be encoded."""
    summary = report.summary
    return _template().render(
        report=report,
        summary=summary,
        items=summary["items"],
        statuses=STATUSES,
        adds_up=summary["items"]["listed"] == sum(summary["items"][status] for status in STATUSES),
        missing=_missing(summary["items"]),
        headline=_headline(summary["items"]),
        charts=[] if report.figures is None else charts(report.figures, summary["milliseconds"]),
        console=Console(summary["execution"]),
        pictures=_of(report, Picture),
        tables=_of(report, Table),
        unshown=_of(report, Unshown),
        version=VERSION,
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        finalize=visible,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals |= {
        "LONGEST_REASON": LONGEST_REASON,
        "MOST_NOTES": MOST_NOTES,
        "MOST_PASSES": MOST_PASSES,
        "MOST_SLOWEST": MOST_SLOWEST,
    }
    names = ("count", "digits", "size", "duration", "milliseconds", "dollars", "share", "moment", "quantity")
    environment.filters |= {name: getattr(quantities, name) for name in names}
    environment.filters |= {"cut": cut, "data_uri": _data_uri, "below": _below, "name": _name}
    return environment.get_template("report.html.j2")


def visible(value: Any) -> Any:
    """Return a text whose invisible characters are written as U+0000; markup and what is no text as it is."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return _INVISIBLE.sub(lambda found: f"U+{ord(found[0]):04X}", value)


def cut(text: str, most: int = LONGEST_TEXT) -> str:
    """Return at most ``most`` characters of a text, with an ellipsis where some are missing."""
    return text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _missing(items: Mapping[str, int]) -> int:
    """Return how many items should have an output and have none."""
    return items["failed"] + items["deferred"] + items["lost"]


def _headline(items: Mapping[str, int]) -> str:
    """Return what became of the items, in a sentence."""
    wanted = items["listed"] - items["excluded"]
    if not items["listed"]:
        return "The source listed no items."
    if not wanted:
        return f"None of the {_items(items['listed'])} listed is wanted by the job."
    if missing := _missing(items):
        return f"{quantities.count(missing)} of {_items(wanted)} have no output."
    return f"All {_items(wanted)} have their output." if wanted > 1 else "The one item has its output."


def _items(number: int) -> str:
    return f"{quantities.count(number)} {'item' if number == 1 else 'items'}"


def _of(report: Report, kind: type[Any]) -> list[Any]:
    return [sample for sample in report.samples if isinstance(sample, kind)]


def _data_uri(picture: Picture) -> str:
    return f"data:{picture.type};base64,{base64.b64encode(picture.body).decode()}"


def _below(uri: str, prefix: str) -> str:
    """Return what an output is called below the run's destination."""
    return uri.removeprefix(prefix) or uri


def _name(uri: str) -> str:
    """Return what people call an object: the last part of its key."""
    return uri.rstrip("/").rpartition("/")[2] or uri
