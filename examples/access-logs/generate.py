"""Write six days of access logs of made-up web servers, two of them damaged: ``python generate.py FOLDER``.

The same bytes each time. Nobody's real visits are in them: addresses are of the ranges kept for documentation
(RFC 5737), names and pages are invented.
"""

from __future__ import annotations

import gzip
import random
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

SERVERS = ("web-1", "web-2", "shop-1", "shop-2", "api-1")
FIRST = datetime(2026, 10, 23, tzinfo=timezone(timedelta(hours=2)))
# The end of summer time is among these days: the last logs' hours have another offset.
WINTER = datetime(2026, 10, 25, 3, tzinfo=timezone(timedelta(hours=2)))
DAYS = 6
LINES = 600
STATUSES = (200, 206, 301, 304, 400, 403, 404, 429, 500, 502, 503)
SHARES = (700, 20, 40, 90, 5, 10, 60, 10, 12, 8, 5)
PAGES = ("/", "/shop?page=2", "/img/logo.svg", "/api/orders", '/search?q=\\"blue shoes\\"', "/robots.txt", "/login")
AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "ExampleBot/2.1 (+https://bot.example/)", "curl/8.9.1", "-")


def write_logs(folder: Path) -> None:
    """Write a log a server and day below ``folder``, ``web-1/2026-10-23.log.gz``; the current day's are not packed."""
    chance = random.Random("access logs")  # noqa: S311 - the same each time
    for server in SERVERS:
        for day in range(DAYS):
            text = "".join(lines(chance, FIRST + timedelta(days=day))).encode()
            name = f"{server}/{FIRST + timedelta(days=day):%Y-%m-%d}.log"
            if day < DAYS - 1:
                write(folder / f"{name}.gz", gzip.compress(text, mtime=0))
            else:
                write(folder / name, text)
    cut = folder / "shop-2/2026-10-26.log.gz"
    write(cut, cut.read_bytes()[:-1000])
    page = b"<!doctype html>\n<title>Login</title>\n<p>Sign in to fetch this log\n"
    write(folder / "api-1/2026-10-28.log", page * 20)


def lines(chance: random.Random, day: datetime) -> list[str]:
    """Return a day of a server, busier in the afternoon; one line in some hundreds is cut, as by a crash."""
    times = sorted(day + timedelta(seconds=min(86_399, chance.gauss(54_000, 18_000) % 86_400)) for _ in range(LINES))
    made = [line(chance, when) for when in times]
    return [text[:40] + "\n" if chance.random() < 0.003 else text for text in made]


def line(chance: random.Random, when: datetime) -> str:
    """Return a request in the Combined Log Format (httpd.apache.org/docs/2.4/logs.html)."""
    local = when.astimezone(timezone(timedelta(hours=1))) if when >= WINTER else when
    (status,) = chance.choices(STATUSES, SHARES)
    size = "-" if status == 304 else str(int(chance.paretovariate(1.2) * 400))
    user = "ann" if chance.random() < 0.05 else "-"
    page, agent = chance.choice(PAGES), chance.choice(AGENTS)
    address = f"192.0.2.{chance.randrange(1, 255)}"
    request = f'"GET {page} HTTP/1.1" {status} {size} "-" "{agent}"'
    return f"{address} - {user} [{local:%d/%b/%Y:%H:%M:%S %z}] {request}\n"


def write(path: Path, body: bytes) -> None:
    """Write a file, and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


if __name__ == "__main__":
    write_logs(Path(sys.argv[1]))
