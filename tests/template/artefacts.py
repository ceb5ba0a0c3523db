"""Rules about what ``sam build`` made: packages where the code looks for them, small enough, for arm64."""

from __future__ import annotations

from pathlib import Path

from tests.template.application import ROOT, template

_MEGABYTE = 1_000_000
# Unzipped; Lambda's own limit is 250 MB for a function with its layers.
LIMITS = {"PrepareFunction": 10, "ImageResizeFunction": 60, "TableTransformFunction": 200, "PublishFunction": 200,
          "DynamodbLoadFunction": 200, "ItemkitLayer": 30}  # fmt: skip
# Of a function that brings no libraries along, or small ones.
OWN_CODE = 5
LAYER = "ItemkitLayer"
# The Lambda runtime has its own boto3; a second botocore before it would be of another version.
_IN_LAYER, _NOT_IN_LAYER = ("aws_lambda_powertools", "aws_xray_sdk"), ("boto3", "botocore")
# What our code reads at run time, itself included.
_READ = (".py", ".j2", ".css", ".json")
_AARCH64 = (183).to_bytes(2, "little")


def packages() -> dict[str, tuple[Path, str]]:
    """Return for each artefact the folder it is made of and the place in it where Python must find that folder."""
    resources = template()["Resources"].items()
    functions = {name: each["Properties"] for name, each in resources if each["Type"] == "AWS::Serverless::Function"}
    folders = {name: each["CodeUri"].rstrip("/") for name, each in functions.items()}
    found = {name: (ROOT / folder, folder) for name, folder in folders.items()}
    return {**found, LAYER: (ROOT / "itemkit", "python/itemkit")}


def layout(build: Path) -> list[str]:
    """Find files that did not get where they are read from, or are not as they are here."""
    found = []
    for name, (folder, place) in packages().items():
        built, written = _files(build / name / place), _files(folder)
        found += [f"{name}: {place}/{each} is missing" for each in sorted(written.keys() - built.keys())]
        changed = [each for each in sorted(written.keys() & built.keys()) if built[each] != written[each]]
        found += [f"{name}: {place}/{each} is another" for each in changed]
    layer = build / LAYER / "python"
    found += [f"{LAYER}: python/{name} is missing" for name in _IN_LAYER if not (layer / name).is_dir()]
    return found + [f"{LAYER}: python/{name} is in the runtime" for name in _NOT_IN_LAYER if (layer / name).exists()]


def _files(folder: Path) -> dict[str, bytes]:
    return (
        {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in _READ} if folder.is_dir() else {}
    )


def sizes(build: Path) -> list[str]:
    """Find artefacts that are larger than they may be."""
    measured = {
        name: sum(path.stat().st_size for path in (build / name).rglob("*") if path.is_file()) / _MEGABYTE
        for name in packages()
    }
    limits = {name: LIMITS.get(name, OWN_CODE) for name in measured}
    return [f"{name}: {size:.0f} MB, over {limits[name]} MB" for name, size in measured.items() if size > limits[name]]


def libraries(build: Path) -> list[str]:
    """Find shared libraries for other processors: an ELF file names its own at byte 18."""
    return [
        f"{path.relative_to(build)} is not for arm64"
        for path in sorted(build.rglob("*.so*"))
        if path.read_bytes()[18:20] != _AARCH64
    ]


def findings(build: Path) -> list[str]:
    """Return what all rules find in a build."""
    return [*layout(build), *sizes(build), *libraries(build)]
