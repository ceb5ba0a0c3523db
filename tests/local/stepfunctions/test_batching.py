"""Items into batches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanfold.local.stepfunctions.batching import Limits, batched, single
from fanfold.local.stepfunctions.document import Document, loads, size
from fanfold.local.stepfunctions.failure import Failure

ITEMS = st.lists(st.text(max_size=12), max_size=30)


@given(ITEMS, st.none() | st.integers(1, 7), st.none() | st.integers(160, 400), st.booleans())
def test_batches_hold_all_items_in_order_within_the_limits(
    values: list[str], most_items: int | None, most_bytes: int | None, shared: bool
) -> None:
    """Nothing is lost or reordered, no limit is passed, and no batch could have taken the next item as well."""
    limits = Limits(most_items, most_bytes, Document.of({"run": "r"}) if shared else None)

    made = list(batched((Document.of(value) for value in values), limits))

    inputs = [loads(batch.document.text) for batch in made]
    assert inputs == [batch.document.value for batch in made]
    assert [value for each in inputs for value in each["Items"]] == values
    assert all(each.keys() == ({"BatchInput", "Items"} if shared else {"Items"}) for each in inputs)
    assert [(batch.index, batch.items) for batch in made] == [(n, len(each["Items"])) for n, each in enumerate(inputs)]
    for batch, following in zip(made, [*made[1:], None], strict=False):
        weight = size(batch.document.text)
        assert batch.items <= (most_items or len(values))
        assert weight <= (most_bytes or 262_144)
        if following is not None:
            extra = size(Document.of(following.document.value["Items"][0]).text) + 1
            assert batch.items == most_items or weight + extra > (most_bytes or 262_144)


def test_an_item_that_fits_nowhere_fails() -> None:
    """An item larger than a batch may be is not dropped in silence."""
    with pytest.raises(Failure, match="item 1 alone has 111 bytes, more than the 100 allowed"):
        list(batched([Document.of("a"), Document.of("x" * 97)], Limits(None, 100, None)))


def test_without_batches_an_item_is_the_input() -> None:
    """Each item goes to a child of its own."""
    assert [batch.document.text for batch in single([Document.of(1), Document.of("é")])] == ["1", '"é"']
