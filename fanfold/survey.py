"""Surveys the source of a prepared job: lists it, as far as asked, and sorts what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from fanfold.application import Application
from fanfold.done import Done, look, told_by
from fanfold.listing import Listing, Sample, survey, survey_first, survey_sample
from fanfold.planning import Census, Sorter
from fanfold.prepared import Prepared
from fanfold.problems import UsageProblem
from fanfold.rows import Rows
from fanfold.story import counting
from itemkit.item import Item
from itemkit.select import Select
from itemkit.store import S3Store


@dataclass(frozen=True)
class Depth:
    """How thoroughly a source is looked at; all but a listing is asked for, because it costs or is an estimate.

    Attributes:
        sample: keys of a prefix to list before the rest is estimated.
        head: whether a manifest's rows are asked for their sizes and dates.
        done: whether the outputs at the destination are asked what they were made from.
    """

    sample: int | None = None
    head: bool = False
    done: bool = False


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        census: of the whole source, estimated where there is a ``sample``.
        notes: what was not looked at, in sentences.
    """

    census: Census
    sample: Sample | None
    notes: tuple[str, ...]


class Surveyor:
    """Surveys one prepared job; ``lists`` and ``heads`` count the requests it makes.

    Args:
        application: where the source is.
        prepared: the job.
        depth: how thoroughly.
        warn: is told how many HEAD requests are about to be made, before they are.

    Raises:
        UsageProblem: what is asked for does not go with the job.
    """

    def __init__(self, application: Application, prepared: Prepared, depth: Depth, warn: Callable[[int], None]) -> None:
        self._s3 = application.client("s3")
        self._store = S3Store(self._s3)
        self._plan, self._check, self._select = prepared.plan, prepared.check, prepared.select
        self._depth, self._warn = depth, warn
        self.lists = 0
        self._is_prefix = self._plan["source"]["kind"] == "prefix"
        if depth.sample and not self._is_prefix:
            raise UsageProblem("--sample is for prefixes: a manifest is read whole, which takes one request")
        if depth.done and self._plan["overwrite"]:
            raise UsageProblem("--check-done finds what is skipped, and a job with 'overwrite' skips nothing")

    @property
    def heads(self) -> int:
        """HEAD requests so far."""
        return self._store.requests["head"]

    def take(self) -> Survey:
        """Survey the source.

        Raises:
            PermanentError, TransientError: the manifest or an output cannot be read.
        """
        done = self._done() if self._depth.done else None
        sorter = self._sorter(done)
        census, sample = self._prefix(sorter) if self._is_prefix else (self._rows(sorter, done), None)
        return Survey(census, sample, tuple(self._notes(census)))

    def place_of(self, number: int, most: int) -> int | None:
        """Return how many items are listed up to the ``number``-th that is wanted, ``most`` at most.

        ``None``: none of these is wanted.
        """
        listing = Listing(self._s3, self._plan["source"]["uri"]) if self._is_prefix else None
        rows = Rows(self._store, self._plan["source"], lambda item: False)
        sorter, census = self._sorter(None), Census()
        for item in islice(listing.items() if listing else rows.items(), most):
            if isinstance(item, Item):
                sorter.sort(item, census)
            else:
                census.fail(type(item.error).__name__, item.uri, str(item.error))
            if census.to_run == number:
                break
        self.lists += listing.requests if listing else 0
        return census.listed if census.to_run else None

    def _sorter(self, done: Done | None) -> Sorter:
        most_bytes = self._check["defaults"].get("most_bytes")
        select = self._select if self._is_prefix or self._depth.head else _without_heads(self._select)
        return Sorter(select, most_bytes, done.is_done) if done else Sorter(select, most_bytes)

    def _prefix(self, sorter: Sorter) -> tuple[Census, Sample | None]:
        listing, most = Listing(self._s3, self._plan["source"]["uri"]), self._plan["max_items"]
        sample = None
        with counting("keys listed") as tell:
            if self._depth.sample:
                census, sample = survey_sample(listing, sorter, tell, self._depth.sample)
                census = census.scaled(sample.factor)
            elif most:
                census = survey_first(listing, sorter, tell, most)
            else:
                census = survey(listing, sorter, tell)
        self.lists += listing.requests
        return (census.scaled(most / census.listed) if most and census.listed > most else census), sample

    def _rows(self, sorter: Sorter, done: Done | None) -> Census:
        with counting("rows read") as tell:
            return self._manifest(done).survey(sorter, tell, self._plan["max_items"] or None)

    def _manifest(self, done: Done | None) -> Rows:
        def asks(item: Item) -> bool:
            return self._depth.head or (done is not None and done.has_output(item))

        return Rows(self._store, self._plan["source"], asks)

    def _done(self) -> Done:
        told = told_by(self._check)
        listing = Listing(self._s3, self._plan["destination"])
        with counting("objects at the destination") as tell:
            uris = []
            for page in listing.pages():
                uris += [item.uri for item in listing.items_of(page)]
                tell(len(page))
        self.lists += listing.requests
        self._warn(len(uris))
        with counting("outputs asked") as tell:
            return look(self._store, uris, told, tell)

    def _notes(self, census: Census) -> Iterator[str]:
        if not self._depth.done and not self._plan["overwrite"]:
            yield "nothing is done already: --check-done looks, with a HEAD for each object at the destination"
        if not self._is_prefix and not self._depth.head and self._select.needs_head:
            yield (
                "the rules for sizes and dates are not applied, because a manifest carries neither: "
                f"--head asks for them, with {census.listed:,} HEAD requests"
            )


def _without_heads(select: Select) -> Select:
    return replace(select, min_bytes=None, max_bytes=None, modified_after=None)
