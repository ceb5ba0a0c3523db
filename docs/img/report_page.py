"""Photograph the report of a run: ``python docs/img/report_page.py out/images/report.html docs/img/report.png``."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
# As a desktop shows it, down to the sample outputs.
SIZE = {"width": 1280, "height": 1890}


def photograph(page: Path, picture: Path) -> None:
    """Write the upper part of a page as PNG."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport=SIZE)
        tab.goto(page.resolve().as_uri())
        tab.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    photograph(Path(sys.argv[1]), Path(sys.argv[2]))
