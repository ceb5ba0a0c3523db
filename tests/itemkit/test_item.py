"""Items: what the readers deliver, read."""

import pytest

from itemkit.errors import InvalidItem
from itemkit.item import Item, listed_item, manifest_item, split_uri

ENTRY = {"Etag": '"9b2c"', "Key": "in/a b.jpg", "LastModified": 1.790204286e9, "Size": 27, "StorageClass": "STANDARD"}


def test_a_listing_entry_as_aws_delivers_it():
    assert listed_item(ENTRY, "photos", "in/") == Item(
        "s3://photos/in/a b.jpg", "a b.jpg", size=27, etag="9b2c", modified=1790204286.0
    )


@pytest.mark.parametrize(("prefix", "name"), [("", "in/a b.jpg"), ("i", "in/a b.jpg"), ("in/a", "a b.jpg")])
def test_names_are_relative_to_the_last_folder_of_the_prefix(prefix, name):
    assert listed_item(ENTRY, "photos", prefix).name == name


def test_a_row_with_a_uri_keeps_its_other_columns():
    row = {"uri": "s3://b/x/y.csv", "output": "z.csv", "customer": "7", "bucket": "ignored"}

    assert manifest_item(row, "own") == Item("s3://b/x/y.csv", "x/y.csv", output="z.csv", columns={"customer": "7"})


@pytest.mark.parametrize(
    ("row", "uri"),
    [
        ({"key": "k"}, "s3://own/k"),
        ({"key": "k", "bucket": "other"}, "s3://other/k"),
        ({"key": "k", "bucket": ""}, "s3://own/k"),
        ({"uri": "", "key": "k"}, "s3://own/k"),
    ],
)
def test_a_row_with_a_key(row, uri):
    assert manifest_item(row, "own").uri == uri


def test_a_row_may_say_what_output_names_are_made_from():
    assert manifest_item({"uri": "s3://b/photos/a.jpg", "item_name": "a.jpg"}, "own") == Item(
        "s3://b/photos/a.jpg", "a.jpg"
    )


def test_values_that_are_no_text_travel_as_json():
    row = {"key": "k", "n": 3, "deep": {"a": [1]}, "nothing": None}

    assert manifest_item(row, "own").columns == {"n": "3", "deep": '{"a": [1]}', "nothing": ""}


@pytest.mark.parametrize(
    "row", [{}, {"name": "x"}, {"uri": "http://b/k"}, {"uri": "s3://b"}, {"uri": "s3://b/"}, "s3://b/k", None, ["x"]]
)
def test_a_row_that_names_no_object_is_invalid(row):
    with pytest.raises(InvalidItem):
        manifest_item(row, "own")


@pytest.mark.parametrize(
    ("entry", "is_marker"),
    [({"Key": "in/", "Size": 0}, True), ({"Key": "in/", "Size": 3}, False), ({"Key": "in/empty", "Size": 0}, False)],
)
def test_only_a_zero_byte_object_that_ends_in_a_slash_is_a_folder_marker(entry, is_marker):
    assert listed_item({**ENTRY, **entry}, "b", "").is_folder_marker is is_marker


def test_a_uri_splits_at_the_first_slash():
    assert split_uri("s3://b/k//x/") == ("b", "k//x/")


@pytest.mark.parametrize("wanted", ["7", "9-3", "a-b", "-5", "0-5 ", "0-99999999999999999"])
def test_a_row_that_means_a_part_and_does_not_say_which_names_no_item(wanted):
    with pytest.raises(InvalidItem, match="byte_range"):
        manifest_item({"uri": "s3://b/k", "byte_range": wanted, "source_etag": "e"}, "b")


def test_a_part_needs_the_etag_it_was_cut_from():
    with pytest.raises(InvalidItem, match="source_etag"):
        manifest_item({"uri": "s3://b/k", "byte_range": "0-5"}, "b")


def test_an_empty_byte_range_is_the_whole_object():
    """As failures.csv has it beside rows of parts."""
    assert manifest_item({"uri": "s3://b/k", "byte_range": "", "source_etag": ""}, "b").part is None
