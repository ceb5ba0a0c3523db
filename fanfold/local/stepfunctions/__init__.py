"""Step Functions on a laptop: JSONata state machines with a faithful Distributed Map."""

from __future__ import annotations

from fanfold.local.stepfunctions.api import StepFunctions

__all__ = ["StepFunctions"]
