"""Write the parts of the documentation that say what the code says: ``python docs/generate.py [--check]``.

A part stands in a page between ``<!-- generated: KIND -->`` (or ``KIND NAME``) and ``<!-- end -->``; see ``PARTS`` for
the kinds. With ``--check`` nothing is written, and the exit code is 1 where a page says something else.
"""

from __future__ import annotations

import argparse
import functools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer.main

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from plot import better  # noqa: E402 - lies on the path from here on
from rows import figure  # noqa: E402

from fanfold.cli import app  # noqa: E402
from itemkit.job import Job  # noqa: E402

PART = re.compile(r"(<!-- generated: (?P<kind>[a-z]+)(?: (?P<name>[\w-]+))? -->\n).*?(<!-- end -->)", re.DOTALL)
# Of the narrowest terminal that help is made for.
COLUMNS = 80
# Benchmarks, and the beginning of a row.
HEADLINES = (
    ("images", r"^12 MP JPEG at 512 against naive"),
    ("images", r"256 \+ 512 \+ 1024 against naive"),
    ("laptop", r"pictures of .* against pool"),
    ("laptop", r"pictures of .* against lithops"),
    ("laptop", r"pictures of .* against img2dataset"),
    ("tables", r"^CSV of 10. MB to Parquet, against pandas"),
    ("tables", r"^CSV of 10. MB to Parquet, against duckdb"),
    ("tables", r"compacted$"),
    ("tables", r"into DynamoDB"),
    ("fold", r"^fold: "),
    ("listing", r"keys"),
    ("engine", r"^overhead"),
)
TYPES = {"string": "a text", "boolean": "true or false", "object": "an object"}
NUMBERS = {"integer": "a whole number", "number": "a number"}


def main() -> int:
    """Write or check all pages."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 where a page is out of date")
    check = parser.parse_args().check
    stale = []
    for page in sorted([ROOT / "README.md", *ROOT.glob("docs/*.md")]):
        text = page.read_text("utf-8")
        new = generated(text)
        if new != text:
            stale.append(str(page.relative_to(ROOT)))
            if not check:
                page.write_text(new, "utf-8")
    if stale:
        print(f"{'out of date, run `make docs`' if check else 'written'}: {', '.join(stale)}")
    return int(check and bool(stale))


def generated(text: str) -> str:
    """Return a page with its parts made anew; raises KeyError for a kind or a name that is not there."""
    return PART.sub(lambda part: f"{part[1]}{PARTS[part['kind']](part['name'])}\n{part[4]}", text)


def job_fields(_: str | None) -> str:
    """Return the table of a job's fields."""
    schema = Job.model_json_schema()
    return table(("field", "takes", "default", "meaning"), fields(schema, schema["$defs"]))


def fields(
    schema: Mapping[str, Any], models: Mapping[str, Any], path: str = "", *, one_of_many: bool = False
) -> Iterator[tuple[str, ...]]:
    """Yield a row for each field of a JSON schema, those of the objects in it below their own."""
    for name, field in schema["properties"].items():
        kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
        inner = [models[kind["$ref"].rpartition("/")[2]] for kind in kinds if "$ref" in kind]
        # Of several models one is wanted, so no field of theirs is.
        required = name in schema.get("required", ()) and not one_of_many
        default = "required" if required else value(None if inner else field.get("default"))
        takes = "an object" if inner else taken(kinds[0])
        yield f"`{path}{name}`", takes, default, field["description"]
        for model in inner:
            yield from fields(model, models, f"{path}{name}.", one_of_many=len(inner) > 1)


def taken(kind: Mapping[str, Any]) -> str:
    """Say what a field takes, from its JSON schema."""
    if kind["type"] == "array":
        return "a list of texts"
    if kind["type"] in NUMBERS:
        return NUMBERS[kind["type"]] + within(kind.get("minimum"), kind.get("maximum"))
    return TYPES[kind["type"]]


def within(least: float | None, most: float | None) -> str:
    """Say between which numbers a number is."""
    if least is None and most is None:
        return ""
    return f", {least:,} or more" if most is None else f", {least or 0:,} to {most:,}"


def option_fields(name: str | None) -> str:
    """Return the table of an operation's options."""
    rows = []
    for option in operations()[str(name)]["options"]:
        choices = " ".join(f"`{choice}`" for choice in option.get("choices", ()))
        takes = choices or option["type"] + within(option.get("least"), option.get("most"))
        default = "required" if option["required"] else value(option["default"])
        rows.append((f"`{option['name']}`", takes, default, option["help"], value(option.get("example"))))
    return table(("option", "takes", "default", "meaning", "example"), rows)


@functools.cache
def operations() -> dict[str, Any]:
    """Return what each operation of this checkout tells of itself, by name."""
    command = [sys.executable, "-m", "fanfold.cli", "operations", "--local", "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own command line
    return {each["operation"]: each for each in json.loads(done.stdout)}


def command_help(_: str | None) -> str:
    """Return the help of every command, as a terminal of 80 columns shows it."""
    group = typer.main.get_group(app)
    parts = []
    with group.make_context("fanfold", ["--help"], resilient_parsing=True, terminal_width=COLUMNS) as top:
        for name, command in group.commands.items():
            context = typer.Context(command, parent=top, info_name=name, terminal_width=COLUMNS)
            parts.append(f"## fanfold {name}\n\n```text\n{command.get_help(context).rstrip()}\n```")
    return "\n\n".join(parts)


def benchmark(name: str | None) -> str:
    """Return what a benchmark found when it was last run: its rows, and what they depend on."""
    found = measured(str(name))
    about = found["about"]
    rows = [
        (
            row["what"],
            f"{figure(row['ours'])} {row['unit']}",
            f"{figure(row['peer'])} {row['against']}" if row["peer"] is not None else "",
            f"{better(row):.3g}" if row["ratio"] else "",
            {None: "", True: "met", False: "missed"}[row["met"]] + (f" ({row['target']})" if row["target"] else ""),
            row["note"],
        )
        for row in found["rows"]
    ]
    packages = ", ".join(f"{package} {version}" for package, version in about["packages"].items())
    facts = f"{about['date']}, {about['machine']}, Python {about['python']}, {packages}."
    return f"{table(('', 'ours', 'peer', 'times better', 'target', 'notes'), rows)}\n\n{facts}{about.get('runs', '')}"


def headlines(_: str | None) -> str:
    """Return the rows of all benchmarks that the README tells."""
    rows = []
    for name, what in HEADLINES:
        row = next(row for row in measured(name)["rows"] if re.search(what, row["what"]))
        ours, peer = (f"{figure(row[side])} {row['unit']}" for side in ("ours", "peer"))
        rows.append((row["what"], ours, f"{peer}, {row['against']}", f"{better(row):.2f}x"))
    return table(("", "Fanfold", "peer", "times better"), rows)


def measured(name: str) -> dict[str, Any]:
    """Return what ``make bench`` kept of a benchmark."""
    found: dict[str, Any] = json.loads((ROOT / f"docs/img/bench/{name}.json").read_text("utf-8"))
    return found


def table(head: tuple[str, ...], rows: Any) -> str:
    """Write a table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def value(of: Any) -> str:
    """Write a JSON value as code, nothing for none."""
    return "" if of in (None, (), []) else f"`{json.dumps(of, ensure_ascii=False)}`"


PARTS: Mapping[str, Callable[[str | None], str]] = {
    "job": job_fields,
    "options": option_fields,
    "commands": command_help,
    "benchmark": benchmark,
    "headlines": headlines,
}

if __name__ == "__main__":
    sys.exit(main())
