"""Templates of output names, such as ``{dir}/{stem}_{width}.{ext}``."""

from __future__ import annotations

import posixpath
import string
from collections.abc import Mapping
from dataclasses import dataclass

# What a template may tell, and what that is.
FIELDS = {
    "dir": "the item's folder, followed by a slash",
    "stem": "its name without folder and extension",
    "width": "the width asked for",
    "height": "the height asked for",
    "ext": "the output's extension without its dot; with 'format': 'keep' the item's own",
    "format": "the option 'format'",
}


@dataclass(frozen=True)
class Template:
    """A parsed template.

    Attributes:
        parts: literal texts, each with the field that follows it; the field is empty at the end.
    """

    parts: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Parse a template.

        Raises:
            ValueError: it has unknown fields, or would name what is no plain key below the destination.
        """
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ValueError(f"'name' {text!r} is no template ({error}): write for example {EXAMPLE!r}") from None
        for _, field, details, conversion in parsed:
            if field is not None and (field not in FIELDS or details or conversion):
                written = field + (f"!{conversion}" if conversion else "") + (f":{details}" if details else "")
                raise ValueError(f"'name' {text!r} has {{{written}}}: known are {_KNOWN}, as they stand")
        parts = tuple((literal, field or "") for literal, field, _, _ in parsed)
        _refuse_odd(text, parts)
        return cls(parts)

    @property
    def fields(self) -> frozenset[str]:
        """The fields it has."""
        return frozenset(field for _, field in self.parts if field)

    def fill(self, name: str, values: Mapping[str, str]) -> str:
        """Name an output of the item ``name``; ``values`` are those of all fields but ``dir`` and ``stem``.

        Without a folder ``{dir}/`` is nothing at all, and so is ``.{ext}`` without an extension.
        """
        folder, slash, own = name.rpartition("/")
        known = {**values, "dir": folder, "stem": posixpath.splitext(own)[0]}
        filled, before = "", ""
        for literal, field in self.parts:
            filled += literal[1:] if before == "dir" and not slash else literal
            if field == "ext" and not known["ext"]:
                filled = filled.removesuffix(".")
            filled += known[field] if field else ""
            before = field
        return filled


EXAMPLE = "{dir}/{stem}_{width}.{ext}"
_KNOWN = ", ".join(f"{{{field}}}" for field in FIELDS)


def _refuse_odd(text: str, parts: tuple[tuple[str, str], ...]) -> None:
    """Refuse what would leave the destination, or name a folder or nothing that can be typed."""
    after = [*(literal for literal, _ in parts[1:]), ""]
    if any(field == "dir" and not literal.startswith("/") for (_, field), literal in zip(parts, after, strict=False)):
        raise ValueError(f"'name' {text!r}: {{dir}} is a folder; write '{{dir}}/'")
    if "\\" in text or not text.isprintable():
        raise ValueError(f"'name' {text!r} has a backslash or a control character: folders end in '/'")
    plain = "".join(literal + field for literal, field in parts)
    if any(segment in ("", ".", "..") for segment in plain.split("/")):
        raise ValueError(
            f"'name' {text!r} must stay below the destination: begin and end with a name, no empty, '.' or '..' folder"
        )
    if "stem" not in Template(parts).fields:
        raise ValueError(f"'name' {text!r} gives different items one name: write {{stem}}, for example {EXAMPLE!r}")
