"""An artefact with one fault in it is rejected, by the rule that is there for it; one without is not."""

from __future__ import annotations

import json

import pytest

from tests.cloud.built import SERVED, Artefact, event_faults, import_faults, python
from tests.cloud.tools import Missing
from tests.conftest import serving

pytestmark = pytest.mark.cloud

DONE = {"counts": {"succeeded": 1}}


@pytest.fixture
def build(tmp_path):
    """Make an artefact of a handler's text."""
    try:
        python()
    except Missing as reason:
        pytest.skip(f"SKIPPED: {reason}")

    def built(text, operation="image_resize"):
        folder = tmp_path / "functions" / operation
        folder.mkdir(parents=True)
        (folder / "handler.py").write_text(text)
        return Artefact("Planted", f"functions.{operation}.handler.handler", tmp_path, tmp_path / "native")

    return built


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """An endpoint of its own, in whose buckets no other test has left outputs."""
    with serving(tmp_path_factory.mktemp("logs"), *SERVED) as cloud:
        yield cloud


def answering(answer):
    return f"import json\ndef handler(event, context):\n    return json.loads({json.dumps(answer)!r})\n"


def test_a_handler_that_imports_what_is_there_is_accepted(build):
    artefact = build(answering(DONE))

    assert list(import_faults(artefact)) == []


# Each is there for whoever asks in vain: in these tests' environment, in that of the interpreter, in the repository.
@pytest.mark.parametrize("module", ["polars", "pip", "itemkit"])
def test_a_handler_that_imports_what_its_requirements_do_not_bring_is_rejected(build, module):
    artefact = build(f"import {module}\n{answering(DONE)}")

    assert list(import_faults(artefact)) == [
        "Planted: functions.image_resize.handler.handler cannot be imported: "
        f"ModuleNotFoundError: No module named '{module}'"
    ]


def test_a_module_without_the_handler_is_rejected(build):
    (fault,) = import_faults(build(answering(DONE).replace("handler(", "handle(")))

    assert "has no attribute 'handler'" in fault


def test_a_package_that_the_requirements_do_not_name_is_rejected(build):
    artefact = build(answering(DONE))
    (artefact.built / "polars-2.1.0.dist-info").mkdir()

    assert list(import_faults(artefact)) == [
        "Planted: polars-2.1.0.dist-info is in one of the artefact and its requirements alone"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def handler(event, context):\n    raise ValueError('broken')\n", "raises ValueError: broken"),
        (answering({"counts": {"failed": 1}, "failures": ["why"]}), "comes to {'failed': 1}: ['why']"),
        (answering(DONE), "has no output of its own"),
    ],
    ids=["raises", "fails the item", "writes nothing"],
)
def test_an_operation_that_does_not_do_its_sample_event_is_rejected(build, fresh, text, told):
    (fault,) = event_faults(build(text), fresh)

    assert told in fault


def test_an_operation_without_a_sample_event_is_rejected(build, fresh):
    artefact = build(answering(DONE), operation="word_count")

    assert list(event_faults(artefact, fresh)) == ["Planted: there is no sample_data/events/word_count.json"]
