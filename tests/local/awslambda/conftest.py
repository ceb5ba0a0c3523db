"""The stage of the Lambda tests, once with each runtime client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lambda_stage import Stage, require

from fanfold.local.awslambda.client import Client


@pytest.fixture(params=list(Client), ids=lambda client: client.value)
def client(request: pytest.FixtureRequest) -> Client:
    return require(request.param)


@pytest.fixture
def stage(tmp_path: Path, client: Client) -> Iterator[Stage]:
    stage = Stage(tmp_path, client)
    yield stage
    stage.service.close()
