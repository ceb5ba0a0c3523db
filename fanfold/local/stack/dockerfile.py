"""What a Dockerfile makes of a Python function, as far as it can be told without building: its code and its handler.

Packages and programs that ``RUN`` installs are not made here: those of this machine take their place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from fanfold.local.awslambda import Mount
from fanfold.local.stack.errors import StackError

SUPPORTED = (
    "without building it, a Dockerfile is understood that has one FROM an AWS base image for Python, "
    "COPY of files and folders (no flags, patterns, quotes or variables) to ${LAMBDA_TASK_ROOT} or below it, "
    'WORKDIR ${LAMBDA_TASK_ROOT} and CMD ["module.function"]; RUN and LABEL are passed over'
)
# Where the base images of AWS have the function's code, and their working directory (docs.aws.amazon.com/lambda,
# "Deploy Python Lambda functions with container images").
_TASK_ROOT = re.compile(r"(?:\$\{LAMBDA_TASK_ROOT\}|\$LAMBDA_TASK_ROOT|/var/task)(?:/+|$)")
_BASE = re.compile(r"(?:\S+/)?(?:aws-lambda-python|lambda/python)(?:[:@]\S+)?(?:\s+AS\s+\S+)?", re.IGNORECASE)
_NOT_PLAIN = frozenset("[]*?\"'\\<$")


@dataclass(frozen=True)
class Image:
    """What the function of an image is made of.

    Attributes:
        task: each file of the task root, where it lies in the build's context.
        command: the words of CMD: the handler alone; none where the Dockerfile has no CMD.
    """

    task: tuple[Mount, ...]
    command: tuple[str, ...]


def read_image(dockerfile: Path, context: Path) -> Image:
    """Read what ``dockerfile`` makes of the files below ``context``.

    Raises:
        StackError: there is no such file, or it has what is not understood here; the message names the line.
    """
    try:
        text = dockerfile.read_text()
    except OSError as error:
        raise StackError(f"{dockerfile} cannot be read: {error.strerror}") from error
    build = _Build(context.resolve())
    for line, name, rest in _instructions(text):
        try:
            build.follow(name, rest)
        except ValueError as error:
            raise StackError(f"{dockerfile}, line {line}: {error}; {SUPPORTED}") from error
    if not build.based:
        raise StackError(f"{dockerfile} has no FROM; {SUPPORTED}")
    return Image(tuple(Mount(source, at) for at, source in build.files.items()), build.command)


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield each instruction with its line, its name in capitals and the rest; continued lines are joined."""
    joined, began = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue  # among continued lines too, as Docker does
        began = began or number
        joined += line.rstrip().removesuffix("\\")
        if not line.rstrip().endswith("\\"):
            yield began, *_words(joined)
            joined, began = "", 0
    if joined.strip():
        yield began, *_words(joined)


def _words(instruction: str) -> tuple[str, str]:
    name, *rest = instruction.split(maxsplit=1)
    return name.upper(), "".join(rest).strip()


class _Build:
    """The files and the command as the instructions read so far leave them; what is not understood is a ValueError."""

    def __init__(self, context: Path) -> None:
        self.files: dict[PurePosixPath, Path] = {}
        self.command: tuple[str, ...] = ()
        self.based = False
        self._context = context

    def follow(self, name: str, rest: str) -> None:
        if name not in _STEPS:
            raise ValueError(f"{name} is not understood")
        _STEPS[name](self, rest)

    def base(self, rest: str) -> None:
        if self.based:
            raise ValueError("a second FROM: a build in stages")
        if not _BASE.fullmatch(rest):
            raise ValueError(f"FROM {rest} is not an AWS base image for Python")
        self.based = True

    def work_in(self, rest: str) -> None:
        if _below_task_root(rest) != PurePosixPath():
            raise ValueError(f"WORKDIR {rest} is another folder")

    def run(self, rest: str) -> None:
        if "<<" in rest:
            raise ValueError("RUN with a here-document")

    def label(self, _: str) -> None:
        """A label says nothing to Lambda."""

    def start(self, rest: str) -> None:
        try:
            words = json.loads(rest)
        except ValueError:
            words = None
        if not isinstance(words, list) or len(words) != 1 or not isinstance(words[0], str):
            raise ValueError(f"CMD {rest} is not a list of one text")
        self.command = (words[0],)

    def copy(self, rest: str) -> None:
        *sources, target = rest.split() or [""]
        if not sources or any(_NOT_PLAIN & set(source) or source.startswith("--") for source in sources):
            raise ValueError(f"COPY {rest} is not understood")
        if len(sources) > 1 and not target.endswith("/"):
            raise ValueError(f"COPY {rest}: the folder that several are copied into must end with /")
        at = _below_task_root(target)
        into = target.endswith("/") or at == PurePosixPath() or any(at in place.parents for place in self.files)
        for source in sources:
            path = self._source(source)
            self.files |= _tree(path, at) if path.is_dir() else {at / path.name if into else at: path}

    def _source(self, source: str) -> Path:
        """Return what is copied; it must be there and lie in the context."""
        path = (self._context / source.lstrip("/")).resolve()
        if not path.is_relative_to(self._context):
            raise ValueError(f"{source} lies outside the context {self._context}")
        if not path.exists():
            raise ValueError(f"there is no {source} in the context {self._context}")
        return path


def _below_task_root(target: str) -> PurePosixPath:
    """Return a place of the image relative to the task root."""
    found = _TASK_ROOT.match(target)
    place = PurePosixPath(target[found.end() :] if found else target)
    if place.is_absolute() or ".." in place.parts or _NOT_PLAIN & set(str(place)):
        raise ValueError(f"{target} is no plain place in the task root")
    return place


def _tree(folder: Path, at: PurePosixPath) -> dict[PurePosixPath, Path]:
    """Return the files of a folder by their places: COPY takes what is in the folder, not the folder itself."""
    return {at / path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


_STEPS: Mapping[str, Callable[[_Build, str], None]] = MappingProxyType(
    {
        "FROM": _Build.base,
        "COPY": _Build.copy,
        "CMD": _Build.start,
        "WORKDIR": _Build.work_in,
        "RUN": _Build.run,
        "LABEL": _Build.label,
    }
)
