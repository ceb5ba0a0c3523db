"""JSONata as Step Functions has it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonata import Jsonata
from states_stage import Stage

from fanfold.local.stepfunctions import guard
from fanfold.local.stepfunctions.document import Document, dumps, loads
from fanfold.local.stepfunctions.failure import EvaluationFailure
from fanfold.local.stepfunctions.query import compile_template

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
PATHS = st.lists(st.sampled_from("abc"), max_size=3).map(lambda names: ".".join(["$states.input", *names]))


def evaluate(text: str, value: Any = None, **variables: Any) -> Any:
    """Return what one expression gives for an input."""
    template = compile_template(f"{{% {text} %}}", "Output")
    bindings = {"states": {"input": Document.of(value).bound}, **variables}
    return Document.of(template.evaluate(bindings)).value


@given(JSON, PATHS)
def test_plain_paths_are_what_the_engine_makes_of_them(value: Any, path: str) -> None:
    """The short cut for plain paths gives what JSONata gives, nothing included."""
    bound = Document.of(value).bound
    engine = Jsonata(path)
    engine.set_output_convert_nulls(False)
    expected = engine.evaluate(None, {"states": {"input": bound}})

    try:
        got = dumps(compile_template(f"{{% {path} %}}", "Output").evaluate({"states": {"input": bound}}))
    except EvaluationFailure:
        got = None

    assert got == (None if expected is None else dumps(expected))


@given(JSON)
def test_documents_survive_the_engine(value: Any) -> None:
    """A value that is only passed on comes out as it went in."""
    assert evaluate("$states.input", value) == value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$partition([1, 2, 3], 2)", [[1, 2], [3]]),
        ("$range(1, 9, 2)", [1, 3, 5, 7, 9]),
        ("$range(3, 1, -1)", [3, 2, 1]),
        ("$hash('a', 'SHA-256')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("$hash('a', 'MD5')", "0cc175b9c0f1b6a831c399e269772661"),
        ("$random(7) = $random(7)", True),
        ("$random() < 1", True),
        ("$parse('{\"a\": [null]}').a[0]", None),
        ("$match($uuid(), /^[0-9a-f-]{36}$/).index", 0),
        ("10 / 2", 5),
        ("$states.input.n * 1.5", 3),
    ],
)
def test_functions(text: str, expected: Any) -> None:
    """Step Functions' own functions, and numbers that stay whole where they are."""
    assert evaluate(text, {"n": 2}) == expected


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("$eval('1')", "threw an error during evaluation. T1006: Attempted to invoke a non-function"),
        ("1 / 0", "threw an error during evaluation. D1001: Number out of range"),
        ("$range(1, 2, 0)", "threw an error during evaluation. $range takes three whole numbers"),
        ("$partition([1], 0)", "threw an error during evaluation. $partition takes"),
        ("$hash('a', 'CRC')", "threw an error during evaluation. $hash takes a string and one of MD5"),
        ("$parse('{')", "threw an error during evaluation. Expecting property name"),
        ("$states.input.none", "returned nothing (undefined)."),
        ("($f := function($n) { $f($n) + 1 }; $f(1))", "threw an error during evaluation. "),
    ],
)
def test_faults_name_the_expression_and_the_field(text: str, cause: str) -> None:
    """The cause has the expression, the field and what happened."""
    with pytest.raises(EvaluationFailure, match=re.escape(f"for the field 'Output' {cause}")):
        evaluate(text)


def test_a_function_is_no_output(stage: Stage) -> None:
    """What JSON cannot hold is an evaluation error."""
    assert stage.run({"P": {"Type": "Pass", "Output": "{% $sum %}", "End": True}}).failure[0] == (
        "States.QueryEvaluationError"
    )


def test_only_json_is_read() -> None:
    """NaN and Infinity are not JSON."""
    for text in ("NaN", "[Infinity]"):
        with pytest.raises(ValueError, match="is not JSON"):
            loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "$pad('', 1e9, 'x')",
        "$count([1..9999999])",
        "$replace($pad('', 9999, 'x'), 'x', $pad('', 9999, 'y'))",
        "($double := function($s, $n) {$n = 0 ? $s : $double($s & $s, $n - 1)}; $double('x', 60))",
        "($double := function($a, $n) {$n = 0 ? $a : $double($append($a, $a), $n - 1)}; $double([1, 2], 60))",
    ],
)
def test_an_expression_cannot_fill_the_memory(text: str) -> None:
    """What grows without measure fails as an evaluation."""
    with pytest.raises(EvaluationFailure, match="Expression evaluation memory limit exceeded"):
        evaluate(text)


def test_an_expression_cannot_fill_the_stack() -> None:
    """Recursion without end fails as JSONata names it."""
    with pytest.raises(EvaluationFailure, match="D1011"):
        evaluate("($deep := function($n) {1 + $deep($n)}; $deep(1))")


def test_an_expression_cannot_run_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tail recursion, which is a loop, ends too."""
    monkeypatch.setattr(guard, "SECONDS", 0.05)

    with pytest.raises(EvaluationFailure, match="took too long"):
        evaluate("($loop := function($n) {$loop($n + 1)}; $loop(1))")


def test_bounded_functions_still_take_the_context() -> None:
    """A missing first argument is the context, as the signature of $pad says."""
    assert evaluate("$states.input.$pad(3)", ["a", "b"]) == ["a  ", "b  "]
