"""EventBridge on a laptop: moto keeps the rules, and what matches them is delivered to Lambda functions."""

from fanfold.local.events.delivery import Delivery

__all__ = ["Delivery"]
