"""Lay the pictures of a folder out on one sheet: python docs/img/contact_sheet.py FOLDER SHEET.png."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

COLUMNS, CELL, CAPTION, GAP = 6, (180, 135), 18, 12
PAPER, INK = "#ffffff", "#444444"


def sheet(paths: list[Path]) -> Image.Image:
    """Draw each picture into a cell of its own with its name below."""
    width, height = CELL[0] + GAP, CELL[1] + CAPTION + GAP
    lines = -(-len(paths) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * width + GAP, lines * height + GAP), PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    for place, path in enumerate(paths):
        left, top = GAP + place % COLUMNS * width, GAP + place // COLUMNS * height
        picture = ImageOps.pad(drawable(path), CELL, color=PAPER)
        page.paste(picture, (left, top))
        pen.text((left, top + CELL[1] + 3), path.name, fill=INK, font=font)
    return page


def drawable(path: Path) -> Image.Image:
    """Open a picture as RGB on paper, 16-bit grey brought down to 8."""
    with Image.open(path) as picture:
        if picture.mode.startswith("I"):
            picture = picture.point(lambda value: value / 256).convert("L")  # noqa: PLW2901
        layered = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layered.size, PAPER), layered).convert("RGB")


if __name__ == "__main__":
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    sheet(sorted(path for path in folder.rglob("*") if path.is_file())).save(target, optimize=True)
