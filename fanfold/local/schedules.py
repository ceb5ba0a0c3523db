"""Schedules as EventBridge Scheduler has them: ``rate(5 minutes)``, ``cron(0 8 ? * MON-FRI *)``.

See "Schedule types in EventBridge Scheduler" in its User Guide. Of cron, ``L``, ``W`` and ``#`` are not known here.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

_log = logging.getLogger(__name__)
_RATE: Final = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON: Final = re.compile(r"cron\((.+)\)")
_STEP: Final = re.compile(r"(?:(\*)|(\d+)(?:-(\d+))?)(?:/(\d+))?")
_MONTHS: Final = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS: Final = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
# The least and the most of each field: minutes, hours, day of the month, month, day of the week, year.
_BOUNDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
_DAYS_AHEAD: Final = 366 * 9  # the 29th of February may be eight years away


class Timetable(Protocol):
    """When a schedule is due."""

    def following(self, moment: datetime) -> datetime | None:
        """Return when it is due next after a moment, ``None``: never again."""
        ...


@dataclass(frozen=True)
class Rate:
    """Again and again after the same time."""

    period: timedelta

    def following(self, moment: datetime) -> datetime:
        """Return the moment a period later."""
        return moment + self.period


@dataclass(frozen=True)
class Cron:
    """At the times of day, on the days, that the fields name; ``weekdays`` count from 1, a Sunday."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    years: frozenset[int]
    zone: ZoneInfo

    def following(self, moment: datetime) -> datetime | None:
        """Return the first time after a moment that fits."""
        first = moment.astimezone(self.zone).date()
        days = (first + timedelta(days=number) for number in range(_DAYS_AHEAD))
        return next((due for day in days if self._fits(day) for due in self._times(day) if due > moment), None)

    def _fits(self, day: date) -> bool:
        within = day.day in self.days and day.month in self.months and day.year in self.years
        return within and day.isoweekday() % 7 + 1 in self.weekdays

    def _times(self, day: date) -> Iterator[datetime]:
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                yield datetime.combine(day, time(hour, minute), self.zone).astimezone(UTC)


def timetable(expression: str, zone: str = "UTC") -> Timetable:
    """Read a schedule expression; raises ValueError when it is none that is known here."""
    if rate := _RATE.fullmatch(expression):
        period = timedelta(**{f"{rate[2]}s": int(rate[1])})
        if not period:
            raise ValueError(f"{expression}: a rate is 1 or more")
        return Rate(period)
    cron = _CRON.fullmatch(expression)
    fields = cron[1].split() if cron else []
    if len(fields) != len(_BOUNDS):
        raise ValueError(f"{expression!r} is neither rate(N minutes|hours|days) nor cron(of six fields)")
    read = (_values(field, *bounds) for field, bounds in zip(fields, _BOUNDS, strict=True))
    minutes, hours, days, months, weekdays, years = read
    return Cron(minutes, hours, days, months, weekdays, years, ZoneInfo(zone))


def _values(field: str, least: int, most: int) -> frozenset[int]:
    """Read a field: numbers or names, ranges, steps, ``*`` or ``?``, separated by commas."""
    names = {12: _MONTHS, 7: _DAYS}.get(most, [])
    found: set[int] = set()
    for part in field.upper().replace("?", "*").split(","):
        plain = re.sub("[A-Z]{3}", lambda name: str(names.index(name[0]) + 1) if name[0] in names else name[0], part)
        step = _STEP.fullmatch(plain)
        if not step:
            raise ValueError(f"{part!r} of {field!r} is not known here: write numbers, names, ranges and steps")
        low, high = (least, most) if step[1] else (int(step[2]), int(step[3] or (most if step[4] else step[2])))
        if not least <= low <= high <= most:
            raise ValueError(f"{part!r} of {field!r} is not within {least} to {most}")
        found.update(range(low, high + 1, int(step[4] or 1) or 1))
    return frozenset(found)


class Schedules:
    """Fires what is due, a thread a schedule."""

    def __init__(self) -> None:
        self._over: dict[str, threading.Event] = {}

    def put(self, name: str, times: Timetable, fire: Callable[[], object]) -> None:
        """Begin a schedule; one of that name ends."""
        self._end(name)
        over = self._over[name] = threading.Event()
        threading.Thread(target=_run, args=(times, fire, over), name=f"schedule-{name}", daemon=True).start()

    def close(self) -> None:
        """End all schedules; what they started goes on."""
        for name in list(self._over):
            self._end(name)

    def _end(self, name: str) -> None:
        if over := self._over.pop(name, None):
            over.set()


def _run(times: Timetable, fire: Callable[[], object], over: threading.Event) -> None:
    due = times.following(datetime.now(UTC))
    while due is not None and not over.wait(max(0.0, (due - datetime.now(UTC)).total_seconds())):
        try:
            fire()
        except Exception:
            _log.exception("a schedule could not start what it is for; it goes on")
        due = times.following(due)
