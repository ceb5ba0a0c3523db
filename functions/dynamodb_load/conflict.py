"""Which of two rows with one key stays, where a job asks for more than the last that is written.

An item tells by three attributes what it was loaded from. It is replaced by another row of the same object, and by a
row of an object that is newer: modified later in S3, or in the same second and with the greater URI. So however often
and in whatever order objects are loaded, the table comes to hold the same. Where the date of an object is not known
(a manifest does not tell it), it is newer than none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.dynamodb_load.attributes import AttributeValue, number_text
from functions.dynamodb_load.source import Body
from functions.dynamodb_load.table import Table
from itemkit import Item

SOURCE, FINGERPRINT, MODIFIED = "fanfold_source", "fanfold_fingerprint", "fanfold_modified"
_NAMES = {"#source": SOURCE, "#fingerprint": FINGERPRINT}
_OWN = "#source = :source"
_NEWER = "#modified < :modified OR (#modified = :modified AND #source < :source)"


@dataclass(frozen=True)
class Guard:
    """The condition under which an item is written.

    Attributes:
        names, values: what the condition refers to, as PutItem takes them.
        marks: the attributes that every item of the load gets.
    """

    condition: str
    names: Mapping[str, str]
    values: Mapping[str, AttributeValue]
    marks: Mapping[str, AttributeValue]

    def is_own(self, item: Mapping[str, AttributeValue]) -> bool:
        """Tell whether an item of the table comes from this very load, made earlier."""
        return item.get(FINGERPRINT) == self.marks[FINGERPRINT]


def guard(table: Table, item: Item, fingerprint: str) -> Guard:
    """Return the condition for the rows of an object."""
    marks: dict[str, AttributeValue] = {SOURCE: {"S": item.uri}, FINGERPRINT: {"S": fingerprint}}
    names = {**_NAMES, "#key": next(iter(table.key))}
    replaced = _OWN
    if item.modified is not None:
        marks[MODIFIED] = {"N": number_text(item.modified)}
        names["#modified"] = MODIFIED
        replaced = f"{_OWN} OR {_NEWER}"
    condition = f"attribute_not_exists(#key) OR (#fingerprint <> :fingerprint AND ({replaced}))"
    values = {f":{name.removeprefix('fanfold_')}": value for name, value in marks.items()}
    return Guard(condition, names, values, marks)


def fingerprint(item: Item, body: Body, version: str, options: Mapping[str, Any]) -> str:
    """Hash what the items of a load depend on: the object with its date and bytes, the operation and the options."""
    told = json.dumps([item.uri, item.modified, _digest(body), version, dict(options)], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _digest(body: Body) -> str:
    if isinstance(body, Path):
        with body.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    return hashlib.sha256(body).hexdigest()
