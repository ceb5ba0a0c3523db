"""All rules the template obeys, each a pure function from an application to its findings."""

from __future__ import annotations

from tests.template import access, analysts, drains, serving, storage, watching
from tests.template.application import Application

RULES = (
    access.boundless,
    access.managed,
    access.grants,
    serving.functions,
    serving.folders,
    serving.handlers,
    serving.logs,
    serving.machines,
    storage.buckets,
    analysts.tables,
    analysts.workgroups,
    analysts.queries,
    drains.schedules,
    watching.alarms,
    watching.dashboards,
    watching.queries,
)


def findings(app: Application) -> list[str]:
    """Return what all rules find in an application."""
    return [finding for rule in RULES for finding in rule(app)]
