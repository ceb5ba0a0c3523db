"""Resizes every picture of a folder into another folder, with so many processes.

Run as ``folder_side.py pool|lithops|img2dataset SOURCE TARGET PROCESSES WIDTH``. The pool and Lithops call the very
function that Fanfold calls; img2dataset has a resize of its own, by OpenCV.
"""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def resize_file(target: str, width: int, path: str) -> None:
    """Resize one file into a folder."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from functions.image_resize.operation import resize  # noqa: PLC0415 - img2dataset's environment has none of it

    (output,) = resize(Path(path).read_bytes(), width=width).outputs
    (Path(target) / Path(path).name).write_bytes(output.body)


def pool(source: Path, target: Path, processes: int, width: int) -> None:
    """Map over the files with a bare process pool."""
    paths = [str(path) for path in sorted(source.iterdir())]
    with ProcessPoolExecutor(processes) as executor:
        list(executor.map(partial(resize_file, str(target), width), paths, chunksize=8))


def lithops(source: Path, target: Path, processes: int, width: int) -> None:
    """Map over the files with Lithops on this machine; its workers import nothing of this script."""
    import lithops as library  # noqa: PLC0415 - of its own environment

    paths = [str(path) for path in sorted(source.iterdir())]
    shares = [paths[start : start + 8] for start in range(0, len(paths), 8)]
    config = {
        "lithops": {"backend": "localhost", "storage": "localhost"},
        "localhost": {"worker_processes": processes},
    }
    with library.FunctionExecutor(config=config, log_level="ERROR") as executor:
        executor.map(_share, [(share, str(target), width, str(ROOT)) for share in shares])
        executor.get_result()


def _share(share: list[str], target: str, width: int, root: str) -> int:
    """Resize some files, where only the arguments are known."""
    import sys as system  # noqa: PLC0415
    from pathlib import Path as Place  # noqa: PLC0415

    if root not in system.path:
        system.path.insert(0, root)
    from functions.image_resize.operation import resize  # noqa: PLC0415

    for path in share:
        (output,) = resize(Place(path).read_bytes(), width=width).outputs
        (Place(target) / Place(path).name).write_bytes(output.body)
    return len(share)


def img2dataset(source: Path, target: Path, processes: int, width: int) -> None:
    """Have img2dataset read the files by ``file:`` URLs, shrink their longer side and write files."""
    from img2dataset import download  # noqa: PLC0415 - of its own environment

    paths = sorted(source.iterdir())
    urls = target.parent / f"{target.name}.txt"
    urls.write_text("".join(f"{path.as_uri()}\n" for path in paths))
    download(
        url_list=str(urls),
        output_folder=str(target),
        image_size=width,
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
    SIDES[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
