"""Jobs: validated before anything is spent."""

import pytest

from itemkit.errors import InvalidJob
from itemkit.job import ManifestSource, ObjectsSource, PrefixSource, Split, parse_job

MINIMAL = {"operation": "image-resize", "source": "s3://bucket/photos/"}


@pytest.mark.parametrize(
    ("source", "parsed"),
    [
        ("s3://b/p/", PrefixSource(prefix="s3://b/p/")),
        ("s3://b/", PrefixSource(prefix="s3://b/")),
        ("s3://b/m.csv", ManifestSource(manifest="s3://b/m.csv")),
        ("s3://b/m.jsonl.gz", ManifestSource(manifest="s3://b/m.jsonl.gz")),
        ({"prefix": "s3://b/2026-"}, PrefixSource(prefix="s3://b/2026-")),
        ({"manifest": "s3://b/m.csv", "delimiter": ";"}, ManifestSource(manifest="s3://b/m.csv", delimiter=";")),
        ({"objects": ["s3://b/k"]}, ObjectsSource(objects=["s3://b/k"])),
    ],
)
def test_sources(source, parsed):
    assert parse_job({**MINIMAL, "source": source}).source == parsed


def test_a_destination_ends_in_a_slash():
    assert parse_job({**MINIMAL, "destination": "s3://out/thumbs"}).destination == "s3://out/thumbs/"


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ({"optins": {}}, "unknown field 'optins': did you mean 'options'?"),
        ({"batch": {"item": 3}}, "unknown field 'batch.item': did you mean 'items'?"),
        ({"select": {"sufix": [".a"]}}, "unknown field 'select.sufix': did you mean 'suffix'?"),
        ({"source": {"prefx": "s3://b/"}}, "source: unknown field 'prefx': did you mean 'prefix'?"),
        ({"source": {"prefix": "s3://b/", "x": 1}}, "unknown field 'source.x'"),
        ({"source": "s3://b/p"}, "is no manifest: it ends in one of .csv, .tsv, .jsonl, .json (also .gz)"),
        ({"source": "/home/me/"}, "'/home/me/' is not an S3 URI: write s3://BUCKET/KEY"),
        ({"source": 3}, "write 's3://BUCKET/PREFIX/', a manifest's URI"),
        ({"source": {"objects": []}}, "source.objects"),
        ({"operation": "Image Resize"}, "lower-case letters"),
        ({"tolerate": {"percent": 101}}, "tolerate.percent"),
        ({"concurrency": 0}, "concurrency"),
        ({"concurrency": "10"}, "concurrency"),
        ({"batch": {"items": 100_000}}, "batch.items"),
        ({"max_items": 0}, "max_items"),
        ({"split": {"byte": 2048}}, "unknown field 'split.byte': did you mean 'bytes'?"),
        ({"split": {"bytes": 1023}}, "split.bytes: Input should be greater than or equal to 1024 (it is 1023)"),
        ({"split": {"above": -1}}, "split.above"),
        ({"split": {"delimiter": '"'}}, "split.delimiter"),
        ({"split": {"delimiter": "§"}}, "split.delimiter"),
        ({"split": {"delimiter": "\n"}}, "split.delimiter"),
        ({"split": True}, "split"),
        ({"select": {"modified_after": "gestern"}}, "'gestern' is no ISO 8601 instant: write 2026-"),
    ],
)
def test_what_does_not_fit_is_refused(job, message):
    with pytest.raises(InvalidJob) as refused:
        parse_job({**MINIMAL, **job})

    assert message in str(refused.value)


def test_tables_are_split_only_when_asked_for():
    assert parse_job(MINIMAL).split is None
    assert parse_job({**MINIMAL, "split": {}}).split == Split(bytes=64 * 1024**2, above=256 * 1024**2, delimiter=None)
    assert parse_job({**MINIMAL, "split": {"delimiter": "\t"}}).split == Split(delimiter="\t")


@pytest.mark.parametrize("job", [None, [], "image-resize", {}, {"operation": "image-resize"}])
def test_what_is_no_job_is_refused(job):
    with pytest.raises(InvalidJob):
        parse_job(job)


def test_every_fault_is_named_at_once():
    with pytest.raises(InvalidJob) as refused:
        parse_job({"operation": "x", "source": "s3://b/", "concurrency": 0, "overwrite": "yes"})

    assert "concurrency" in str(refused.value)
    assert "overwrite" in str(refused.value)


def moving(source="s3://in/incoming/", **on_done):
    return {**MINIMAL, "source": source, "on_done": {"move_source_to": "s3://in/processed", **on_done}}


@pytest.mark.parametrize(
    ("job", "origin"),
    [
        (moving(), "s3://in/incoming/"),
        (moving({"prefix": "s3://in/incoming/2026-"}), "s3://in/incoming/"),
        (moving(**{"from": "s3://in/incoming/a"}), "s3://in/incoming/a/"),
        (moving({"objects": ["s3://in/incoming/a"]}, **{"from": "s3://in/incoming/"}), "s3://in/incoming/"),
        (MINIMAL, None),
    ],
)
def test_where_sources_are_moved_from(job, origin):
    assert parse_job(job).origin == origin


def test_folders_that_sources_are_moved_to_end_in_a_slash():
    on_done = parse_job(moving(move_failed_to="s3://in/failed")).on_done

    assert on_done.targets == {"move_source_to": "s3://in/processed/", "move_failed_to": "s3://in/failed/"}


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (
            moving(move_source_to="s3://in/incoming/done/"),
            "on_done.move_source_to: s3://in/incoming/done/ and the source",
        ),
        (moving(move_source_to="s3://in/"), "on_done.move_source_to: s3://in/ and the source s3://in/incoming/ lie"),
        (
            moving({"prefix": "s3://in/pro"}),
            "on_done.move_source_to: s3://in/processed/ and the source s3://in/pro lie",
        ),
        (moving(move_failed_to="s3://in/processed/failed/"), "'move_source_to' and 'move_failed_to' lie in each other"),
        (moving(**{"from": "s3://in/processed/"}), "'move_source_to' and 'from' lie in each other"),
        (moving(**{"from": "s3://in/other/"}), "on_done.from: s3://in/other/ has nothing of the source"),
        (moving({"objects": ["s3://in/incoming/a"]}), "on_done: say what is moved: 'from' is required"),
        (moving(form="s3://in/incoming/"), "unknown field 'on_done.form': did you mean 'from'?"),
        (moving("file:///photos/"), "on_done: the source file:///photos/ is a directory"),
        (moving(move_failed_to="file:///failed/"), "'file:///failed/' is a directory: sources are moved only in S3"),
        ({**MINIMAL, "on_done": {}}, "the field 'on_done.move_source_to' is missing"),
    ],
)
def test_moves_in_circles_are_refused(job, message):
    with pytest.raises(InvalidJob) as refused:
        parse_job(job)

    assert message in str(refused.value)
