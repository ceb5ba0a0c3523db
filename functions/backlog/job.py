"""What a turn runs: the stack's job without a source, or the one that the drain was started with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from itemkit.errors import InvalidJob
from itemkit.select import Select

# The drain says these itself.
_OURS = ("source", "on_done", "max_items")


@dataclass(frozen=True)
class Wanted:
    """What a drain is to do.

    Attributes:
        job: without a source.
        select: the job's.
        most: items of a turn.
    """

    job: Mapping[str, Any]
    select: Select
    most: int

    @classmethod
    def of(cls, given: Any, usual_job: str, usual_most: int) -> Wanted:
        """Read an execution input, ``{"job"?, "max_items"?}``; what it leaves out is as the stack has it.

        Raises:
            InvalidJob: it is something else, or there is no job.
        """
        if not isinstance(given, dict) or set(given) - {"job", "max_items"}:
            raise InvalidJob(f"the input of a drain is {given!r}: write {{}}, or an object with 'job' and 'max_items'")
        job = given["job"] if "job" in given else _parsed(usual_job)
        most = given.get("max_items", usual_most)
        if not isinstance(most, int) or most < 1:
            raise InvalidJob(f"max_items is {most!r}: write a whole number, such as 1000")
        if not isinstance(job, dict):
            raise InvalidJob(f"the job of a drain is {job!r}: write an object, such as {{'operation': 'image-resize'}}")
        if named := [name for name in _OURS if name in job]:
            raise InvalidJob(f"the job of a drain has {', '.join(named)}, which is the drain's to say: leave it out")
        return cls(job, _select(job.get("select", {})), most)

    def over(self, manifest: str, moves: Mapping[str, str]) -> dict[str, Any]:
        """Return the job of a turn; a share of failed items is no reason to stop, for they are moved out of the way."""
        return {"tolerate": {"percent": 100}, **self.job, "source": {"manifest": manifest}, "on_done": dict(moves)}


def _parsed(text: str) -> Any:
    if not text:
        raise InvalidJob(
            "there is no job for the drain: deploy the stack with the parameter DrainJob, or start the drain with one"
        )
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidJob(f"the parameter DrainJob is no JSON: {error}: {text}") from error


def _select(value: Any) -> Select:
    try:
        return Select.from_json(value)
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidJob(f"the job's select is {value!r}: {error}") from error
