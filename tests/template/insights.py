"""As much of CloudWatch Logs Insights as the saved queries use: discovery of fields, and the commands over them.

What it does not know it refuses, so a query that goes beyond it is not taken for tested.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

Event = dict[str, Any]
_REPORT = {"Duration": "@duration", "Billed Duration": "@billedDuration", "Init Duration": "@initDuration"}
_MEMORY = {"Memory Size": "@memorySize", "Max Memory Used": "@maxMemoryUsed"}
_TERM = re.compile(r"""([\w@.]+) *(=|like) *(?:"([^"]*)"|/((?:[^/\\]|\\.)*)/)""")


def discovered(group: str, number: int, line: str) -> Event:
    """Return the fields of a line of a Lambda function's log; of JSON only what is no list or object."""
    event: Event = {"@timestamp": number, "@log": f"123456789012:{group}", "@message": line}
    if found := re.match(r"(START|END|REPORT) RequestId: (\S+)", line):
        event |= {"@type": found[1], "@requestId": found[2]}
        for name, value, unit in re.findall(r"\t([A-Z][\w ]+): ([\d.]+) (ms|MB)", line):
            event |= {(_REPORT | _MEMORY)[name]: float(value) * (1e6 if unit == "MB" else 1)}
    elif line.startswith("{"):
        event |= {name: value for name, value in json.loads(line).items() if not isinstance(value, list | dict)}
    return event


def ask(query: str, events: Iterable[Event]) -> list[Event]:
    """Return the rows that a query answers; raises ValueError for what is not known here."""
    rows = list(events)
    for command in (part.strip() for part in re.split(r"\n\s*\|", query.strip())):
        name, rest = command.split(maxsplit=1)
        rows = _COMMANDS[name](rest, rows)
    return rows


def named(query: str) -> set[str]:
    """Return the fields that a query reads."""
    made = set(re.findall(r" as (\w+)", query))
    bare = re.sub(r'"[^"]*"|/(?:[^/\\]|\\.)*/', "", query)
    words = set(re.findall(r"@?[a-zA-Z_]\w*", bare))
    return words - made - {"fields", "filter", "stats", "sort", "limit", "as", "by", "like", "or", "desc", "asc",
                           "count", "max"}  # fmt: skip


def _fields(rest: str, rows: list[Event]) -> list[Event]:
    # All fields stay at hand for the commands behind, as in CloudWatch.
    names = [name.strip() for name in rest.split(",")]
    return [row | {name: row.get(name) for name in names} for row in rows]


def _filter(rest: str, rows: list[Event]) -> list[Event]:
    terms = [_term(each.strip()) for each in re.split(r"\bor\b(?=[^/]*$)", rest)]
    return [row for row in rows if any(term(row) for term in terms)]


def _term(text: str) -> Callable[[Event], bool]:
    found = _TERM.fullmatch(text)
    if found is None:
        raise ValueError(f"not known here: filter {text}")
    name, operator, value, pattern = found.groups()
    if operator == "=" and value is not None:
        return lambda row: row.get(name) == value
    if operator == "like" and pattern is not None:
        return lambda row: re.search(pattern, str(row.get(name, ""))) is not None
    raise ValueError(f"not known here: filter {text}")


def _stats(rest: str, rows: list[Event]) -> list[Event]:
    what, by = rest.rsplit(" by ", 1)
    keys = [key.strip() for key in by.split(",")]
    groups: dict[tuple[Any, ...], list[Event]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    figures = [re.fullmatch(r"\s*(count|max)\((.*?)\) as (\w+)\s*", each) for each in what.split(",")]
    if None in figures:
        raise ValueError(f"not known here: stats {rest}")
    return [
        dict(zip(keys, group, strict=True)) | {figure[3]: _figure(figure[1], figure[2], members) for figure in figures}
        for group, members in groups.items()
    ]


def _figure(function: str, of: str, rows: list[Event]) -> float | None:
    if function == "count":
        return len(rows)
    name, *divisors = (each.strip() for each in of.split("/"))
    values = [row[name] for row in rows if row.get(name) is not None]
    for divisor in divisors:
        values = [value / float(divisor) for value in values]
    return max(values, default=None)


def _sort(rest: str, rows: list[Event]) -> list[Event]:
    name, order = rest.split()
    having = [row for row in rows if row.get(name) is not None]
    return sorted(having, key=lambda row: row[name], reverse={"asc": False, "desc": True}[order])


def _limit(rest: str, rows: list[Event]) -> list[Event]:
    return rows[: int(rest)]


_COMMANDS: dict[str, Callable[[str, list[Event]], list[Event]]] = {
    "fields": _fields, "filter": _filter, "stats": _stats, "sort": _sort, "limit": _limit,
}  # fmt: skip
