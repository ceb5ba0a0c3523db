"""What ends a command early, and the exit code it ends with.

::

    0  all good
    1  some items failed
    2  usage, or an invalid job
    3  nothing matched
    4  AWS or the environment is at fault
  130  interrupted with Ctrl-C
"""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes."""

    GOOD = 0
    SOME_FAILED = 1
    USAGE = 2
    NOTHING_MATCHED = 3
    ENVIRONMENT = 4
    INTERRUPTED = 130


class Problem(Exception):
    """A command cannot go on; the message says why and what to do."""

    exit = Exit.ENVIRONMENT


class UsageProblem(Problem):
    """The command line or the job is not what it should be."""

    exit = Exit.USAGE


class EnvironmentFault(Problem):
    """AWS, the network or the installation does not allow it."""
