"""How a state fails, and how an execution is told to stop.

Exception
|-- Failure                a state failed: what Retry and Catch see
|   `-- EvaluationFailure  because a JSONata expression did
`-- Stopped                the execution around the state was stopped or timed out: nothing may catch it
"""

from __future__ import annotations

from typing import Any

DATA_LIMIT_EXCEEDED = "States.DataLimitExceeded"
EXCEED_TOLERATED_FAILURE_THRESHOLD = "States.ExceedToleratedFailureThreshold"
ITEM_READER_FAILED = "States.ItemReaderFailed"
NO_CHOICE_MATCHED = "States.NoChoiceMatched"
QUERY_EVALUATION_ERROR = "States.QueryEvaluationError"
RESULT_WRITER_FAILED = "States.ResultWriterFailed"
RUNTIME = "States.Runtime"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"


class Failure(Exception):
    """A state failed with an error name and a cause, either of which a Fail state may leave out.

    Attributes:
        checkpoint: where a redrive takes up again, once the line of states around the failure has noted it.
    """

    def __init__(self, error: str | None, cause: str | None = None) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause
        self.checkpoint: Any = None

    def output(self) -> dict[str, str]:
        """Return what a catcher sees as ``$states.errorOutput``."""
        named = {"Error": self.error, "Cause": self.cause}
        return {key: value for key, value in named.items() if value is not None}


class EvaluationFailure(Failure):
    """A JSONata expression failed, gave nothing, or gave a value of the wrong type.

    Attributes:
        location: the field of the state, such as ``Output/total``.
        explained: whether the cause already says in which state it was.
    """

    def __init__(self, cause: str, location: str) -> None:
        super().__init__(QUERY_EVALUATION_ERROR, cause)
        self.location = location
        self.explained = False


class Stopped(Exception):
    """The execution is over for a reason outside of the states: stopped, timed out, or the endpoint closes."""

    def __init__(self) -> None:
        super().__init__("the execution was stopped")
        self.checkpoint: Any = None


def oversized(what: str) -> Failure:
    """Return the failure of a state or task whose result is larger than Step Functions carries."""
    return Failure(
        DATA_LIMIT_EXCEEDED,
        f"The state/task '{what}' returned a result with a size exceeding the maximum number of bytes service limit.",
    )
