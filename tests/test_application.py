"""Where the command line looks for a stack's buckets."""

from __future__ import annotations

import pytest

from fanfold.application import on_aws


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def test_existing_buckets_are_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANFOLD_INPUT_BUCKET", "their-photos")
    monkeypatch.setenv("FANFOLD_OUTPUT_BUCKET", "their-results")

    application = on_aws("fanfold")

    assert (application.input_bucket, application.output_bucket) == ("their-photos", "their-results")


def test_a_stacks_own_buckets_go_by_its_name_and_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANFOLD_INPUT_BUCKET", "")
    monkeypatch.delenv("FANFOLD_OUTPUT_BUCKET", raising=False)
    application = on_aws("fanfold")
    vars(application)["_caller"] = ("aws", "123456789012")  # what STS would say

    assert (application.input_bucket, application.output_bucket) == (
        "fanfold-input-123456789012-us-east-1",
        "fanfold-output-123456789012-us-east-1",
    )
