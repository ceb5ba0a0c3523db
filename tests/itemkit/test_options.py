"""Options: parsed by their declarations, refused with a sentence."""

from dataclasses import dataclass
from typing import Any

import pytest

from itemkit.errors import InvalidJob
from itemkit.options import describe_options, option, parse_options


@dataclass(frozen=True)
class Sample:
    sql: str = option(help="a query", example="SELECT 1")
    width: int | None = option(None, help="pixels", least=1, most=100)
    widths: tuple[int, ...] = option((), help="several", least=1)
    fit: str = option("inside", help="how", choices=("inside", "cover"))
    share: float = option(0.5, help="a share", least=0, most=1)
    enlarge: bool = option(False, help="grow")
    types: dict[str, str] | None = option(None, help="types")
    distinct: bool | tuple[str, ...] = option(False, help="rows")
    rules: str | dict[str, Any] | None = option(None, help="a schema")
    tables: tuple[dict[str, Any], ...] = option((), help="to join")

    def __post_init__(self):
        if self.width and self.widths:
            raise ValueError("width and widths exclude each other")


def test_defaults_fill_in():
    assert parse_options(Sample, {"sql": "x"}) == Sample(sql="x")


def test_json_values_become_the_declared_types():
    given = {"sql": "x", "widths": [3, 4], "share": 1, "types": {"a": "int"}, "width": None}

    assert parse_options(Sample, given) == Sample(sql="x", widths=(3, 4), share=1, types={"a": "int"})


def test_an_option_of_several_types_takes_each():
    nested = {"a": {"enum": [1, None]}}

    assert parse_options(Sample, {"sql": "x", "distinct": True, "rules": "s3://b/k"}).distinct is True
    parsed = parse_options(Sample, {"sql": "x", "distinct": ["a"], "rules": nested, "tables": [nested]})
    assert (parsed.distinct, parsed.rules, parsed.tables) == (("a",), nested, (nested,))
    with pytest.raises(InvalidJob, match=r"write true or false or a list, each a text \(rows\)"):
        parse_options(Sample, {"sql": "x", "distinct": None})
    with pytest.raises(InvalidJob, match=r"option 'tables' is \[1\]: write a list, each an object \(to join\)"):
        parse_options(Sample, {"sql": "x", "tables": [1]})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "option 'sql' is missing (a query); for example 'sql': 'SELECT 1'"),
        ({"sql": "x", "widht": 3}, "unknown option 'widht': did you mean 'width'?"),
        ({"sql": "x", "width": "3"}, "option 'width' is '3': write a whole number (pixels)"),
        ({"sql": "x", "width": True}, "option 'width' is True: write a whole number (pixels)"),
        ({"sql": "x", "width": 0}, "option 'width' is 0: it must be from 1 to 100"),
        ({"sql": "x", "widths": [0]}, "option 'widths' is 0: it must be at least 1"),
        ({"sql": "x", "widths": 5}, "option 'widths' is 5: write a list, each a whole number (several)"),
        ({"sql": "x", "fit": "crop"}, "option 'fit' is 'crop': write one of inside, cover"),
        ({"sql": "x", "enlarge": 1}, "option 'enlarge' is 1: write true or false (grow)"),
        ({"sql": "x", "types": {"a": 1}}, "option 'types' is {'a': 1}: write an object of texts (types)"),
        ({"sql": None}, "option 'sql' is None: write a text (a query)"),
        ({"sql": "x", "width": 3, "widths": [3]}, "width and widths exclude each other"),
    ],
)
def test_what_does_not_fit_is_refused(given, message):
    with pytest.raises(InvalidJob) as refused:
        parse_options(Sample, given)

    assert str(refused.value) == message


def test_an_unknown_option_without_a_near_one_lists_all():
    with pytest.raises(
        InvalidJob, match="known are distinct, enlarge, fit, rules, share, sql, tables, types, width, widths"
    ):
        parse_options(Sample, {"sql": "x", "zzzz": 1})


def test_options_describe_themselves():
    described = {entry["name"]: entry for entry in describe_options(Sample)}

    assert described["width"] == {
        "name": "width",
        "type": "a whole number",
        "required": False,
        "default": None,
        "help": "pixels",
        "least": 1,
        "most": 100,
    }
    assert described["sql"]["required"] is True
