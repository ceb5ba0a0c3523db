"""The conventions of this repository, executable: each is a rule from the tree's texts to its findings."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
import typer.main

from fanfold.cli import app

ROOT = Path(__file__).parents[1]
Tree = dict[str, str]

OURS = {"itemkit", "functions", "fanfold"}
KERNEL_USES = sys.stdlib_module_names | {"aws_lambda_powertools", "boto3", "botocore"}
# An operation is a function of bytes and options: these belong to the edge.
EDGE = {"aws_lambda_powertools", "boto3", "botocore", "logging", "os"}
NOUNLESS = {"utils", "util", "common", "helpers", "helper", "misc", "manager"}
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
FUNCTION_LINES, MODULE_LINES = 40, 400
# Not spelled out, since no file may name one.
REGISTRIES = [
    ".".join(words)
    for words in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("crates", "io"), ("rubygems", "org"),
                  ("anaconda", "org"), ("docker", "io"), ("quay", "io"), ("ghcr", "io"), ("public", "ecr", "aws"))
]  # fmt: skip
MACHINE_PATH = re.compile(r"(?<![\w.:*}>/-])/(?:work|root|home/\w+|Users/\w+)/[\w.]+")


def read_tree() -> Tree:
    """Read every text that is tracked or would be by `git add`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    tree = {}
    for name in filter(None, listed.stdout.split("\0")):
        body = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b"\0"
        if b"\0" not in body:
            tree[name] = body.decode(errors="replace")
    return tree


def modules(tree: Tree, *tops: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of the Python modules below some folders."""
    return ((path, text) for path, text in tree.items() if path.endswith(".py") and path.split("/")[0] in tops)


@functools.cache
def nodes(text: str) -> tuple[ast.AST, ...]:
    """Return all nodes of a module's syntax tree."""
    return tuple(ast.walk(ast.parse(text)))


@functools.cache
def for_types_only(text: str) -> frozenset[ast.AST]:
    """Return the nodes below `if TYPE_CHECKING`, which never run."""
    guards = [node for node in nodes(text) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return frozenset(node for guard in guards for statement in guard.body for node in ast.walk(statement))


def imports(path: str, text: str, skipped: frozenset[ast.AST] = frozenset()) -> Iterator[str]:
    """Yield the dotted names that a module imports, wherever in it."""
    package = path.split("/")[:-1]
    for node in nodes(text):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            near = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*near, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def direction(tree: Tree) -> list[str]:
    """Find imports against the one way: fanfold -> itemkit <- functions/*."""
    return [
        f"{path} imports {name}"
        for path, text in modules(tree, *OURS, "sample_data")
        for name in imports(path, text)
        if name.split(".")[0] in OURS and not may_import(path, name)
    ]


def may_import(path: str, name: str) -> bool:
    """Tell whether a module may import this name of ours."""
    top, *below = path.split("/")
    if name.split(".")[:2] == ["itemkit", "job"] and (top, *below[:1]) != ("functions", "prepare") and top != "fanfold":
        return False
    if name.split(".", maxsplit=1)[0] == "functions":
        return top == "functions" and name.split(".")[1] == below[0]
    return name.split(".", maxsplit=1)[0] in {top, "itemkit"}


def dependencies(tree: Tree) -> list[str]:
    """Find what the kernel or an operation imports though Lambda need not have it, or the edge should."""
    found = []
    for path, text in modules(tree, "itemkit", "functions"):
        tops = sorted({name.split(".")[0] for name in imports(path, text, for_types_only(text))} - OURS)
        allowed = KERNEL_USES | ({"pydantic"} if path == "itemkit/job.py" else set())
        if path.startswith("itemkit/"):
            found += [f"{path} imports {top}, which is not in every Lambda" for top in tops if top not in allowed]
        if path.endswith("/operation.py") and path.startswith("functions/"):
            found += [f"{path} imports {top}, which is for the edge" for top in tops if top in EDGE]
    return found


def names(tree: Tree) -> list[str]:
    """Find modules that are named after no noun of the domain."""
    paths = [PurePosixPath(path) for path, _ in modules(tree, *OURS, "tests", "sample_data", "bench")]
    return [f"{path} is named after nothing in it" for path in paths if NOUNLESS & {*path.parts[:-1], path.stem}]


def lengths(tree: Tree) -> list[str]:
    """Find modules and function bodies (docstring aside) that do not fit in the head."""
    found = []
    for path, text in modules(tree, *OURS):
        if (lines := len(text.splitlines())) > MODULE_LINES:
            found.append(f"{path} has {lines} lines, over {MODULE_LINES}")
        for node in nodes(text):
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and (lines := body_lines(node)) > FUNCTION_LINES
            ):
                found.append(f"{path}: {node.name} has {lines} lines, over {FUNCTION_LINES}")
    return found


def body_lines(function: ast.AST) -> int:
    """Count the lines of a function without its head and its docstring."""
    body = function.body[ast.get_docstring(function) is not None :]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def folders(tree: Tree) -> list[str]:
    """Find functions without their files, and operations without their test."""
    found = []
    for folder in sorted({"/".join(path.split("/")[:2]) for path in tree if re.match(r"functions/.*/", path)}):
        wanted = [f"{folder}/{name}" for name in ("handler.py", "requirements.in", "requirements.txt")]
        if f"{folder}/operation.py" in tree:
            wanted.append(f"tests/functions/test_{folder.split('/')[1]}.py")
        found += [f"{path} is missing" for path in wanted if path not in tree]
    return found


def requirements(tree: Tree) -> list[str]:
    """Find locked requirements that are not pinned to one version and its hashes."""
    return [
        f"{path}: not pinned with hashes: {line.split()[0]}"
        for path, text in tree.items()
        if re.fullmatch(r"requirements[\w-]*\.txt", PurePosixPath(path).name)
        for line in text.replace("\\\n", " ").splitlines()
        if line.strip() and not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ]


def places(tree: Tree) -> list[str]:
    """Find files that name a package registry's host, or a path of somebody's machine."""
    return [f"{path} names {place}" for path, text in tree.items() for place in places_in(text)]


@functools.cache
def places_in(text: str) -> list[str]:
    """Return the hosts and paths that a text should not name."""
    return [host for host in REGISTRIES if host in text] + sorted(set(MACHINE_PATH.findall(text)))


def documents(tree: Tree) -> list[str]:
    """Find commands, targets and files that a document names and nobody made."""
    commands = set(typer.main.get_command(app).commands)
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):(?!=)", tree.get("Makefile", ""), re.MULTILINE))
    found = []
    for path, text in tree.items():
        if path.endswith(".md"):
            code = "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))
            found += unknown(path, "fanfold", set(re.findall(r"\bfanfold ([a-z][a-z-]*)", code)) - commands)
            found += unknown(path, "make", set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", code)) - targets)
            links = set(re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text))
            found += [f"{path}: no file {link}" for link in sorted(links) if not linked(path, link).exists()]
    return found


def unknown(path: str, program: str, words: set[str]) -> list[str]:
    """Return one finding a word that the program does not know."""
    return [f"{path}: there is no `{program} {word}`" for word in sorted(words)]


def linked(path: str, link: str) -> Path:
    """Return the file that a link in a document means."""
    return ROOT / PurePosixPath(path).parent / link


RULES = (direction, dependencies, names, lengths, folders, requirements, places, documents)
SHIPPED = read_tree()
LINES = "\n".join(f"    x = {number}" for number in range(41))

BROKEN = [
    ({"itemkit/select.py": "import functions.prepare.plan"}, ["itemkit/select.py imports functions.prepare.plan"]),
    ({"itemkit/select.py": "def f():\n    from fanfold import story"}, ["itemkit/select.py imports fanfold.story"]),
    ({"functions/prepare/plan.py": "import fanfold.run"}, ["functions/prepare/plan.py imports fanfold.run"]),
    ({"functions/prepare/plan.py": "from functions.summarize import fold"}, [
        "functions/prepare/plan.py imports functions.summarize.fold",
    ]),
    ({"functions/prepare/plan.py": "from ..summarize.fold import fold"}, [
        "functions/prepare/plan.py imports functions.summarize.fold.fold",
    ]),
    ({"fanfold/run.py": "import functions.prepare"}, ["fanfold/run.py imports functions.prepare"]),
    ({"sample_data/draw.py": "import fanfold"}, ["sample_data/draw.py imports fanfold"]),
    ({"functions/summarize/fold.py": "from itemkit.job import Job"}, [
        "functions/summarize/fold.py imports itemkit.job.Job",
    ]),
    ({"itemkit/batch.py": "from itemkit import job"}, ["itemkit/batch.py imports itemkit.job"]),
    ({"itemkit/batch.py": "import pydantic"}, ["itemkit/batch.py imports pydantic, which is not in every Lambda"]),
    ({"itemkit/batch.py": "if TYPE_CHECKING:\n    import mypy_boto3_s3\n    import fanfold"}, [
        "itemkit/batch.py imports fanfold",
    ]),
    ({"functions/image_resize/operation.py": "import os.path"}, [
        "functions/image_resize/operation.py imports os, which is for the edge",
    ]),
    ({"fanfold/utils.py": ""}, ["fanfold/utils.py is named after nothing in it"]),
    ({"fanfold/common/text.py": ""}, ["fanfold/common/text.py is named after nothing in it"]),
    ({"itemkit/select.py": "\n" * 401}, ["itemkit/select.py has 401 lines, over 400"]),
    ({"itemkit/select.py": f"class A:\n  def f(self):\n    '''Why.'''\n{LINES}"}, [
        "itemkit/select.py: f has 41 lines, over 40",
    ]),
    ({"functions/prepare/requirements.in": None}, ["functions/prepare/requirements.in is missing"]),
    ({"functions/prepare/handler.py": None}, ["functions/prepare/handler.py is missing"]),
    ({f"functions/load/{name}": "" for name in ("handler.py", "operation.py", "requirements.in", "requirements.txt")}, [
        "tests/functions/test_load.py is missing",
    ]),
    ({"itemkit/requirements.txt": "boto3==1\n"}, ["itemkit/requirements.txt: not pinned with hashes: boto3==1"]),
    ({"itemkit/requirements.txt": f"boto3>=1 \\\n  --hash=sha256:{'0' * 64}\n"}, [
        "itemkit/requirements.txt: not pinned with hashes: boto3>=1",
    ]),
    ({"docs/x.md": f"from {REGISTRIES[0]}."}, [f"docs/x.md names {REGISTRIES[0]}"]),
    ({"docs/x.md": "see /" + "root/notes.txt"}, ["docs/x.md names /" + "root/notes.txt"]),
    ({"docs/x.md": "`fanfold fly` and fanfold is"}, ["docs/x.md: there is no `fanfold fly`"]),
    ({"docs/x.md": "```\nmake wings\n```\nmake nothing up"}, ["docs/x.md: there is no `make wings`"]),
    ({"docs/x.md": "[here](../README.md) and [there](nowhere.md#part)"}, ["docs/x.md: no file nowhere.md"]),
]  # fmt: skip


def findings(tree: Tree) -> list[str]:
    return [finding for rule in RULES for finding in rule(tree)]


def changed(changes: dict[str, str | None]) -> Tree:
    return {path: text for path, text in (SHIPPED | changes).items() if text is not None}


@functools.cache
def shipped_findings() -> list[str]:
    return findings(SHIPPED)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_its_conventions(rule):
    assert rule(SHIPPED) == []


@pytest.mark.parametrize(("changes", "expected"), BROKEN, ids=[expected[0] for _, expected in BROKEN])
def test_a_broken_convention_is_found_out(changes, expected):
    assert [each for each in findings(changed(changes)) if each not in shipped_findings()] == expected


def test_every_rule_finds_something_somewhere():
    found = {
        rule.__name__: {each for changes, _ in BROKEN for each in rule(changed(changes))} - set(shipped_findings())
        for rule in RULES
    }

    assert [name for name, each in found.items() if not each] == []
