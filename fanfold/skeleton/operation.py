"""new-operation: an example that describes any object; put your own work in its place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from itemkit import Item, Operation, Output, PermanentError, Result, option, rename


class EmptyObject(PermanentError):
    """The object holds nothing. The class's name is the error's type in failures.csv."""


@dataclass(frozen=True)
class Options:
    """What a job can say; each option is checked before the first object is read."""

    algorithm: str = option("sha256", help="the digest that is taken", choices=("sha256", "blake2b"), example="blake2b")


def output_names(name: str, options: Options) -> Sequence[str]:
    """Return the names of an object's outputs below the destination: ``a/b.txt`` becomes ``a/b.txt.json``."""
    return [rename(name, extension=".json")]


def process(item: Item, body: bytes, options: Options) -> Result:
    """Return the bytes and the digest of an object as JSON; raises EmptyObject."""
    if not body:
        raise EmptyObject(f"{item.uri} is empty: upload it again, or leave it out with 'select'")
    described = {"bytes": len(body), options.algorithm: hashlib.new(options.algorithm, body).hexdigest()}
    return Result([Output(json.dumps(described).encode(), "application/json")], facts=described)


OPERATION = Operation(
    name="new-operation",
    version="1",
    summary="the size and the digest of every object, as JSON",
    options=Options,
    names=output_names,
    process=process,
)
