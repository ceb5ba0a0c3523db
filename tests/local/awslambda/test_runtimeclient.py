"""Our runtime client beside AWS's own: the same functions, the same answers, to the byte."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lambda_stage import Stage, require

from fanfold.local.awslambda.client import Client, preferred
from fanfold.local.protocol import Invocation

ANSWERS = {
    "decimals": "{'a': Decimal('1.10'), 'b': [Decimal('-1E+3')], 'c': Decimal('NaN')}",
    "bytes inside": "{'a': b'x', b'key': (1, None)}",
    "bytes": "b'no \\x00 JSON'",
    "text": "'ü ~ \\u2026 \\U0001f600'",
    "numbers": "[0.1, 1e300, float('inf'), float('nan'), 2**70, True]",
    "keys": "{1: 1, None: 2, True: 3, 1.5: 4}",
    "named tuple": "namedtuple('Pair', 'a b')(1, (2,))",
    "nothing": "None",
    "a set": "{1, 2}",
    "an object inside": "{'a': [object]}",
    "a tuple as a key": "{(1, 2): 3}",
    "bytes that are no text": "[b'\\xff']",
    "an error of its own": "int('x')",
    "an error without a text": "(_ for _ in ()).throw(KeyError)",
    "an error far down": "json.loads('{')",
    "an error with a cause": "chained()",
    "the wrong number of arguments": "context.get_remaining_time_in_millis(1)",
    "the trace id": "os.environ['_X_AMZN_TRACE_ID'][:7]",
    "the end of the process": "sys.exit(3)",
    "the identity": "[context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id]",
    "where it logs": "[context.log_group_name, len(context.log_stream_name), context.tenant_id]",
    "a context of the client": "[context.client_context.custom, context.client_context.client.app_title]",
    "a log line": "[logging.getLogger().warning('heard %s', 1), context.log('said\\n'), print('printed')]",
}
SOURCE = """
import json, logging, os, sys
from collections import namedtuple
from decimal import Decimal

def chained():
    try:
        json.loads("{")
    except ValueError as error:
        raise LookupError("not there") from error

def handler(event, context):
    return eval(event)
"""
MODULES = {
    "a handler without a module": ("handler", ""),
    "a built-in module": ("sys.exit", ""),
    "a missing import": ("index.handler", "import nowhere"),
    "a missing handler": ("index.handler", "x = 1"),
    "a syntax error": ("index.handler", "def handler(:"),
    "an error on import": ("index.handler", "def f(): raise AttributeError('no disk')\nf()"),
    "an exit on import": ("index.handler", "import sys; sys.exit(4)"),
    "a package's slash": ("sub/deep.handler", "def handler(event, context): return __name__"),
}
CONTEXT = '{"custom": {"a": "\\u00fc"}, "client": {"app_title": "t"}, "env": {}}'


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Stage]]:
    require(Client.AWS)
    stages = [Stage(tmp_path_factory.mktemp("same"), client, concurrency=1) for client in Client]
    for stage in stages:
        stage.create(SOURCE, name="evaluates")
    yield stages
    for stage in stages:
        stage.service.close()


def anonymous(stage: Stage, outcome: Invocation) -> list[object]:
    """Return what the caller gets and what the log has between START and END, without what cannot be the same."""
    answer = outcome.payload.replace(str(stage.folder.resolve()).encode(), b"FOLDER")
    start, *lines, _, _report = outcome.log.decode().replace("\u00a0", " ").splitlines()
    request_id = start.split()[2]
    log = [line for line in lines if "LAMBDA_WARNING" not in line]
    times = [line.split("\t")[:1] + line.split("\t")[2:] if line.startswith("[WARNING]") else line for line in log]
    return [
        answer.replace(request_id.encode(), b"ID"),
        outcome.function_error,
        str(times).replace(request_id, "ID").replace(str(stage.folder.resolve()), "FOLDER"),
    ]


@pytest.mark.parametrize("expression", ANSWERS.values(), ids=ANSWERS)
def test_an_invocation_ends_as_it_does_with_awss_client(stages: list[Stage], expression: str) -> None:
    aws, own = (
        anonymous(stage, stage.service.invoke("evaluates", json.dumps(expression).encode(), CONTEXT))
        for stage in stages
    )

    assert own == aws


@pytest.mark.parametrize(("handler", "source"), MODULES.values(), ids=MODULES)
def test_a_start_ends_as_it_does_with_awss_client(stages: list[Stage], handler: str, source: str) -> None:
    name = f"start-{list(MODULES.values()).index((handler, source))}"
    for stage in stages:
        stage.create(source, name=name, handler=handler)
        (stage.folder / name / "sub").mkdir()
        (stage.folder / name / "sub" / "deep.py").write_text(source)

    aws, own = (anonymous(stage, stage.service.invoke(name, b"{}")) for stage in stages)

    assert own == aws


def test_awss_client_is_chosen_on_linux_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    require(Client.AWS)

    assert [preferred("linux"), preferred("darwin")] == [Client.AWS, Client.OWN]

    monkeypatch.setitem(sys.modules, "awslambdaric", None)
    assert preferred("linux") is Client.OWN


def test_our_client_needs_no_fanfold_and_hides_no_module(tmp_path: Path) -> None:
    """Its folder has a `code` and a `log`; run by path, Python would put them before the standard library's."""
    stage = Stage(tmp_path, Client.OWN)
    name = stage.create(
        """
        import code, sys
        def handler(event, context):
            return [hasattr(code, "InteractiveConsole"), [name for name in sys.modules if name.startswith("fanfold")]]
        """
    )

    assert stage.call(name) == [True, []]
    stage.service.close()
