"""Lambda on a laptop: AWS's own runtime client in real processes, behind the Lambda API."""

from __future__ import annotations

from fanfold.local.awslambda.config import FunctionConfig, Mount
from fanfold.local.awslambda.later import EventInvokeConfig
from fanfold.local.awslambda.service import Lambda

__all__ = ["EventInvokeConfig", "FunctionConfig", "Lambda", "Mount"]
