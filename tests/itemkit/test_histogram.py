"""The histogram: percentiles within its promise, merging without order."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from itemkit.histogram import Histogram

VALUES = st.lists(st.floats(min_value=0.01, max_value=900_000.0), min_size=1, max_size=300)


def histogram(values):
    made = Histogram()
    for value in values:
        made.add(value)
    return made


@given(VALUES, st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_one_percent_of_the_exact_one(values, share):
    exact = sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]

    assert abs(histogram(values).quantile(share) - exact) <= 0.0101 * exact


@given(VALUES, VALUES, VALUES)
def test_merging_is_associative_and_commutative(one, two, three):
    left = histogram(one)
    left.merge(histogram(two))
    left.merge(histogram(three))
    right = histogram(three)
    right.merge(histogram(one))
    right.merge(histogram(two))

    assert left.to_json() == right.to_json() == histogram(one + two + three).to_json()


@given(VALUES)
def test_json_keeps_everything(values):
    made = histogram(values)

    assert Histogram.from_json(made.to_json()).to_json() == made.to_json()


def test_an_empty_histogram_answers_zero():
    assert Histogram().quantile(0.99) == 0.0


def test_a_value_of_nothing_counts():
    assert list(histogram([0.0]).buckets.values()) == [1]


@given(VALUES, st.integers(1, 60))
def test_bins_are_few_neighbours_and_hold_everything(values, most):
    bins = histogram(values).bins(most)

    assert 1 <= len(bins) <= most
    assert sum(count for _, _, count in bins) == len(values)
    assert all(math.isclose(one[1], other[0]) for one, other in pairwise(bins))
    for low, high, count in bins:
        inside = sum(low * 0.999999 < value <= high * 1.000001 for value in values)
        assert inside >= count - sum(
            math.isclose(value, edge, rel_tol=1e-5) for value in values for edge in (low, high)
        )


def test_an_empty_histogram_has_no_bins():
    assert Histogram().bins(10) == []
