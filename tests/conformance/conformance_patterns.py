"""Patterns of expected answers: JSON in which some strings and one-key objects stand for many values.

"$any" is anything, "$re:..." a string that matches, {"$unordered": [...]} a list in any order, {"$subset": {...}} an
object that may have more in it, below too, {"$json": ...} a string of JSON. Everything else stands for itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any


def differences(want: Any, got: Any, place: str = "", subset: bool = False) -> Iterator[str]:
    """Yield where ``got`` does not fit the pattern ``want``."""
    special = _SPECIAL.get(next(iter(want))) if isinstance(want, dict) and len(want) == 1 else None
    if want == "$any":
        return
    if isinstance(want, str) and want.startswith("$re:"):
        if not (isinstance(got, str) and re.fullmatch(want[4:], got, re.DOTALL)):
            yield f"{place}: {shown(got)} does not match {want[4:]}"
    elif special:
        yield from special(next(iter(want.values())), got, place, subset)
    elif isinstance(want, dict) and isinstance(got, dict):
        yield from _objects(want, got, place, subset)
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for index, (wanted, given) in enumerate(zip(want, got, strict=True)):
            yield from differences(wanted, given, f"{place}[{index}]", subset)
    elif isinstance(want, bool) != isinstance(got, bool) or want != got:
        yield f"{place}: {shown(got)} instead of {shown(want)}"


def fits(want: Any, got: Any, subset: bool = False) -> bool:
    """Tell whether ``got`` fits the pattern."""
    return next(differences(want, got, subset=subset), None) is None


def shown(value: Any) -> str:
    """Return a value in a length that a person reads."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:400]}..."


def _objects(want: dict[str, Any], got: dict[str, Any], place: str, subset: bool) -> Iterator[str]:
    for key, wanted in want.items():
        if key in got:
            yield from differences(wanted, got[key], f"{place}/{key}", subset)
        else:
            yield f"{place}/{key}: missing"
    for key in [] if subset else sorted(got.keys() - want.keys()):
        yield f"{place}/{key}: not expected"


def _unordered(want: list[Any], got: Any, place: str, subset: bool) -> Iterator[str]:
    if not isinstance(got, list) or len(got) != len(want):
        yield f"{place}: {shown(got)} instead of {len(want)} elements in any order"
        return
    left = list(got)
    for wanted in want:
        found = next((index for index, given in enumerate(left) if fits(wanted, given, subset)), None)
        if found is None:
            yield f"{place}: nothing like {shown(wanted)} in {shown(left)}"
        else:
            del left[found]


def _subset(want: Any, got: Any, place: str, subset: bool) -> Iterator[str]:
    yield from differences(want, got, place, subset=True)


def _json(want: Any, got: Any, place: str, subset: bool) -> Iterator[str]:
    try:
        value = json.loads(got)
    except (TypeError, ValueError):
        yield f"{place}: {shown(got)} is not a string of JSON"
        return
    yield from differences(want, value, f"{place}(json)", subset)


_SPECIAL = {"$unordered": _unordered, "$subset": _subset, "$json": _json}
