"""Select: which items are wanted, and why the others are not."""

import pytest

from itemkit.item import Item
from itemkit.select import FOLDER_MARKER, Select

ITEM = Item("s3://b/in/2026/a.JPG", "2026/a.JPG", size=100, modified=1_790_000_000.0)


@pytest.mark.parametrize(
    "select",
    [
        Select(),
        Select(suffix=(".png", ".jpg")),
        Select(glob="**/*.JPG"),
        Select(glob="2026/*"),
        Select(glob="**/a.JPG"),
        Select(glob="2026/?.JPG"),
        Select(min_bytes=100, max_bytes=100),
        Select(modified_after="2026-01-01"),
    ],
)
def test_wanted(select):
    assert select.refusal(ITEM) is None


@pytest.mark.parametrize(
    ("select", "reason"),
    [
        (Select(suffix=(".png",)), "suffix is none of .png"),
        (Select(glob="*.JPG"), "name does not match *.JPG"),
        (Select(glob="2026/[a]*"), "name does not match 2026/[a]*"),
        (Select(min_bytes=101), "100 bytes are less than 101"),
        (Select(max_bytes=99), "100 bytes are more than 99"),
        (Select(modified_after="2027-01-01T00:00:00Z"), "not modified after 2027-01-01T00:00:00Z"),
    ],
)
def test_excluded_with_its_reason(select, reason):
    assert select.refusal(ITEM) == reason


def test_a_folder_marker_is_always_excluded():
    assert Select().refusal(Item("s3://b/in/", "", size=0)) == FOLDER_MARKER


def test_a_part_is_wanted_as_its_object_was():
    part = Item("s3://b/a.csv", "a.part-00001.csv", size=10, columns={"byte_range": "10-19", "source_etag": "e"})
    select = Select(suffix=(".tsv",), glob="a.csv", min_bytes=100, modified_after="2020-01-01")

    assert select.refusal(part) is None
    assert select.refusal(Item(part.uri, part.name, size=10)) == "suffix is none of .tsv"


def test_two_stars_also_match_no_folder_at_all():
    assert Select(glob="**/*.csv").refusal(Item("s3://b/a.csv", "a.csv")) is None


def test_the_json_form_has_a_list():
    assert Select.from_json({"suffix": [".jpg"], "glob": None}) == Select(suffix=(".jpg",))


@pytest.mark.parametrize(("select", "needs"), [(Select(suffix=(".a",)), False), (Select(min_bytes=0), True)])
def test_sizes_and_dates_need_a_head(select, needs):
    assert select.needs_head is needs
