"""Ways to break a document in exactly one place, for the tests of the rules that should notice."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

Break = Callable[[Any], Any]


def put(path: str, value: Any) -> Break:
    """Set what stands at a path such as ``States/Check/Next``."""

    def broken(document: Any) -> Any:
        document, (parent, key) = _opened(document, path)
        parent[key] = copy.deepcopy(value)
        return document

    return broken


def drop(path: str) -> Break:
    """Remove what stands at a path."""

    def broken(document: Any) -> Any:
        document, (parent, key) = _opened(document, path)
        del parent[key]
        return document

    return broken


def add(path: str, value: Any) -> Break:
    """Append to the list that stands at a path."""

    def broken(document: Any) -> Any:
        document, (parent, key) = _opened(document, path)
        parent[key].append(copy.deepcopy(value))
        return document

    return broken


def swap(old: str, new: str) -> Break:
    """Replace a text wherever it stands."""

    def broken(document: Any) -> Any:
        text = json.dumps(document)
        assert old in text, f"{old} is not there to be broken"
        return json.loads(text.replace(old, new))

    return broken


def _opened(document: Any, path: str) -> tuple[Any, tuple[Any, Any]]:
    document = parent = copy.deepcopy(document)
    *way, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    for key in way:
        parent = parent[key]
    return document, (parent, last)
