"""Behaviour recorded on AWS, or documented by it, through the endpoint with boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance_patterns import differences, fits
from conformance_player import Player

from fanfold.local.server import Endpoint

CASES = Path(__file__).parent / "cases"
NAMES = sorted(str(path.relative_to(CASES).with_suffix("")) for path in CASES.rglob("*.json"))


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(port=0) as endpoint:
        yield endpoint


@pytest.mark.parametrize("name", NAMES)
def test_endpoint_answers_as_aws(endpoint: Endpoint, name: str) -> None:
    """The endpoint does what AWS did in this case."""
    Player(json.loads((CASES / f"{name}.json").read_text("utf-8")), endpoint.client).play()


@pytest.mark.parametrize(
    ("want", "got"),
    [
        ("$any", None),
        ("$re:a+", "aa"),
        ({"$unordered": [1, 2]}, [2, 1]),
        ({"$subset": {"a": {"b": 1}}}, {"a": {"b": 1, "c": 2}, "d": 3}),
        ({"$json": {"a": 1}}, '{"a": 1}'),
        ([1, {"a": 1.0}], [1, {"a": 1}]),
    ],
)
def test_pattern_fits(want: object, got: object) -> None:
    """A pattern accepts what it stands for."""
    assert list(differences(want, got)) == []


@pytest.mark.parametrize(
    ("want", "got"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": "$any"}, {}),
        (True, 1),
        ("$re:a", "ab"),
        ({"$unordered": [1, 1]}, [1, 2]),
        ({"$json": 1}, "x"),
        ([1], [1, 1]),
    ],
)
def test_pattern_does_not_fit(want: object, got: object) -> None:
    """A pattern refuses everything else."""
    assert not fits(want, got)
