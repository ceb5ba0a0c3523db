"""The simple states: Pass, Choice, Wait, Succeed and Fail."""

from __future__ import annotations

from fanfold.local.stepfunctions import schema
from fanfold.local.stepfunctions.document import Document
from fanfold.local.stepfunctions.failure import NO_CHOICE_MATCHED, EvaluationFailure, Failure
from fanfold.local.stepfunctions.interpreter import Visit
from fanfold.local.stepfunctions.program import ChoiceBody, FailBody, WaitBody
from fanfold.local.stepfunctions.query import Template

Outcome = tuple[str | None, Document]


def run_pass(visit: Visit) -> Outcome:
    """Pass the input on, or give out what Output says; Succeed does the same."""
    return visit.finish()


def run_choice(visit: Visit) -> Outcome:
    """Go where the first rule whose condition is true points."""
    body = visit.body(ChoiceBody)
    for index, rule in enumerate(body.rules):
        if visit.typed(rule.condition, f"Choices[{index}]/Condition", "boolean", bool):
            return rule.next, visit.give_out(rule.output, rule.assign, visit.document, {})
    if body.default is None:
        raise Failure(
            NO_CHOICE_MATCHED, f"No choice rule of the state '{visit.state.name}' matched, and it has no Default."
        )
    return body.default, visit.give_out(visit.state.output, visit.state.assign, visit.document, {})


def run_wait(visit: Visit) -> Outcome:
    """Wait for some seconds or until a moment."""
    body = visit.body(WaitBody)
    seconds = 0.0
    if body.timestamp is not None:
        seconds = _until(visit, body.timestamp)
    elif body.seconds is not None:
        seconds = _seconds(visit, body.seconds)
    if seconds > 0:
        visit.line.sleep(seconds)
    return visit.finish()


def _seconds(visit: Visit, template: Template) -> float:
    seconds = visit.typed(template, "Seconds", "number", (int, float))
    if not 0 <= seconds <= 99_999_999 or seconds != int(seconds):
        raise EvaluationFailure(f"The value {seconds} of the field 'Seconds' is not from 0 to 99999999.", "Seconds")
    return float(seconds)


def _until(visit: Visit, template: Template) -> float:
    text = visit.typed(template, "Timestamp", "string", str)
    moment = schema.moment(text)
    if moment is None:
        raise EvaluationFailure(
            f"The value '{text}' of the field 'Timestamp' is not an RFC 3339 timestamp.", "Timestamp"
        )
    return moment.timestamp() - visit.entered


def run_fail(visit: Visit) -> Outcome:
    """Fail with the error and cause of the state, either of which may be missing."""
    body = visit.body(FailBody)
    named = {
        field: visit.typed(template, field, "string", str)
        for field, template in (("Error", body.error), ("Cause", body.cause))
        if template is not None
    }
    raise Failure(named.get("Error"), named.get("Cause"))
