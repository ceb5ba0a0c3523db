"""A function's file system: one folder that holds exactly what the Lambda artefact holds, by links."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from fanfold.local.awslambda.config import FunctionConfig, Mount


@dataclass(frozen=True)
class Staging:
    """The two roots code is imported from, as LAMBDA_TASK_ROOT and /opt/python are in Lambda."""

    task: Path
    layers: Path


def stage(config: FunctionConfig, folder: Path) -> Staging:
    """Lay out the function's roots below ``folder``; links, so an edited handler is seen by the next cold start."""
    staging = Staging(task=folder / "task", layers=folder / "opt" / "python")
    _mount(config.task, staging.task)
    _mount(config.layers, staging.layers)
    return staging


def site_packages() -> list[str]:
    """Return the folders of installed libraries of this interpreter, without what ``.pth`` files add to them."""
    return [entry for entry in sys.path if Path(entry).name in {"site-packages", "dist-packages"}]


def _mount(mounts: tuple[Mount, ...], root: Path) -> None:
    for mount in mounts:
        target = root / mount.at
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(mount.source.resolve(strict=True), target_is_directory=mount.source.is_dir())
    root.mkdir(parents=True, exist_ok=True)
