"""What is kept, for how long, and what is left when the stack is deleted."""

from __future__ import annotations

import pytest

from tests.template.application import application, template
from tests.template.evaluated import all_of, stack

ALWAYS = {
    "InputBucket": ["abort-what-was-never-finished", "forget-what-was-moved-from-incoming"],
    "OutputBucket": ["abort-what-was-never-finished", "forget-results-of-queries", "forget-old-leases"],
}


def rules(bucket, **parameters):
    """Return the lifecycle rules of a bucket by id."""
    found = all_of(stack(**parameters), "AWS::S3::Bucket")[bucket]["LifecycleConfiguration"]["Rules"]
    assert {rule["Status"] for rule in found} == {"Enabled"}
    return {rule["Id"]: rule for rule in found}


@pytest.mark.parametrize("bucket", ALWAYS)
def test_nothing_of_a_user_expires_by_default(bucket):
    found = rules(bucket)

    assert list(found) == ALWAYS[bucket]
    assert [rule["Prefix"] for rule in found.values() if "ExpirationInDays" in rule] in ([], ["athena/"])
    assert not any("Transitions" in rule for rule in found.values())


@pytest.mark.parametrize("bucket", ALWAYS)
def test_unfinished_uploads_are_aborted_everywhere(bucket):
    rule = rules(bucket)["abort-what-was-never-finished"]

    assert "Prefix" not in rule
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_what_was_moved_from_incoming_goes_for_good_with_its_marker():
    rule = rules("InputBucket", NoncurrentDays="3")["forget-what-was-moved-from-incoming"]

    assert rule["Prefix"] == "incoming/"
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": "3"}
    assert rule["ExpiredObjectDeleteMarker"] is True
    # S3 refuses a rule with both.
    assert "ExpirationInDays" not in rule


@pytest.mark.parametrize(
    ("bucket", "prefix", "name"), [("InputBucket", "processed/", "Processed"), ("OutputBucket", "runs/", "Runs")]
)
def test_parameters_archive_and_expire(bucket, prefix, name):
    given = {f"{name}ArchiveDays": "60", f"{name}ExpireDays": "365", "ArchiveStorageClass": "GLACIER_IR"}
    found = rules(bucket, **given)

    more = [found[each] for each in found if each not in ALWAYS[bucket]]
    assert [rule["Prefix"] for rule in more] == [prefix, prefix]
    archive, expire = more
    assert archive["Transitions"] == [{"StorageClass": "GLACIER_IR", "TransitionInDays": "60"}]
    # In a bucket with versions what expires becomes one.
    assert (expire["ExpirationInDays"], expire["NoncurrentVersionExpiration"]) == ("365", {"NoncurrentDays": "30"})


def test_runs_are_kept_for_as_long_as_they_can_be_redriven():
    redrivable = 14
    allowed = [int(days) for days in template()["Parameters"]["RunsExpireDays"]["AllowedValues"]]

    assert [days for days in allowed if 0 < days <= redrivable] == []


def test_sam_delete_leaves_data_and_nothing_else():
    """Versions of the machine go with the machine; the layer's are left for whoever still uses one."""
    resources = application(template()).expanded["Resources"]
    kept = {each["Type"]: each["DeletionPolicy"] for each in resources.values() if "DeletionPolicy" in each}

    assert kept == {
        "AWS::S3::Bucket": "RetainExceptOnCreate",
        "AWS::DynamoDB::Table": "RetainExceptOnCreate",
        "AWS::Lambda::LayerVersion": "Retain",
        "AWS::StepFunctions::StateMachineVersion": "Retain",
    }
    assert resources["Analysts"]["Properties"]["RecursiveDeleteOption"] is True


def test_data_outlives_its_replacement_too():
    resources = application(template()).expanded["Resources"].values()

    for each in resources:
        if each["Type"] in ("AWS::S3::Bucket", "AWS::DynamoDB::Table"):
            assert each["UpdateReplacePolicy"] == "Retain"
