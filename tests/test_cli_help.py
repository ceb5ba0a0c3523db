"""``--help`` of every command, its examples, and what a shell completes."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from fanfold.cli import app
from tests.conftest import Cloud
from tests.test_cli import call, environment, images, own

COMMANDS = typer.main.get_group(app).commands
BIN = Path(sys.executable).parent


def help_of(*words: str) -> str:
    done = subprocess.run(
        [str(BIN / "fanfold"), *words, "--help"],
        env={"PATH": os.environ["PATH"], "COLUMNS": "80"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def examples_of(command: str) -> list[str]:
    lines = (COMMANDS[command].epilog or "").split("Examples:\n")[-1].splitlines()
    return [line.strip() for line in lines if line.strip()]


def test_the_commands_are_told_in_a_line_each():
    told = help_of()

    assert all(f"\n  {name}  " in told for name in COMMANDS)
    assert "..." not in told.split("Commands:")[1]
    assert "Exit codes: 0 all good" in told


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_two_examples_and_fits_into_80_columns(command):
    told = help_of(command)

    examples = examples_of(command)
    assert len(examples) >= 2
    assert all(f"    {example}\n" in told for example in examples)
    assert [line for line in told.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_example_is_a_command_line_that_is_taken(command):
    for example in examples_of(command):
        program, name, *words = shlex.split(example.split(" > ")[0])
        assert (program, name) == ("fanfold", command)
        # Parses, and raises UsageError for what is not known or missing; it runs nothing.
        COMMANDS[command].make_context(name, words)


def complete(environment: dict[str, str], *words: str) -> list[str]:
    """Press TAB in a real bash, after the last of the words."""
    script = (
        'eval "$(fanfold --show-completion)"; COMP_WORDS=(fanfold "$@"); COMP_CWORD=$#; '
        "IFS=$'\\n'; _fanfold_completion fanfold; echo \"${COMPREPLY[*]}\""
    )
    bash = shutil.which("bash")
    if not bash:
        pytest.skip("there is no bash here")
    done = subprocess.run(
        [bash, "--norc", "-c", script, "bash", *words],
        env=environment | {"PATH": f"{BIN}:{environment['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_and_options():
    plain = {"PATH": os.environ["PATH"], "HOME": "/"}

    assert complete(plain, "st") == ["status", "stop"]
    assert complete(plain, "tune", "x", "--con") == ["--concurrency"]


def test_bash_completes_runs_and_says_nothing_where_there_are_none(cloud: Cloud):
    ran = call(cloud, "run", "image-resize", images(cloud), "-s", f"destination={own(cloud)}", "--detach")
    name = ran.stdout.strip()

    assert complete(environment(cloud), "watch", name[:-2]) == [name]
    assert complete({"PATH": os.environ["PATH"], "HOME": "/"}, "watch", name[:-2]) == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell):
    done = subprocess.run(
        [str(BIN / "fanfold")],
        env={"PATH": os.environ["PATH"], "_FANFOLD_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert f"_FANFOLD_COMPLETE=complete_{shell}" in done.stdout
