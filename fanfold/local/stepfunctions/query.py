"""JSONata in state machines: expressions, templates that hold them, and what Step Functions adds to the language."""

from __future__ import annotations

import functools
import hashlib
import random
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from jsonata import Jsonata

from fanfold.local.stepfunctions.document import NULL, dumps, loads, with_nulls
from fanfold.local.stepfunctions.failure import EvaluationFailure
from fanfold.local.stepfunctions.guard import BOUNDED, Guard, Runaway

Bindings = Mapping[str, Any]

_PLAIN_PATH = re.compile(r"\$states\.(?:input|result|context|errorOutput)(?:\.[A-Za-z]\w*)*")
_HASHES: Final = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_RANGE_LIMIT: Final = 1_000
_WORDS_OF_JSONATA: Final = frozenset({"and", "or", "in", "true", "false", "null"})


class Template(Protocol):
    """A JSON value in which strings may be JSONata expressions."""

    def evaluate(self, bindings: Bindings) -> Any:
        """Return the value; raises EvaluationFailure."""
        ...


class Literal:
    """A value without any expression in it."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def evaluate(self, bindings: Bindings) -> Any:
        """Return the value as it was written."""
        return self.value


class ObjectTemplate:
    """An object some of whose values hold expressions."""

    __slots__ = ("members",)

    def __init__(self, members: dict[str, Template]) -> None:
        self.members = members

    def evaluate(self, bindings: Bindings) -> Any:
        """Return the object with its expressions replaced by their values."""
        return {key: member.evaluate(bindings) for key, member in self.members.items()}


class ArrayTemplate:
    """An array some of whose elements hold expressions."""

    __slots__ = ("elements",)

    def __init__(self, elements: list[Template]) -> None:
        self.elements = elements

    def evaluate(self, bindings: Bindings) -> Any:
        """Return the array with its expressions replaced by their values."""
        return [element.evaluate(bindings) for element in self.elements]


class Expression:
    """One JSONata expression, standing in the field ``location`` of a state."""

    __slots__ = ("_jsonata", "_path", "location", "text")

    def __init__(self, text: str, location: str) -> None:
        self.text = text
        self.location = location
        self._jsonata = compiled(text)
        self._path = tuple(text[1:].split(".")) if _is_plain_path(text) else ()

    def evaluate(self, bindings: Bindings) -> Any:
        """Return the value, with JSONata's own lists and nulls; raises EvaluationFailure, also for no value."""
        value = _follow(self._path, bindings) if self._path else None
        if value is None:
            value = self._run(bindings)
        if value is None:
            raise EvaluationFailure(f"{self._named()} returned nothing (undefined).", self.location)
        return value

    def _run(self, bindings: Bindings) -> Any:
        try:
            return self._jsonata.evaluate(None, {**bindings, **Guard().bindings()})
        except Runaway as problem:
            reason = f"{self._named()} threw an error during evaluation: {problem}"
            raise EvaluationFailure(reason, self.location) from None
        except Exception as problem:  # the engine raises whatever Python operator it stumbled over
            raise EvaluationFailure(
                f"{self._named()} threw an error during evaluation. {describe_error(problem)}", self.location
            ) from None

    def _named(self) -> str:
        return f"The JSONata expression '{self.text}' specified for the field '{self.location}'"


def compile_template(value: Any, location: str) -> Template:
    """Compile a JSON value; raises ValueError naming the fault of an expression that is not JSONata.

    Strings that start with ``{%`` and end with ``%}`` are expressions; everything else is copied.
    """
    if isinstance(value, str):
        return Expression(expression_text(value), location) if is_expression(value) else Literal(value)
    if isinstance(value, dict):
        members = {key: compile_template(each, f"{location}/{key}") for key, each in value.items()}
        return Literal(value) if all(isinstance(m, Literal) for m in members.values()) else ObjectTemplate(members)
    if isinstance(value, list):
        elements = [compile_template(each, f"{location}[{index}]") for index, each in enumerate(value)]
        return Literal(value) if all(isinstance(e, Literal) for e in elements) else ArrayTemplate(elements)
    return Literal(value)


def is_expression(value: Any) -> bool:
    """Tell whether a JSON value is written as one expression."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}") and len(value) > 3


def expression_text(value: str) -> str:
    """Return the JSONata between the delimiters."""
    return value[2:-2].strip()


def describe_error(problem: Exception) -> str:
    """Return ``code: message`` for an error of the JSONata engine, the message alone for any other."""
    code = getattr(problem, "error", None)
    if isinstance(problem, ZeroDivisionError | OverflowError):
        return "D1001: Number out of range"
    if isinstance(problem, RecursionError):
        return "D1011: Stack overflow error: Check for non-terminating recursive function"
    return f"{code}: {problem}" if code else str(problem) or type(problem).__name__


@functools.lru_cache(maxsize=4_096)
def compiled(text: str) -> Any:
    """Return the compiled expression, ready for any thread; raises ValueError where ``text`` is not JSONata."""
    try:
        expression = Jsonata(text)
    except Exception as problem:
        raise ValueError(describe_error(problem)) from None
    expression.set_output_convert_nulls(False)
    for name, function in _FUNCTIONS.items():
        expression.register_lambda(name, function)
    for name, bounded in BOUNDED.items():
        expression.register_function(name, bounded)
    expression.assign("eval", None)  # Step Functions has no $eval
    return expression


def type_name(value: Any) -> str:
    """Return the JSON type of a value as error messages of AWS name it."""
    if value is NULL or value is None:
        return "null"
    names = ((bool, "boolean"), (int | float, "number"), (str, "string"), (list, "array"), (dict, "object"))
    return next((name for kind, name in names if isinstance(value, kind)), "function")


def unexpected_type(template: Template, field: str, expected: str, value: Any) -> EvaluationFailure:
    """Return the failure of a field whose expression gave a value of another type than the field takes."""
    text = template.text if isinstance(template, Expression) else dumps(value)
    shown = "function" if type_name(value) == "function" else dumps(value)
    return EvaluationFailure(
        f"The JSONata expression '{text}' specified for the field '{field}' returned an unexpected result type. "
        f"Expected '{expected}', but was '{type_name(value)}' for value: {shown}",
        field,
    )


def _is_plain_path(text: str) -> bool:
    return bool(_PLAIN_PATH.fullmatch(text)) and not _WORDS_OF_JSONATA.intersection(text.split("."))


def _follow(path: tuple[str, ...], bindings: Bindings) -> Any:
    """Walk a plain path through objects alone: what most expressions are, without the price of the engine."""
    value: Any = bindings
    for name in path:
        if type(value) is not dict:
            return None
        value = value.get(name)
    return value


def _partition(array: Any = None, length: Any = None) -> Any:
    if array is None:
        return None
    elements = array if isinstance(array, list) else [array]
    if not isinstance(length, int) or isinstance(length, bool) or length < 1:
        raise ValueError("$partition takes an array and a chunk size of 1 or more")
    return [list(elements[start : start + length]) for start in range(0, len(elements), length)]


def _range(first: Any = None, last: Any = None, step: Any = None) -> Any:
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in (first, last, step)) or step == 0:
        raise ValueError("$range takes three whole numbers, the last of them not 0")
    values = list(range(first, last + (1 if step > 0 else -1), step))
    if len(values) > _RANGE_LIMIT:
        raise ValueError(f"$range makes at most {_RANGE_LIMIT} numbers")
    return values


def _hash(text: Any = None, algorithm: Any = None) -> Any:
    if text is None:
        return None
    if not isinstance(text, str) or algorithm not in _HASHES:
        raise ValueError(f"$hash takes a string and one of {', '.join(_HASHES)}")
    return hashlib.new(_HASHES[algorithm], text.encode(), usedforsecurity=False).hexdigest()


def _random(seed: Any = None) -> float:
    return random.random() if seed is None else random.Random(seed).random()  # noqa: S311 - not for secrets


def _uuid() -> str:
    return str(uuid.uuid4())


def _parse(text: Any = None) -> Any:
    if text is None:
        return None
    if not isinstance(text, str):
        raise ValueError("$parse takes a string of JSON")  # noqa: TRY004 - becomes an evaluation error
    return with_nulls(loads(text))


_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "partition": _partition,
    "range": _range,
    "hash": _hash,
    "random": _random,
    "uuid": _uuid,
    "parse": _parse,
}
