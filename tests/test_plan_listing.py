"""Listing a prefix in parts, against a bucket of a few keys a page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.listing import PARTS, Listing, survey, survey_first, survey_sample
from fanfold.planning import Sorter
from itemkit.select import Select


class Bucket:
    """ListObjectsV2 over some keys, ``page`` entries an answer; ``broken``: a prefix that cannot be listed."""

    def __init__(self, keys, page=3, broken=None):
        self.keys, self.page, self.broken = sorted(keys), page, broken

    def list_objects_v2(self, **asked):
        prefix, after = asked["Prefix"], asked.get("StartAfter", "")
        found = []
        for key in self.keys:
            if key.startswith(prefix) and key > after:
                rest = key[len(prefix) :]
                folded = "Delimiter" in asked and "/" in rest
                entry = prefix + rest.partition("/")[0] + "/" if folded else key
                if entry > asked.get("ContinuationToken", "") and (entry, not folded) not in found:
                    found.append((entry, not folded))
        if self.broken and any(entry == self.broken for entry, _ in found[: self.page]):
            raise RuntimeError(f"{self.broken} cannot be listed")
        here, more = found[: self.page], found[self.page :]
        facts = {"Size": 1, "ETag": '"e"', "LastModified": datetime(2026, 11, 21, tzinfo=UTC)}
        return {
            "Contents": [{"Key": entry, **facts} for entry, is_key in here if is_key],
            "CommonPrefixes": [{"Prefix": entry} for entry, is_key in here if not is_key],
            "IsTruncated": bool(more),
            **({"NextContinuationToken": here[-1][0]} if more else {}),
        }


class Noting(Sorter):
    """Takes everything, and notes what it was."""

    def sort(self, item, census):
        self.__dict__.setdefault("seen", []).append(item.uri.removeprefix("s3://b/"))
        super().sort(item, census)


def ignore(keys):
    pass


KEYS = st.lists(st.text("ab/é~", min_size=1, max_size=8), max_size=40, unique=True)


@given(KEYS, st.sampled_from(["", "a", "a/", "b/a/"]), st.integers(1, 7))
def test_every_key_is_listed_once_however_the_prefix_is_cut(keys, prefix, page):
    sorter, told = Noting(Select()), []

    census = survey(Listing(Bucket(keys, page), f"s3://b/{prefix}"), sorter, told.append)

    expected = sorted(key for key in keys if key.startswith(prefix))
    assert sorted(getattr(sorter, "seen", [])) == expected
    assert census.listed == sum(told) == len(expected)


@given(KEYS, st.integers(1, 7), st.integers(1, 45))
def test_the_first_keys_are_those_the_map_would_read(keys, page, most):
    sorter = Noting(Select())

    census = survey_first(Listing(Bucket(keys, page), "s3://b/"), sorter, ignore, most)

    assert getattr(sorter, "seen", []) == sorted(keys)[:most]
    assert census.listed == min(most, len(keys))


def test_a_prefix_is_cut_at_the_sub_prefixes_that_give_enough_parts():
    deep = [
        f"p/{year}/{month:02}/{number}.jpg" for year in range(2000, 2010) for month in range(12) for number in (1, 2)
    ]
    listing = Listing(Bucket(deep, page=1000), "s3://b/p/")

    spans = listing.spans()

    assert (spans[0].after, spans[-1].upto) == ("", None)
    assert [one.upto for one in spans[:-1]] == [other.after for other in spans[1:]]
    assert PARTS / 2 <= len(spans) <= PARTS
    # The prefix and its ten years were asked what is below them.
    assert listing.requests == 11


def test_a_flat_prefix_is_not_searched_for_sub_prefixes():
    listing = Listing(Bucket([f"p/{number:05}" for number in range(100)], page=10), "s3://b/p/")

    census = survey(listing, Sorter(Select()), ignore)

    assert (census.listed, listing.requests) == (100, 1 + 10)


def test_a_sample_estimates_what_even_parts_hold():
    keys = [f"p/{folder:02}/{number:03}" for folder in range(40) for number in range(100)]

    census, sample = survey_sample(Listing(Bucket(keys, page=50), "s3://b/p/"), Sorter(Select()), ignore, 450)

    assert (census.listed, sample.keys, sample.listed, sample.parts, sample.cut) == (500, 500, 5, 40, False)
    assert census.scaled(sample.factor).listed == 4000
    assert sample.error == 0


def test_a_sample_tells_how_far_uneven_parts_may_lead_it():
    keys = [f"p/{folder:02}/{number:03}" for folder in range(40) for number in range(1 + folder)]

    census, sample = survey_sample(Listing(Bucket(keys, page=50), "s3://b/p/"), Sorter(Select()), ignore, 200)

    assert 5 < sample.error < 50
    assert census.scaled(sample.factor).listed == pytest.approx(len(keys), rel=4 * sample.error / 100)


def test_a_sample_of_one_long_part_is_cut_and_says_so():
    keys = [f"p/{number:05}" for number in range(1000)]

    census, sample = survey_sample(Listing(Bucket(keys, page=100), "s3://b/p/"), Sorter(Select()), ignore, 150)

    assert (census.listed, sample.cut, sample.parts, sample.factor, sample.error) == (150, True, 1, 1.0, None)


def test_what_cannot_be_listed_ends_the_listing():
    bucket = Bucket([f"p/{folder:02}/{number:03}" for folder in range(20) for number in range(9)], broken="p/07/003")

    with pytest.raises(RuntimeError, match="p/07/003 cannot be listed"):
        survey(Listing(bucket, "s3://b/p/"), Sorter(Select()), ignore)
