"""Draw what a benchmark found: ``python bench/plot.py FILE.json...`` writes FILE.svg beside each.

A bar tells how many times better Fanfold is than the peer of its row: faster, or smaller; the line is where both are
alike. Rows without a peer are not drawn; neither are those that compare a figure with the exact one. Drawn by hand:
pygal would put its own style sheet, licence and script into every picture.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

# Of which more is better; of everything else (seconds, megabytes) less is.
_MORE_IS_BETTER = ("/s", "SSIM")
_WIDTH, _LABELS, _BARS, _ROW, _TOP = 1000, 560, 370, 30, 46  # pixels
_GOOD, _MISSED, _INK, _LINE = "#2166ac", "#b2182b", "#222222", "#888888"


def main() -> None:
    """Draw each file that is named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("paths", type=Path, nargs="+", metavar="FILE.json")
    for path in parser.parse_args().paths:
        path.with_suffix(".svg").write_text(drawing(json.loads(path.read_text()), path.stem) + "\n")


def drawing(found: dict[str, Any], name: str) -> str:
    """Return the SVG of a benchmark's JSON."""
    rows = [row for row in found["rows"] if row["ratio"] and row["against"] != "exact"]
    height = _TOP + _ROW * len(rows) + 12
    title = f"{name}: how many times better than the peer"
    root = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {height}",
            "font-family": "system-ui, sans-serif",
            "font-size": "13",
            "role": "img",
            "aria-label": title,
        },
    )
    _add(root, "rect", width=_WIDTH, height=height, fill="white")
    _add(root, "text", x=12, y=24, fill=_INK, **{"font-weight": "bold"}).text = title
    scale = _BARS / max([1.0, *map(better, rows)])
    for place, row in enumerate(rows):
        y, times = _TOP + _ROW * place, better(row)
        what = f"{row['what']}, SSIM" if row["unit"] == "SSIM" else row["what"]
        label = f"{what} ({row['against']})"
        _add(root, "text", x=_LABELS - 8, y=y + 19, fill=_INK, **{"text-anchor": "end"}).text = label
        colour = _MISSED if row["met"] is False else _GOOD
        _add(root, "rect", x=_LABELS, y=y + 5, width=round(times * scale, 1), height=_ROW - 10, fill=colour)
        _add(root, "text", x=round(_LABELS + times * scale + 6, 1), y=y + 19, fill=_INK).text = f"{times:.3g}x"
    _add(root, "rect", x=round(_LABELS + scale, 1), y=_TOP, width=1, height=_ROW * len(rows), fill=_LINE)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "unicode")


def better(row: dict[str, Any]) -> float:
    """Return how many times better ours is."""
    more = any(each in row["unit"] for each in _MORE_IS_BETTER)
    return float(row["ratio"] if more else 1 / row["ratio"])


def _add(root: ElementTree.Element, kind: str, **attributes: Any) -> ElementTree.Element:
    return ElementTree.SubElement(root, kind, {name: str(value) for name, value in attributes.items()})


if __name__ == "__main__":
    main()
