"""The stage of all tests of Step Functions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws
from states_stage import Stage


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        stage = Stage()
        yield stage
        stage.service.close()
