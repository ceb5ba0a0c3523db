"""A new operation in a project: folder, entry in the template, event and test, all at once or not at all."""

from __future__ import annotations

import keyword
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from fanfold.problems import EnvironmentFault, UsageProblem

SKELETON = Path(__file__).parent / "skeleton"
# Lambda takes 64 characters for STACK-op-NAME; with this a stack's name may have 20.
LONGEST_NAME = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLACES = {
    "operation.py": "functions/{folder}/operation.py",
    "handler.py": "functions/{folder}/handler.py",
    "requirements.in": "functions/{folder}/requirements.in",
    "requirements.txt": "functions/{folder}/requirements.txt",
    "event.json": "sample_data/events/{folder}.json",
    "test_operation.py": "tests/functions/test_{folder}.py",
}
# The log group of an operation: its block in the template ends where the next thing begins that is not part of it.
_LOG_GROUP = re.compile(
    r"^  \w+:[ \t]*\r?\n(?: {4}.*\n)*? {4} +LogGroupName:.*-op-.*\n(?: {4}.*(?:\n|\Z))*", re.MULTILINE
)


@dataclass(frozen=True)
class OperationName:
    """The name of an operation as a job writes it, such as ``word-count``.

    Raises:
        UsageProblem: it is no name for one.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what is not lower-case words with hyphens, too long, or no name for a Python package."""
        if not _NAME.fullmatch(self.text) or keyword.iskeyword(self.folder):
            raise UsageProblem(
                f"{self.text!r} is no name for an operation: write lower-case words with hyphens, such as 'word-count'"
            )
        if len(self.text) > LONGEST_NAME:
            raise UsageProblem(f"{self.text!r} has {len(self.text)} characters: write at most {LONGEST_NAME}")

    @property
    def folder(self) -> str:
        """The name of its Python package, such as ``word_count``."""
        return self.text.replace("-", "_")

    @property
    def logical_id(self) -> str:
        """What its resources in the template begin with, such as ``WordCount``."""
        return "".join(word.capitalize() for word in self.text.split("-"))

    def renamed(self, text: str) -> str:
        """Return a text of the skeleton with the operation's own names in it."""
        names = {
            "fanfold.skeleton": f"functions.{self.folder}",
            "new-operation": self.text,
            "new_operation": self.folder,
            "NewOperation": self.logical_id,
        }
        return re.sub("|".join(map(re.escape, names)), lambda found: names[found[0]], text)


def add_operation(project: Path, name: OperationName) -> list[Path]:
    """Write the operation's files and its entry in ``template.yaml``; return what was made and changed.

    Raises:
        UsageProblem: something of it is there already, or the template has no operation to put it after.
        EnvironmentFault: it cannot be written; then everything is as it was.
    """
    template = (project / "template.yaml").resolve()
    before = template.read_bytes().decode()
    files = {project / place.format(folder=name.folder): name.renamed(_read(each)) for each, place in _PLACES.items()}
    _refuse_existing(project, name, files, before)
    after = with_entry(before, name)
    try:
        with ExitStack() as undo:
            for path, text in files.items():
                _write(path, text, undo)
            _replace(template, after, undo)
            undo.pop_all()
    except OSError as error:
        raise EnvironmentFault(f"cannot write {error.filename}: {error.strerror}; nothing was changed") from error
    return [*files, template]


def with_entry(template: str, name: OperationName) -> str:
    """Return the template's text with the entry after that of the last operation; all else is as it was.

    Raises:
        UsageProblem: there is no operation in it.
    """
    found = list(_LOG_GROUP.finditer(template))
    if not found:
        raise UsageProblem(
            "template.yaml has no log group of an operation, indented by two spaces, to put the entry after: "
            "take over the one of ImageResizeFunction from Fanfold's own"
        )
    end = found[-1].end()
    head = template[:end] if template[:end].endswith("\n") else template[:end] + "\n"
    entry = "\n" + name.renamed(_read("entry.yaml"))
    return head + (entry.replace("\n", "\r\n") if "\r\n" in template else entry) + template[end:]


def _read(name: str) -> str:
    return (SKELETON / name).read_text(encoding="utf-8")


def _refuse_existing(project: Path, name: OperationName, files: Mapping[Path, str], template: str) -> None:
    for place in _existing(project, name, files, template):
        raise UsageProblem(f"{place} is there already: choose another name, or remove it")


def _existing(project: Path, name: OperationName, files: Mapping[Path, str], template: str) -> Iterator[str]:
    """Yield what is in the way."""
    folder = f"functions/{name.folder}"
    if (project / folder).exists():
        yield folder
    # Test modules go by their bare names: no two may have the same.
    tests = project.glob(f"tests/**/test_{name.folder}.py")
    yield from (str(path.relative_to(project)) for path in (*files, *tests) if path.exists())
    for suffix in ("Function", "FunctionRole", "Logs"):
        if re.search(rf"^  {name.logical_id}{suffix}:", template, re.MULTILINE):
            yield f"{name.logical_id}{suffix} in template.yaml"


def _write(path: Path, text: str, undo: ExitStack) -> None:
    """Write a file that is not there, and its folders."""
    for folder in reversed([folder for folder in path.parents if not folder.exists()]):
        folder.mkdir()
        undo.callback(_remove_folder, folder)
    with path.open("x", encoding="utf-8", newline="\n") as file:
        undo.callback(path.unlink)
        file.write(text)


def _replace(path: Path, text: str, undo: ExitStack) -> None:
    """Put another text in a file's place in one step."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("xb") as file:
        undo.callback(fresh.unlink, missing_ok=True)
        file.write(text.encode())
    shutil.copymode(path, fresh)
    os.replace(fresh, path)


def _remove_folder(folder: Path) -> None:
    # Something of somebody else may have got into it meanwhile.
    with suppress(OSError):
        folder.rmdir()
