"""What is known of one function: its settings, and which folders make up its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Mount:
    """A folder or a file of the laptop seen at a place inside the function's file system.

    Attributes:
        source: an existing folder or file.
        at: where it appears, relative to the root it belongs to; ``.`` makes it that root.
    """

    source: Path
    at: PurePosixPath


@dataclass(frozen=True)
class FunctionConfig:
    """Everything a function is created from.

    Attributes:
        name: 1 - 64 letters, digits, ``-`` and ``_``.
        handler: dotted path of the module, then the function: ``functions.prepare.handler.handler``.
        task: folders and files under LAMBDA_TASK_ROOT; nothing else of the laptop is importable from there.
        layers: folders under ``/opt/python``, importable too.
        timeout: seconds an invocation may take.
        memory: MB; an environment whose own memory grows past it is killed, as in Lambda.
        environment: the function's own variables.
        role: the ARN the API shows; nothing is checked against it.
        package_type: ``Zip``, or ``Image`` for what a Dockerfile copies into one; it is what the API shows.
    """

    name: str
    handler: str
    task: tuple[Mount, ...]
    layers: tuple[Mount, ...] = ()
    timeout: int = 3
    memory: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    runtime: str = "python3.13"
    architecture: str = "x86_64"
    description: str = ""
    role: str = "arn:aws:iam::123456789012:role/local"
    package_type: str = "Zip"
