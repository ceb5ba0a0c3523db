"""Invocations in real processes: what the handler sees and what the caller gets, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path, PurePosixPath

import pytest
from lambda_stage import Stage

from fanfold.local.awslambda import Mount
from fanfold.local.awslambda.client import Client
from fanfold.local.protocol import ServiceError
from tests.waiting import until

REPOSITORY = Path(__file__).resolve().parents[3]
MAX_RESPONSE = 6 * 1024 * 1024 + 100


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def state(pid: int) -> str:
    """Return what `ps` says of a process: R, S, Z, ... or nothing."""
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout[:1]


def test_the_handler_gets_the_event_and_a_true_context(stage: Stage) -> None:
    name = stage.create(
        """
        def handler(event, context):
            return [event, context.function_name, context.memory_limit_in_mb, context.invoked_function_arn,
                    context.function_version, 9 < context.get_remaining_time_in_millis() / 1000 <= 10]
        """,
        memory=256,
    )

    answer = stage.call(name, {"ä": [1.5, None]})

    arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
    assert answer == [{"ä": [1.5, None]}, name, "256", arn, "$LATEST", True]


def test_an_environment_starts_cold_once_and_is_used_again(stage: Stage) -> None:
    name = stage.create(
        """
        import os
        calls = []
        def handler(event, context):
            calls.append(context.aws_request_id)
            return [os.getpid(), len(set(calls))]
        """
    )

    first, second = stage.call(name), stage.call(name)

    assert [first[1], second[1]] == [1, 2]
    assert first[0] == second[0]


def test_an_exception_is_the_callers_error_and_leaves_the_environment_warm(stage: Stage) -> None:
    name = stage.create(
        """
        import os
        def handler(event, context):
            if event == "fail":
                raise KeyError("lost")
            return os.getpid()
        """
    )
    before = stage.call(name)

    error = stage.fail(name, "fail")

    assert [error["errorType"], error["errorMessage"], len(error["stackTrace"])] == ["KeyError", "'lost'", 1]
    assert stage.call(name) == before


@pytest.mark.parametrize(
    ("death", "reason"),
    [
        ("os._exit(3)", "Runtime exited with error: exit status 3"),
        ("sys.exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "Runtime exited with error: signal: killed"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "Runtime exited with error: signal: segmentation fault"),
    ],
)
def test_a_process_that_dies_is_an_exit_error_and_the_next_call_starts_anew(
    stage: Stage, death: str, reason: str
) -> None:
    name = stage.create(
        f"""
        import os, signal, sys
        def handler(event, context):
            if event == "die":
                {death}
            return context.aws_request_id
        """
    )

    error = stage.fail(name, "die")

    request_id = error["errorMessage"].split()[1]
    assert error == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {request_id} Error: {reason}"}
    assert len(stage.call(name)) == 36


def test_macos_refuses_to_signal_a_dead_group_and_numbers_its_signals(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(group: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    name = stage.create("import os, signal\ndef handler(event, context): os.kill(os.getpid(), signal.SIGKILL)")
    monkeypatch.setattr(os, "killpg", refuse)
    monkeypatch.setattr(signal, "strsignal", "Killed: {}".format)

    assert stage.fail(name)["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")


def test_a_handler_that_hangs_is_killed_with_all_it_started(stage: Stage, tmp_path: Path) -> None:
    name = stage.create(
        """
        import pathlib, subprocess, time
        def handler(event, context):
            child = subprocess.Popen(["sleep", "600"])
            pathlib.Path(event).write_text(str(child.pid))
            time.sleep(600)
        """,
        timeout=1,
    )

    error = stage.fail(name, str(tmp_path / "child"))

    request_id = error["errorMessage"].split()[1]
    assert error == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
    }
    child = int((tmp_path / "child").read_text())
    until(lambda: not is_running(child), "the process the handler started is gone")


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("import nowhere", "Runtime.ImportModuleError", "Unable to import module 'index': No module named 'nowhere'"),
        ("x = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'index'"),
        ("raise OSError('no disk')", "OSError", "no disk"),
    ],
)
def test_what_fails_before_the_first_event_is_answered_as_it_was_reported(
    stage: Stage, source: str, kind: str, message: str
) -> None:
    name = stage.create(source)

    first, second = stage.fail(name), stage.fail(name)

    assert [first["errorType"], first["errorMessage"]] == [kind, message]
    assert second == first


def test_a_module_that_ends_the_process_is_an_exit_error(stage: Stage) -> None:
    name = stage.create("import os; os._exit(7)")

    assert stage.fail(name)["errorMessage"].endswith("Error: Runtime exited with error: exit status 7")


def test_a_syntax_error_names_its_line(stage: Stage) -> None:
    error = stage.fail(stage.create("def handler(:"))

    assert error["errorType"] == "Runtime.UserCodeSyntaxError"
    assert "index.py" in error["stackTrace"][0]


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is limited on Linux only")
def test_more_memory_than_the_function_has_kills_it(stage: Stage) -> None:
    name = stage.create(
        """
        import time
        def handler(event, context):
            held = []
            while True:
                held.append(bytearray(b"x" * 8_000_000))
                time.sleep(0.01)
        """,
        memory=128,
    )

    outcome = stage.service.invoke(name, b"{}")

    assert json.loads(outcome.payload)["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert b"Max Memory Used: 128 MB" in outcome.log


def test_a_response_of_six_megabytes_is_the_most(stage: Stage) -> None:
    name = stage.create("def handler(event, context): return 'x' * (event - 2)")

    assert len(stage.service.invoke(name, str(MAX_RESPONSE).encode()).payload) == MAX_RESPONSE
    assert stage.fail(name, MAX_RESPONSE + 1) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }
    assert stage.call(name, 3) == "x"


def test_what_is_no_json_is_passed_on_as_it_is(stage: Stage) -> None:
    name = stage.create("def handler(event, context): return float('nan')")

    outcome = stage.service.invoke(name, b"{}")

    assert [outcome.payload, outcome.function_error] == [b"NaN", None]


def test_an_event_over_the_limit_is_refused(stage: Stage) -> None:
    name = stage.create("def handler(event, context): return 1")

    with pytest.raises(ServiceError) as refused:
        stage.service.invoke(name, b'"' + b"x" * 6 * 1024 * 1024 + b'"')

    assert [refused.value.code, refused.value.status] == ["RequestTooLargeException", 413]


def test_a_large_event_arrives_whole(stage: Stage) -> None:
    name = stage.create("def handler(event, context): return [len(event), event[-1]]")

    assert stage.call(name, "x" * 5_000_000 + "y") == [5_000_001, "y"]


def test_a_process_that_died_between_two_invocations_is_replaced_without_a_word(stage: Stage) -> None:
    name = stage.create(
        """
        import os, threading
        def handler(event, context):
            threading.Timer(0.02, os._exit, [1]).start()
            return os.getpid()
        """
    )
    first = stage.call(name)
    until(lambda: state(first) == "Z", "the process has died")

    assert stage.call(name) != first


def test_the_process_sees_nothing_of_this_machine(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_USER", "x")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    name = stage.create(
        """
        import importlib.util, os, sys
        def handler(event, context):
            return [dict(os.environ), sys.path, importlib.util.find_spec("fanfold") is None]
        """,
        environment={"COLOUR": "blue", "AWS_REGION": "mars", "AWS_ENDPOINT_URL": "http://own"},
    )

    variables, path, isolated = stage.call(name)

    assert "SECRET_OF_THE_USER" not in variables
    assert [variables["COLOUR"], variables["AWS_REGION"], variables["TZ"]] == ["blue", "us-east-1", ":UTC"]
    assert [variables["AWS_ACCESS_KEY_ID"], variables["AWS_SHARED_CREDENTIALS_FILE"]] == ["local", os.devnull]
    assert variables["AWS_ENDPOINT_URL"] == "http://own"
    assert isolated
    assert str(REPOSITORY) not in path


def test_the_endpoint_is_what_the_sdk_talks_to(stage: Stage) -> None:
    name = stage.create("import os\ndef handler(event, context): return os.environ['AWS_ENDPOINT_URL']")

    assert stage.call(name) == "http://127.0.0.1:1"


def test_only_the_mounted_folders_can_be_imported(stage: Stage, tmp_path: Path) -> None:
    for folder, text in {
        "shop/price": "from kit import VAT\nfrom shop import price",
        "shop/other": "",
        "kit": "VAT = 19",
    }.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").write_text(text)
    (tmp_path / "shop/price/edge.py").write_text(
        "import importlib.util, shop.price, kit\n"
        "def handler(event, context): return [kit.VAT, importlib.util.find_spec('shop.other') is None]\n"
    )

    name = stage.create(
        "",
        handler="shop.price.edge.handler",
        task=(Mount(tmp_path / "shop/price", PurePosixPath("shop/price")),),
        layers=(Mount(tmp_path / "kit", PurePosixPath("kit")),),
    )

    assert stage.call(name) == [19, True]


def test_temporary_files_end_with_their_environment(stage: Stage) -> None:
    name = stage.create(
        """
        import os, tempfile
        def handler(event, context):
            if event == "die":
                os._exit(1)
            with tempfile.NamedTemporaryFile(delete=False) as file:
                return file.name
        """
    )
    left = Path(stage.call(name))
    assert left.exists()

    stage.fail(name, "die")

    assert not left.parent.exists()


def test_a_request_waits_while_every_environment_is_busy(stage: Stage, tmp_path: Path) -> None:
    name = stage.create(
        """
        import os, pathlib, time
        def handler(event, context):
            pathlib.Path(event, context.aws_request_id).touch()
            while not pathlib.Path(event, "go").exists():
                time.sleep(0.005)
            return os.getpid()
        """
    )
    (tmp_path / "begun").mkdir()
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(stage.call(name, str(tmp_path / "begun")))) for _ in range(6)
    ]

    for thread in threads:
        thread.start()
    until(lambda: len(list((tmp_path / "begun").iterdir())) == 2, "two invocations run")
    (tmp_path / "begun" / "go").touch()
    for thread in threads:
        thread.join()

    assert len(answers) == 6
    assert len(set(answers)) == 2


def test_closing_ends_invocations_under_way_and_their_processes(stage: Stage, tmp_path: Path) -> None:
    name = stage.create(
        """
        import os, pathlib, time
        def handler(event, context):
            pathlib.Path(event).write_text(str(os.getpid()))
            time.sleep(600)
        """,
        timeout=60,
    )
    ended: list[str] = []
    caller = threading.Thread(target=lambda: ended.append(stage.fail(name, str(tmp_path / "pid"))["errorType"]))
    caller.start()
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "the handler runs")

    stage.service.close()
    caller.join(10)

    assert ended == ["Runtime.ExitError"]
    assert not is_running(int((tmp_path / "pid").read_text()))


_ENDPOINT_WITH_TWO_AT_WORK = """
import sys, threading
from pathlib import Path
from fanfold.local.awslambda.client import Client
from lambda_stage import Stage

marks = sys.argv[1]
stage = Stage(Path(marks, "stage"), Client(sys.argv[2]))
source = [
    "import os, pathlib, time",
    "def handler(event, context):",
    "    pathlib.Path(event, str(os.getpid())).touch()",
    "    time.sleep(600)",
]
name = stage.create("\\n".join(source), timeout=600)
for _ in range(2):
    threading.Thread(target=stage.call, args=(name, marks)).start()
"""


def test_processes_end_with_the_endpoint_even_when_it_is_killed(tmp_path: Path, client: Client) -> None:
    (tmp_path / "stage").mkdir()
    path = os.pathsep.join([str(Path(__file__).parent), str(REPOSITORY)])
    command = [sys.executable, "-c", _ENDPOINT_WITH_TWO_AT_WORK, str(tmp_path), client.value]
    with subprocess.Popen(
        command, env=os.environ | {"PYTHONPATH": path, "TMPDIR": str(tmp_path / "stage")}
    ) as endpoint:
        until(lambda: len(list(tmp_path.glob("[0-9]*"))) == 2, "two handlers run")
        pids = [int(mark.name) for mark in tmp_path.glob("[0-9]*")]
        endpoint.kill()

    until(lambda: not any(is_running(pid) for pid in pids), "the processes of both have ended")


def test_an_asynchronous_event_is_tried_three_times(stage: Stage, tmp_path: Path) -> None:
    name = stage.create(
        """
        def handler(event, context):
            with open(event, "a") as file:
                file.write("x")
            raise ValueError("again")
        """
    )

    stage.service.invoke_later(name, json.dumps(str(tmp_path / "tries")).encode())

    until(lambda: (tmp_path / "tries").exists() and (tmp_path / "tries").read_text() == "xxx", "three attempts")


@pytest.mark.parametrize(
    "reference",
    [
        "{}",
        "{}:$LATEST",
        "123456789012:function:{}",
        "function:{}",
        "arn:aws:lambda:us-east-1:123456789012:function:{}:$LATEST",
    ],
)
def test_a_function_answers_to_its_name_and_its_arns(stage: Stage, reference: str) -> None:
    name = stage.create("def handler(event, context): return 'here'")

    assert stage.call(reference.format(name)) == "here"


@pytest.mark.parametrize(
    ("reference", "code"),
    [
        ("missing", "ResourceNotFoundException"),
        ("known:live", "ResourceNotFoundException"),
        ("not a name", "ValidationException"),
        ("arn:aws:s3:::bucket", "ValidationException"),
    ],
)
def test_a_function_that_is_not_there_is_said_so(stage: Stage, reference: str, code: str) -> None:
    stage.create("def handler(event, context): return 1", name="known")

    with pytest.raises(ServiceError) as refused:
        stage.service.invoke(reference, b"{}")

    assert refused.value.code == code
