"""Makes an output of every file of a folder in another folder, with so many processes.

Run as ``folder_side.py pool|lithops|img2dataset SOURCE TARGET PROCESSES OPERATION OPTIONS``, with options as JSON. The
pool and Lithops call the very function that Fanfold calls; img2dataset resizes alone, and by OpenCV.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Files handed to a process at a time.
SHARE = 8


def make(share: Sequence[str], target: str, operation: str, options: dict[str, Any], root: str) -> int:
    """Make the outputs of some files; imports all it needs, because Lithops carries nothing else along."""
    import importlib  # noqa: PLC0415
    import sys as system  # noqa: PLC0415
    from pathlib import Path as Place  # noqa: PLC0415

    if root not in system.path:
        system.path.insert(0, root)
    from itemkit import Item  # noqa: PLC0415

    module = importlib.import_module(f"functions.{operation.replace('-', '_')}.operation")
    parsed = module.OPERATION.parse(options)
    for path in map(Place, share):
        item = Item(path.as_uri(), path.name, path.stat().st_size)
        (output,) = module.OPERATION.process(item, path.read_bytes(), parsed).outputs
        (Place(target) / module.OPERATION.names(path.name, parsed)[0]).write_bytes(output.body)
    return len(share)


def pool(
    shares: Sequence[Sequence[str]], target: Path, processes: int, operation: str, options: dict[str, Any]
) -> None:
    """Map over the files with a bare process pool."""
    with ProcessPoolExecutor(processes) as executor:
        made = partial(make, target=str(target), operation=operation, options=options, root=str(ROOT))
        list(executor.map(made, shares))


def lithops(
    shares: Sequence[Sequence[str]], target: Path, processes: int, operation: str, options: dict[str, Any]
) -> None:
    """Map over the files with Lithops on this machine."""
    import lithops as library  # noqa: PLC0415 - of its own environment

    config = {
        "lithops": {"backend": "localhost", "storage": "localhost"},
        "localhost": {"worker_processes": processes},
    }
    with library.FunctionExecutor(config=config, log_level="ERROR") as executor:
        executor.map(make, [(share, str(target), operation, options, str(ROOT)) for share in shares])
        executor.get_result()


def img2dataset(shares: Sequence[Sequence[str]], target: Path, processes: int, _: str, options: dict[str, Any]) -> None:
    """Have img2dataset read the files by ``file:`` URLs, shrink their longer side and write files."""
    from img2dataset import download  # noqa: PLC0415 - of its own environment

    paths = [Path(path) for share in shares for path in share]
    urls = target.parent / f"{target.name}.txt"
    urls.write_text("".join(f"{path.as_uri()}\n" for path in paths))
    download(
        url_list=str(urls),
        output_folder=str(target),
        image_size=options["width"],
        resize_mode="keep_ratio_largest",
        resize_only_if_bigger=True,
        encode_quality=80,
        processes_count=processes,
        thread_count=4,
        number_sample_per_shard=max(len(paths) // (4 * processes), 1),
        enable_wandb=False,
    )


SIDES = {"pool": pool, "lithops": lithops, "img2dataset": img2dataset}

if __name__ == "__main__":
    side, source, target, processes, operation, options = sys.argv[1:]
    paths = [str(path) for path in sorted(Path(source).iterdir())]
    shares = [paths[start : start + SHARE] for start in range(0, len(paths), SHARE)]
    SIDES[side](shares, Path(target), int(processes), operation, json.loads(options))
