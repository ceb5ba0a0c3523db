"""Quantities as people read them: a few digits, a unit, and a space between that does not break. Pure."""

from __future__ import annotations

import math
from datetime import datetime

SPACE = "\N{NO-BREAK SPACE}"
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def count(number: int) -> str:
    """Return a whole number with commas."""
    return f"{number:,}"


def digits(number: float, most: int = 3) -> str:
    """Return a number with about ``most`` digits that say something: 0.0123, 1.23, 12.3, 1,234."""
    if not number:
        return "0"
    places = most - 1 - math.floor(math.log10(abs(number)))
    text = f"{round(number, places):,.{max(places, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def size(number: float) -> str:
    """Return bytes in the unit that fits, of 1,000 each."""
    power = 0
    while number >= 999.5 and power < len(_SIZES) - 1:
        number, power = number / 1000, power + 1
    return f"{digits(number)}{SPACE}{_SIZES[power]}"


def duration(seconds: float) -> str:
    """Return a time span in the one or two units that fit."""
    if seconds < 0.9995:
        return f"{digits(seconds * 1000)}{SPACE}ms"
    if seconds < 59.95:
        return f"{digits(seconds)}{SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return _two(minutes, "min", rest, "s")
    hours, minutes = divmod(round(seconds / 60), 60)
    return _two(hours, "h", minutes, "min")


def _two(large: int, unit: str, small: int, smaller: str) -> str:
    first = f"{count(large)}{SPACE}{unit}"
    return f"{first} {small}{SPACE}{smaller}" if small else first


def milliseconds(number: float) -> str:
    """Return a time span given in milliseconds."""
    return duration(number / 1000)


def dollars(number: float, total: float | None = None) -> str:
    """Return US dollars: cents from one dollar on, two digits that say something below.

    The parts of a ``total`` get one place more than it, all the same number, to stand below each other.
    """
    whole = number if total is None else total
    places = 2 if whole >= 0.995 or not whole else 1 - math.floor(math.log10(whole))
    places = max(2, places + (total is not None))
    least: float = 10**-places
    return f"<{SPACE}${least:.{places}f}" if 0 < number < least / 2 else f"${number:,.{places}f}"


def quantity(number: float, unit: str) -> str:
    """Return so much of a unit, in the plural where it has one."""
    amount = count(int(number)) if number == int(number) else digits(number)
    return f"{amount}{SPACE}{unit}{'' if number == 1 or unit.isupper() else 's'}"


def share(part: float, whole: float) -> str:
    """Return a part as percent; what is there is never called 0 %, nor all what is not."""
    if not whole:
        return "\N{EN DASH}"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return f"<{SPACE}0.1{SPACE}%"
    if 99.9 < percent < 100:
        return f">{SPACE}99.9{SPACE}%"
    return f"{round(percent, 1):g}{SPACE}%"


def moment(iso: str) -> str:
    """Return an instant of ISO 8601 as day and time, UTC."""
    instant = datetime.fromisoformat(iso)
    return f"{instant.day}{SPACE}{instant:%B %Y}, {instant:%H:%M:%S}{SPACE}UTC"
