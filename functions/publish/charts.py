"""The charts of a report: SVG by pygal, bare of scripts and styles, so that the page dresses it. Pure.

All are drawn for the width of a phone, so that their text is as large there as the text around it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

import pygal
from pygal.style import Style

from functions.publish import quantities

WIDTH, HEIGHT, FONT = 340, 210, 12
MOST_BINS = 60
MOST_STEPS = 120
_QUANTILES = ("p50", "p95", "p99")
# Seconds between marks of a time axis that people can count in.
_TIME_STEPS = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800,
    604800,
)  # fmt: skip


@dataclass(frozen=True)
class Bin:
    """So many items between two values of what is measured."""

    low: float
    high: float
    count: float


@dataclass(frozen=True)
class Mark:
    """A text at a place of an axis."""

    place: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A chart and the same as a table.

    Attributes:
        name: what it shows, in a sentence for those who cannot see it.
        unit: of the vertical axis.
        svg: markup without scripts, styles, ids and foreign addresses.
        header, rows: the table.
        keys: what the tones of the bars mean, lightest first; none where there is one tone.
    """

    title: str
    name: str
    unit: str
    svg: str
    header: tuple[str, str]
    rows: Sequence[tuple[str, str]]
    keys: Sequence[str] = ()


def charts(figures: Mapping[str, Any], percentiles: Mapping[str, float]) -> list[Chart]:
    """Return the charts of a run: throughput, item times, item sizes; without those there is nothing to draw of."""
    drawn = (
        _throughput(figures["throughput"]),
        _times(figures["milliseconds"], percentiles),
        _sizes(figures["bytes_in"]),
    )
    return [chart for chart in drawn if chart]


def _throughput(figure: Mapping[str, Any]) -> Chart | None:
    step, counts = figure["step_seconds"], figure["items"]
    if not any(counts):
        return None
    bins = fewer([Bin(i * step, (i + 1) * step, number) for i, number in enumerate(counts)], MOST_STEPS)
    rates = [Bin(each.low, each.high, each.count / (each.high - each.low)) for each in bins]
    end, most = rates[-1].high, max(rate.count for rate in rates)
    rows = [(f"{_after(rate.low)} to {_after(rate.high)}", quantities.digits(rate.count)) for rate in rates]
    name = f"Items a second over {quantities.duration(end)}: at most {quantities.digits(most)}."
    svg = _draw([rates], _time_marks(end), name, [f"{span}: {rate} a second" for span, rate in rows], whole=False)
    return Chart("Throughput", name, "items/s", svg, ("Since the first item", "Items a second"), rows)


def _times(figure: Sequence[Sequence[float]], percentiles: Mapping[str, float]) -> Chart | None:
    bins = _bins(figure)
    if not bins:
        return None
    bounds = [percentiles[name] for name in _QUANTILES]
    # A bar belongs to the percentile its middle lies below.
    tones: list[list[Bin]] = [[] for _ in range(len(bounds) + 1)]
    for each in bins:
        tones[sum((each.low + each.high) / 2 > bound for bound in bounds)].append(each)
    told = [f"{name} {quantities.milliseconds(bound)}" for name, bound in zip(_QUANTILES, bounds, strict=True)]
    name = f"How long an item took: {', '.join(told)}."
    rows, svg = _histogram(tones, name, quantities.milliseconds)
    keys = [*told, f"max {quantities.milliseconds(percentiles['max'])}"]
    return Chart("Time of an item", name, "items", svg, ("Between", "Items"), rows, keys)


def _sizes(figure: Sequence[Sequence[float]]) -> Chart | None:
    bins = _bins(figure)
    if not bins:
        return None
    least, most = quantities.size(figure[0][0]), quantities.size(figure[-1][1])
    name = f"How large the items were: {least} to {most}."
    rows, svg = _histogram([bins], name, quantities.size)
    return Chart("Size of an item", name, "items", svg, ("Between", "Items"), rows)


def fewer(bins: Sequence[Bin], most: int) -> list[Bin]:
    """Join neighbours until there are at most ``most`` bins."""
    each = max(1, -(-len(bins) // most))
    groups = [bins[start : start + each] for start in range(0, len(bins), each)]
    return [Bin(group[0].low, group[-1].high, sum(one.count for one in group)) for group in groups]


def _bins(figure: Sequence[Sequence[float]]) -> list[Bin]:
    return fewer([Bin(low, high, count) for low, high, count in figure if count], MOST_BINS)


def _histogram(
    tones: Sequence[Sequence[Bin]], name: str, written: Callable[[float], str]
) -> tuple[list[tuple[str, str]], str]:
    """Return the table and the drawing, on a logarithmic axis."""
    bins = [each for tone in tones for each in tone]
    # Where a bin from 0 begins, and what widens one of a single value, for the axis to hold them.
    least = min((edge for each in bins for edge in (each.low, each.high) if edge > 0), default=1.0) / 2
    scaled = [[_scaled(each, least) for each in tone] for tone in tones]
    flat = [each for tone in scaled for each in tone]
    low, high = (10**edge for edge in (min(each.low for each in flat), max(each.high for each in flat)))
    rows = [(_between(each, written), quantities.count(int(each.count))) for each in bins]
    marks = [Mark(math.log10(each), written(each)) for each in _decades(low, high)]
    return rows, _draw(scaled, marks, name, [f"{span}: {items}" for span, items in rows], whole=True)


def _scaled(each: Bin, least: float) -> Bin:
    low = max(each.low, least)
    return Bin(math.log10(low), math.log10(max(each.high, low * 1.02)), each.count)


def _between(each: Bin, written: Callable[[float], str]) -> str:
    low, high = written(each.low), written(each.high)
    return low if low == high else f"{low} to {high}"


def _decades(low: float, high: float) -> list[float]:
    """Return at most six round numbers between two: 1, 2 and 5 of each decade, or fewer."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for leads in ((1, 2, 5), (1, 3), (1,)):
        found = [lead * 10.0**power for power in powers for lead in leads if low <= lead * 10.0**power <= high]
        if len(found) <= 5:
            break
    found = found[:: max(1, -(-len(found) // 5))]
    return found if len(found) > 1 else [low, high]


def _time_marks(end: float) -> list[Mark]:
    step = next((each for each in _TIME_STEPS if end / each <= 5), end)
    return [Mark(i * step, _after(i * step)) for i in range(math.floor(end / step + 1e-9) + 1)]


def _after(seconds: float) -> str:
    return quantities.duration(seconds) if seconds else "0"


def _heights(most: float, *, whole: bool) -> list[float]:
    """Return the marks of the vertical axis: at most five from 0, the last not below ``most``."""
    power = 10.0 ** math.floor(math.log10(most))
    step = next(lead * power / 10 for lead in (1, 2, 5, 10, 20, 50) if most / (lead * power / 10) <= 4)
    step = max(step, 1) if whole else step
    return [i * step for i in range(math.ceil(most / step) + 1)]


def _draw(tones: Sequence[Sequence[Bin]], marks: Sequence[Mark], name: str, tips: Sequence[str], *, whole: bool) -> str:
    chart = pygal.Histogram(
        style=Style(label_font_size=FONT, major_label_font_size=FONT), width=WIDTH, height=HEIGHT, margin=6, spacing=6,
        margin_right=18, js=(), css=(), no_prefix=True, show_legend=False, truncate_label=-1,
        disable_xml_declaration=True,
    )  # fmt: skip
    for tone in tones:
        chart.add(None, [(each.count, each.low, each.high) for each in tone])
    chart.x_labels = [{"value": mark.place, "label": mark.text} for mark in marks]
    heights = _heights(max(each.count for tone in tones for each in tone), whole=whole)
    chart.y_labels = [{"value": place, "label": quantities.digits(place)} for place in heights]
    chart.add_xml_filter(lambda root: _bare(root, name, tips))
    drawn: str = chart.render(is_unicode=True)
    return drawn


def _bare(root: ET.Element, name: str, tips: Sequence[str]) -> ET.Element:
    """Keep the shapes and texts of pygal's drawing only, and name it and its bars for people."""
    _keep_shapes(root)
    del root.attrib["id"]
    root.attrib |= {"role": "img", "aria-label": name}
    bars = [each for each in root.iter("rect") if each.get("class", "").startswith("rect")]
    for bar, tip in zip(bars, tips, strict=True):
        ET.SubElement(bar, "title").text = tip
    return root


def _keep_shapes(node: ET.Element) -> None:
    for child in list(node):
        _keep_shapes(child)
        empty = child.tag == "g" and not len(child)
        if child.tag not in ("g", "path", "rect", "text") or empty or "overlay" in child.get("class", ""):
            node.remove(child)
