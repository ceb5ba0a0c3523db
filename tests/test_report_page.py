"""The report page in a real browser: it loads nothing, fits, and can be used with a keyboard and a screen reader."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from functions.publish.page import render
from functions.publish.report import Picture, Report, Unshown
from tests.functions import reports

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RUNS = [reports.image_run, reports.table_run, reports.failed_run, reports.empty_run, reports.great_run]
PHONE, DESKTOP = 360, 1280
# How far the page reaches beyond the window, and the boxes that reach beyond its column; what scrolls by itself may.
OVERFLOW = """() => {
  const right = document.querySelector('main').getBoundingClientRect().right + 1;
  return [
    document.documentElement.scrollWidth - document.documentElement.clientWidth,
    [...document.querySelectorAll('body *')].filter(each => !each.closest('.scroll, .skip, svg')
      && each.getBoundingClientRect().right > right).map(each => each.outerHTML),
  ];
}"""
# What has the focus, whether it is outlined, and whether it is within the window.
FOCUS = """() => {
  const here = document.activeElement, style = getComputedStyle(here), box = here.getBoundingClientRect();
  const outlined = parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== 'none';
  return [here.outerHTML, outlined, box.width > 0 && box.left >= 0];
}"""
# Text of charts smaller than this cannot be read on a phone, in CSS pixels.
SMALLEST_TEXT = 10

pytestmark = pytest.mark.skipif(
    not os.access(CHROMIUM, os.X_OK), reason=f"{CHROMIUM} is not here: make browser installs it"
)
Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Open a report, and afterwards see that its page asked for nothing and complained of nothing."""
    contexts, asked, said = [], [], []

    def open_report(report: Report, *, width: int = DESKTOP, scheme: Any = "light") -> Page:
        path = tmp_path / "report.html"
        path.write_bytes(render(report).encode())
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path.as_uri())
        asked.remove(path.as_uri())
        return page

    yield open_report
    for context in contexts:
        context.close()
    assert [url for url in asked if not url.startswith("data:")] == []
    assert said == []


@pytest.mark.parametrize("width", [PHONE, 760, DESKTOP])
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
def test_a_page_fits_the_window(open_page: Open, run: Any, width: int) -> None:
    page = open_page(run(), width=width)

    assert page.evaluate(OVERFLOW) == [0, []]


def test_a_key_without_a_space_fits_a_phone(open_page: Open) -> None:
    key = "k" * 1_000
    errors = [{"type": key, "count": 1, "example": f"s3://b/{key}"}]
    told = reports.summary(run=key, source=f"s3://b/{key}", operation=key, reason=key, notes=[key], errors=errors)
    samples = [Unshown(f"s3://b/{key}", "", key), Picture(f"s3://b/{key}", "", "image/gif", b"GIF89a")]

    assert open_page(reports.report(told, samples), width=PHONE).evaluate(OVERFLOW) == [0, []]


def test_what_does_not_fit_would_be_found(open_page: Open) -> None:
    page = open_page(reports.empty_run(), width=PHONE)
    page.evaluate("document.querySelector('.bill').style.width = '335px'")

    # Beyond its column and still within the window.
    assert page.evaluate(OVERFLOW)[0] == 0
    assert any('class="bill"' in box for box in page.evaluate(OVERFLOW)[1])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
def test_axe_finds_nothing(open_page: Open, run: Any, scheme: str) -> None:
    page = open_page(run(), scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")

    found = Axe().run(page)

    assert found.response["passes"], "axe checked nothing"
    assert found.violations_count == 0, found.generate_report()


def test_axe_would_find_something(open_page: Open) -> None:
    page = open_page(reports.image_run())
    page.evaluate("document.querySelectorAll('img').forEach(each => each.removeAttribute('alt'))")

    assert [each["id"] for each in Axe().run(page).response["violations"]] == ["image-alt"]


def test_both_schemes_are_dressed(open_page: Open) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('.pygal-chart text')).fill"
    pages = [open_page(reports.image_run(), scheme=scheme) for scheme in ("light", "dark")]

    colours = {page.evaluate(f"[{paper}, {ink}].join()") for page in pages}

    assert len(colours) == 2


def test_text_of_charts_can_be_read_on_a_phone(open_page: Open) -> None:
    page = open_page(reports.great_run(), width=PHONE)

    heights = page.evaluate(
        "[...document.querySelectorAll('.pygal-chart text')].map(each => each.getBoundingClientRect().height)"
    )

    assert len(heights) > 20
    assert min(heights) >= SMALLEST_TEXT


def test_everything_is_reached_by_keyboard_and_seen_to_be(open_page: Open) -> None:
    page = open_page(reports.table_run())
    wanted = page.locator("a[href], summary, [tabindex='0']").count()

    reached = []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUS))

    assert len({place for place, _, _ in reached}) == wanted
    assert [place for place, outlined, inside in reached if not (outlined and inside)] == []


def test_the_skip_link_skips_the_head(open_page: Open) -> None:
    page = open_page(reports.image_run())

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "report"


def test_tables_of_charts_open_by_keyboard(open_page: Open) -> None:
    page = open_page(reports.image_run())
    summary = page.locator(".chart summary").first

    summary.focus()
    page.keyboard.press("Enter")

    assert page.locator(".chart table").first.is_visible()


def test_pictures_are_shown_and_scripts_are_not_run(open_page: Open) -> None:
    hostile = "</code><img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    told = reports.summary(run=hostile, reason=hostile, state="FAILED", source=hostile)

    page = open_page(reports.report(told, reports.pictures()))

    assert hostile in page.title()
    shown = page.evaluate("[...document.images].map(each => each.complete && each.naturalWidth > 0)")
    assert shown == [True] * len(reports.PICTURES)


def test_a_page_prints_on_paper(open_page: Open) -> None:
    page = open_page(reports.image_run(), scheme="dark")
    page.emulate_media(media="print")

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(253, 253, 251)"
    assert page.pdf(format="A4").startswith(b"%PDF-")
