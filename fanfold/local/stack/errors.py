"""What can be wrong with a template."""

from __future__ import annotations


class StackError(Exception):
    """The template cannot be stood up here; the message names the resource, the fault and the remedy."""
